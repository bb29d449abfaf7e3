-- name: insert_account
INSERT INTO gateway_accounts (tenant_id, id, gateway, name, is_default, status, paused_because, settings, sealed_credentials, metadata, version, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT DO NOTHING
RETURNING id;

-- name: update_account
UPDATE gateway_accounts
SET name = $3, is_default = $4, status = $5, paused_because = $6, settings = $7, sealed_credentials = $8, metadata = $9, version = $10
WHERE tenant_id = $1 AND id = $2;

-- name: get_account
SELECT tenant_id, id, gateway, name, is_default, status, paused_because, settings, sealed_credentials, metadata, version, created_at
FROM gateway_accounts WHERE tenant_id = $1 AND id = $2;

-- name: lock_account
SELECT tenant_id, id, gateway, name, is_default, status, paused_because, settings, sealed_credentials, metadata, version, created_at
FROM gateway_accounts WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE;

-- name: list_accounts
SELECT tenant_id, id, gateway, name, is_default, status, paused_because, settings, sealed_credentials, metadata, version, created_at
FROM gateway_accounts WHERE tenant_id = $1 ORDER BY id;

-- name: find_account
-- across tenants: a webhook names the account that it is for, which names the tenant
SELECT tenant_id, id, gateway, name, is_default, status, paused_because, settings, sealed_credentials, metadata, version, created_at
FROM gateway_accounts WHERE id = $1;

-- name: get_methods
SELECT payment_methods.id, tenant_id, customer_id, gateway_account_id, token, kind, status, brand, last4, expires_year, expires_month, setup_id, next_action,
    metadata, version, created_at, validated_at
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, id)
JOIN payment_methods ON payment_methods.shard = wanted.shard AND payment_methods.id = wanted.id
WHERE tenant_id = $1;

-- name: list_methods
-- Conditions, order and limit are appended (listing.py).
SELECT shard, id FROM payment_methods WHERE tenant_id = $1;

-- name: update_method
UPDATE payment_methods
SET status = $4, brand = $5, last4 = $6, expires_year = $7, expires_month = $8, setup_id = $9, next_action = $10, metadata = $11, version = $12,
    validated_at = $13, token = $14
WHERE tenant_id = $1 AND shard = $2 AND id = $3;

-- name: lock_accounts
-- All of them, so that which is the default can be changed.
SELECT tenant_id, id, gateway, name, is_default, status, paused_because, settings, sealed_credentials, metadata, version, created_at
FROM gateway_accounts WHERE tenant_id = $1 ORDER BY id FOR NO KEY UPDATE;

-- name: list_all_accounts
-- across tenants: whose credentials are to be sealed with a newer key
SELECT tenant_id, id, gateway, name, is_default, status, paused_because, settings, sealed_credentials, metadata, version, created_at
FROM gateway_accounts WHERE id > $1 ORDER BY id LIMIT $2;

-- name: reseal_account
-- Only if nobody gave it other credentials meanwhile.
UPDATE gateway_accounts SET sealed_credentials = $4 WHERE tenant_id = $1 AND id = $2 AND sealed_credentials = $3 RETURNING id;

-- name: find_method
-- The one with which a customer has this token already.
SELECT id FROM payment_methods
WHERE tenant_id = $1 AND shard = $2 AND customer_id = $3 AND gateway_account_id = $4 AND token = $5 AND status <> 'detached'
ORDER BY id LIMIT 1;

-- name: find_setup
SELECT id FROM payment_methods WHERE tenant_id = $1 AND gateway_account_id = $2 AND setup_id = $3 AND status = 'pending';
