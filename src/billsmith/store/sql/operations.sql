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
