-- name: insert_tenant
INSERT INTO tenants (id, name, mode, currency, time_zone, seller, settings, metadata, clock_at, snapshot_id, version, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12);

-- name: get_tenant
SELECT id, name, mode, currency, time_zone, seller, settings, metadata, clock_at, snapshot_id, version, created_at
FROM tenants WHERE id = $1;

-- name: lock_tenant
SELECT id, name, mode, currency, time_zone, seller, settings, metadata, clock_at, snapshot_id, version, created_at
FROM tenants WHERE id = $1 FOR NO KEY UPDATE;

-- name: list_tenants
SELECT id, name, mode, currency, time_zone, seller, settings, metadata, clock_at, snapshot_id, version, created_at
FROM tenants ORDER BY id;

-- name: find_tenants_by_name
SELECT id, name, mode, currency, time_zone, seller, settings, metadata, clock_at, snapshot_id, version, created_at
FROM tenants WHERE name = $1 ORDER BY id LIMIT 2;

-- name: move_clock
UPDATE tenants SET clock_at = $2, version = $3 WHERE id = $1;

-- name: insert_snapshot
INSERT INTO party_snapshots (tenant_id, id, party) VALUES ($1, $2, $3);

-- name: insert_event_series
INSERT INTO event_series (tenant_id, next_sequence) VALUES ($1, 1);
