-- What belongs to whom, where no foreign key says so: nothing is left alone, nothing crosses tenants.
-- Across tenants: verify proves all of them unless $1 names one. Columns: tenant_id, object, figure, expected, stored.

-- name: customer_parents
-- A customer is in its parent's tenant and shard, and names how documents call it.
SELECT customers.tenant_id, 'customer ' || customers.id AS object, figure, expected, stored
FROM customers
LEFT JOIN tenants ON tenants.id = customers.tenant_id
LEFT JOIN customers AS parents ON parents.shard = customers.shard AND parents.id = customers.parent_id AND parents.tenant_id = customers.tenant_id
LEFT JOIN party_snapshots AS parties ON parties.tenant_id = customers.tenant_id AND parties.id = customers.snapshot_id
CROSS JOIN LATERAL (VALUES
    ('tenant_id', tenants.id IS NOT NULL, 'a tenant', customers.tenant_id::text),
    ('parent_id', customers.parent_id IS NULL OR parents.id IS NOT NULL, 'a customer of this tenant', customers.parent_id::text),
    ('snapshot_id', parties.party ->> 'name' IS NOT DISTINCT FROM customers.name::text, 'a snapshot that says ' || customers.name,
        COALESCE(parties.party ->> 'name', customers.snapshot_id::text)),
    ('shard', customers.shard = (get_byte(uuid_send(customers.id), 14) & 3) * 256 + get_byte(uuid_send(customers.id), 15),
        ((get_byte(uuid_send(customers.id), 14) & 3) * 256 + get_byte(uuid_send(customers.id), 15))::text, customers.shard::text)
) AS figures (figure, holds, expected, stored)
WHERE ($1::uuid IS NULL OR customers.tenant_id = $1)
    AND (tenants.id IS NOT NULL AND (customers.parent_id IS NULL OR parents.id IS NOT NULL)
        AND parties.party ->> 'name' IS NOT DISTINCT FROM customers.name::text
        AND customers.shard = (get_byte(uuid_send(customers.id), 14) & 3) * 256 + get_byte(uuid_send(customers.id), 15)) IS NOT TRUE
    AND NOT holds;

-- name: customer_names
-- A customer that is not deleted is found by its external id, and nobody else is.
WITH kept AS (
    SELECT tenant_id, external_id, id AS customer_id
    FROM customers
    WHERE external_id IS NOT NULL AND deleted_at IS NULL AND ($1::uuid IS NULL OR tenant_id = $1)
), found AS (
    SELECT tenant_id, external_id, customer_id FROM customer_external_ids WHERE $1::uuid IS NULL OR tenant_id = $1
)
SELECT tenant_id, 'external id ' || external_id AS object, 'customer_id' AS figure, kept.customer_id::text AS expected,
    found.customer_id::text AS stored
FROM kept
FULL JOIN found USING (tenant_id, external_id)
WHERE kept.customer_id IS DISTINCT FROM found.customer_id;

-- name: balance_parents
-- A balance is its customer's, in the same tenant and shard.
SELECT balances.tenant_id, 'customer ' || customer_id || ' in ' || balances.currency AS object, 'customer_id' AS figure,
    'a customer of this tenant' AS expected, customer_id::text AS stored
FROM customer_balances AS balances
LEFT JOIN customers ON customers.shard = balances.shard AND customers.id = customer_id AND customers.tenant_id = balances.tenant_id
WHERE ($1::uuid IS NULL OR balances.tenant_id = $1) AND customers.id IS NULL;

-- name: import_documents
-- A document that an import made has its invoice and its import in the same tenant.
SELECT documents.tenant_id, 'document ' || document AS object, figure, expected, stored
FROM import_documents AS documents
LEFT JOIN operations ON operations.tenant_id = documents.tenant_id AND operations.id = operation_id
LEFT JOIN invoices ON invoices.tenant_id = documents.tenant_id AND invoices.id = invoice_id
CROSS JOIN LATERAL (VALUES
    ('operation_id', operations.id IS NOT NULL, 'an import of this tenant', operation_id::text),
    ('invoice_id', invoices.id IS NOT NULL, 'an invoice of this tenant', invoice_id::text)
) AS figures (figure, holds, expected, stored)
WHERE ($1::uuid IS NULL OR documents.tenant_id = $1) AND NOT holds;

-- name: tenant_parties
-- A tenant names how documents call it.
SELECT tenants.id AS tenant_id, 'tenant ' || tenants.id AS object, 'snapshot_id' AS figure,
    'a snapshot that says ' || (seller ->> 'name') AS expected, COALESCE(party ->> 'name', snapshot_id::text) AS stored
FROM tenants
LEFT JOIN party_snapshots ON party_snapshots.tenant_id = tenants.id AND party_snapshots.id = snapshot_id
WHERE ($1::uuid IS NULL OR tenants.id = $1) AND party IS DISTINCT FROM seller;

-- name: tenant_parents
-- Causes, snapshots, series and stored answers are some tenant's.
SELECT owned.tenant_id, kind || ' ' || key AS object, 'tenant_id' AS figure, 'a tenant' AS expected, owned.tenant_id::text AS stored
FROM (
    SELECT tenant_id, 'cause' AS kind, id::text AS key FROM causes
    UNION ALL
    SELECT tenant_id, 'snapshot', id::text FROM party_snapshots
    UNION ALL
    SELECT tenant_id, 'series', series FROM number_series
    UNION ALL
    SELECT tenant_id, 'answer', key FROM idempotency_keys
) AS owned
LEFT JOIN tenants ON tenants.id = owned.tenant_id
WHERE ($1::uuid IS NULL OR owned.tenant_id = $1) AND tenants.id IS NULL;
