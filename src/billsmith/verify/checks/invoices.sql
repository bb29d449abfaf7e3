-- Invoices: what became of each total, and the state that follows from it.
-- Across tenants: verify proves all of them unless $1 names one. Columns: tenant_id, object, figure, expected, stored.
-- Figures are worked out one by one only where something differs: a row for each of all took most of a check's time.

-- name: invoice_transfers
-- What became of an invoice's total is the sum of its transfers, and so is what is still owed; a draft has none.
WITH moved AS (
    SELECT tenant_id, shard, invoice_id, count(*) AS transfers,
        sum(CASE WHEN debit IN ('receivable', 'payout_cost') THEN amount_minor ELSE -amount_minor END)
            FILTER (WHERE kind IN ('net_billed', 'tax_billed', 'payout_billed')) AS total,
        sum(CASE WHEN credit = 'receivable' OR debit = 'payable' THEN amount_minor WHEN debit = 'receivable' OR credit = 'payable' THEN -amount_minor
            ELSE 0 END) FILTER (WHERE kind IN ('payment_allocated', 'payment_linked', 'payment_reversed', 'refund_reopened',
            'dispute_reopened', 'payout_paid', 'payout_bounced')) AS paid,
        sum(CASE credit WHEN 'receivable' THEN amount_minor ELSE -amount_minor END)
            FILTER (WHERE kind IN ('credit_drawn', 'credit_returned')) AS credit_applied,
        sum(CASE 'receivable' WHEN credit THEN amount_minor WHEN debit THEN -amount_minor ELSE 0 END)
            FILTER (WHERE kind IN ('credit_noted_net', 'credit_noted_tax')) AS credit_noted,
        sum(CASE credit WHEN 'receivable' THEN amount_minor ELSE -amount_minor END)
            FILTER (WHERE kind IN ('written_off', 'write_off_reversed')) AS written_off,
        sum(CASE WHEN credit = 'receivable' OR debit = 'payable' THEN amount_minor ELSE -amount_minor END)
            FILTER (WHERE kind IN ('net_voided', 'tax_voided', 'payout_voided')) AS voided,
        sum(CASE credit WHEN 'receivable' THEN amount_minor ELSE -amount_minor END)
            FILTER (WHERE kind IN ('negative_total', 'negative_total_voided')) AS moved_to_credit,
        sum(CASE credit WHEN 'receivable' THEN amount_minor ELSE -amount_minor END) FILTER (WHERE kind = 'absorbed') AS absorbed,
        sum(CASE WHEN debit IN ('billed_revenue', 'tax_payable') THEN amount_minor ELSE -amount_minor END)
            FILTER (WHERE kind IN ('refunded_net', 'refunded_tax')) AS refunded,
        sum(CASE 'receivable' WHEN debit THEN amount_minor WHEN credit THEN -amount_minor ELSE 0 END) AS receivable,
        sum(CASE 'payable' WHEN credit THEN amount_minor WHEN debit THEN -amount_minor ELSE 0 END) AS payable
    FROM transfers
    WHERE invoice_id IS NOT NULL AND ($1::uuid IS NULL OR tenant_id = $1)
    GROUP BY tenant_id, shard, invoice_id
)
SELECT invoices.tenant_id, 'invoice ' || id AS object, figure, expected::text, stored::text
FROM invoices
LEFT JOIN moved ON moved.shard = invoices.shard AND moved.invoice_id = id AND moved.tenant_id = invoices.tenant_id
CROSS JOIN LATERAL (VALUES
    ('total_minor', CASE WHEN finalised_at IS NULL THEN total_minor ELSE COALESCE(total, 0) END, total_minor),
    ('paid_minor', COALESCE(paid, 0), paid_minor),
    ('credit_applied_minor', COALESCE(credit_applied, 0), credit_applied_minor),
    ('credit_noted_minor', COALESCE(credit_noted, 0), credit_noted_minor),
    ('written_off_minor', COALESCE(written_off, 0), written_off_minor),
    ('voided_minor', COALESCE(voided, 0), voided_minor),
    ('moved_to_credit_minor', COALESCE(moved_to_credit, 0), moved_to_credit_minor),
    ('absorbed_minor', COALESCE(absorbed, 0), absorbed_minor),
    ('refunded_minor', COALESCE(refunded, 0), refunded_minor),
    ('balance_minor', COALESCE(CASE direction WHEN 'charge' THEN receivable ELSE payable END, 0), balance_minor),
    ('transfers', CASE WHEN finalised_at IS NULL THEN 0 ELSE transfers END, transfers)
) AS figures (figure, expected, stored)
WHERE ($1::uuid IS NULL OR invoices.tenant_id = $1)
    AND ((finalised_at IS NULL AND transfers IS NULL OR finalised_at IS NOT NULL AND COALESCE(total, 0) = total_minor)
        AND COALESCE(paid, 0) = paid_minor AND COALESCE(credit_applied, 0) = credit_applied_minor
        AND COALESCE(credit_noted, 0) = credit_noted_minor AND COALESCE(written_off, 0) = written_off_minor AND COALESCE(voided, 0) = voided_minor
        AND COALESCE(moved_to_credit, 0) = moved_to_credit_minor AND COALESCE(absorbed, 0) = absorbed_minor
        AND COALESCE(refunded, 0) = refunded_minor
        AND COALESCE(CASE direction WHEN 'charge' THEN receivable ELSE payable END, 0) = balance_minor) IS NOT TRUE
    AND expected <> stored;

-- name: invoice_balance
-- A balance is the total less all that became of it, never negative; a total is net and tax; no more is refunded than paid.
SELECT tenant_id, 'invoice ' || id AS object, figure, expected, stored
FROM invoices
CROSS JOIN LATERAL (SELECT CASE WHEN finalised_at IS NULL THEN 0 ELSE
    total_minor - paid_minor - credit_applied_minor - credit_noted_minor - written_off_minor - voided_minor
    - moved_to_credit_minor - absorbed_minor END AS balance) AS derived
CROSS JOIN LATERAL (VALUES
    ('balance_minor', balance = balance_minor AND balance >= 0, CASE WHEN balance < 0 THEN '0 or more' ELSE balance::text END,
        balance_minor::text),
    ('total_minor', total_minor = net_minor + tax_minor, (net_minor + tax_minor)::text, total_minor::text),
    ('refunded_minor', refunded_minor BETWEEN 0 AND paid_minor, '0 to ' || paid_minor, refunded_minor::text)
) AS figures (figure, holds, expected, stored)
WHERE ($1::uuid IS NULL OR tenant_id = $1)
    AND (balance = balance_minor AND balance >= 0 AND total_minor = net_minor + tax_minor AND refunded_minor BETWEEN 0 AND paid_minor) IS NOT TRUE
    AND NOT holds;

-- name: invoice_states
-- An invoice's status follows from its balance; it is settled when that is zero, collected while it is open or an attempt lives.
WITH live AS (
    SELECT tenant_id, shard, invoice_id, count(*) AS attempts
    FROM attempt_invoices
    WHERE live AND ($1::uuid IS NULL OR tenant_id = $1)
    GROUP BY tenant_id, shard, invoice_id
)
SELECT tenant_id, 'invoice ' || id AS object, figure, expected, stored
FROM (
    SELECT invoices.*, COALESCE(attempts, 0) AS attempts, collection_state IN ('processing', 'void_pending')
        OR collection_state = 'action_required' AND collection_reason = 'awaiting_customer' AS waits
    FROM invoices
    LEFT JOIN live ON live.shard = invoices.shard AND live.invoice_id = id AND live.tenant_id = invoices.tenant_id
) AS found
CROSS JOIN LATERAL (VALUES
    ('status', CASE WHEN status IN ('awaiting_payment', 'abandoned') THEN status
        WHEN finalised_at IS NULL THEN 'draft' WHEN balance_minor > 0 THEN 'open' WHEN rebill IS NOT NULL THEN 'void'
        WHEN written_off_minor > 0 THEN 'uncollectible' ELSE 'paid' END, status),
    ('settled_at', CASE WHEN finalised_at IS NOT NULL AND balance_minor = 0 THEN 'an instant' END,
        CASE WHEN settled_at IS NOT NULL THEN 'an instant' END),
    ('collection_state', CASE WHEN status = 'open' THEN COALESCE(collection_state, 'a state')
        WHEN status = 'uncollectible' AND waits THEN collection_state END, collection_state),
    ('live', (COALESCE(waits, false)::integer)::text, attempts::text),
    ('attempt_count', CASE WHEN attempt_count < 0 THEN '0 or more' ELSE attempt_count::text END, attempt_count::text),
    ('voided_minor', CASE WHEN status = 'void' THEN total_minor - credit_noted_minor ELSE 0 END::text, voided_minor::text),
    ('next_collect_at', CASE WHEN collection_state IN ('scheduled', 'retrying') THEN COALESCE(next_collect_at::text, 'an instant')
        WHEN waits AND status = 'open' THEN next_collect_at::text END, next_collect_at::text),
    ('due_on', CASE WHEN finalised_at IS NULL OR due_on >= issued_on THEN due_on::text
        ELSE 'on or after the day of issue, ' || COALESCE(issued_on::text, 'which is missing') END, due_on::text)
) AS figures (figure, expected, stored)
WHERE ($1::uuid IS NULL OR tenant_id = $1) AND status NOT IN ('awaiting_payment', 'abandoned')
    AND (status = CASE WHEN finalised_at IS NULL THEN 'draft' WHEN balance_minor > 0 THEN 'open' WHEN rebill IS NOT NULL THEN 'void'
            WHEN written_off_minor > 0 THEN 'uncollectible' ELSE 'paid' END
        AND (settled_at IS NOT NULL) = (finalised_at IS NOT NULL AND balance_minor = 0)
        AND CASE WHEN status = 'open' THEN collection_state IS NOT NULL ELSE collection_state IS NULL OR status = 'uncollectible' AND waits END
        AND attempts = COALESCE(waits, false)::integer AND attempt_count >= 0
        AND voided_minor = CASE WHEN status = 'void' THEN total_minor - credit_noted_minor ELSE 0 END
        AND CASE WHEN collection_state IN ('scheduled', 'retrying') THEN next_collect_at IS NOT NULL
            ELSE next_collect_at IS NULL OR waits AND status = 'open' END
        AND (finalised_at IS NULL OR due_on >= issued_on)) IS NOT TRUE
    AND expected IS DISTINCT FROM stored;

-- name: invoice_parents
-- An invoice is its customer's, in the same tenant and shard; once finalised it names seller and buyer as they were.
SELECT invoices.tenant_id, 'invoice ' || invoices.id AS object, figure, expected, stored
FROM invoices
LEFT JOIN customers ON customers.shard = invoices.shard AND customers.id = invoices.customer_id AND customers.tenant_id = invoices.tenant_id
LEFT JOIN party_snapshots AS sellers ON sellers.tenant_id = invoices.tenant_id AND sellers.id = seller_snapshot_id
LEFT JOIN party_snapshots AS buyers ON buyers.tenant_id = invoices.tenant_id AND buyers.id = buyer_snapshot_id
CROSS JOIN LATERAL (VALUES
    ('customer_id', customers.id IS NOT NULL, 'a customer of this tenant', invoices.customer_id::text),
    ('seller_snapshot_id', (finalised_at IS NULL) = (sellers.id IS NULL) AND (finalised_at IS NULL) = (seller_snapshot_id IS NULL),
        CASE WHEN finalised_at IS NOT NULL THEN 'a snapshot of this tenant' END, seller_snapshot_id::text),
    ('buyer_snapshot_id', (finalised_at IS NULL) = (buyers.id IS NULL) AND (finalised_at IS NULL) = (buyer_snapshot_id IS NULL),
        CASE WHEN finalised_at IS NOT NULL THEN 'a snapshot of this tenant' END, buyer_snapshot_id::text),
    ('shard', invoices.shard = (get_byte(uuid_send(invoices.id), 14) & 3) * 256 + get_byte(uuid_send(invoices.id), 15),
        ((get_byte(uuid_send(invoices.id), 14) & 3) * 256 + get_byte(uuid_send(invoices.id), 15))::text, invoices.shard::text)
) AS figures (figure, holds, expected, stored)
WHERE ($1::uuid IS NULL OR invoices.tenant_id = $1)
    AND (customers.id IS NOT NULL AND (finalised_at IS NULL) = (sellers.id IS NULL) AND (finalised_at IS NULL) = (seller_snapshot_id IS NULL)
        AND (finalised_at IS NULL) = (buyers.id IS NULL) AND (finalised_at IS NULL) = (buyer_snapshot_id IS NULL)
        AND invoices.shard = (get_byte(uuid_send(invoices.id), 14) & 3) * 256 + get_byte(uuid_send(invoices.id), 15)) IS NOT TRUE
    AND NOT holds;
