-- name: get_disputes
SELECT disputes.id, tenant_id, customer_id, payment_id, gateway_id, status, outcome, currency, amount_minor, reason, needs_attention, version, created_at,
    closed_at
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, id)
JOIN disputes ON disputes.shard = wanted.shard AND disputes.id = wanted.id
WHERE tenant_id = $1;

-- name: list_disputes
-- Conditions, order and limit are appended (listing.py).
SELECT shard, id FROM disputes WHERE tenant_id = $1;

-- name: disputes_of_payments
SELECT disputes.id, tenant_id, customer_id, payment_id, gateway_id, status, outcome, currency, amount_minor, reason, needs_attention, version, created_at,
    closed_at
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, payment)
JOIN disputes ON disputes.shard = wanted.shard AND payment_id = wanted.payment
WHERE tenant_id = $1
ORDER BY disputes.id;

-- name: update_disputes
UPDATE disputes
SET status = changed.status, outcome = changed.outcome, needs_attention = changed.needs_attention, version = changed.version, closed_at = changed.closed_at
FROM unnest($2::smallint[], $3::uuid[], $4::text[], $5::text[], $6::boolean[], $7::integer[], $8::timestamptz[])
    AS changed (shard, id, status, outcome, needs_attention, version, closed_at)
WHERE disputes.tenant_id = $1 AND disputes.shard = changed.shard AND disputes.id = changed.id;
