-- Events: one per fact, in a sequence without gaps.
-- Across tenants: verify proves all of them unless $1 names one. Columns: tenant_id, object, figure, expected, stored.

-- name: event_sequence
-- A tenant's numbered events run 1, 2, 3 … without a gap or a repeat.
SELECT tenant_id, 'tenant ' || tenant_id AS object, 'sequence' AS figure, (before + 1)::text AS expected, sequence::text AS stored
FROM (
    SELECT tenant_id, sequence, lag(sequence, 1, 0::bigint) OVER (PARTITION BY tenant_id ORDER BY sequence) AS before
    FROM event_numbers
    WHERE $1::uuid IS NULL OR tenant_id = $1
) AS ordered
WHERE sequence <> before + 1;

-- name: event_series
-- The sequence of every tenant's events goes on right behind its last one.
WITH taken AS (
    SELECT tenant_id, max(sequence) AS last FROM event_numbers WHERE $1::uuid IS NULL OR tenant_id = $1 GROUP BY tenant_id
), kept AS (
    SELECT tenants.id AS tenant_id, next_sequence
    FROM tenants
    LEFT JOIN event_series ON event_series.tenant_id = tenants.id
    WHERE $1::uuid IS NULL OR tenants.id = $1
)
SELECT tenant_id, 'tenant ' || tenant_id AS object, 'next_sequence' AS figure, (COALESCE(last, 0) + 1)::text AS expected,
    next_sequence::text AS stored
FROM taken
FULL JOIN kept USING (tenant_id)
WHERE COALESCE(last, 0) + 1 IS DISTINCT FROM next_sequence;

-- name: event_entries
-- Every event is numbered once, or waits in the outbox once; nothing is numbered or waits that is no event.
WITH entered AS (
    SELECT tenant_id, shard, event_id, count(*) AS entries
    FROM (
        SELECT tenant_id, shard, event_id FROM event_numbers
        UNION ALL
        SELECT tenant_id, shard, unnest(event_ids) FROM outbox
    ) AS listed
    WHERE $1::uuid IS NULL OR tenant_id = $1
    GROUP BY tenant_id, shard, event_id
), kept AS (
    SELECT tenant_id, shard, id AS event_id, 1 AS due FROM events WHERE $1::uuid IS NULL OR tenant_id = $1
)
SELECT tenant_id, 'event ' || event_id AS object, 'entries' AS figure, COALESCE(due, 0)::text AS expected, COALESCE(entries, 0)::text AS stored
FROM entered
FULL JOIN kept USING (tenant_id, shard, event_id)
WHERE COALESCE(due, 0) <> COALESCE(entries, 0);

-- name: event_versions
-- The events of an object tell its versions 1, 2, 3 … in the order of the sequence; how often a refund was sent is not told.
WITH places AS (
    SELECT tenant_id, shard, event_id, false AS waiting, sequence AS place, 1::bigint AS nth FROM event_numbers
    UNION ALL
    SELECT tenant_id, shard, event_id, true, position, nth FROM outbox CROSS JOIN LATERAL unnest(event_ids) WITH ORDINALITY AS held (event_id, nth)
), told AS (
    SELECT events.tenant_id, type, object_id, object_version, lag(object_version, 1, 0) OVER (
        PARTITION BY events.tenant_id, object_id ORDER BY waiting, place, nth) AS before
    FROM events
    JOIN places ON places.tenant_id = events.tenant_id AND places.shard = events.shard AND places.event_id = events.id
    WHERE $1::uuid IS NULL OR events.tenant_id = $1
)
SELECT tenant_id, split_part(type, '.', 1) || ' ' || object_id AS object, 'object_version' AS figure, (before + 1)::text AS expected,
    object_version::text AS stored
FROM told
WHERE CASE WHEN type LIKE 'refund.%' AND before > 0 THEN object_version <= before ELSE object_version <> before + 1 END;

-- name: object_versions
-- The version an object has is the one that its last event tells; every object has its events, every event its object.
WITH told AS (
    SELECT tenant_id, object_id, split_part(min(type), '.', 1) AS kind, max(object_version) AS last, bool_or(type = 'invoice.deleted') AS deleted
    FROM events
    -- an operation is told when it starts and when it ends, and has no version
    WHERE type NOT LIKE 'operation.%' AND ($1::uuid IS NULL OR tenant_id = $1)
    GROUP BY tenant_id, object_id
), kept AS (
    SELECT tenant_id, object_id, kind, version
    FROM (
        SELECT tenant_id, id AS object_id, 'invoice' AS kind, version FROM invoices
        UNION ALL
        SELECT tenant_id, id, 'credit', version FROM credits
        UNION ALL
        SELECT tenant_id, id, 'customer', version FROM customers
        UNION ALL
        SELECT tenant_id, id, 'payment', version FROM payments
        UNION ALL
        SELECT tenant_id, id, 'refund', version FROM refunds
        UNION ALL
        SELECT tenant_id, id, 'dispute', version FROM disputes
        UNION ALL
        SELECT tenant_id, id, 'credit_note', version FROM credit_notes
        UNION ALL
        SELECT tenant_id, id, 'write_off', version FROM write_offs
        UNION ALL
        SELECT tenant_id, id, 'payment_method', version FROM payment_methods
        UNION ALL
        SELECT tenant_id, id, 'gateway_account', version FROM gateway_accounts
        UNION ALL
        SELECT tenant_id, id, 'key', CASE WHEN revoked_at IS NULL THEN 1 ELSE 2 END FROM api_keys
        UNION ALL
        SELECT id, id, 'tenant', version FROM tenants
        UNION ALL
        SELECT tenant_id, id, 'catalog', version FROM catalogs
        UNION ALL
        SELECT tenant_id, id, 'subscription', version FROM subscriptions
    ) AS objects
    WHERE $1::uuid IS NULL OR tenant_id = $1
)
SELECT tenant_id, kind || ' ' || object_id AS object, 'version' AS figure,
    (CASE WHEN NOT deleted THEN last END)::text AS expected, version::text AS stored
FROM told
FULL JOIN kept USING (tenant_id, object_id, kind)
WHERE CASE WHEN NOT deleted THEN last END IS DISTINCT FROM version AND (kind = 'refund' AND last <= version) IS NOT TRUE;

-- name: event_parents
-- An event has its cause and its customer in its own tenant, and lives in the shard of what it is about.
SELECT events.tenant_id, 'event ' || events.id AS object, figure, expected, stored
FROM events
LEFT JOIN causes ON causes.tenant_id = events.tenant_id AND causes.id = events.cause_id
LEFT JOIN customers ON customers.tenant_id = events.tenant_id AND customers.shard = events.shard AND customers.id = events.customer_id
CROSS JOIN LATERAL (SELECT
    (get_byte(uuid_send(events.id), 14) & 3) * 256 + get_byte(uuid_send(events.id), 15) AS own,
    (get_byte(uuid_send(events.object_id), 14) & 3) * 256 + get_byte(uuid_send(events.object_id), 15) AS objects) AS shards
CROSS JOIN LATERAL (VALUES
    ('cause_id', causes.id IS NOT NULL, 'a cause of this tenant', events.cause_id::text),
    ('customer_id', events.customer_id IS NULL OR customers.id IS NOT NULL, 'a customer of this tenant', events.customer_id::text),
    ('shard', events.shard = own AND own = objects, objects::text, events.shard::text)
) AS figures (figure, holds, expected, stored)
WHERE ($1::uuid IS NULL OR events.tenant_id = $1)
    AND (causes.id IS NULL OR (events.customer_id IS NOT NULL AND customers.id IS NULL) OR events.shard <> own OR own <> objects)
    AND NOT holds;
