-- name: claim_customers_to_bill
-- Those that nobody else is working on, from behind what was claimed before, shard by shard: rows of one shard are written side by side.
SELECT customers.id, customers.bill_cycle_day, customers.currency, customers.time_zone, customers.terms_days, customers.auto_collect, customers.draw_credit,
    customers.invoicing, customers.snapshot_id, customers.deleted_at IS NOT NULL AS deleted,
    customers.payment_method_id IS NOT NULL OR parents.payment_method_id IS NOT NULL AS has_method, customers.next_bill_at
FROM customers LEFT JOIN customers AS parents ON parents.tenant_id = $1 AND parents.shard = customers.shard AND parents.id = customers.parent_id
WHERE customers.tenant_id = $1 AND customers.next_bill_at <= $2 AND (customers.next_bill_at, customers.shard) >= ($3, $4)
ORDER BY customers.next_bill_at, customers.shard, customers.id
LIMIT $5
FOR NO KEY UPDATE OF customers SKIP LOCKED;

-- name: claim_these_customers
-- The same of some that were claimed before, in a transaction that failed.
SELECT customers.id, customers.bill_cycle_day, customers.currency, customers.time_zone, customers.terms_days, customers.auto_collect, customers.draw_credit,
    customers.invoicing, customers.snapshot_id, customers.deleted_at IS NOT NULL AS deleted,
    customers.payment_method_id IS NOT NULL OR parents.payment_method_id IS NOT NULL AS has_method, customers.next_bill_at
FROM unnest($3::smallint[], $4::uuid[]) AS wanted (shard, id)
JOIN customers ON customers.shard = wanted.shard AND customers.id = wanted.id
LEFT JOIN customers AS parents ON parents.tenant_id = $1 AND parents.shard = customers.shard AND parents.id = customers.parent_id
WHERE customers.tenant_id = $1 AND customers.next_bill_at <= $2
ORDER BY customers.id
FOR NO KEY UPDATE OF customers SKIP LOCKED;

-- name: renewable_subscriptions
-- What of customers is due by a day of each, with the last entry of its timeline, and when what is not due next is.
-- If that entry is the first, it is how the subscription was created, and the timeline says no more.
SELECT billing.customer_id, subscriptions.id, group_id, product_kind, currency, starts_on, billed_through_on, charged_through, rework_from_on, next_bill_on,
    last.plan_version_id, last.billing_on, last.aligned_on, last.bill_alignment, last.quantity, last.prices, last.bill_cycle_day, last.position > 1 AS changed,
    (SELECT min(others.next_bill_on) FROM subscription_billing AS others WHERE others.tenant_id = $1 AND others.shard = billing.shard
        AND others.customer_id = billing.customer_id AND others.next_bill_on > until_on) AS others_next_on
FROM unnest($2::smallint[], $3::uuid[], $4::date[]) AS wanted (shard, customer, until_on)
JOIN subscription_billing AS billing ON billing.tenant_id = $1 AND billing.shard = wanted.shard AND billing.customer_id = wanted.customer
    AND next_bill_on <= until_on
JOIN subscriptions ON subscriptions.tenant_id = $1 AND subscriptions.shard = billing.shard AND subscriptions.id = billing.subscription_id
CROSS JOIN LATERAL (
    SELECT plan_version_id, billing_on, aligned_on, bill_alignment, quantity, prices, bill_cycle_day, position FROM subscription_changes AS entries
    WHERE entries.tenant_id = $1 AND entries.shard = subscriptions.shard AND entries.subscription_id = subscriptions.id
    ORDER BY position DESC LIMIT 1
) AS last;

-- name: tenants_to_bill
-- across tenants: whose customers have something due, whatever the number of those, of all who live in the real time.
-- From tenant to tenant through the index.
WITH RECURSIVE waiting (tenant_id) AS (
    (SELECT customers.tenant_id FROM customers WHERE customers.next_bill_at IS NOT NULL ORDER BY customers.tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT customers.tenant_id FROM customers WHERE customers.next_bill_at IS NOT NULL AND customers.tenant_id > waiting.tenant_id
        ORDER BY customers.tenant_id LIMIT 1)
    FROM waiting WHERE waiting.tenant_id IS NOT NULL
)
SELECT waiting.tenant_id
FROM waiting JOIN tenants ON tenants.id = waiting.tenant_id
WHERE tenants.clock_at IS NULL
    AND (SELECT customers.next_bill_at FROM customers WHERE customers.tenant_id = waiting.tenant_id AND customers.next_bill_at IS NOT NULL
        ORDER BY customers.next_bill_at LIMIT 1) <= $1;

-- name: count_customers_to_bill
SELECT count(*) FROM customers WHERE tenant_id = $1 AND next_bill_at <= $2;

-- name: parked_customers
SELECT id, name, bill_parked_because FROM customers WHERE tenant_id = $1 AND bill_parked_because IS NOT NULL ORDER BY id LIMIT $2;

-- name: parked_because
SELECT customers.id, bill_parked_because
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, id)
JOIN customers ON customers.shard = wanted.shard AND customers.id = wanted.id
WHERE tenant_id = $1 AND bill_parked_because IS NOT NULL;

-- name: count_parked_customers
-- across tenants: for the metric
SELECT count(*) FROM customers WHERE bill_parked_because IS NOT NULL;

-- name: retry_parked
-- The reason stays until they are billed, or parked for another.
UPDATE customers SET next_bill_at = $2 WHERE tenant_id = $1 AND bill_parked_because IS NOT NULL AND next_bill_at IS NULL;

-- name: customers_to_bill_page
-- For a dry run, which locks nobody.
SELECT id FROM customers WHERE tenant_id = $1 AND next_bill_at <= $2 AND id > $3 ORDER BY id LIMIT $4;
