-- name: get_credit_notes
SELECT credit_notes.id, credit_notes.tenant_id, customer_id, invoice_id, refund_id, credit_id, currency, net_minor, tax_minor, total_minor, owed_minor,
    written_off_minor, paid_minor, reason, issued_on, lines, metadata, version, created_at,
    number
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, id)
JOIN credit_notes ON credit_notes.shard = wanted.shard AND credit_notes.id = wanted.id
LEFT JOIN credit_note_numbers AS numbers ON numbers.tenant_id = $1 AND numbers.credit_note_id = credit_notes.id
WHERE credit_notes.tenant_id = $1;

-- name: list_credit_notes
-- Conditions, order and limit are appended (listing.py).
SELECT shard, id FROM credit_notes WHERE tenant_id = $1;

-- name: credit_notes_of_invoices
SELECT credit_notes.id, tenant_id, customer_id, invoice_id, refund_id, credit_id, currency, net_minor, tax_minor, total_minor, owed_minor,
    written_off_minor, paid_minor, reason, issued_on, lines, metadata, version, created_at
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, invoice)
JOIN credit_notes ON credit_notes.shard = wanted.shard AND invoice_id = wanted.invoice
WHERE tenant_id = $1
ORDER BY credit_notes.id;

-- name: get_write_offs
SELECT write_offs.id, tenant_id, customer_id, invoice_id, currency, amount_minor, reversed_minor, reason, written_off_on, metadata, version, created_at
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, id)
JOIN write_offs ON write_offs.shard = wanted.shard AND write_offs.id = wanted.id
WHERE tenant_id = $1;

-- name: list_write_offs
-- Conditions, order and limit are appended (listing.py).
SELECT shard, id FROM write_offs WHERE tenant_id = $1;

-- name: write_offs_of_invoices
SELECT write_offs.id, tenant_id, customer_id, invoice_id, currency, amount_minor, reversed_minor, reason, written_off_on, metadata, version, created_at
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, invoice)
JOIN write_offs ON write_offs.shard = wanted.shard AND invoice_id = wanted.invoice
WHERE tenant_id = $1
ORDER BY write_offs.id;

-- name: update_write_offs
UPDATE write_offs SET reversed_minor = changed.reversed_minor, version = changed.version
FROM unnest($2::smallint[], $3::uuid[], $4::bigint[], $5::integer[]) AS changed (shard, id, reversed_minor, version)
WHERE write_offs.tenant_id = $1 AND write_offs.shard = changed.shard AND write_offs.id = changed.id;

-- name: write_off_report
-- Per month and currency: what was written off and what of it was taken back, by the ledger.
SELECT date_trunc('month', accounting_on)::date AS month, currency,
    coalesce(sum(amount_minor) FILTER (WHERE kind = 'written_off'), 0)::bigint AS written_off_minor,
    coalesce(sum(amount_minor) FILTER (WHERE kind = 'write_off_reversed'), 0)::bigint AS reversed_minor
FROM transfers
WHERE tenant_id = $1 AND kind IN ('written_off', 'write_off_reversed') AND accounting_on >= $2 AND accounting_on < $3
GROUP BY 1, 2 ORDER BY 1, 2;
