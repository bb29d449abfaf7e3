-- name: get_credits
SELECT credits.id, credits.tenant_id, customer_id, currency, source, invoice_id, reason, granted_on, expires_at, amount_minor, drawn_minor, expired_minor,
    deleted_minor, metadata, version, created_at
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, id)
JOIN credits ON credits.shard = wanted.shard AND credits.id = wanted.id
WHERE tenant_id = $1;

-- name: credits_left
-- What can be drawn for these customers.
SELECT credits.id, credits.tenant_id, customer_id, currency, source, invoice_id, reason, granted_on, expires_at, amount_minor, drawn_minor, expired_minor,
    deleted_minor, metadata, version, created_at
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, customer)
JOIN credits ON credits.shard = wanted.shard AND customer_id = wanted.customer
WHERE tenant_id = $1 AND remaining_minor > 0;

-- name: list_credits
-- Conditions, order and limit are appended (listing.py).
SELECT shard, id FROM credits WHERE tenant_id = $1;

-- name: update_credits
UPDATE credits
SET drawn_minor = changed.drawn_minor, expired_minor = changed.expired_minor, deleted_minor = changed.deleted_minor, version = changed.version
FROM unnest($2::smallint[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::integer[])
    AS changed (shard, id, drawn_minor, expired_minor, deleted_minor, version)
WHERE credits.tenant_id = $1 AND credits.shard = changed.shard AND credits.id = changed.id;

-- name: expired_credits
-- across tenants: a sweep of the live tenants and of the sandboxes that live in the real time
SELECT credits.tenant_id, credits.customer_id, credits.id, expires_at
FROM credits JOIN tenants ON tenants.id = credits.tenant_id
WHERE expires_at <= $1 AND remaining_minor > 0 AND tenants.clock_at IS NULL AND (expires_at, credits.id) > ($3, $4)
ORDER BY expires_at, credits.id LIMIT $2;

-- name: expired_credits_of_tenant
SELECT tenant_id, customer_id, id, expires_at FROM credits
WHERE tenant_id = $1 AND expires_at <= $2 AND remaining_minor > 0
ORDER BY expires_at, id LIMIT $3;
