-- name: get_payments
SELECT payments.id, tenant_id, customer_id, direction, status, currency, amount_minor, fee_minor, allocated_minor, credited_minor, suspended_minor,
    refunded_minor, disputed_minor, lost_minor, reversed_minor, method_kind, payment_method_id, gateway_account_id, gateway_id, reference, external_id,
    received_on, decline, metadata, version, created_at, settled_at
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, id)
JOIN payments ON payments.shard = wanted.shard AND payments.id = wanted.id
WHERE tenant_id = $1;

-- name: list_payments
-- Conditions, order and limit are appended (listing.py).
SELECT shard, id FROM payments WHERE tenant_id = $1;

-- name: update_payments
UPDATE payments
SET status = changed.status, currency = changed.currency, amount_minor = changed.amount_minor, fee_minor = changed.fee_minor,
    allocated_minor = changed.allocated_minor, credited_minor = changed.credited_minor, suspended_minor = changed.suspended_minor,
    refunded_minor = changed.refunded_minor, disputed_minor = changed.disputed_minor, lost_minor = changed.lost_minor,
    reversed_minor = changed.reversed_minor, gateway_id = changed.gateway_id, decline = changed.decline, version = changed.version,
    settled_at = changed.settled_at
FROM unnest($2::smallint[], $3::uuid[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[],
        $12::bigint[], $13::bigint[], $14::bigint[], $15::text[], $16::jsonb[], $17::integer[], $18::timestamptz[])
    AS changed (shard, id, status, currency, amount_minor, fee_minor, allocated_minor, credited_minor, suspended_minor, refunded_minor,
        disputed_minor, lost_minor, reversed_minor, gateway_id, decline, version, settled_at)
WHERE payments.tenant_id = $1 AND payments.shard = changed.shard AND payments.id = changed.id;

-- name: find_payments_by_external_id
SELECT customer_id, external_id, id FROM payments WHERE tenant_id = $1 AND shard = $2 AND customer_id = $3 AND external_id = $4;

-- name: find_payment_by_gateway_id
SELECT id FROM payments WHERE tenant_id = $1 AND gateway_account_id = $2 AND gateway_id = $3;

-- name: get_allocations
SELECT allocations.id, tenant_id, customer_id, payment_id, invoice_id, currency, amount_minor, released_minor, version, created_at
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, payment)
JOIN allocations ON allocations.shard = wanted.shard AND payment_id = wanted.payment
WHERE tenant_id = $1
ORDER BY allocations.id;

-- name: allocations_of_invoices
SELECT allocations.id, tenant_id, customer_id, payment_id, invoice_id, currency, amount_minor, released_minor, version, created_at
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, invoice)
JOIN allocations ON allocations.shard = wanted.shard AND invoice_id = wanted.invoice
WHERE tenant_id = $1
ORDER BY allocations.id;

-- name: update_allocations
UPDATE allocations SET amount_minor = changed.amount_minor, released_minor = changed.released_minor, version = changed.version
FROM unnest($2::smallint[], $3::uuid[], $4::bigint[], $5::bigint[], $6::integer[]) AS changed (shard, id, amount_minor, released_minor, version)
WHERE allocations.tenant_id = $1 AND allocations.shard = changed.shard AND allocations.id = changed.id;
