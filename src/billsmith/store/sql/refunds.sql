-- name: get_refunds
SELECT refunds.id, tenant_id, customer_id, status, payment_id, invoice_id, credit_id, destination, reopen, currency, amount_minor, lines, reason,
    credit_note_id, decline, needs_attention, tries, next_try_at, metadata, version, created_at, settled_at
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, id)
JOIN refunds ON refunds.shard = wanted.shard AND refunds.id = wanted.id
WHERE tenant_id = $1;

-- name: list_refunds
-- Conditions, order and limit are appended (listing.py).
SELECT shard, id FROM refunds WHERE tenant_id = $1;

-- name: pending_refunds
-- Those that reserve something of these payments.
SELECT refunds.id, tenant_id, customer_id, status, payment_id, invoice_id, credit_id, destination, reopen, currency, amount_minor, lines, reason,
    credit_note_id, decline, needs_attention, tries, next_try_at, metadata, version, created_at, settled_at
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, payment)
JOIN refunds ON refunds.shard = wanted.shard AND payment_id = wanted.payment
WHERE tenant_id = $1 AND status = 'pending'
ORDER BY refunds.id;

-- name: pending_refunds_of_invoices
SELECT refunds.id, tenant_id, customer_id, status, payment_id, invoice_id, credit_id, destination, reopen, currency, amount_minor, lines, reason,
    credit_note_id, decline, needs_attention, tries, next_try_at, metadata, version, created_at, settled_at
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, invoice)
JOIN refunds ON refunds.shard = wanted.shard AND invoice_id = wanted.invoice
WHERE tenant_id = $1 AND status = 'pending'
ORDER BY refunds.id;

-- name: update_refunds
UPDATE refunds
SET status = changed.status, credit_id = changed.credit_id, credit_note_id = changed.credit_note_id, decline = changed.decline,
    needs_attention = changed.needs_attention, tries = changed.tries, next_try_at = changed.next_try_at, version = changed.version,
    settled_at = changed.settled_at
FROM unnest($2::smallint[], $3::uuid[], $4::text[], $5::uuid[], $6::uuid[], $7::jsonb[], $8::boolean[], $9::integer[], $10::timestamptz[], $11::integer[],
        $12::timestamptz[])
    AS changed (shard, id, status, credit_id, credit_note_id, decline, needs_attention, tries, next_try_at, version, settled_at)
WHERE refunds.tenant_id = $1 AND refunds.shard = changed.shard AND refunds.id = changed.id;

-- name: refunds_due
-- across tenants: refunds to be sent, for those who live in the real time
-- What waits for a paused gateway account stays due, and is left out until the account is resumed.
SELECT refunds.tenant_id, refunds.customer_id, refunds.id, next_try_at
FROM refunds JOIN tenants ON tenants.id = refunds.tenant_id
WHERE next_try_at <= $1 AND refunds.status = 'pending' AND tenants.clock_at IS NULL
    AND NOT EXISTS (
        SELECT FROM payments
        JOIN gateway_accounts AS accounts ON accounts.tenant_id = refunds.tenant_id AND accounts.id = payments.gateway_account_id
        WHERE payments.tenant_id = refunds.tenant_id AND payments.shard = refunds.shard AND payments.id = refunds.payment_id
            AND accounts.status = 'paused'
    )
ORDER BY next_try_at LIMIT $2;

-- name: refunds_due_of_tenant
SELECT tenant_id, customer_id, id, next_try_at FROM refunds
WHERE tenant_id = $1 AND next_try_at <= $2 AND status = 'pending'
    AND NOT EXISTS (
        SELECT FROM payments
        JOIN gateway_accounts AS accounts ON accounts.tenant_id = $1 AND accounts.id = payments.gateway_account_id
        WHERE payments.tenant_id = $1 AND payments.shard = refunds.shard AND payments.id = refunds.payment_id
            AND accounts.status = 'paused'
    )
ORDER BY next_try_at LIMIT $3;
