-- name: get_credits
SELECT credits.id, credits.tenant_id, customer_id, currency, source, invoice_id, payment_id, reason, granted_on, expires_at, amount_minor, drawn_minor, expired_minor,
    deleted_minor, paid_out_minor, moved_minor, reserved_minor, metadata, version, created_at
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, id)
JOIN credits ON credits.shard = wanted.shard AND credits.id = wanted.id
WHERE tenant_id = $1;

-- name: credits_left
-- What can be drawn for these customers.
SELECT credits.id, credits.tenant_id, customer_id, currency, source, invoice_id, payment_id, reason, granted_on, expires_at, amount_minor, drawn_minor, expired_minor,
    deleted_minor, paid_out_minor, moved_minor, reserved_minor, metadata, version, created_at
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, customer)
JOIN credits ON credits.shard = wanted.shard AND customer_id = wanted.customer
WHERE tenant_id = $1 AND remaining_minor > 0;

-- name: list_credits
-- Conditions, order and limit are appended (listing.py).
SELECT shard, id FROM credits WHERE tenant_id = $1;

-- name: update_credits
UPDATE credits
SET drawn_minor = changed.drawn_minor, expired_minor = changed.expired_minor, deleted_minor = changed.deleted_minor,
    paid_out_minor = changed.paid_out_minor, moved_minor = changed.moved_minor, reserved_minor = changed.reserved_minor, version = changed.version
FROM unnest($2::smallint[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::integer[])
    AS changed (shard, id, drawn_minor, expired_minor, deleted_minor, paid_out_minor, moved_minor, reserved_minor, version)
WHERE credits.tenant_id = $1 AND credits.shard = changed.shard AND credits.id = changed.id;

-- name: credits_of_payments
SELECT credits.id, credits.tenant_id, customer_id, currency, source, invoice_id, payment_id, reason, granted_on, expires_at, amount_minor, drawn_minor, expired_minor,
    deleted_minor, paid_out_minor, moved_minor, reserved_minor, metadata, version, created_at
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, payment)
JOIN credits ON credits.shard = wanted.shard AND payment_id = wanted.payment
WHERE tenant_id = $1
ORDER BY id;

-- name: credit_of_invoice
-- The credit that a negative total became.
SELECT id, tenant_id, customer_id, currency, source, invoice_id, payment_id, reason, granted_on, expires_at, amount_minor, drawn_minor, expired_minor,
    deleted_minor, paid_out_minor, moved_minor, reserved_minor, metadata, version, created_at
FROM credits WHERE tenant_id = $1 AND shard = $2 AND invoice_id = $3 AND source = 'negative_total';

-- name: add_draws
-- Under the customer's lock; a credit that comes back lowers what was drawn.
INSERT INTO credit_draws (shard, credit_id, invoice_id, tenant_id, amount_minor)
SELECT shard, credit_id, invoice_id, $1, 0 FROM unnest($2::smallint[], $3::uuid[], $4::uuid[]) AS drawn (shard, credit_id, invoice_id)
ON CONFLICT DO NOTHING;

-- name: move_draws
UPDATE credit_draws SET amount_minor = credit_draws.amount_minor + moved.amount_minor
FROM unnest($2::smallint[], $3::uuid[], $4::uuid[], $5::bigint[]) AS moved (shard, credit_id, invoice_id, amount_minor)
WHERE credit_draws.tenant_id = $1 AND credit_draws.shard = moved.shard AND credit_draws.credit_id = moved.credit_id
    AND credit_draws.invoice_id = moved.invoice_id;

-- name: draws_of_invoices
SELECT credit_id, invoice_id, amount_minor FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, invoice)
JOIN credit_draws ON credit_draws.shard = wanted.shard AND invoice_id = wanted.invoice
WHERE tenant_id = $1 AND amount_minor > 0;

-- name: draws_of_credits
SELECT credit_id, invoice_id, amount_minor FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, credit)
JOIN credit_draws ON credit_draws.shard = wanted.shard AND credit_id = wanted.credit
WHERE tenant_id = $1 AND amount_minor > 0;

-- name: expired_credits
-- across tenants: a sweep of the live tenants and of the sandboxes that live in the real time
SELECT credits.tenant_id, credits.customer_id, credits.id, expires_at
FROM credits JOIN tenants ON tenants.id = credits.tenant_id
WHERE expires_at <= $1 AND remaining_minor > 0 AND tenants.clock_at IS NULL AND (expires_at, credits.id) > ($3, $4)
ORDER BY expires_at, credits.id LIMIT $2;

-- name: expired_credits_of_tenant
SELECT tenant_id, customer_id, id, expires_at FROM credits
WHERE tenant_id = $1 AND expires_at <= $2 AND remaining_minor > 0
ORDER BY expires_at, id LIMIT $3;
