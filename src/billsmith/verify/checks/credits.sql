-- Customer credit: how much there was, what became of it, what is left.
-- Across tenants: verify proves all of them unless $1 names one. Columns: tenant_id, object, figure, expected, stored.

-- name: credit_transfers
-- A credit's amount, and what was drawn, expired or deleted of it, are the sums of its transfers.
WITH moved AS (
    SELECT tenant_id, shard, credit_id,
        sum(amount_minor) FILTER (WHERE kind IN ('negative_total', 'credit_granted')) AS amount,
        sum(amount_minor) FILTER (WHERE kind = 'credit_drawn') AS drawn,
        sum(amount_minor) FILTER (WHERE kind = 'credit_expired') AS expired,
        sum(amount_minor) FILTER (WHERE kind = 'credit_deleted') AS deleted,
        sum(CASE 'customer_credit' WHEN credit THEN amount_minor WHEN debit THEN -amount_minor ELSE 0 END) AS remaining
    FROM transfers
    WHERE credit_id IS NOT NULL AND ($1::uuid IS NULL OR tenant_id = $1)
    GROUP BY tenant_id, shard, credit_id
)
SELECT credits.tenant_id, 'credit ' || id AS object, figure, expected::text, stored::text
FROM credits
LEFT JOIN moved ON moved.shard = credits.shard AND moved.credit_id = id AND moved.tenant_id = credits.tenant_id
CROSS JOIN LATERAL (VALUES
    ('amount_minor', COALESCE(amount, 0), amount_minor),
    ('drawn_minor', COALESCE(drawn, 0), drawn_minor),
    ('expired_minor', COALESCE(expired, 0), expired_minor),
    ('deleted_minor', COALESCE(deleted, 0), deleted_minor),
    ('remaining_minor', COALESCE(remaining, 0), remaining_minor)
) AS figures (figure, expected, stored)
WHERE ($1::uuid IS NULL OR credits.tenant_id = $1) AND expected <> stored;

-- name: credit_remaining
-- What is left of a credit is its amount less what was drawn, expired and deleted, and never negative.
SELECT tenant_id, 'credit ' || id AS object, figure, expected, stored
FROM credits
CROSS JOIN LATERAL (SELECT amount_minor - drawn_minor - expired_minor - deleted_minor AS remaining) AS derived
CROSS JOIN LATERAL (VALUES
    ('remaining_minor', remaining = remaining_minor AND remaining >= 0,
        CASE WHEN remaining < 0 THEN '0 or more' ELSE remaining::text END, remaining_minor::text)
) AS figures (figure, holds, expected, stored)
WHERE ($1::uuid IS NULL OR tenant_id = $1) AND NOT holds;

-- name: credit_parents
-- A credit is its customer's, in the same tenant and shard; one from a negative total is worth that total.
SELECT credits.tenant_id, 'credit ' || credits.id AS object, figure, expected, stored
FROM credits
LEFT JOIN customers ON customers.shard = credits.shard AND customers.id = credits.customer_id AND customers.tenant_id = credits.tenant_id
LEFT JOIN invoices ON invoices.shard = credits.shard AND invoices.id = credits.invoice_id AND invoices.tenant_id = credits.tenant_id
    AND invoices.customer_id = credits.customer_id AND invoices.currency = credits.currency
CROSS JOIN LATERAL (VALUES
    ('customer_id', customers.id IS NOT NULL, 'a customer of this tenant', credits.customer_id::text),
    ('invoice_id', (source = 'negative_total') = (invoices.id IS NOT NULL) AND (source = 'negative_total') = (credits.invoice_id IS NOT NULL),
        CASE WHEN source = 'negative_total' THEN 'an invoice of this customer in ' || credits.currency END, credits.invoice_id::text),
    ('amount_minor', invoices.id IS NULL OR amount_minor = -invoices.total_minor, (-invoices.total_minor)::text, amount_minor::text),
    ('shard', credits.shard = (get_byte(uuid_send(credits.id), 14) & 3) * 256 + get_byte(uuid_send(credits.id), 15),
        ((get_byte(uuid_send(credits.id), 14) & 3) * 256 + get_byte(uuid_send(credits.id), 15))::text, credits.shard::text)
) AS figures (figure, holds, expected, stored)
WHERE ($1::uuid IS NULL OR credits.tenant_id = $1) AND NOT holds;
