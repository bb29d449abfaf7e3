-- Subscriptions: whose they are, their timelines, and what their lines cover.
-- Across tenants: verify proves all of them unless $1 names one. Columns: tenant_id, object, figure, expected, stored.

-- name: subscription_parents
-- A subscription is of a customer of its tenant, in that shard, on a plan of that tenant; a group is of one customer.
SELECT subscriptions.tenant_id, 'subscription ' || subscriptions.id AS object, figure, expected, stored
FROM subscriptions
LEFT JOIN customers ON customers.tenant_id = subscriptions.tenant_id AND customers.shard = subscriptions.shard AND customers.id = customer_id
LEFT JOIN plan_versions ON plan_versions.tenant_id = subscriptions.tenant_id AND plan_versions.id = plan_version_id
LEFT JOIN (
    SELECT tenant_id, shard, group_id, count(DISTINCT customer_id) AS owners
    FROM subscriptions
    WHERE $1::uuid IS NULL OR tenant_id = $1
    GROUP BY tenant_id, shard, group_id
) AS groups ON groups.tenant_id = subscriptions.tenant_id AND groups.shard = subscriptions.shard AND groups.group_id = subscriptions.group_id
CROSS JOIN LATERAL (SELECT
    (get_byte(uuid_send(subscriptions.id), 14) & 3) * 256 + get_byte(uuid_send(subscriptions.id), 15) AS own
) AS seen
CROSS JOIN LATERAL (VALUES
    ('customer_id', customers.id IS NOT NULL, 'a customer of this tenant', customer_id::text),
    ('plan_version_id', plan_versions.id IS NOT NULL, 'a plan of this tenant', plan_version_id::text),
    ('group_id', owners = 1, 'a group of one customer', subscriptions.group_id::text),
    ('shard', subscriptions.shard = own, own::text, subscriptions.shard::text)
) AS figures (figure, holds, expected, stored)
WHERE ($1::uuid IS NULL OR subscriptions.tenant_id = $1)
    AND (customers.id IS NOT NULL AND plan_versions.id IS NOT NULL AND owners = 1 AND subscriptions.shard = own) IS NOT TRUE AND NOT holds;

-- name: subscription_timelines
-- A timeline has entries 1, 2, 3 …, of which the first alone is the creation, with the day on which billing starts.
SELECT subscriptions.tenant_id, 'subscription ' || subscriptions.id AS object, figure, expected, stored
FROM subscriptions
LEFT JOIN (
    SELECT tenant_id, shard, subscription_id, count(*) AS entries, min(position) AS first, max(position) AS last,
        count(*) FILTER (WHERE kind = 'created') AS creations, min(billing_on) FILTER (WHERE kind = 'created' AND position = 1) AS created_on
    FROM subscription_changes
    WHERE $1::uuid IS NULL OR tenant_id = $1
    GROUP BY tenant_id, shard, subscription_id
) AS timeline ON timeline.tenant_id = subscriptions.tenant_id AND timeline.shard = subscriptions.shard AND subscription_id = subscriptions.id
CROSS JOIN LATERAL (VALUES
    ('position', COALESCE(first = 1 AND last = entries, false), '1 to ' || COALESCE(entries, 0), COALESCE(first || ' to ' || last, 'none')),
    ('kind', COALESCE(creations, 0) = 1, '1 creation', COALESCE(creations, 0) || ' creations'),
    ('starts_on', COALESCE(created_on = starts_on, false), COALESCE(created_on::text, 'a creation'), starts_on::text)
) AS figures (figure, holds, expected, stored)
WHERE ($1::uuid IS NULL OR subscriptions.tenant_id = $1) AND NOT holds;

-- name: change_parents
-- An entry of a timeline has its subscription in its own tenant.
SELECT changes.tenant_id, 'entry ' || position || ' of subscription ' || subscription_id AS object, 'subscription_id' AS figure,
    'a subscription of this tenant' AS expected, subscription_id::text AS stored
FROM subscription_changes AS changes
LEFT JOIN subscriptions ON subscriptions.tenant_id = changes.tenant_id AND subscriptions.shard = changes.shard AND subscriptions.id = subscription_id
WHERE ($1::uuid IS NULL OR changes.tenant_id = $1) AND subscriptions.id IS NULL;

-- name: over_subscriptions
-- What is over changes no more by itself, and of a deleted customer nothing is billed any more.
SELECT subscriptions.tenant_id, 'subscription ' || subscriptions.id AS object, figure, 'nothing' AS expected, stored
FROM subscriptions
JOIN customers ON customers.tenant_id = subscriptions.tenant_id AND customers.shard = subscriptions.shard AND customers.id = subscriptions.customer_id
LEFT JOIN subscription_billing AS billing ON billing.tenant_id = subscriptions.tenant_id AND billing.shard = subscriptions.shard
    AND billing.subscription_id = subscriptions.id
CROSS JOIN LATERAL (VALUES
    ('next_change_at', subscriptions.status NOT IN ('cancelled', 'expired') OR next_change_at IS NULL, next_change_at::text),
    ('next_bill_on', deleted_at IS NULL OR next_bill_on IS NULL, next_bill_on::text)
) AS figures (figure, holds, stored)
WHERE ($1::uuid IS NULL OR subscriptions.tenant_id = $1) AND NOT holds;

-- name: subscription_billing
-- How far runs have come is kept of every subscription, of nothing else, and for the customer it has.
SELECT COALESCE(subscriptions.tenant_id, billing.tenant_id) AS tenant_id,
    'subscription ' || COALESCE(subscriptions.id, billing.subscription_id) AS object, figure, expected, stored
FROM subscriptions
FULL JOIN subscription_billing AS billing ON billing.tenant_id = subscriptions.tenant_id AND billing.shard = subscriptions.shard
    AND billing.subscription_id = subscriptions.id
CROSS JOIN LATERAL (VALUES
    ('subscription_id', subscriptions.id IS NOT NULL AND billing.subscription_id IS NOT NULL, 'a row in both tables',
        'none in ' || CASE WHEN subscriptions.id IS NULL THEN 'subscriptions' ELSE 'subscription_billing' END),
    ('customer_id', COALESCE(billing.customer_id = subscriptions.customer_id, true), subscriptions.customer_id::text, billing.customer_id::text)
) AS figures (figure, holds, expected, stored)
WHERE ($1::uuid IS NULL OR COALESCE(subscriptions.tenant_id, billing.tenant_id) = $1) AND NOT holds;

-- name: coverage_lines
-- What covers days is a line of that subscription, with that amount.
SELECT coverage.tenant_id, 'line ' || coverage.line_no || ' of invoice ' || coverage.invoice_id AS object, figure, expected, stored
FROM coverage
LEFT JOIN invoice_lines AS lines ON lines.tenant_id = coverage.tenant_id AND lines.shard = coverage.shard AND lines.invoice_id = coverage.invoice_id
    AND lines.line_no = coverage.line_no AND lines.subscription_id = coverage.subscription_id
CROSS JOIN LATERAL (VALUES
    ('line_no', lines.line_no IS NOT NULL, 'a line of subscription ' || coverage.subscription_id, coverage.line_no::text),
    ('amount_minor', lines.line_no IS NULL OR lines.amount_minor = coverage.amount_minor, lines.amount_minor::text, coverage.amount_minor::text)
) AS figures (figure, holds, expected, stored)
WHERE ($1::uuid IS NULL OR coverage.tenant_id = $1) AND (lines.amount_minor = coverage.amount_minor) IS NOT TRUE AND NOT holds;

-- name: give_back_lines
-- What gives back is a line that says so and names the line it corrects, with that amount; that line covers the days given back.
SELECT give_backs.tenant_id, 'line ' || give_backs.line_no || ' of invoice ' || give_backs.invoice_id AS object, figure, expected, stored
FROM give_backs
LEFT JOIN invoice_lines AS lines ON lines.tenant_id = give_backs.tenant_id AND lines.shard = give_backs.shard AND lines.invoice_id = give_backs.invoice_id
    AND lines.line_no = give_backs.line_no AND lines.kind = 'proration_credit'
LEFT JOIN coverage ON coverage.tenant_id = give_backs.tenant_id AND coverage.shard = give_backs.shard AND coverage.invoice_id = give_backs.corrects_invoice_id
    AND coverage.line_no = give_backs.corrects_line_no AND coverage.subscription_id = give_backs.subscription_id
CROSS JOIN LATERAL (VALUES
    ('line_no', lines.line_no IS NOT NULL, 'a line that gives back', give_backs.line_no::text),
    ('amount_minor', lines.line_no IS NULL OR lines.amount_minor = give_backs.amount_minor, lines.amount_minor::text, give_backs.amount_minor::text),
    ('corrects_line_no', coverage.line_no IS NOT NULL AND (
        lines.line_no IS NULL OR (lines.corrects_invoice_id = give_backs.corrects_invoice_id AND lines.corrects_line_no = give_backs.corrects_line_no)),
        COALESCE('line ' || lines.corrects_line_no || ' of ' || lines.corrects_invoice_id, 'a line that covers days'),
        'line ' || give_backs.corrects_line_no || ' of ' || give_backs.corrects_invoice_id)
) AS figures (figure, holds, expected, stored)
WHERE ($1::uuid IS NULL OR give_backs.tenant_id = $1) AND NOT holds;

-- name: given_back
-- Of no line more is given back than it has.
SELECT coverage.tenant_id, 'line ' || coverage.line_no || ' of invoice ' || coverage.invoice_id AS object, 'given_back' AS figure,
    'at most ' || coverage.amount_minor AS expected, (-given.amount_minor)::text AS stored
FROM coverage
JOIN (
    SELECT tenant_id, shard, corrects_invoice_id, corrects_line_no, sum(amount_minor) AS amount_minor
    FROM give_backs
    WHERE released_at IS NULL AND ($1::uuid IS NULL OR tenant_id = $1)
    GROUP BY tenant_id, shard, corrects_invoice_id, corrects_line_no
) AS given ON given.tenant_id = coverage.tenant_id AND given.shard = coverage.shard AND corrects_invoice_id = coverage.invoice_id AND corrects_line_no = coverage.line_no
WHERE ($1::uuid IS NULL OR coverage.tenant_id = $1) AND -given.amount_minor > coverage.amount_minor;

-- name: unrecoverable
-- What is beyond recovery of a customer's write-offs is what later documents absorbed, giving back what was never paid.
SELECT tenant_id, 'customer ' || customer_id || ' in ' || currency AS object, 'unrecoverable_minor' AS figure,
    (-sum(absorbed_minor))::text AS expected, sum(unrecoverable_minor)::text AS stored
FROM invoices
WHERE $1::uuid IS NULL OR tenant_id = $1
GROUP BY tenant_id, customer_id, currency
HAVING sum(unrecoverable_minor) <> -sum(absorbed_minor);
