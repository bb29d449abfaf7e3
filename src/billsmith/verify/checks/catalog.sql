-- The catalogue: a plan's versions follow each other.
-- Across tenants: verify proves all of them unless $1 names one. Columns: tenant_id, object, figure, expected, stored.

-- name: plan_versions
-- The versions of a plan are 1, 2, 3 …, each sold from a later day on than the one before; moved on a day not before that.
SELECT tenant_id, 'plan version ' || id AS object, figure, expected, stored
FROM (
    SELECT tenant_id, id, version, effective_on, moves_on, row_number() OVER numbered AS nth, lag(effective_on) OVER numbered AS before
    FROM plan_versions
    WHERE $1::uuid IS NULL OR tenant_id = $1
    WINDOW numbered AS (PARTITION BY tenant_id, plan ORDER BY version)
) AS ordered
CROSS JOIN LATERAL (VALUES
    ('version', version = nth, nth::text, version::text),
    ('effective_on', before IS NULL OR effective_on > before, 'after ' || before, effective_on::text),
    ('moves_on', moves_on IS NULL OR moves_on >= effective_on, 'from ' || effective_on || ' on', moves_on::text)
) AS figures (figure, holds, expected, stored)
WHERE NOT holds;
