-- Customer credit: how much there was, what became of it, what is left.
-- Across tenants: verify proves all of them unless $1 names one. Columns: tenant_id, object, figure, expected, stored.

-- name: credit_transfers
-- A credit's amount, and what was drawn, expired, deleted, paid out or moved of it, are the sums of its transfers.
-- Credit moved to the parent is one transfer, with the child's credit; the parent's is proven by its balance.
WITH moved AS (
    SELECT tenant_id, shard, credit_id,
        sum(CASE 'customer_credit' WHEN credit THEN amount_minor WHEN debit THEN -amount_minor ELSE 0 END) FILTER (WHERE kind IN (
            'negative_total', 'credit_granted', 'payment_credited', 'credit_noted_net', 'credit_noted_tax', 'refunded_net', 'refunded_tax',
            'suspense_released', 'refund_returned')) AS amount,
        sum(CASE kind WHEN 'credit_returned' THEN -amount_minor ELSE amount_minor END)
            FILTER (WHERE kind IN ('credit_drawn', 'payment_linked', 'credit_returned')) AS drawn,
        sum(amount_minor) FILTER (WHERE kind = 'credit_expired') AS expired,
        sum(amount_minor) FILTER (WHERE kind IN ('credit_deleted', 'negative_total_voided')) AS deleted,
        sum(amount_minor) FILTER (WHERE kind IN ('credit_refunded', 'payment_reversed', 'refund_reopened', 'dispute_reopened')) AS paid_out,
        sum(amount_minor) FILTER (WHERE kind = 'credit_moved') AS moved,
        sum(CASE 'customer_credit' WHEN credit THEN amount_minor WHEN debit THEN -amount_minor ELSE 0 END)
            FILTER (WHERE kind <> 'credit_moved') AS remaining
    FROM transfers
    WHERE credit_id IS NOT NULL AND ($1::uuid IS NULL OR tenant_id = $1)
    GROUP BY tenant_id, shard, credit_id
), kept AS (
    SELECT tenant_id, shard, credit_id, sum(amount_minor) AS reserved
    FROM refunds
    WHERE status = 'pending' AND invoice_id IS NULL AND credit_id IS NOT NULL AND ($1::uuid IS NULL OR tenant_id = $1)
    GROUP BY tenant_id, shard, credit_id
)
SELECT credits.tenant_id, 'credit ' || id AS object, figure, expected::text, stored::text
FROM credits
LEFT JOIN moved ON moved.shard = credits.shard AND moved.credit_id = id AND moved.tenant_id = credits.tenant_id
LEFT JOIN kept ON kept.shard = credits.shard AND kept.credit_id = id AND kept.tenant_id = credits.tenant_id
CROSS JOIN LATERAL (SELECT CASE WHEN source = 'moved' THEN amount_minor ELSE 0 END AS arrived) AS parents
CROSS JOIN LATERAL (VALUES
    ('amount_minor', COALESCE(amount, 0) + arrived, amount_minor),
    ('drawn_minor', COALESCE(drawn, 0), drawn_minor),
    ('expired_minor', COALESCE(expired, 0), expired_minor),
    ('deleted_minor', COALESCE(deleted, 0), deleted_minor),
    ('paid_out_minor', COALESCE(paid_out, 0), paid_out_minor),
    ('moved_minor', COALESCE(moved.moved, 0), moved_minor),
    ('reserved_minor', COALESCE(reserved, 0), reserved_minor),
    ('remaining_minor', COALESCE(remaining, 0) + arrived - COALESCE(moved.moved, 0) - COALESCE(reserved, 0), remaining_minor)
) AS figures (figure, expected, stored)
WHERE ($1::uuid IS NULL OR credits.tenant_id = $1) AND expected <> stored;

-- name: credit_remaining
-- What is left of a credit is its amount less all that became of it and what is reserved, and never negative.
SELECT tenant_id, 'credit ' || id AS object, figure, expected, stored
FROM credits
CROSS JOIN LATERAL (SELECT amount_minor - drawn_minor - expired_minor - deleted_minor
    - paid_out_minor - moved_minor - reserved_minor AS remaining) AS derived
CROSS JOIN LATERAL (VALUES
    ('remaining_minor', remaining = remaining_minor AND remaining >= 0,
        CASE WHEN remaining < 0 THEN '0 or more' ELSE remaining::text END, remaining_minor::text)
) AS figures (figure, holds, expected, stored)
WHERE ($1::uuid IS NULL OR tenant_id = $1) AND NOT holds;

-- name: credit_parents
-- A credit is its customer's, in the same tenant and shard, and names what it comes from; a negative total is worth itself.
SELECT credits.tenant_id, 'credit ' || credits.id AS object, figure, expected, stored
FROM credits
LEFT JOIN customers ON customers.shard = credits.shard AND customers.id = credits.customer_id AND customers.tenant_id = credits.tenant_id
LEFT JOIN invoices ON invoices.shard = credits.shard AND invoices.id = credits.invoice_id AND invoices.tenant_id = credits.tenant_id
    AND invoices.customer_id = credits.customer_id AND invoices.currency = credits.currency
LEFT JOIN payments ON payments.shard = credits.shard AND payments.id = credits.payment_id AND payments.tenant_id = credits.tenant_id
    AND payments.currency = credits.currency
CROSS JOIN LATERAL (VALUES
    ('customer_id', customers.id IS NOT NULL, 'a customer of this tenant', credits.customer_id::text),
    ('invoice_id', (source IN ('negative_total', 'credit_note', 'refund')) = (invoices.id IS NOT NULL)
        AND (invoices.id IS NOT NULL) = (credits.invoice_id IS NOT NULL),
        CASE WHEN source IN ('negative_total', 'credit_note', 'refund') THEN 'an invoice of this customer in ' || credits.currency END,
        credits.invoice_id::text),
    ('payment_id', (source IN ('payment', 'refund')) = (payments.id IS NOT NULL) AND (payments.id IS NOT NULL) = (credits.payment_id IS NOT NULL),
        CASE WHEN source IN ('payment', 'refund') THEN 'a payment in ' || credits.currency END, credits.payment_id::text),
    ('amount_minor', source <> 'negative_total' OR invoices.id IS NULL OR credits.amount_minor = -invoices.total_minor, (-invoices.total_minor)::text,
        credits.amount_minor::text),
    ('shard', credits.shard = (get_byte(uuid_send(credits.id), 14) & 3) * 256 + get_byte(uuid_send(credits.id), 15),
        ((get_byte(uuid_send(credits.id), 14) & 3) * 256 + get_byte(uuid_send(credits.id), 15))::text, credits.shard::text)
) AS figures (figure, holds, expected, stored)
WHERE ($1::uuid IS NULL OR credits.tenant_id = $1) AND NOT holds;

-- name: credit_draws
-- What an invoice has drawn of a credit is the sum of its transfers; both are the same customer's.
WITH moved AS (
    SELECT tenant_id, shard, credit_id, invoice_id,
        sum(CASE kind WHEN 'credit_drawn' THEN amount_minor ELSE -amount_minor END) AS amount
    FROM transfers
    WHERE kind IN ('credit_drawn', 'credit_returned') AND credit_id IS NOT NULL AND invoice_id IS NOT NULL AND ($1::uuid IS NULL OR tenant_id = $1)
    GROUP BY tenant_id, shard, credit_id, invoice_id
), kept AS (
    SELECT tenant_id, shard, credit_id, invoice_id, amount_minor FROM credit_draws WHERE $1::uuid IS NULL OR tenant_id = $1
)
SELECT tenant_id, 'invoice ' || invoice_id || ' from credit ' || credit_id AS object, 'amount_minor' AS figure,
    COALESCE(amount, 0)::text AS expected, amount_minor::text AS stored
FROM moved
FULL JOIN kept USING (tenant_id, shard, credit_id, invoice_id)
WHERE COALESCE(amount, 0) IS DISTINCT FROM amount_minor;
