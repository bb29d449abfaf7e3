-- Payments, their attempts and allocations, refunds and disputes: what moved, what became of it.
-- Across tenants: verify proves all of them unless $1 names one. Columns: tenant_id, object, figure, expected, stored.

-- name: payment_transfers
-- What a payment brought and what became of it are the sums of its transfers; before it succeeded it has none.
WITH moved AS (
    SELECT tenant_id, shard, payment_id, count(*) AS transfers,
        sum(cash) FILTER (WHERE kind IN ('payment_allocated', 'payment_credited', 'payment_suspended', 'payout_paid')) AS came,
        -sum(cash) FILTER (WHERE kind = 'payment_fee') AS fee,
        -sum(owed) FILTER (WHERE kind IN ('payment_allocated', 'payment_linked', 'payment_reversed', 'refund_reopened',
            'dispute_reopened', 'payout_paid', 'payout_bounced')) AS allocated,
        -sum(unspent) FILTER (WHERE kind IN ('payment_credited', 'suspense_released', 'refund_returned')) AS credited,
        -sum(held) AS suspended,
        -sum(cash + unspent) FILTER (WHERE kind IN ('refunded_net', 'refunded_tax')) AS noted,
        -sum(cash) FILTER (WHERE kind IN ('refund_reopened', 'credit_refunded', 'refund_returned')) AS refunded,
        sum(disputed) AS disputed,
        -sum(disputed) FILTER (WHERE kind IN ('dispute_expensed', 'dispute_reopened')) AS lost,
        -sum(cash) FILTER (WHERE kind IN ('payment_reversed', 'payout_bounced')) AS reversed
    FROM transfers
    CROSS JOIN LATERAL (SELECT
        CASE WHEN debit LIKE 'cash:%' THEN amount_minor WHEN credit LIKE 'cash:%' THEN -amount_minor ELSE 0 END AS cash,
        CASE WHEN debit IN ('receivable', 'payable') THEN amount_minor WHEN credit IN ('receivable', 'payable') THEN -amount_minor ELSE 0 END AS owed,
        CASE 'customer_credit' WHEN debit THEN amount_minor WHEN credit THEN -amount_minor ELSE 0 END AS unspent,
        CASE 'suspense' WHEN debit THEN amount_minor WHEN credit THEN -amount_minor ELSE 0 END AS held,
        CASE 'disputed' WHEN debit THEN amount_minor WHEN credit THEN -amount_minor ELSE 0 END AS disputed) AS sides
    WHERE payment_id IS NOT NULL AND ($1::uuid IS NULL OR tenant_id = $1)
    GROUP BY tenant_id, shard, payment_id
)
SELECT payments.tenant_id, 'payment ' || id AS object, figure, expected::text, stored::text
FROM payments
LEFT JOIN moved ON moved.shard = payments.shard AND moved.payment_id = id AND moved.tenant_id = payments.tenant_id
CROSS JOIN LATERAL (SELECT CASE direction WHEN 'charge' THEN 1 ELSE -1 END AS way, status IN ('succeeded', 'reversed') AS done) AS states
CROSS JOIN LATERAL (VALUES
    ('amount_minor', CASE WHEN done THEN way * COALESCE(came, 0) ELSE amount_minor END, amount_minor),
    ('fee_minor', COALESCE(fee, 0), fee_minor),
    ('allocated_minor', way * COALESCE(allocated, 0), allocated_minor),
    ('credited_minor', COALESCE(credited, 0), credited_minor),
    -- what went back beyond all that was left is in suspense on the other side, for a person to see
    ('suspended_minor', greatest(0, way * COALESCE(suspended, 0)), suspended_minor),
    ('refunded_minor', COALESCE(noted, 0) + COALESCE(refunded, 0), refunded_minor),
    ('disputed_minor', COALESCE(moved.disputed, 0), disputed_minor),
    ('lost_minor', COALESCE(lost, 0), lost_minor),
    ('reversed_minor', way * COALESCE(reversed, 0), reversed_minor),
    ('transfers', CASE WHEN done THEN transfers ELSE 0 END, COALESCE(transfers, 0))
) AS figures (figure, expected, stored)
WHERE ($1::uuid IS NULL OR payments.tenant_id = $1) AND expected IS DISTINCT FROM stored;

-- name: payment_limits
-- No more of a payment is given back or reserved for that than came in; it is settled when it has ended.
WITH asked AS (
    SELECT tenant_id, shard, payment_id, sum(amount_minor) AS amount
    FROM refunds
    WHERE status IN ('pending', 'succeeded') AND ($1::uuid IS NULL OR tenant_id = $1)
    GROUP BY tenant_id, shard, payment_id
)
SELECT payments.tenant_id, 'payment ' || payments.id AS object, figure, expected, stored
FROM payments
LEFT JOIN asked ON asked.shard = payments.shard AND asked.payment_id = payments.id AND asked.tenant_id = payments.tenant_id
LEFT JOIN customers ON customers.shard = payments.shard AND customers.id = payments.customer_id AND customers.tenant_id = payments.tenant_id
CROSS JOIN LATERAL (VALUES
    ('refunds', COALESCE(asked.amount, 0) <= CASE WHEN status IN ('succeeded', 'reversed') THEN payments.amount_minor ELSE 0 END,
        'up to ' || payments.amount_minor, asked.amount::text),
    ('settled_at', (settled_at IS NULL) = (status IN ('processing', 'action_required')), 'an instant once it has ended', settled_at::text),
    ('customer_id', customers.id IS NOT NULL, 'a customer of this tenant', payments.customer_id::text),
    ('shard', payments.shard = (get_byte(uuid_send(payments.id), 14) & 3) * 256 + get_byte(uuid_send(payments.id), 15),
        ((get_byte(uuid_send(payments.id), 14) & 3) * 256 + get_byte(uuid_send(payments.id), 15))::text, payments.shard::text)
) AS figures (figure, holds, expected, stored)
WHERE ($1::uuid IS NULL OR payments.tenant_id = $1) AND holds IS NOT TRUE;

-- name: allocations
-- What a payment pays of an invoice is the sum of their transfers; all its allocations are what is allocated of it.
WITH moved AS (
    SELECT tenant_id, shard, payment_id, invoice_id,
        sum(amount_minor) FILTER (WHERE kind IN ('payment_allocated', 'payment_linked', 'payout_paid')) AS amount,
        sum(amount_minor) FILTER (WHERE kind IN ('payment_reversed', 'refund_reopened', 'dispute_reopened', 'payout_bounced')) AS released
    FROM transfers
    WHERE payment_id IS NOT NULL AND invoice_id IS NOT NULL AND ($1::uuid IS NULL OR tenant_id = $1)
        AND kind NOT IN ('refunded_net', 'refunded_tax')
    GROUP BY tenant_id, shard, payment_id, invoice_id
), kept AS (
    SELECT tenant_id, shard, payment_id, invoice_id, amount_minor, released_minor
    FROM allocations
    WHERE $1::uuid IS NULL OR tenant_id = $1
)
SELECT tenant_id, 'payment ' || payment_id || ' of invoice ' || invoice_id AS object, figure, expected::text, stored::text
FROM moved
FULL JOIN kept USING (tenant_id, shard, payment_id, invoice_id)
CROSS JOIN LATERAL (VALUES
    ('amount_minor', COALESCE(amount, 0), amount_minor),
    ('released_minor', COALESCE(released, 0), released_minor)
) AS figures (figure, expected, stored)
WHERE expected IS DISTINCT FROM stored;

-- name: attempts
-- An attempt has ended or is live; a charge or payout is over what its invoices were to pay, a refund over its refund.
WITH shares AS (
    SELECT tenant_id, shard, attempt_id, sum(amount_minor) AS amount
    FROM attempt_invoices
    WHERE $1::uuid IS NULL OR tenant_id = $1
    GROUP BY tenant_id, shard, attempt_id
)
SELECT attempts.tenant_id, 'attempt ' || attempts.id AS object, figure, expected, stored
FROM attempts
LEFT JOIN shares ON shares.shard = attempts.shard AND attempt_id = attempts.id AND shares.tenant_id = attempts.tenant_id
LEFT JOIN payments ON payments.shard = attempts.shard AND payments.id = attempts.payment_id AND payments.tenant_id = attempts.tenant_id
LEFT JOIN refunds ON refunds.shard = attempts.shard AND refunds.id = attempts.refund_id AND refunds.tenant_id = attempts.tenant_id
CROSS JOIN LATERAL (SELECT CASE attempts.kind WHEN 'refund' THEN refunds.amount_minor WHEN 'charge' THEN amount WHEN 'payout' THEN amount
    ELSE attempts.amount_minor END AS due) AS meant
CROSS JOIN LATERAL (VALUES
    ('amount_minor', attempts.amount_minor IS NOT DISTINCT FROM due, due::text, attempts.amount_minor::text),
    ('actual_amount_minor', attempts.kind NOT IN ('charge', 'payout') OR attempts.status <> 'succeeded'
        OR COALESCE(actual_amount_minor, attempts.amount_minor) = payments.amount_minor, payments.amount_minor::text, actual_amount_minor::text),
    ('fee_minor', attempts.kind NOT IN ('charge', 'payout') OR attempts.status <> 'succeeded' OR attempts.fee_minor = payments.fee_minor,
        payments.fee_minor::text, attempts.fee_minor::text),
    ('checks', checks >= 0, '0 or more', checks::text),
    ('version', attempts.version > 0, 'more than 0', attempts.version::text),
    ('ended_at', (ended_at IS NULL) = (attempts.status IN ('sent', 'authorized', 'pending', 'requires_action', 'unknown')),
        'an instant once it has ended', ended_at::text),
    ('payment_id', payments.id IS NOT NULL AND payments.customer_id = attempts.customer_id, 'a payment of this customer',
        attempts.payment_id::text),
    ('refund_id', (attempts.kind = 'refund') = (refunds.id IS NOT NULL), CASE attempts.kind WHEN 'refund' THEN 'a refund' END,
        attempts.refund_id::text)
) AS figures (figure, holds, expected, stored)
WHERE ($1::uuid IS NULL OR attempts.tenant_id = $1) AND holds IS NOT TRUE;

-- name: attempt_invoices
-- A share is live as long as its attempt is; of one invoice at most one is.
SELECT shares.tenant_id, 'attempt ' || attempt_id || ' of invoice ' || shares.invoice_id AS object, figure, expected, stored
FROM (
    SELECT tenant_id, shard, attempt_id, invoice_id, amount_minor, live,
        count(*) FILTER (WHERE live) OVER (PARTITION BY tenant_id, invoice_id) AS alive
    FROM attempt_invoices
    WHERE $1::uuid IS NULL OR tenant_id = $1
) AS shares
LEFT JOIN attempts ON attempts.shard = shares.shard AND attempts.id = attempt_id AND attempts.tenant_id = shares.tenant_id
LEFT JOIN invoices ON invoices.shard = shares.shard AND invoices.id = shares.invoice_id AND invoices.tenant_id = shares.tenant_id
CROSS JOIN LATERAL (VALUES
    ('live', live = (attempts.status IN ('sent', 'authorized', 'pending', 'requires_action', 'unknown')), attempts.status, live::text),
    ('at_once', alive <= 1, 'at most 1', alive::text),
    ('invoice_id', invoices.id IS NOT NULL, 'an invoice of this tenant', shares.invoice_id::text)
) AS figures (figure, holds, expected, stored)
WHERE holds IS NOT TRUE;

-- name: refunds
-- A refund that succeeded has moved its amount, any other nothing; it is settled when it has ended.
WITH moved AS (
    SELECT tenant_id, shard, refund_id, sum(CASE
        WHEN credit LIKE 'cash:%' OR (credit = 'customer_credit' AND kind IN ('refunded_net', 'refunded_tax')) THEN amount_minor
        WHEN debit LIKE 'cash:%' OR (debit = 'customer_credit' AND kind IN ('refunded_net', 'refunded_tax')) THEN -amount_minor
        ELSE 0 END) AS amount
    FROM transfers
    WHERE refund_id IS NOT NULL AND ($1::uuid IS NULL OR tenant_id = $1)
    GROUP BY tenant_id, shard, refund_id
)
SELECT refunds.tenant_id, 'refund ' || refunds.id AS object, figure, expected, stored
FROM refunds
LEFT JOIN moved ON moved.shard = refunds.shard AND refund_id = refunds.id AND moved.tenant_id = refunds.tenant_id
LEFT JOIN payments ON payments.shard = refunds.shard AND payments.id = payment_id AND payments.tenant_id = refunds.tenant_id
CROSS JOIN LATERAL (VALUES
    ('amount_minor', COALESCE(moved.amount, 0) = CASE refunds.status WHEN 'succeeded' THEN refunds.amount_minor ELSE 0 END,
        COALESCE(moved.amount, 0)::text, refunds.amount_minor || ', ' || refunds.status),
    ('settled_at', (refunds.settled_at IS NULL) = (refunds.status = 'pending'), 'an instant once it has ended', refunds.settled_at::text),
    ('tries', tries >= 0, '0 or more', tries::text),
    ('payment_id', payments.id IS NOT NULL, 'a payment of this tenant', payment_id::text)
) AS figures (figure, holds, expected, stored)
WHERE ($1::uuid IS NULL OR refunds.tenant_id = $1) AND holds IS NOT TRUE;

-- name: disputes
-- A dispute has moved its amount when it was opened, and once more when it was decided.
WITH moved AS (
    SELECT tenant_id, shard, dispute_id,
        COALESCE(sum(amount_minor) FILTER (WHERE kind = 'dispute_opened'), 0) AS opened,
        COALESCE(sum(amount_minor) FILTER (WHERE kind = 'dispute_won'), 0) AS won,
        COALESCE(sum(amount_minor) FILTER (WHERE kind = 'dispute_expensed'), 0) AS expensed,
        COALESCE(sum(amount_minor) FILTER (WHERE kind = 'dispute_reopened'), 0) AS reopened
    FROM transfers
    WHERE dispute_id IS NOT NULL AND ($1::uuid IS NULL OR tenant_id = $1)
    GROUP BY tenant_id, shard, dispute_id
)
SELECT disputes.tenant_id, 'dispute ' || disputes.id AS object, figure, expected, stored
FROM disputes
LEFT JOIN moved ON moved.shard = disputes.shard AND dispute_id = disputes.id AND moved.tenant_id = disputes.tenant_id
LEFT JOIN payments ON payments.shard = disputes.shard AND payments.id = payment_id AND payments.tenant_id = disputes.tenant_id
CROSS JOIN LATERAL (VALUES
    ('amount_minor', opened = disputes.amount_minor, opened::text, disputes.amount_minor::text),
    ('status', (won, expensed, reopened) = (CASE disputes.status WHEN 'won' THEN opened ELSE 0 END,
        CASE outcome WHEN 'expensed' THEN opened ELSE 0 END, CASE outcome WHEN 'reopened' THEN opened ELSE 0 END),
        concat_ws(' ', 'won', won, 'expensed', expensed, 'reopened', reopened), concat_ws(' ', disputes.status, outcome)),
    ('closed_at', (closed_at IS NULL) = (disputes.status = 'open'), 'an instant once it is decided', closed_at::text),
    ('payment_id', payments.id IS NOT NULL, 'a payment of this tenant', payment_id::text)
) AS figures (figure, holds, expected, stored)
WHERE ($1::uuid IS NULL OR disputes.tenant_id = $1) AND holds IS NOT TRUE;

-- name: payment_methods
-- A payment method is its customer's, at an account of its tenant.
SELECT methods.tenant_id, 'payment method ' || methods.id AS object, figure, expected, stored
FROM payment_methods AS methods
LEFT JOIN customers ON customers.shard = methods.shard AND customers.id = methods.customer_id AND customers.tenant_id = methods.tenant_id
LEFT JOIN gateway_accounts AS accounts ON accounts.tenant_id = methods.tenant_id AND accounts.id = gateway_account_id
CROSS JOIN LATERAL (VALUES
    ('customer_id', customers.id IS NOT NULL, 'a customer of this tenant', methods.customer_id::text),
    ('gateway_account_id', accounts.id IS NOT NULL, 'a gateway account of this tenant', gateway_account_id::text)
) AS figures (figure, holds, expected, stored)
WHERE ($1::uuid IS NULL OR methods.tenant_id = $1) AND NOT holds;

-- name: orphans
-- What gateways' events of unknown payments moved into suspense is what is in suspense as nobody's.
WITH moved AS (
    SELECT tenant_id, currency, sum(CASE 'suspense' WHEN credit THEN amount_minor WHEN debit THEN -amount_minor ELSE 0 END) AS amount
    FROM transfers
    WHERE customer_id IS NULL AND ($1::uuid IS NULL OR tenant_id = $1)
    GROUP BY tenant_id, currency
), kept AS (
    SELECT tenant_id, currency, sum(suspended_minor) AS suspended
    FROM gateway_events
    WHERE suspended_minor IS NOT NULL AND ($1::uuid IS NULL OR tenant_id = $1)
    GROUP BY tenant_id, currency
)
SELECT tenant_id, 'tenant ' || tenant_id || ' in ' || currency AS object, 'suspended_minor' AS figure, COALESCE(amount, 0)::text AS expected,
    COALESCE(suspended, 0)::text AS stored
FROM moved
FULL JOIN kept USING (tenant_id, currency)
WHERE COALESCE(amount, 0) <> COALESCE(suspended, 0);
