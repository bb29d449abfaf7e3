-- name: insert_invoice
-- One; more are copied.
INSERT INTO invoices (shard, labels, id, tenant_id, customer_id, status, collection_state, direction, currency, external_id, external_number, title, memo,
    period_start_on, period_end_on, terms_days, issued_on, due_on, line_count, net_minor, tax_minor, total_minor, paid_minor, credit_applied_minor,
    credit_noted_minor, written_off_minor, voided_minor, moved_to_credit_minor, absorbed_minor, refunded_minor, payment_method_id, collection_policy,
    statement_text, next_collect_at, attempt_count, collection_reason, last_decline, adjusts_id, revises_id, revised_by_id, rebill, metadata, tags,
    seller_snapshot_id, buyer_snapshot_id, version, created_at, finalised_at, settled_at, finalise_at, unrecoverable_minor)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30,
    $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50, $51);

-- name: insert_lines
-- A few, as JSON; many are copied.
INSERT INTO invoice_lines (shard, invoice_id, line_no, tenant_id, kind, description, category, quantity, unit, unit_price, volume, amount_minor, discount_minor,
    discount_percent, tax_percent, tax_inclusive, net_minor, tax_minor, total_minor, period_start_on, period_end_on, time_zone, share,
    subscription_id, corrects_invoice_id, corrects_line_no)
SELECT shard, invoice_id, line_no, tenant_id, kind, description, category, quantity, unit, unit_price, volume, amount_minor, discount_minor,
    discount_percent, tax_percent, tax_inclusive, net_minor, tax_minor, total_minor, period_start_on, period_end_on, time_zone, share,
    subscription_id, corrects_invoice_id, corrects_line_no
FROM json_to_recordset($1::json) AS new (shard smallint, invoice_id uuid, line_no integer, tenant_id uuid, kind text, description text, category text, quantity numeric, unit text,
    unit_price numeric, volume text, amount_minor bigint, discount_minor bigint, discount_percent numeric, tax_percent numeric,
    tax_inclusive boolean, net_minor bigint, tax_minor bigint, total_minor bigint, period_start_on date, period_end_on date, time_zone text,
    share text, subscription_id uuid, corrects_invoice_id uuid, corrects_line_no integer);

-- name: get_invoices
-- With what is printed beside the invoice's own columns: its number, seller and buyer.
SELECT invoices.id, invoices.tenant_id, customer_id, status, collection_state, direction, currency, external_id, external_number, title, memo, period_start_on,
    period_end_on, terms_days, issued_on, due_on, line_count, net_minor, tax_minor, total_minor, paid_minor, credit_applied_minor, credit_noted_minor,
    written_off_minor, voided_minor, moved_to_credit_minor, absorbed_minor, refunded_minor, invoices.payment_method_id, invoices.collection_policy, statement_text,
    next_collect_at, attempt_count, collection_reason, last_decline, adjusts_id, revises_id, revised_by_id, rebill, metadata, tags, seller_snapshot_id, buyer_snapshot_id, version, created_at,
    finalised_at, settled_at, finalise_at, unrecoverable_minor,
    number, seller.party AS seller, buyer.party AS buyer
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, id)
JOIN invoices ON invoices.shard = wanted.shard AND invoices.id = wanted.id
LEFT JOIN invoice_numbers AS numbers ON numbers.tenant_id = $1 AND numbers.invoice_id = invoices.id
LEFT JOIN party_snapshots AS seller ON seller.tenant_id = $1 AND seller.id = seller_snapshot_id
LEFT JOIN party_snapshots AS buyer ON buyer.tenant_id = $1 AND buyer.id = buyer_snapshot_id
WHERE invoices.tenant_id = $1;

-- name: get_invoice
-- get_invoices for one, its lines with it: no array to unnest, so the planner sees a key.
SELECT invoices.id, invoices.tenant_id, customer_id, status, collection_state, direction, currency, external_id, external_number, title, memo, period_start_on,
    period_end_on, terms_days, issued_on, due_on, line_count, net_minor, tax_minor, total_minor, paid_minor, credit_applied_minor, credit_noted_minor,
    written_off_minor, voided_minor, moved_to_credit_minor, absorbed_minor, refunded_minor, invoices.payment_method_id, invoices.collection_policy, statement_text,
    next_collect_at, attempt_count, collection_reason, last_decline, adjusts_id, revises_id, revised_by_id, rebill, metadata, tags, seller_snapshot_id, buyer_snapshot_id, version, created_at,
    finalised_at, settled_at, finalise_at, unrecoverable_minor,
    number, seller.party AS seller, buyer.party AS buyer,
    ARRAY (
        SELECT ROW (kind, description, category, quantity, unit, unit_price, volume, amount_minor, discount_minor, discount_percent, tax_percent,
            tax_inclusive, net_minor, tax_minor, total_minor, period_start_on, period_end_on, time_zone, share,
            subscription_id, corrects_invoice_id, corrects_line_no)
        FROM invoice_lines AS lines WHERE lines.tenant_id = $1 AND lines.shard = $2 AND lines.invoice_id = $3 ORDER BY line_no
    ) AS lines
FROM invoices
LEFT JOIN invoice_numbers AS numbers ON numbers.tenant_id = $1 AND numbers.invoice_id = invoices.id
LEFT JOIN party_snapshots AS seller ON seller.tenant_id = $1 AND seller.id = seller_snapshot_id
LEFT JOIN party_snapshots AS buyer ON buyer.tenant_id = $1 AND buyer.id = buyer_snapshot_id
WHERE invoices.tenant_id = $1 AND invoices.shard = $2 AND invoices.id = $3;

-- name: lock_invoices
-- After the customer: customers by id, then invoices by id, then number series.
SELECT invoices.id, invoices.tenant_id, customer_id, status, collection_state, direction, currency, external_id, external_number, title, memo, period_start_on,
    period_end_on, terms_days, issued_on, due_on, line_count, net_minor, tax_minor, total_minor, paid_minor, credit_applied_minor, credit_noted_minor,
    written_off_minor, voided_minor, moved_to_credit_minor, absorbed_minor, refunded_minor, invoices.payment_method_id, invoices.collection_policy, statement_text,
    next_collect_at, attempt_count, collection_reason, last_decline, adjusts_id, revises_id, revised_by_id, rebill, metadata, tags, seller_snapshot_id, buyer_snapshot_id, version, created_at,
    finalised_at, settled_at, finalise_at, unrecoverable_minor
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, id)
JOIN invoices ON invoices.shard = wanted.shard AND invoices.id = wanted.id
WHERE tenant_id = $1
ORDER BY invoices.id
FOR NO KEY UPDATE OF invoices;

-- name: list_invoices
-- Conditions, order and limit are appended (listing.py).
SELECT shard, id, issued_on FROM invoices WHERE tenant_id = $1;

-- name: owed_invoices
-- What credit is drawn on, oldest due first.
SELECT invoices.id, invoices.tenant_id, customer_id, status, collection_state, direction, currency, external_id, external_number, title, memo, period_start_on,
    period_end_on, terms_days, issued_on, due_on, line_count, net_minor, tax_minor, total_minor, paid_minor, credit_applied_minor, credit_noted_minor,
    written_off_minor, voided_minor, moved_to_credit_minor, absorbed_minor, refunded_minor, invoices.payment_method_id, invoices.collection_policy, statement_text,
    next_collect_at, attempt_count, collection_reason, last_decline, adjusts_id, revises_id, revised_by_id, rebill, metadata, tags, seller_snapshot_id, buyer_snapshot_id, version, created_at,
    finalised_at, settled_at, finalise_at, unrecoverable_minor
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, customer)
JOIN invoices ON invoices.shard = wanted.shard AND customer_id = wanted.customer
WHERE tenant_id = $1 AND status = 'open' AND direction = 'charge'
ORDER BY customer_id, due_on, id;

-- name: find_invoices_by_external_id
SELECT customer_id, external_id, id
FROM unnest($2::smallint[], $3::uuid[], $4::text[]) AS wanted (shard, customer, external)
JOIN invoices ON invoices.shard = wanted.shard AND customer_id = wanted.customer AND external_id = wanted.external
WHERE tenant_id = $1;

-- name: settle_invoices
-- What may change after finalisation and concerns money.
UPDATE invoices
SET status = changed.status, collection_state = changed.collection_state, paid_minor = changed.paid_minor,
    credit_applied_minor = changed.credit_applied_minor, credit_noted_minor = changed.credit_noted_minor,
    written_off_minor = changed.written_off_minor, voided_minor = changed.voided_minor,
    moved_to_credit_minor = changed.moved_to_credit_minor, absorbed_minor = changed.absorbed_minor,
    refunded_minor = changed.refunded_minor, payment_method_id = changed.payment_method_id,
    collection_policy = changed.collection_policy, next_collect_at = changed.next_collect_at,
    attempt_count = changed.attempt_count, collection_reason = changed.collection_reason, last_decline = changed.last_decline,
    revised_by_id = changed.revised_by_id, rebill = changed.rebill, version = changed.version, settled_at = changed.settled_at,
    unrecoverable_minor = changed.unrecoverable_minor
FROM unnest($2::smallint[], $3::uuid[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[],
        $11::bigint[], $12::bigint[], $13::bigint[], $14::uuid[], $15::jsonb[], $16::timestamptz[], $17::integer[], $18::text[],
        $19::jsonb[], $20::uuid[], $21::boolean[], $22::integer[], $23::timestamptz[], $24::bigint[])
    AS changed (shard, id, status, collection_state, paid_minor, credit_applied_minor, credit_noted_minor, written_off_minor,
        voided_minor, moved_to_credit_minor, absorbed_minor, refunded_minor, payment_method_id, collection_policy, next_collect_at,
        attempt_count, collection_reason, last_decline, revised_by_id, rebill, version, settled_at, unrecoverable_minor)
WHERE invoices.tenant_id = $1 AND invoices.shard = changed.shard AND invoices.id = changed.id;

-- name: relabel_invoice
UPDATE invoices SET metadata = $4, tags = $5, labels = $6, version = $7 WHERE tenant_id = $1 AND shard = $2 AND id = $3;

-- name: delete_draft
-- Also how a draft is rewritten: deleted and saved again under its id, in one transaction.
DELETE FROM invoices WHERE tenant_id = $1 AND shard = $2 AND id = $3 AND status = 'draft';

-- name: delete_draft_lines
DELETE FROM invoice_lines WHERE tenant_id = $1 AND shard = $2 AND invoice_id = $3;

-- name: get_lines_of_many
SELECT invoice_id, kind, description, category, quantity, unit, unit_price, volume, amount_minor, discount_minor, discount_percent, tax_percent, tax_inclusive, net_minor,
    tax_minor, total_minor, period_start_on, period_end_on, time_zone, share,
    subscription_id, corrects_invoice_id, corrects_line_no
FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, invoice)
JOIN invoice_lines ON invoice_lines.shard = wanted.shard AND invoice_id = wanted.invoice
WHERE tenant_id = $1
ORDER BY invoice_id, line_no;

-- name: take_numbers
-- The block [next − count, next) is the caller's. The row stays locked until commit, so this is the last thing a transaction waits for.
UPDATE number_series SET next_sequence = next_sequence + $3 WHERE tenant_id = $1 AND series = $2 RETURNING next_sequence;

-- name: take_number
-- take_numbers for one, and its row with it: whoever waits for the series waits for one round trip less. Printed as by show_number (core/numbers.py).
WITH taken AS (
    UPDATE number_series SET next_sequence = next_sequence + 1 WHERE tenant_id = $1 AND series = $2 RETURNING next_sequence - 1 AS sequence
)
INSERT INTO invoice_numbers (tenant_id, invoice_id, series, sequence, number)
SELECT $1, $3, $2, sequence, $4::text || lpad(sequence::text, greatest($5::integer, length(sequence::text)), '0') FROM taken
RETURNING number;

-- name: begin_series
INSERT INTO number_series (tenant_id, series, next_sequence) VALUES ($1, $2, 1) ON CONFLICT DO NOTHING;

-- name: collect_due
-- across tenants: what the sweep is to collect for those who live in the real time, longest due first
-- What waits for a paused gateway account stays due, and is left out until the account is resumed.
SELECT invoices.tenant_id, invoices.customer_id, invoices.id, next_collect_at
FROM invoices JOIN tenants ON tenants.id = invoices.tenant_id
WHERE next_collect_at <= $1 AND invoices.status = 'open' AND tenants.clock_at IS NULL
    AND collection_state IN ('scheduled', 'retrying')
    AND (collection_reason IS DISTINCT FROM 'gateway_paused' OR NOT EXISTS (
        SELECT FROM customers
        LEFT JOIN customers AS parents ON parents.tenant_id = invoices.tenant_id
            AND parents.shard = customers.shard AND parents.id = customers.parent_id
        JOIN payment_methods AS methods ON methods.tenant_id = invoices.tenant_id AND methods.shard = invoices.shard
            AND methods.id = coalesce(invoices.payment_method_id, customers.payment_method_id, parents.payment_method_id)
        JOIN gateway_accounts AS accounts ON accounts.tenant_id = invoices.tenant_id AND accounts.id = methods.gateway_account_id
        WHERE customers.tenant_id = invoices.tenant_id AND customers.shard = invoices.shard AND customers.id = invoices.customer_id
            AND accounts.status = 'paused'
    ))
ORDER BY next_collect_at LIMIT $2;

-- name: collect_due_of_tenant
SELECT tenant_id, customer_id, id, next_collect_at FROM invoices
WHERE tenant_id = $1 AND next_collect_at <= $2 AND status = 'open' AND collection_state IN ('scheduled', 'retrying')
    AND (collection_reason IS DISTINCT FROM 'gateway_paused' OR NOT EXISTS (
        SELECT FROM customers
        LEFT JOIN customers AS parents ON parents.tenant_id = $1
            AND parents.shard = customers.shard AND parents.id = customers.parent_id
        JOIN payment_methods AS methods ON methods.tenant_id = $1 AND methods.shard = invoices.shard
            AND methods.id = coalesce(invoices.payment_method_id, customers.payment_method_id, parents.payment_method_id)
        JOIN gateway_accounts AS accounts ON accounts.tenant_id = $1 AND accounts.id = methods.gateway_account_id
        WHERE customers.tenant_id = $1 AND customers.shard = invoices.shard AND customers.id = invoices.customer_id
            AND accounts.status = 'paused'
    ))
ORDER BY next_collect_at LIMIT $3;

-- name: adjusting_invoices
-- The supplementary invoices of invoices.
SELECT adjusts_id, invoices.id, status FROM unnest($2::smallint[], $3::uuid[]) AS wanted (shard, invoice)
JOIN invoices ON invoices.shard = wanted.shard AND adjusts_id = wanted.invoice
WHERE tenant_id = $1;

-- name: uncollectable_customers
-- Customers with open invoices that nothing collects by itself: how many, how much, and why. The limit counts customers.
SELECT customer_id, currency, collection_state, collection_reason, count(*) AS invoices, sum(balance_minor)::bigint AS owed_minor, min(due_on) AS oldest_due_on
FROM invoices
WHERE tenant_id = $1 AND status = 'open' AND collection_state IN ('no_method', 'failed', 'stopped', 'action_required')
    AND customer_id IN (
        SELECT DISTINCT customer_id FROM invoices
        WHERE tenant_id = $1 AND status = 'open' AND collection_state IN ('no_method', 'failed', 'stopped', 'action_required')
            AND ($2::uuid IS NULL OR customer_id > $2)
        ORDER BY customer_id LIMIT $3)
GROUP BY customer_id, currency, collection_state, collection_reason
ORDER BY customer_id, currency, collection_state, collection_reason;

-- name: drafts_due
-- across tenants: the sweep of all who live in the real time.
SELECT invoices.tenant_id, invoices.id
FROM invoices JOIN tenants ON tenants.id = invoices.tenant_id
WHERE finalise_at IS NOT NULL AND finalise_at <= $1 AND status = 'draft' AND tenants.clock_at IS NULL
ORDER BY finalise_at, invoices.id
LIMIT $2;

-- name: drafts_due_of_tenant
SELECT tenant_id, id FROM invoices
WHERE tenant_id = $1 AND finalise_at IS NOT NULL AND finalise_at <= $2 AND status = 'draft'
ORDER BY finalise_at, id
LIMIT $3;

-- name: hold_draft
UPDATE invoices SET finalise_at = NULL, version = $4 WHERE tenant_id = $1 AND shard = $2 AND id = $3 AND status = 'draft';
