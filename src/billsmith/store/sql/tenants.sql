-- name: insert_tenant
INSERT INTO tenants (id, name, mode, currency, time_zone, seller, settings, metadata, clock_at, snapshot_id, version, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12);

-- name: get_tenant
SELECT id, name, mode, currency, time_zone, seller, settings, metadata, clock_at, snapshot_id, version, created_at
FROM tenants WHERE id = $1;

-- name: get_tenants
SELECT id, name, mode, currency, time_zone, seller, settings, metadata, clock_at, snapshot_id, version, created_at
FROM tenants WHERE id = ANY ($1::uuid[]);

-- name: lock_tenant
SELECT id, name, mode, currency, time_zone, seller, settings, metadata, clock_at, snapshot_id, version, created_at
FROM tenants WHERE id = $1 FOR NO KEY UPDATE;

-- name: list_tenants
SELECT id, name, mode, currency, time_zone, seller, settings, metadata, clock_at, snapshot_id, version, created_at
FROM tenants ORDER BY id;

-- name: find_tenants_by_name
SELECT id, name, mode, currency, time_zone, seller, settings, metadata, clock_at, snapshot_id, version, created_at
FROM tenants WHERE name = $1 ORDER BY id LIMIT 2;

-- name: update_settings
UPDATE tenants SET settings = $2, version = $3 WHERE id = $1;

-- name: move_clock
UPDATE tenants SET clock_at = $2, version = $3 WHERE id = $1;

-- name: share_clock
-- Keeps the clock where it is until this transaction ends; writers of one sandbox don't wait for each other.
SELECT clock_at, clock_holder, clock_held_until FROM tenants WHERE id = $1 FOR SHARE;

-- name: hold_clock
-- Taken if nobody holds it, or whoever did gave no sign in time; prolonged by its holder.
UPDATE tenants SET clock_holder = $2, clock_held_until = $4
WHERE id = $1 AND (clock_holder IS NULL OR clock_holder = $2 OR clock_held_until <= $3)
RETURNING id;

-- name: release_clock
UPDATE tenants SET clock_holder = NULL, clock_held_until = NULL WHERE id = $1 AND clock_holder = $2;

-- name: insert_snapshot
INSERT INTO party_snapshots (tenant_id, id, party) VALUES ($1, $2, $3);

-- name: insert_event_series
INSERT INTO event_series (tenant_id, next_sequence) VALUES ($1, 1);
