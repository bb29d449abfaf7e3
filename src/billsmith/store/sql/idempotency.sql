-- name: take_key
-- A row: the key was free and is now ours. None: it is taken (a concurrent taker is waited for).
INSERT INTO idempotency_keys (tenant_id, key, fingerprint, status, expires_at) VALUES ($1, $2, $3, 'running', $4)
ON CONFLICT DO NOTHING
RETURNING key;

-- name: take_key_for
-- The same, and the cause of what is to be done under it; nothing at all is written if it is taken.
WITH taken AS (
    INSERT INTO idempotency_keys (tenant_id, key, fingerprint, status, expires_at) VALUES ($1, $2, $3, 'running', $4)
    ON CONFLICT DO NOTHING
    RETURNING key
)
INSERT INTO causes (tenant_id, id, actor, reason, request_id, caused_at)
SELECT $1, $5, $6, $7, $8, $9 FROM taken
RETURNING id;

-- name: get_key
SELECT fingerprint, status, answer_status, answer, subject, lease_until FROM idempotency_keys WHERE tenant_id = $1 AND key = $2;

-- name: complete_key
UPDATE idempotency_keys SET status = 'done', answer_status = $3, answer = $4 WHERE tenant_id = $1 AND key = $2;

-- name: name_subject
-- What the running call makes; a repeat after the lease finds it and answers for the first.
UPDATE idempotency_keys SET subject = $3, lease_until = $4 WHERE tenant_id = $1 AND key = $2;

-- name: forget_keys
-- across tenants: a sweep of what has expired
DELETE FROM idempotency_keys WHERE ctid IN (SELECT ctid FROM idempotency_keys WHERE expires_at <= $1 LIMIT $2);
