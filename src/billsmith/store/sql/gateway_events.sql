-- name: insert_gateway_events
-- Those that were not there yet.
INSERT INTO gateway_events (tenant_id, gateway_account_id, gateway_event_id, id, kind, type, operation_kind, operation_id, gateway_id, happened_at,
    headers, body, status, tries, received_at, next_try_at)
SELECT $1, $2, gateway_event_id, id, kind, type, operation_kind, operation_id, gateway_id, happened_at, $11, $12, status, 0, $13,
    CASE WHEN status = 'received' THEN $14::timestamptz END
FROM unnest($3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::timestamptz[], $15::text[])
    AS told (gateway_event_id, id, kind, type, operation_kind, operation_id, gateway_id, happened_at, status)
ON CONFLICT DO NOTHING
RETURNING id;

-- name: get_gateway_events
SELECT tenant_id, id, gateway_account_id, gateway_event_id, kind, type, operation_kind, operation_id, gateway_id, happened_at, status, detail, suspended_minor,
    currency, tries, received_at, next_try_at
FROM gateway_events WHERE tenant_id = $1 AND id = ANY ($2::uuid[])
ORDER BY id;

-- name: list_gateway_events
-- Conditions, order and limit are appended (listing.py).
SELECT id FROM gateway_events WHERE tenant_id = $1;

-- name: lock_gateway_event
SELECT tenant_id, id, gateway_account_id, gateway_event_id, kind, type, operation_kind, operation_id, gateway_id, happened_at, status, detail, suspended_minor,
    currency, tries, received_at, next_try_at
FROM gateway_events WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE;

-- name: lock_orphan
-- Everything that was told of one object that is not ours, so that its money is suspended once.
SELECT tenant_id, id, gateway_account_id, gateway_event_id, kind, type, operation_kind, operation_id, gateway_id, happened_at, status, detail, suspended_minor,
    currency, tries, received_at, next_try_at
FROM gateway_events WHERE tenant_id = $1 AND gateway_account_id = $2 AND gateway_id = $3 ORDER BY id FOR NO KEY UPDATE;

-- name: lease_gateway_events
-- across tenants: events to be looked into, for whoever asks
UPDATE gateway_events SET next_try_at = $2
WHERE (tenant_id, id) IN (
    SELECT tenant_id, id FROM gateway_events WHERE next_try_at <= $1 ORDER BY next_try_at LIMIT $3 FOR UPDATE SKIP LOCKED)
RETURNING tenant_id, id;

-- name: lease_gateway_events_of_tenant
UPDATE gateway_events SET next_try_at = $3
WHERE tenant_id = $1 AND id IN (
    SELECT id FROM gateway_events WHERE tenant_id = $1 AND next_try_at <= $2 ORDER BY next_try_at LIMIT $4 FOR UPDATE SKIP LOCKED)
RETURNING tenant_id, id;

-- name: update_gateway_event
UPDATE gateway_events SET status = $3, detail = $4, suspended_minor = $5, currency = $6, tries = $7, next_try_at = $8 WHERE tenant_id = $1 AND id = $2;

-- name: count_for_review
-- across tenants: for the metric
SELECT status, count(*) FROM gateway_events WHERE status IN ('orphan', 'parked') GROUP BY status;

-- name: pulls_due
-- across tenants: accounts whose gateways are to be asked what has changed, for those who live in the real time
SELECT gateway_accounts.tenant_id, gateway_accounts.id FROM gateway_accounts JOIN tenants ON tenants.id = gateway_accounts.tenant_id
WHERE gateway_accounts.status <> 'paused' AND tenants.clock_at IS NULL AND (next_pull_at IS NULL OR next_pull_at <= $1)
ORDER BY next_pull_at NULLS FIRST LIMIT $2;

-- name: changes_until
SELECT COALESCE(changes_until, created_at) FROM gateway_accounts WHERE tenant_id = $1 AND id = $2;

-- name: pulled
-- A pull that began earlier and ends later does not set it back.
UPDATE gateway_accounts SET changes_until = GREATEST(changes_until, $3), next_pull_at = $4 WHERE tenant_id = $1 AND id = $2;
