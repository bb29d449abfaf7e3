-- name: get_attempts
SELECT attempts.id, tenant_id, customer_id, kind, status, payment_id, refund_id, payment_method_id, gateway_account_id, amount_minor, currency,
    statement_text, fingerprint, sent_at, lease_until, next_check_at, checks, gateway_id, actual_amount_minor, actual_currency, fee_minor, decline,
    next_action, settles_at, raw, evidence, version, created_at, ended_at
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, id)
JOIN attempts ON attempts.shard = wanted.shard AND attempts.id = wanted.id
WHERE tenant_id = $1;

-- name: attempts_of_payments
SELECT attempts.id, tenant_id, customer_id, kind, status, payment_id, refund_id, payment_method_id, gateway_account_id, amount_minor, currency,
    statement_text, fingerprint, sent_at, lease_until, next_check_at, checks, gateway_id, actual_amount_minor, actual_currency, fee_minor, decline,
    next_action, settles_at, raw, evidence, version, created_at, ended_at
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, payment)
JOIN attempts ON attempts.shard = wanted.shard AND payment_id = wanted.payment
WHERE tenant_id = $1
ORDER BY attempts.id;

-- name: list_attempts
-- Conditions, order and limit are appended (listing.py).
SELECT shard, id FROM attempts WHERE tenant_id = $1;

-- name: update_attempts
UPDATE attempts
SET status = changed.status, sent_at = changed.sent_at, lease_until = changed.lease_until, next_check_at = changed.next_check_at, checks = changed.checks,
    gateway_id = changed.gateway_id, actual_amount_minor = changed.actual_amount_minor, actual_currency = changed.actual_currency,
    fee_minor = changed.fee_minor, decline = changed.decline, next_action = changed.next_action, settles_at = changed.settles_at, raw = changed.raw,
    evidence = changed.evidence, version = changed.version, ended_at = changed.ended_at
FROM unnest($2::smallint[], $3::uuid[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[], $8::integer[], $9::text[], $10::bigint[],
        $11::text[], $12::bigint[], $13::jsonb[], $14::jsonb[], $15::timestamptz[], $16::bytea[], $17::text[], $18::integer[], $19::timestamptz[])
    AS changed (shard, id, status, sent_at, lease_until, next_check_at, checks, gateway_id, actual_amount_minor, actual_currency, fee_minor, decline,
        next_action, settles_at, raw, evidence, version, ended_at)
WHERE attempts.tenant_id = $1 AND attempts.shard = changed.shard AND attempts.id = changed.id;

-- name: end_shares
-- The invoices of attempts that have ended are free for another.
UPDATE attempt_invoices SET live = false
FROM unnest($2::smallint[], $3::uuid[]) AS ended (shard, attempt_id)
WHERE attempt_invoices.tenant_id = $1 AND attempt_invoices.shard = ended.shard AND attempt_invoices.attempt_id = ended.attempt_id AND live;

-- name: get_shares
SELECT attempt_id, invoice_id, tenant_id, amount_minor FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, attempt)
JOIN attempt_invoices ON attempt_invoices.shard = wanted.shard AND attempt_id = wanted.attempt
WHERE tenant_id = $1
ORDER BY attempt_id, invoice_id;

-- name: live_attempts_of_invoices
SELECT invoice_id, attempt_id FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, invoice)
JOIN attempt_invoices ON attempt_invoices.shard = wanted.shard AND invoice_id = wanted.invoice
WHERE tenant_id = $1 AND live;

-- name: attempts_of_invoice
-- Every attempt that had a share of it, oldest first.
SELECT attempt_id FROM attempt_invoices WHERE tenant_id = $1 AND shard = $2 AND invoice_id = $3 ORDER BY attempt_id;

-- name: count_tries
-- Calls for an invoice with a payment method since an instant: what the card networks count. A failure without a decline
-- never reached them.
SELECT invoice_id, payment_method_id, count(*) AS tries FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, invoice)
JOIN attempt_invoices AS shares ON shares.tenant_id = $1 AND shares.shard = wanted.shard AND shares.invoice_id = wanted.invoice
JOIN attempts ON attempts.shard = shares.shard AND attempts.id = shares.attempt_id
WHERE attempts.tenant_id = $1 AND created_at >= $4 AND kind = 'charge' AND payment_method_id IS NOT NULL
    AND NOT (status = 'failed' AND decline IS NULL)
GROUP BY invoice_id, payment_method_id;

-- name: cut_off
-- across tenants: attempts to ask the gateway about, of everybody: a call that was cut off does not wait for a sandbox's clock
SELECT tenant_id, customer_id, id, next_check_at FROM attempts
WHERE next_check_at <= $1 AND status = 'sent'
ORDER BY next_check_at LIMIT $2;

-- name: cut_off_of_tenant
SELECT tenant_id, customer_id, id, next_check_at FROM attempts
WHERE tenant_id = $1 AND next_check_at <= $2 AND status = 'sent'
ORDER BY next_check_at LIMIT $3;

-- name: later_checks_due
-- across tenants: what is pending at a gateway, for those who live in the real time
SELECT attempts.tenant_id, attempts.customer_id, attempts.id, next_check_at
FROM attempts JOIN tenants ON tenants.id = attempts.tenant_id
WHERE next_check_at <= $1 AND status <> 'sent' AND tenants.clock_at IS NULL
ORDER BY next_check_at LIMIT $2;

-- name: later_checks_due_of_tenant
SELECT tenant_id, customer_id, id, next_check_at FROM attempts
WHERE tenant_id = $1 AND next_check_at <= $2 AND status <> 'sent'
ORDER BY next_check_at LIMIT $3;

-- name: count_undecided
-- across tenants: for the metrics; through the index of those that are asked about
SELECT status, count(*) AS attempts FROM attempts WHERE next_check_at IS NOT NULL GROUP BY status;

-- name: count_parked
-- across tenants: for the metrics; what waits for a person because it could not be worked on
SELECT (SELECT count(*) FROM invoices WHERE collection_reason = 'parked') AS invoices,
    (SELECT count(*) FROM refunds WHERE needs_attention AND status = 'pending') AS refunds;

-- name: count_live_of_account
-- What is live has a time to be asked about again, so the partial index on that finds it.
SELECT count(*) FROM attempts
WHERE tenant_id = $1 AND gateway_account_id = $2 AND next_check_at IS NOT NULL
    AND status IN ('sent', 'authorized', 'pending', 'requires_action', 'unknown');

-- name: count_sent_of_method
-- Calls that are under way with a payment method.
SELECT count(*) FROM attempts WHERE tenant_id = $1 AND shard = $2 AND payment_method_id = $3 AND status = 'sent';

-- name: find_attempts_at_gateway
SELECT id FROM attempts WHERE tenant_id = $1 AND gateway_account_id = $2 AND gateway_id = $3 ORDER BY id;
