-- name: get_customers
SELECT customers.id, tenant_id, external_id, parent_id, name, emails, currency, time_zone, locale, address, tax_ids, bill_cycle_day, terms_days,
    number_prefix, auto_collect, invoicing, draw_credit, overdue_exempt, payment_method_id, collection_policy, metadata, tags, snapshot_id, version, created_at, deleted_at
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, id)
JOIN customers ON customers.shard = wanted.shard AND customers.id = wanted.id
WHERE tenant_id = $1;

-- name: lock_customers
SELECT customers.id, tenant_id, external_id, parent_id, name, emails, currency, time_zone, locale, address, tax_ids, bill_cycle_day, terms_days,
    number_prefix, auto_collect, invoicing, draw_credit, overdue_exempt, payment_method_id, collection_policy, metadata, tags, snapshot_id, version, created_at, deleted_at
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, id)
JOIN customers ON customers.shard = wanted.shard AND customers.id = wanted.id
WHERE tenant_id = $1
ORDER BY customers.id
FOR NO KEY UPDATE OF customers;

-- name: lock_customer
-- lock_customers for one: no array to unnest, so the planner sees a key.
SELECT customers.id, tenant_id, external_id, parent_id, name, emails, currency, time_zone, locale, address, tax_ids, bill_cycle_day, terms_days,
    number_prefix, auto_collect, invoicing, draw_credit, overdue_exempt, payment_method_id, collection_policy, metadata, tags, snapshot_id, version, created_at, deleted_at
FROM customers WHERE tenant_id = $1 AND shard = $2 AND customers.id = $3
FOR NO KEY UPDATE;

-- name: update_customer
UPDATE customers SET external_id = $4, name = $5, emails = $6, currency = $7, time_zone = $8, locale = $9, address = $10, tax_ids = $11,
    bill_cycle_day = $12, terms_days = $13, number_prefix = $14, auto_collect = $15, invoicing = $16, draw_credit = $17, overdue_exempt = $18,
    payment_method_id = $19, collection_policy = $20, metadata = $21, tags = $22, labels = $23, snapshot_id = $24, version = $25, deleted_at = $26
WHERE tenant_id = $1 AND shard = $2 AND id = $3;

-- name: claim_external_ids
-- The names that were free; the others belong to somebody already.
INSERT INTO customer_external_ids (tenant_id, external_id, customer_id)
SELECT $1, external_id, customer_id FROM unnest($2::text[], $3::uuid[]) AS wanted (external_id, customer_id)
ON CONFLICT DO NOTHING
RETURNING external_id;

-- name: find_external_ids
SELECT external_id, customer_id FROM customer_external_ids WHERE tenant_id = $1 AND external_id = ANY ($2::text[]);

-- name: release_external_id
DELETE FROM customer_external_ids WHERE tenant_id = $1 AND external_id = $2 AND customer_id = $3;

-- name: has_children
SELECT EXISTS (SELECT FROM customers WHERE tenant_id = $1 AND shard = $2 AND parent_id = $3 AND deleted_at IS NULL);

-- name: waiting_children
-- Living children without a method of their own that owe something: what a parent who pays may be charged for.
SELECT customers.id FROM customers
WHERE tenant_id = $1 AND shard = $2 AND parent_id = $3 AND deleted_at IS NULL AND payment_method_id IS NULL
    AND EXISTS (SELECT FROM invoices WHERE invoices.tenant_id = $1 AND invoices.shard = $2 AND customer_id = customers.id AND status = 'open')
ORDER BY customers.id;

-- name: find_number_prefix
SELECT id FROM customers WHERE tenant_id = $1 AND number_prefix = $2 AND id <> $3 LIMIT 1;

-- name: get_balances
SELECT customer_id, customer_balances.currency, receivable_minor, credit_minor, payable_minor
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, customer)
JOIN customer_balances ON customer_balances.shard = wanted.shard AND customer_id = wanted.customer
WHERE tenant_id = $1;

-- name: insert_balances
-- A few, as JSON; many are copied.
INSERT INTO customer_balances (shard, tenant_id, customer_id, currency, receivable_minor, credit_minor, payable_minor)
SELECT shard, tenant_id, customer_id, currency, receivable_minor, credit_minor, payable_minor
FROM json_to_recordset($1::json) AS new (shard smallint, tenant_id uuid, customer_id uuid, currency text, receivable_minor bigint, credit_minor bigint, payable_minor bigint);

-- name: update_balances
UPDATE customer_balances AS stored
SET receivable_minor = moved.receivable_minor, credit_minor = moved.credit_minor, payable_minor = moved.payable_minor
FROM unnest($2::smallint[], $3::uuid[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[])
    AS moved (shard, customer_id, currency, receivable_minor, credit_minor, payable_minor)
WHERE stored.tenant_id = $1 AND stored.shard = moved.shard AND stored.customer_id = moved.customer_id AND stored.currency = moved.currency;

-- name: list_parked_customers
-- Those whom runs leave out. Conditions, order and limit are appended (listing.py).
SELECT shard, id FROM customers WHERE tenant_id = $1 AND bill_parked_because IS NOT NULL;

-- name: list_customers
-- Conditions, order and limit are appended (listing.py).
SELECT shard, id FROM customers WHERE tenant_id = $1;
