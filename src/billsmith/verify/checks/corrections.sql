-- Corrections: credit notes and write-offs, and the numbers of notes.
-- Across tenants: verify proves all of them unless $1 names one. Columns: tenant_id, object, figure, expected, stored.

-- name: credit_notes
-- A credit note is the sum of its lines and of its transfers; its parts are what became of what it takes back.
WITH moved AS (
    SELECT tenant_id, shard, credit_note_id,
        sum(CASE 'billed_revenue' WHEN debit THEN amount_minor WHEN credit THEN -amount_minor ELSE 0 END) AS net,
        sum(CASE 'tax_payable' WHEN debit THEN amount_minor WHEN credit THEN -amount_minor ELSE 0 END) AS tax,
        sum(CASE 'receivable' WHEN credit THEN amount_minor WHEN debit THEN -amount_minor ELSE 0 END) AS owed
    FROM transfers
    WHERE credit_note_id IS NOT NULL AND ($1::uuid IS NULL OR tenant_id = $1)
    GROUP BY tenant_id, shard, credit_note_id
)
SELECT notes.tenant_id, 'credit note ' || notes.id AS object, figure, expected::text, stored::text
FROM credit_notes AS notes
LEFT JOIN moved ON moved.shard = notes.shard AND credit_note_id = notes.id AND moved.tenant_id = notes.tenant_id
CROSS JOIN LATERAL (SELECT sum((line ->> 'net_minor')::bigint) AS net_of_lines, sum((line ->> 'tax_minor')::bigint) AS tax_of_lines,
    sum((line ->> 'total_minor')::bigint) AS total_of_lines FROM jsonb_array_elements(notes.lines) AS line) AS listed
CROSS JOIN LATERAL (VALUES
    ('net_minor', COALESCE(moved.net, 0), net_minor),
    ('tax_minor', COALESCE(moved.tax, 0), tax_minor),
    ('total_minor', COALESCE(moved.net, 0) + COALESCE(moved.tax, 0), total_minor),
    ('owed_minor', COALESCE(owed, 0) - written_off_minor, owed_minor),
    ('written_off_minor', total_minor - owed_minor - paid_minor, written_off_minor),
    ('paid_minor', total_minor - COALESCE(owed, 0), paid_minor),
    ('lines', net_minor + tax_minor + total_minor, net_of_lines + tax_of_lines + total_of_lines)
) AS figures (figure, expected, stored)
WHERE ($1::uuid IS NULL OR notes.tenant_id = $1) AND expected IS DISTINCT FROM stored;

-- name: credit_note_parents
-- A credit note is of an invoice of its customer, in its currency; one that a refund issued names it, and is named by it.
SELECT notes.tenant_id, 'credit note ' || notes.id AS object, figure, expected, stored
FROM credit_notes AS notes
LEFT JOIN invoices ON invoices.shard = notes.shard AND invoices.id = notes.invoice_id AND invoices.tenant_id = notes.tenant_id
    AND invoices.customer_id = notes.customer_id AND invoices.currency = notes.currency
LEFT JOIN refunds ON refunds.shard = notes.shard AND refunds.id = notes.refund_id AND refunds.credit_note_id = notes.id
LEFT JOIN credits ON credits.shard = notes.shard AND credits.id = notes.credit_id AND credits.amount_minor = notes.paid_minor
CROSS JOIN LATERAL (VALUES
    ('invoice_id', invoices.id IS NOT NULL, 'an invoice of this customer in ' || notes.currency, notes.invoice_id::text),
    ('refund_id', (notes.refund_id IS NULL) = (refunds.id IS NULL), 'the refund that issued it', notes.refund_id::text),
    ('credit_id', (notes.credit_id IS NULL) = (credits.id IS NULL), 'a credit of ' || notes.paid_minor, notes.credit_id::text)
) AS figures (figure, holds, expected, stored)
WHERE ($1::uuid IS NULL OR notes.tenant_id = $1) AND NOT holds;

-- name: credit_note_numbers
-- Every credit note has one number, and no number is without its note.
WITH taken AS (
    SELECT tenant_id, credit_note_id, count(*) AS numbers
    FROM credit_note_numbers
    WHERE $1::uuid IS NULL OR tenant_id = $1
    GROUP BY tenant_id, credit_note_id
), kept AS (
    SELECT tenant_id, id AS credit_note_id, 1 AS due FROM credit_notes WHERE $1::uuid IS NULL OR tenant_id = $1
)
SELECT tenant_id, 'credit note ' || credit_note_id AS object, 'numbers' AS figure, COALESCE(due, 0)::text AS expected,
    COALESCE(numbers, 0)::text AS stored
FROM taken
FULL JOIN kept USING (tenant_id, credit_note_id)
WHERE COALESCE(due, 0) <> COALESCE(numbers, 0);

-- name: write_offs
-- What was written off and what of it was taken back are the sums of transfers; it is of an invoice of its customer.
WITH moved AS (
    SELECT tenant_id, shard, write_off_id,
        sum(amount_minor) FILTER (WHERE kind = 'written_off') AS amount,
        sum(amount_minor) FILTER (WHERE kind = 'write_off_reversed') AS reversed
    FROM transfers
    WHERE write_off_id IS NOT NULL AND ($1::uuid IS NULL OR tenant_id = $1)
    GROUP BY tenant_id, shard, write_off_id
)
SELECT write_offs.tenant_id, 'write-off ' || write_offs.id AS object, figure, expected, stored
FROM write_offs
LEFT JOIN moved ON moved.shard = write_offs.shard AND write_off_id = write_offs.id AND moved.tenant_id = write_offs.tenant_id
LEFT JOIN invoices ON invoices.shard = write_offs.shard AND invoices.id = write_offs.invoice_id AND invoices.tenant_id = write_offs.tenant_id
    AND invoices.customer_id = write_offs.customer_id AND invoices.currency = write_offs.currency
CROSS JOIN LATERAL (VALUES
    ('amount_minor', COALESCE(moved.amount, 0) = write_offs.amount_minor, COALESCE(moved.amount, 0)::text, write_offs.amount_minor::text),
    ('reversed_minor', COALESCE(reversed, 0) = reversed_minor AND reversed_minor <= amount_minor, COALESCE(reversed, 0)::text,
        reversed_minor::text),
    ('invoice_id', invoices.id IS NOT NULL, 'an invoice of this customer in ' || write_offs.currency, write_offs.invoice_id::text)
) AS figures (figure, holds, expected, stored)
WHERE ($1::uuid IS NULL OR write_offs.tenant_id = $1) AND NOT holds;
