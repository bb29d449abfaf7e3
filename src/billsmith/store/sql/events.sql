-- name: insert_events
-- A few, as JSON; many are copied.
INSERT INTO events (shard, id, tenant_id, customer_id, type, object_id, object_version, object, cause_id, occurred_at)
SELECT shard, id, tenant_id, customer_id, type, object_id, object_version, object, cause_id, occurred_at
FROM json_to_recordset($1::json) AS new (shard smallint, id uuid, tenant_id uuid, customer_id uuid, type text, object_id uuid, object_version integer, object jsonb, cause_id uuid,
    occurred_at timestamptz);

-- name: insert_outbox
-- The position is drawn while the customer is locked, so positions are in the order of facts within a customer.
INSERT INTO outbox (shard, tenant_id, event_ids)
SELECT of_shard, $1, array_agg(event_id ORDER BY nth)
FROM unnest($2::smallint[], $3::uuid[]) WITH ORDINALITY AS one (of_shard, event_id, nth)
GROUP BY of_shard;

-- name: tenants_with_outbox
-- across tenants: the dispatcher looks whose events are to be numbered
-- From tenant to tenant through the index, however much one of them has waiting.
WITH RECURSIVE waiting (tenant_id) AS (
    (SELECT outbox.tenant_id FROM outbox ORDER BY outbox.tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT outbox.tenant_id FROM outbox WHERE outbox.tenant_id > waiting.tenant_id ORDER BY outbox.tenant_id LIMIT 1)
    FROM waiting WHERE waiting.tenant_id IS NOT NULL
)
SELECT tenant_id FROM waiting WHERE tenant_id IS NOT NULL;

-- name: lock_event_series
SELECT next_sequence FROM event_series WHERE tenant_id = $1 FOR UPDATE;

-- name: take_outbox
-- The first so many transactions, but none that begins behind so many events: one of a run can have thousands.
DELETE FROM outbox WHERE (shard, position) IN (
    SELECT shard, position FROM (
        SELECT shard, position, sum(cardinality(event_ids)) OVER (ORDER BY position) - cardinality(event_ids) AS before
        FROM (SELECT shard, position, event_ids FROM outbox WHERE tenant_id = $1 ORDER BY position LIMIT $2) AS first
    ) AS counted WHERE before < $3) AND tenant_id = $1
RETURNING shard, position, event_ids;

-- name: advance_event_series
UPDATE event_series SET next_sequence = $2 WHERE tenant_id = $1;

-- name: last_sequence
SELECT next_sequence - 1 FROM event_series WHERE tenant_id = $1;

-- name: events_after
SELECT sequence, events.id, type, customer_id, object_id, object_version, object, occurred_at, cause_id, actor, reason, request_id
FROM event_numbers
JOIN events ON events.tenant_id = $1 AND events.shard = event_numbers.shard AND events.id = event_id
JOIN causes ON causes.tenant_id = $1 AND causes.id = cause_id
WHERE event_numbers.tenant_id = $1 AND sequence > $2 AND sequence <= $5 AND ($4::text IS NULL OR type LIKE $4)
ORDER BY sequence LIMIT $3;

-- name: insert_cause
-- No row comes back if it is there already; a transaction that is just writing it is waited for.
INSERT INTO causes (tenant_id, id, actor, reason, request_id, caused_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING
RETURNING id;
