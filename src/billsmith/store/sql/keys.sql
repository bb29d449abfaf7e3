-- name: insert_key
INSERT INTO api_keys (tenant_id, id, name, secret_hash, hint, scopes, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: find_key
-- across tenants: the hash of the secret is what names the tenant
SELECT keys.id AS key_id, keys.scopes, keys.last_used_at, keys.revoked_at, tenants.id, tenants.name, tenants.mode, tenants.currency,
    tenants.time_zone, tenants.seller, tenants.settings, tenants.metadata, tenants.clock_at, tenants.snapshot_id, tenants.version,
    tenants.created_at
FROM api_keys AS keys JOIN tenants ON tenants.id = keys.tenant_id
WHERE keys.secret_hash = $1;

-- name: list_keys
SELECT id, name, hint, scopes, created_at, last_used_at, revoked_at FROM api_keys WHERE tenant_id = $1 ORDER BY id;

-- name: revoke_key
UPDATE api_keys SET revoked_at = $3 WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL
RETURNING id, name, hint, scopes, created_at, last_used_at, revoked_at;

-- name: touch_key
UPDATE api_keys SET last_used_at = $3 WHERE tenant_id = $1 AND id = $2;
