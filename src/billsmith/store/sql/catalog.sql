-- name: catalog_stamp
-- The transaction that last changed the catalogue: one that was rolled back never comes again.
SELECT xmin::text FROM catalogs WHERE tenant_id = $1;

-- name: get_catalog
-- All of it as of one moment.
SELECT catalogs.id, version, rules,
    (SELECT COALESCE(jsonb_agg(to_jsonb(products) ORDER BY code), '[]') FROM products WHERE products.tenant_id = $1) AS products,
    (SELECT COALESCE(jsonb_agg(to_jsonb(plans) ORDER BY code), '[]') FROM plans WHERE plans.tenant_id = $1) AS plans,
    (SELECT COALESCE(jsonb_agg(to_jsonb(plan_versions) ORDER BY plan, plan_versions.version), '[]') FROM plan_versions WHERE plan_versions.tenant_id = $1) AS versions,
    catalogs.xmin::text AS stamp
FROM catalogs WHERE tenant_id = $1;

-- name: lock_catalog
SELECT id FROM catalogs WHERE tenant_id = $1 FOR NO KEY UPDATE;

-- name: insert_catalog
-- No row comes back if another transaction was first.
INSERT INTO catalogs (tenant_id, id, version, rules) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING
RETURNING id;

-- name: update_catalog
UPDATE catalogs SET version = $2, rules = $3 WHERE tenant_id = $1;

-- name: save_products
INSERT INTO products (tenant_id, code, name, kind, add_ons, metadata)
SELECT $1, code, name, kind, add_ons, metadata
FROM jsonb_to_recordset($2) AS new (code text, name text, kind text, add_ons text[], metadata jsonb)
ON CONFLICT (tenant_id, code) DO UPDATE SET name = EXCLUDED.name, kind = EXCLUDED.kind, add_ons = EXCLUDED.add_ons, metadata = EXCLUDED.metadata;

-- name: save_plans
INSERT INTO plans (tenant_id, code, retired_at)
SELECT $1, code, retired_at FROM unnest($2::text[], $3::timestamptz[]) AS new (code, retired_at)
ON CONFLICT (tenant_id, code) DO UPDATE SET retired_at = EXCLUDED.retired_at;

-- name: insert_plan_versions
INSERT INTO plan_versions (tenant_id, id, plan, version, product, name, price_list, direction, phases, effective_on, moves, moves_on, metadata)
SELECT $1, id, plan, version, product, name, price_list, direction, phases, effective_on, moves, moves_on, metadata
FROM jsonb_to_recordset($2) AS new (id uuid, plan text, version integer, product text, name text, price_list text, direction text, phases jsonb,
    effective_on date, moves text, moves_on date, metadata jsonb);

-- name: get_plan_versions
SELECT id, tenant_id, plan, version, product, name, price_list, direction, phases, effective_on, moves, moves_on, metadata
FROM plan_versions WHERE tenant_id = $1 AND id = ANY ($2::uuid[]);

-- name: count_subscribers
SELECT plan_version_id, count(*) AS subscribers FROM subscriptions
WHERE tenant_id = $1 AND plan_version_id = ANY ($2::uuid[]) AND status NOT IN ('cancelled', 'expired')
GROUP BY plan_version_id;

-- name: subscribers_of
-- Who stands on these versions, in the order of their ids, for an operation about each of them.
SELECT id AS item_id, currency FROM subscriptions
WHERE tenant_id = $1 AND plan_version_id = ANY ($2::uuid[]) AND status NOT IN ('cancelled', 'expired') AND ($3::uuid IS NULL OR id > $3)
ORDER BY id LIMIT $4;
