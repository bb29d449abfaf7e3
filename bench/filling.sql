-- name: people
CREATE TEMP TABLE people AS SELECT row_number() OVER (ORDER BY id) AS place, id, shard, snapshot_id FROM customers;

-- name: indexes
-- Those that no constraint needs: dropped for the time of filling.
SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition
FROM pg_index
WHERE indrelid IN ('invoices'::regclass, 'invoice_numbers'::regclass) AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid);

-- name: invoices
-- Of a hundred: 70 paid, 20 open, 3 void, 2 given up, 5 drafts. The first customers have many more than the last.
INSERT INTO invoices (shard, labels, id, tenant_id, customer_id, status, collection_state, direction, currency, issued_on, due_on, line_count,
    net_minor, tax_minor, total_minor, paid_minor, credit_applied_minor, credit_noted_minor, written_off_minor, voided_minor,
    moved_to_credit_minor, absorbed_minor, refunded_minor, attempt_count, metadata, tags, seller_snapshot_id, buyer_snapshot_id, version,
    created_at, finalised_at, settled_at)
SELECT shard, '{}',
    (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(nth % 4096), 3, '0')
        || lpad(to_hex((1::bigint << 63) | ((nth * 2654435761) % (1::bigint << 50)) << 10 | shard), 16, '0'))::uuid,
    $1::uuid, customer_id, status,
    CASE WHEN status = 'open' THEN (ARRAY['no_method', 'no_method', 'scheduled', 'retrying', 'failed', 'stopped', 'action_required'])[1 + nth / 100 % 7] END,
    'charge', 'EUR',
    CASE WHEN status <> 'draft' THEN at::date END, CASE WHEN status <> 'draft' THEN at::date + 14 + (nth % 17)::integer END, 1,
    amount, 0, amount, CASE WHEN status = 'paid' THEN amount ELSE 0 END, 0, 0, CASE WHEN status = 'uncollectible' THEN amount ELSE 0 END,
    CASE WHEN status = 'void' THEN amount ELSE 0 END, 0, 0, 0, 0, '{}', '{}',
    CASE WHEN status <> 'draft' THEN $2::uuid END, CASE WHEN status <> 'draft' THEN snapshot_id END, 1,
    at, CASE WHEN status <> 'draft' THEN at END, CASE WHEN status IN ('paid', 'void', 'uncollectible') THEN at END
FROM (
    SELECT nth, people.shard, people.id AS customer_id, snapshot_id, 1000 + nth * 7919 % 900000 AS amount,
        $3::timestamptz + nth * ($4::interval / $5::bigint) AS at,
        CASE WHEN nth % 100 < 70 THEN 'paid' WHEN nth % 100 < 90 THEN 'open' WHEN nth % 100 < 93 THEN 'void'
            WHEN nth % 100 < 95 THEN 'uncollectible' ELSE 'draft' END AS status
    FROM generate_series($6::bigint, $7::bigint) AS nth
    JOIN people ON place = 1 + floor(power((nth * 7919 % 100003) / 100003.0::float8, 3) * $8::bigint)::bigint
) AS made;

-- name: numbers
INSERT INTO invoice_numbers (tenant_id, invoice_id, series, sequence, number)
SELECT $1::uuid, id, 'tenant', nth, 'INV-' || lpad(nth::text, 9, '0')
FROM (SELECT id, row_number() OVER (ORDER BY id) AS nth FROM invoices WHERE tenant_id = $1 AND finalised_at IS NOT NULL) AS finalised;

-- name: largest
-- The customer with the most invoices.
SELECT customers.id, customers.external_id FROM customers JOIN invoices ON customer_id = customers.id GROUP BY customers.id, customers.external_id
ORDER BY count(*) DESC LIMIT 1;
