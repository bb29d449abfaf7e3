-- name: get_subscriptions
SELECT subscriptions.id, subscriptions.tenant_id, subscriptions.customer_id, group_id, external_id, product_kind, status, plan_version_id, phase, currency,
    quantity, starts_on, ends_on, billed_through_on, charged_through, rework_from_on, next_bill_on, next_change_at, metadata, tags, version, created_at
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, id)
JOIN subscriptions ON subscriptions.shard = wanted.shard AND subscriptions.id = wanted.id
JOIN subscription_billing AS billing ON billing.tenant_id = $1 AND billing.shard = subscriptions.shard AND billing.subscription_id = subscriptions.id
WHERE subscriptions.tenant_id = $1;

-- name: subscriptions_of_groups
SELECT subscriptions.id, subscriptions.tenant_id, subscriptions.customer_id, group_id, external_id, product_kind, status, plan_version_id, phase, currency,
    quantity, starts_on, ends_on, billed_through_on, charged_through, rework_from_on, next_bill_on, next_change_at, metadata, tags, version, created_at
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, group_of)
JOIN subscriptions ON subscriptions.shard = wanted.shard AND group_id = wanted.group_of
JOIN subscription_billing AS billing ON billing.tenant_id = $1 AND billing.shard = subscriptions.shard AND billing.subscription_id = subscriptions.id
WHERE subscriptions.tenant_id = $1
ORDER BY subscriptions.id;

-- name: unsettled_subscriptions_of_customers
-- All that a verb may still have to do with: what is over and on its last lines is left out.
SELECT subscriptions.id, subscriptions.tenant_id, subscriptions.customer_id, group_id, external_id, product_kind, status, plan_version_id, phase, currency,
    quantity, starts_on, ends_on, billed_through_on, charged_through, rework_from_on, next_bill_on, next_change_at, metadata, tags, version, created_at
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, customer)
JOIN subscriptions ON subscriptions.shard = wanted.shard AND subscriptions.customer_id = wanted.customer
JOIN subscription_billing AS billing ON billing.tenant_id = $1 AND billing.shard = subscriptions.shard AND billing.subscription_id = subscriptions.id
WHERE subscriptions.tenant_id = $1
    AND (next_bill_on IS NOT NULL OR rework_from_on IS NOT NULL OR next_change_at IS NOT NULL OR status NOT IN ('cancelled', 'expired'))
ORDER BY subscriptions.id;

-- name: due_subscriptions_of_customers
-- What a run by a day of each has to do with; one that is to be worked out again is due, too.
SELECT subscriptions.id, subscriptions.tenant_id, subscriptions.customer_id, group_id, external_id, product_kind, status, plan_version_id, phase, currency,
    quantity, starts_on, ends_on, billed_through_on, charged_through, rework_from_on, next_bill_on, next_change_at, metadata, tags, version, created_at
FROM unnest($2::smallint[], $3::uuid[], $4::date[]) AS wanted (shard, customer, until_on)
JOIN subscription_billing AS billing ON billing.tenant_id = $1 AND billing.shard = wanted.shard
    AND billing.customer_id = wanted.customer AND next_bill_on <= wanted.until_on
JOIN subscriptions ON subscriptions.shard = billing.shard AND subscriptions.id = billing.subscription_id
WHERE subscriptions.tenant_id = $1
ORDER BY subscriptions.id;

-- name: next_bill_days_of_customers
-- When those that are not due by that day next are.
SELECT wanted.customer, (
    SELECT min(next_bill_on) FROM subscription_billing
    WHERE tenant_id = $1 AND subscription_billing.shard = wanted.shard AND customer_id = wanted.customer AND next_bill_on > wanted.until_on
) AS next_on
FROM unnest($2::smallint[], $3::uuid[], $4::date[]) AS wanted (shard, customer, until_on);

-- name: changes_of_subscriptions
SELECT subscription_id, position, kind, entitlement_at, billing_on, plan_version_id, aligned_on, bill_alignment, quantity, prices, bill_cycle_day, made_at, undone_at
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, subscription)
JOIN subscription_changes ON subscription_changes.shard = wanted.shard AND subscription_id = wanted.subscription
WHERE tenant_id = $1
ORDER BY subscription_id, position;

-- name: update_subscriptions
UPDATE subscriptions
SET status = changed.status, plan_version_id = changed.plan_version_id, phase = changed.phase, quantity = changed.quantity, starts_on = changed.starts_on,
    ends_on = changed.ends_on, next_change_at = changed.next_change_at, version = changed.version
FROM unnest(
    $2::smallint[], $3::uuid[], $4::text[], $5::uuid[], $6::smallint[], $7::numeric[], $8::date[], $9::date[], $10::timestamptz[], $11::integer[]
) AS changed (shard, id, status, plan_version_id, phase, quantity, starts_on, ends_on, next_change_at, version)
WHERE subscriptions.tenant_id = $1 AND subscriptions.shard = changed.shard AND subscriptions.id = changed.id;

-- name: move_billing
UPDATE subscription_billing
SET charged_through = moved.charged_through, rework_from_on = moved.rework_from_on, next_bill_on = moved.next_bill_on
FROM unnest($2::smallint[], $3::uuid[], $4::jsonb[], $5::date[], $6::date[]) AS moved (shard, id, charged_through, rework_from_on, next_bill_on)
WHERE tenant_id = $1 AND subscription_billing.shard = moved.shard AND subscription_id = moved.id;

-- name: relabel_subscription
UPDATE subscriptions SET external_id = $4, metadata = $5, tags = $6, labels = $7, version = $8
WHERE tenant_id = $1 AND shard = $2 AND id = $3;

-- name: undo_changes
UPDATE subscription_changes SET undone_at = undone.undone_at
FROM unnest($2::smallint[], $3::uuid[], $4::integer[], $5::timestamptz[]) AS undone (shard, subscription, position, undone_at)
WHERE tenant_id = $1 AND subscription_changes.shard = undone.shard AND subscription_id = undone.subscription AND subscription_changes.position = undone.position;

-- name: subscriptions_by_external_id
SELECT customer_id, subscriptions.external_id, subscriptions.id
FROM unnest($2::smallint[], $3::uuid[], $4::text[]) AS wanted (shard, customer, external_id)
JOIN subscriptions ON subscriptions.shard = wanted.shard AND customer_id = wanted.customer AND subscriptions.external_id = wanted.external_id
WHERE tenant_id = $1;

-- name: wake_customers_to_bill
-- Only ever earlier: the run itself puts off what it has done.
UPDATE customers SET next_bill_at = least(next_bill_at, woken.bill_at)
FROM unnest($2::smallint[], $3::uuid[], $4::timestamptz[]) AS woken (shard, id, bill_at)
WHERE tenant_id = $1 AND customers.shard = woken.shard AND customers.id = woken.id;

-- name: set_next_bill_at
UPDATE customers SET next_bill_at = billed.bill_at
FROM unnest($2::smallint[], $3::uuid[], $4::timestamptz[]) AS billed (shard, id, bill_at)
WHERE tenant_id = $1 AND customers.shard = billed.shard AND customers.id = billed.id;

-- name: list_subscriptions
-- Conditions, order and limit are appended (listing.py).
SELECT shard, id FROM subscriptions WHERE tenant_id = $1;

-- name: due_subscriptions
-- across tenants: the sweep of all who live in the real time, page by page.
SELECT subscriptions.tenant_id, customer_id, group_id, subscriptions.id, next_change_at
FROM subscriptions JOIN tenants ON tenants.id = subscriptions.tenant_id
WHERE next_change_at IS NOT NULL AND next_change_at <= $1 AND (next_change_at, subscriptions.id) > ($3, $4) AND tenants.clock_at IS NULL
ORDER BY next_change_at, subscriptions.id
LIMIT $2;

-- name: due_subscriptions_of_tenant
SELECT tenant_id, customer_id, group_id, id, next_change_at
FROM subscriptions
WHERE tenant_id = $1 AND next_change_at IS NOT NULL AND next_change_at <= $2
ORDER BY next_change_at, id
LIMIT $3;
