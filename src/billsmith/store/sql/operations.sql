-- name: begin_operation
INSERT INTO operations (tenant_id, id, kind, name, status, created_at) VALUES ($1, $2, $3, $4, 'running', $5)
ON CONFLICT DO NOTHING
RETURNING id;

-- name: find_operation
SELECT id, kind, name, status, created_at, finished_at FROM operations
WHERE tenant_id = $1 AND kind = $2 AND name = $3;

-- name: finish_operation
UPDATE operations SET status = 'completed', finished_at = $3 WHERE tenant_id = $1 AND id = $2;

-- name: claim_documents
-- The documents that this import has not made yet; the others keep the row they have.
INSERT INTO import_documents (tenant_id, operation_id, document, fingerprint, invoice_id)
SELECT $1, $2, document, fingerprint, invoice_id
FROM unnest($3::text[], $4::bytea[], $5::uuid[]) AS wanted (document, fingerprint, invoice_id)
ON CONFLICT DO NOTHING
RETURNING document;

-- name: count_documents
SELECT count(*) FROM import_documents WHERE tenant_id = $1 AND operation_id = $2;

-- name: find_documents
SELECT document, fingerprint, invoice_id FROM import_documents WHERE tenant_id = $1 AND operation_id = $2 AND document = ANY ($3::text[]);

-- name: insert_operation
INSERT INTO operations (tenant_id, id, kind, name, status, created_at, input, lease_until) VALUES ($1, $2, $3, $4, 'running', $5, $6, $7);

-- name: get_operation
SELECT id, kind, name, status, created_at, finished_at, input FROM operations WHERE tenant_id = $1 AND id = $2;

-- name: list_operations
SELECT id, kind, name, status, created_at, finished_at, input FROM operations
WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3;

-- name: running_operations
SELECT id, kind, name, status, created_at, finished_at, input FROM operations
WHERE tenant_id = $1 AND kind = ANY ($2::text[]) AND status = 'running' ORDER BY id;

-- name: lease_operations
-- across tenants: operations that nobody is carrying on, for whoever asks
UPDATE operations SET lease_until = $3
WHERE (tenant_id, id) IN (
    SELECT tenant_id, id FROM operations
    WHERE kind = $1 AND status = 'running' AND lease_until <= $2
    ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED)
RETURNING tenant_id, id;

-- name: extend_lease
UPDATE operations SET lease_until = $3 WHERE tenant_id = $1 AND id = $2 AND status = 'running' RETURNING id;

-- name: cancel_operation
UPDATE operations SET status = 'cancelled', finished_at = $3 WHERE tenant_id = $1 AND id = $2 AND status = 'running' RETURNING id;

-- name: refundable_invoices
-- What a bulk refund is about: invoices with money to be given back, in the order of their ids.
SELECT id, paid_minor - refunded_minor AS amount_minor, currency FROM invoices
WHERE tenant_id = $1 AND direction = 'charge' AND status IN ('paid', 'open', 'uncollectible') AND paid_minor > refunded_minor
    AND ($2::date IS NULL OR issued_on >= $2) AND ($3::date IS NULL OR issued_on < $3)
    AND ($4::smallint IS NULL OR (shard = $4 AND customer_id = $5)) AND ($6::text IS NULL OR currency = $6)
    AND ($7::uuid IS NULL OR id > $7)
ORDER BY id LIMIT $8;

-- name: waiting_items
SELECT item_id, status, amount_minor, currency, detail FROM operation_items
WHERE tenant_id = $1 AND operation_id = $2 AND status = 'waiting' ORDER BY item_id LIMIT $3;

-- name: list_items
SELECT item_id, status, amount_minor, currency, detail FROM operation_items
WHERE tenant_id = $1 AND operation_id = $2 AND ($3::text IS NULL OR status = $3) AND ($4::uuid IS NULL OR item_id > $4)
ORDER BY item_id LIMIT $5;

-- name: waiting_of
SELECT item_id FROM operation_items
WHERE tenant_id = $1 AND operation_id = $2 AND item_id = ANY ($3::uuid[]) AND status = 'waiting' ORDER BY item_id;

-- name: end_items
UPDATE operation_items SET status = ended.status, detail = ended.detail
FROM unnest($3::uuid[], $4::text[], $5::jsonb[]) AS ended (item_id, status, detail)
WHERE tenant_id = $1 AND operation_id = $2 AND operation_items.item_id = ended.item_id;

-- name: has_items
SELECT EXISTS (SELECT FROM operation_items WHERE tenant_id = $1 AND operation_id = $2);

-- name: count_items
SELECT status, currency, count(*) AS items, sum(amount_minor)::bigint AS amount_minor FROM operation_items
WHERE tenant_id = $1 AND operation_id = $2 GROUP BY status, currency ORDER BY status, currency;
