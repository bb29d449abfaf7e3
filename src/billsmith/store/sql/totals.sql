-- name: totals_by_metadata
-- Finalised documents by the value that one metadata entry has; of payouts nothing is owed to us. Reads every document of the tenant.
SELECT coalesce(metadata ->> $2::text, '') AS value, currency, count(*) AS documents, sum(line_count)::bigint AS lines,
    sum(total_minor)::bigint AS total_minor, coalesce(sum(balance_minor) FILTER (WHERE direction = 'charge'), 0)::bigint AS owed_minor
FROM invoices
WHERE tenant_id = $1 AND finalised_at IS NOT NULL
GROUP BY value, currency
ORDER BY total_minor DESC, value, currency;

-- name: totals_of_balances
-- Reads every balance of the tenant.
SELECT currency, sum(receivable_minor)::bigint AS receivable_minor, sum(credit_minor)::bigint AS credit_minor, sum(payable_minor)::bigint AS payable_minor
FROM customer_balances WHERE tenant_id = $1 GROUP BY currency;
