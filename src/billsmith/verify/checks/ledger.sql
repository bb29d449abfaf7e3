-- The ledger: transfers are well made, and every stored balance is their sum.
-- Across tenants: verify proves all of them unless $1 names one. Columns: tenant_id, object, figure, expected, stored.

-- name: customer_balances
-- What stands between us and a customer in a currency is the sum of its transfers.
WITH moved AS (
    SELECT tenant_id, shard, customer_id, currency,
        sum(CASE 'receivable' WHEN debit THEN amount_minor WHEN credit THEN -amount_minor ELSE 0 END) AS receivable,
        sum(CASE 'customer_credit' WHEN credit THEN amount_minor WHEN debit THEN -amount_minor ELSE 0 END) AS customer_credit,
        sum(CASE 'payable' WHEN credit THEN amount_minor WHEN debit THEN -amount_minor ELSE 0 END) AS payable
    FROM transfers
    WHERE $1::uuid IS NULL OR tenant_id = $1
    GROUP BY tenant_id, shard, customer_id, currency
), kept AS (
    SELECT tenant_id, shard, customer_id, currency, receivable_minor, credit_minor, payable_minor
    FROM customer_balances
    WHERE $1::uuid IS NULL OR tenant_id = $1
)
SELECT tenant_id, 'customer ' || customer_id || ' in ' || currency AS object, figure, expected::text, stored::text
FROM moved
FULL JOIN kept USING (tenant_id, shard, customer_id, currency)
CROSS JOIN LATERAL (VALUES
    ('receivable_minor', COALESCE(receivable, 0), receivable_minor),
    ('credit_minor', COALESCE(customer_credit, 0), credit_minor),
    ('payable_minor', COALESCE(payable, 0), payable_minor)
) AS figures (figure, expected, stored)
WHERE expected IS DISTINCT FROM stored;

-- name: customer_totals
-- What a customer owes is what its invoices still ask for; its credit is what is left of its credits.
WITH owed AS (
    SELECT tenant_id, shard, customer_id, currency,
        sum(balance_minor) FILTER (WHERE direction = 'charge') AS receivable,
        sum(balance_minor) FILTER (WHERE direction = 'payout') AS payable
    FROM invoices
    WHERE $1::uuid IS NULL OR tenant_id = $1
    GROUP BY tenant_id, shard, customer_id, currency
), unspent AS (
    SELECT tenant_id, shard, customer_id, currency, sum(remaining_minor) AS customer_credit
    FROM credits
    WHERE $1::uuid IS NULL OR tenant_id = $1
    GROUP BY tenant_id, shard, customer_id, currency
), kept AS (
    SELECT tenant_id, shard, customer_id, currency, receivable_minor, credit_minor, payable_minor
    FROM customer_balances
    WHERE $1::uuid IS NULL OR tenant_id = $1
)
SELECT tenant_id, 'customer ' || customer_id || ' in ' || currency AS object, figure, expected::text, stored::text
FROM kept
FULL JOIN owed USING (tenant_id, shard, customer_id, currency)
FULL JOIN unspent USING (tenant_id, shard, customer_id, currency)
CROSS JOIN LATERAL (VALUES
    ('receivable_minor', COALESCE(receivable, 0), COALESCE(receivable_minor, 0)),
    ('credit_minor', COALESCE(customer_credit, 0), COALESCE(credit_minor, 0)),
    ('payable_minor', COALESCE(payable, 0), COALESCE(payable_minor, 0))
) AS figures (figure, expected, stored)
WHERE expected <> stored;

-- name: transfer_postings
-- A transfer moves a positive amount between the two accounts of its kind, and names what it is about.
WITH postings (kind, debit, credit, mirrored, about) AS (VALUES
    ('net_billed', 'receivable', 'billed_revenue', true, 'invoice line'),  -- mirrored: of a negative line
    ('tax_billed', 'receivable', 'tax_payable', true, 'invoice line'),
    ('payout_billed', 'payout_cost', 'payable', true, 'invoice line'),
    ('negative_total', 'receivable', 'customer_credit', false, 'invoice credit'),
    ('credit_drawn', 'customer_credit', 'receivable', false, 'invoice credit'),
    ('credit_granted', 'credits_granted', 'customer_credit', false, 'credit'),
    ('credit_expired', 'customer_credit', 'credits_granted', false, 'credit'),
    ('credit_deleted', 'customer_credit', 'credits_granted', false, 'credit')
), judged AS (
    SELECT tenant_id, id, amount_minor, transfers.kind || ': ' || transfers.debit || ' to ' || transfers.credit AS moved,
        postings.kind || ': ' || postings.debit || ' to ' || postings.credit AS meant, postings.about AS ought,
        concat_ws(' ', CASE WHEN invoice_id IS NOT NULL THEN 'invoice' END, CASE WHEN line_no IS NOT NULL THEN 'line' END,
            CASE WHEN credit_id IS NOT NULL THEN 'credit' END) AS named,
        COALESCE((transfers.debit, transfers.credit) = (postings.debit, postings.credit)
            OR postings.mirrored AND (transfers.debit, transfers.credit) = (postings.credit, postings.debit), false) AS fits
    FROM transfers
    LEFT JOIN postings ON postings.kind = transfers.kind
    WHERE $1::uuid IS NULL OR tenant_id = $1
)
SELECT tenant_id, 'transfer ' || id AS object, figure, expected, stored
FROM judged
CROSS JOIN LATERAL (VALUES
    ('accounts', fits, COALESCE(meant, 'a known kind'), moved),
    ('about', ought IS NULL OR ought = named, ought, named),
    ('amount_minor', amount_minor > 0, 'more than 0', amount_minor::text)
) AS figures (figure, holds, expected, stored)
WHERE NOT (fits AND ought = named AND amount_minor > 0) IS TRUE AND NOT holds;

-- name: transfer_parents
-- A transfer stays with one customer: its invoice and credit are that customer's, in its currency, tenant and shard.
SELECT transfers.tenant_id, 'transfer ' || transfers.id AS object, figure, expected, stored
FROM transfers
LEFT JOIN customers ON customers.shard = transfers.shard AND customers.id = transfers.customer_id
    AND customers.tenant_id = transfers.tenant_id
LEFT JOIN invoices ON invoices.shard = transfers.shard AND invoices.id = transfers.invoice_id
    AND invoices.tenant_id = transfers.tenant_id AND invoices.customer_id = transfers.customer_id
    AND invoices.currency = transfers.currency
LEFT JOIN credits ON credits.shard = transfers.shard AND credits.id = transfers.credit_id
    AND credits.tenant_id = transfers.tenant_id AND credits.customer_id = transfers.customer_id
    AND credits.currency = transfers.currency
LEFT JOIN causes ON causes.tenant_id = transfers.tenant_id AND causes.id = transfers.cause_id
CROSS JOIN LATERAL (VALUES
    ('customer_id', customers.id IS NOT NULL, 'a customer of this tenant', transfers.customer_id::text),
    ('invoice_id', transfers.invoice_id IS NULL OR invoices.id IS NOT NULL, 'an invoice of this customer in ' || transfers.currency,
        transfers.invoice_id::text),
    ('credit_id', transfers.credit_id IS NULL OR credits.id IS NOT NULL, 'a credit of this customer in ' || transfers.currency,
        transfers.credit_id::text),
    ('cause_id', causes.id IS NOT NULL, 'a cause of this tenant', transfers.cause_id::text),
    ('accounting_on', transfers.line_no IS NULL OR transfers.accounting_on = COALESCE(invoices.issued_on, transfers.accounting_on),
        'the day of issue, ' || invoices.issued_on, transfers.accounting_on::text),
    ('shard', transfers.shard = (get_byte(uuid_send(transfers.id), 14) & 3) * 256 + get_byte(uuid_send(transfers.id), 15),
        ((get_byte(uuid_send(transfers.id), 14) & 3) * 256 + get_byte(uuid_send(transfers.id), 15))::text, transfers.shard::text)
) AS figures (figure, holds, expected, stored)
WHERE ($1::uuid IS NULL OR transfers.tenant_id = $1)
    AND (customers.id IS NULL OR causes.id IS NULL OR (transfers.invoice_id IS NOT NULL AND invoices.id IS NULL)
        OR (transfers.credit_id IS NOT NULL AND credits.id IS NULL)
        OR (transfers.line_no IS NOT NULL AND transfers.accounting_on <> invoices.issued_on)
        OR transfers.shard <> (get_byte(uuid_send(transfers.id), 14) & 3) * 256 + get_byte(uuid_send(transfers.id), 15))
    AND NOT holds;

-- name: line_transfers
-- Each line of a finalised invoice was posted once: its net and its tax, a payout's line with its total.
-- Matching every transfer with its line needs a sort of both tables. So the two are first compared per invoice, by sums
-- of hashes of (line, part, amount), and only invoices that differ there are matched line by line.
WITH transfer_prints AS (
    SELECT shard, invoice_id, count(*) AS parts, sum(hashint8extended(
        CASE WHEN debit = 'receivable' OR credit = 'payable' THEN amount_minor ELSE -amount_minor END,
        line_no::bigint * 4 + CASE kind WHEN 'net_billed' THEN 1 WHEN 'tax_billed' THEN 2 WHEN 'payout_billed' THEN 3 ELSE 0 END)) AS print
    FROM transfers
    WHERE line_no IS NOT NULL AND ($1::uuid IS NULL OR tenant_id = $1)
    GROUP BY shard, invoice_id
), line_prints AS (
    SELECT shard, invoice_id,
        count(*) FILTER (WHERE net_minor <> 0) + count(*) FILTER (WHERE tax_minor <> 0) AS charge_parts,
        COALESCE(sum(hashint8extended(net_minor, line_no::bigint * 4 + 1)) FILTER (WHERE net_minor <> 0), 0)
            + COALESCE(sum(hashint8extended(tax_minor, line_no::bigint * 4 + 2)) FILTER (WHERE tax_minor <> 0), 0) AS charge_print,
        count(*) FILTER (WHERE total_minor <> 0) AS payout_parts,
        COALESCE(sum(hashint8extended(total_minor, line_no::bigint * 4 + 3)) FILTER (WHERE total_minor <> 0), 0) AS payout_print
    FROM invoice_lines
    WHERE $1::uuid IS NULL OR tenant_id = $1
    GROUP BY shard, invoice_id
), suspects AS (
    SELECT shard, invoice_id
    FROM transfer_prints
    FULL JOIN line_prints USING (shard, invoice_id)
    LEFT JOIN (SELECT shard, id AS invoice_id, finalised_at, direction FROM invoices) AS documents USING (shard, invoice_id)
    WHERE COALESCE(parts, 0) <> CASE WHEN finalised_at IS NULL THEN 0 WHEN direction = 'payout' THEN payout_parts ELSE charge_parts END
        OR COALESCE(print, 0) <> CASE WHEN finalised_at IS NULL THEN 0 WHEN direction = 'payout' THEN payout_print ELSE charge_print END
        OR line_prints.invoice_id IS NULL
), posted AS (
    SELECT tenant_id, shard, invoice_id, line_no, count(*) AS transfers,
        sum(CASE debit WHEN 'receivable' THEN amount_minor ELSE -amount_minor END) FILTER (WHERE kind = 'net_billed') AS net,
        sum(CASE debit WHEN 'receivable' THEN amount_minor ELSE -amount_minor END) FILTER (WHERE kind = 'tax_billed') AS tax,
        sum(CASE credit WHEN 'payable' THEN amount_minor ELSE -amount_minor END) FILTER (WHERE kind = 'payout_billed') AS payout
    FROM transfers
    JOIN suspects USING (shard, invoice_id)
    WHERE line_no IS NOT NULL AND ($1::uuid IS NULL OR tenant_id = $1)
    GROUP BY tenant_id, shard, invoice_id, line_no
), billed AS (
    SELECT invoice_lines.tenant_id, invoice_lines.shard, invoice_id, line_no, direction = 'charge' AS charged,
        invoice_lines.net_minor, invoice_lines.tax_minor, invoice_lines.total_minor
    FROM invoice_lines
    JOIN suspects USING (shard, invoice_id)
    JOIN invoices ON invoices.shard = invoice_lines.shard AND invoices.id = invoice_lines.invoice_id
    WHERE finalised_at IS NOT NULL AND ($1::uuid IS NULL OR invoice_lines.tenant_id = $1)
)
SELECT tenant_id, 'line ' || line_no || ' of invoice ' || invoice_id AS object, figure, expected::text, stored::text
FROM posted
FULL JOIN billed USING (tenant_id, shard, invoice_id, line_no)
CROSS JOIN LATERAL (VALUES
    ('net_minor', CASE WHEN charged THEN COALESCE(net, 0) ELSE net END, CASE WHEN charged THEN net_minor END),
    ('tax_minor', CASE WHEN charged THEN COALESCE(tax, 0) ELSE tax END, CASE WHEN charged THEN tax_minor END),
    ('total_minor', COALESCE(net, 0) + COALESCE(tax, 0) + COALESCE(payout, 0), total_minor),
    ('transfers', CASE WHEN charged THEN (net_minor <> 0)::integer + (tax_minor <> 0)::integer ELSE (total_minor <> 0)::integer END,
        COALESCE(transfers, 0))
) AS figures (figure, expected, stored)
WHERE expected IS DISTINCT FROM stored;
