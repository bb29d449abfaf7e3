-- name: insert_coverage
-- A few, as JSON; many are copied.
INSERT INTO coverage (shard, subscription_id, charge, period_start_on, revision, tenant_id, invoice_id, line_no, kind, period_end_on, plan_version_id, phase,
    quantity, unit_price, amount_minor)
SELECT shard, subscription_id, charge, period_start_on, revision, tenant_id, invoice_id, line_no, kind, period_end_on, plan_version_id, phase,
    quantity, unit_price, amount_minor
FROM json_to_recordset($1::json) AS new (shard smallint, subscription_id uuid, charge text, period_start_on date, revision smallint, tenant_id uuid,
    invoice_id uuid, line_no integer, kind text, period_end_on date, plan_version_id uuid, phase smallint, quantity numeric, unit_price numeric,
    amount_minor bigint);

-- name: insert_give_backs
INSERT INTO give_backs (shard, invoice_id, line_no, tenant_id, subscription_id, corrects_invoice_id, corrects_line_no, period_start_on, period_end_on, amount_minor)
SELECT shard, invoice_id, line_no, tenant_id, subscription_id, corrects_invoice_id, corrects_line_no, period_start_on, period_end_on, amount_minor
FROM json_to_recordset($1::json) AS new (shard smallint, invoice_id uuid, line_no integer, tenant_id uuid, subscription_id uuid, corrects_invoice_id uuid,
    corrects_line_no integer, period_start_on date, period_end_on date, amount_minor bigint);

-- name: covered_from
-- The lines of subscriptions that reach beyond a day of each, with what became of their invoices; released ones too, for their revision is taken.
SELECT coverage.subscription_id, charge, coverage.period_start_on, revision, coverage.invoice_id, coverage.line_no, coverage.kind, coverage.period_end_on,
    plan_version_id, phase, coverage.quantity, coverage.unit_price, coverage.amount_minor, released_at IS NOT NULL AS released, status, balance_minor,
    lines.tax_inclusive
FROM unnest($2::smallint[], $3::uuid[], $4::date[]) AS wanted (shard, subscription, from_on)
JOIN coverage ON coverage.shard = wanted.shard AND coverage.subscription_id = wanted.subscription
JOIN invoices ON invoices.tenant_id = $1 AND invoices.shard = coverage.shard AND invoices.id = coverage.invoice_id
JOIN invoice_lines AS lines ON lines.tenant_id = $1 AND lines.shard = coverage.shard AND lines.invoice_id = coverage.invoice_id AND lines.line_no = coverage.line_no
WHERE coverage.tenant_id = $1 AND (coverage.period_end_on IS NULL OR coverage.period_end_on > from_on OR coverage.period_start_on >= from_on)
ORDER BY coverage.subscription_id, coverage.period_start_on, revision;

-- name: given_back_of
-- What later lines gave back of these invoices' lines, and still do.
SELECT corrects_invoice_id, corrects_line_no, period_start_on, period_end_on, amount_minor
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, invoice)
JOIN give_backs ON give_backs.shard = wanted.shard AND corrects_invoice_id = wanted.invoice
WHERE tenant_id = $1 AND released_at IS NULL
ORDER BY corrects_invoice_id, corrects_line_no, period_start_on;

-- name: correcting_invoices
-- Which documents give back something of these invoices, and stand.
SELECT corrects_invoice_id, invoice_id
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, invoice)
JOIN give_backs ON give_backs.shard = wanted.shard AND corrects_invoice_id = wanted.invoice
WHERE tenant_id = $1 AND released_at IS NULL
ORDER BY invoice_id;

-- name: delete_coverage_of
-- Of a draft that is rewritten or deleted.
WITH gone AS (
    DELETE FROM coverage WHERE tenant_id = $1 AND shard = $2 AND invoice_id = $3 RETURNING subscription_id, period_start_on
), undone AS (
    DELETE FROM give_backs WHERE tenant_id = $1 AND shard = $2 AND invoice_id = $3 RETURNING subscription_id, period_start_on
)
SELECT subscription_id, min(period_start_on) AS from_on
FROM (SELECT subscription_id, period_start_on FROM gone UNION ALL SELECT subscription_id, period_start_on FROM undone) AS freed
GROUP BY subscription_id
ORDER BY subscription_id;

-- name: release_coverage_of
-- Of an invoice that is void: its periods are to be billed again. What it gave back is on its lines no more, whether they are or not.
WITH freed AS (
    UPDATE coverage SET released_at = $4 WHERE tenant_id = $1 AND shard = $2 AND invoice_id = $3 AND released_at IS NULL AND $5::boolean
    RETURNING subscription_id, period_start_on
), undone AS (
    UPDATE give_backs SET released_at = $4 WHERE tenant_id = $1 AND shard = $2 AND invoice_id = $3 AND released_at IS NULL
    RETURNING subscription_id, period_start_on
)
SELECT subscription_id, min(period_start_on) AS from_on
FROM (SELECT subscription_id, period_start_on FROM freed UNION ALL SELECT subscription_id, period_start_on FROM undone) AS changed
GROUP BY subscription_id
ORDER BY subscription_id;

-- name: rework_subscriptions
-- From these days on what should exist is compared with what does: by a run on them, or by the next one that is due anyway.
UPDATE subscription_billing
SET rework_from_on = least(rework_from_on, again.from_on),
    next_bill_on = CASE WHEN $5::boolean THEN least(next_bill_on, again.from_on) ELSE coalesce(next_bill_on, again.from_on) END
FROM unnest($2::smallint[], $3::uuid[], $4::date[]) AS again (shard, id, from_on)
WHERE tenant_id = $1 AND subscription_billing.shard = again.shard AND subscription_id = again.id
RETURNING next_bill_on;

-- name: bill_customers_next
-- When runs next have something to do for them, and that nothing keeps them out.
UPDATE customers SET next_bill_at = next.bill_at, bill_parked_because = NULL
FROM unnest($2::smallint[], $3::uuid[], $4::timestamptz[]) AS next (shard, id, bill_at)
WHERE tenant_id = $1 AND customers.shard = next.shard AND customers.id = next.id;

-- name: park_customer
UPDATE customers SET next_bill_at = NULL, bill_parked_because = $4 WHERE tenant_id = $1 AND shard = $2 AND id = $3;
