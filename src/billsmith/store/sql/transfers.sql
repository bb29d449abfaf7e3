-- name: insert_transfers
-- A few, as JSON; many are copied.
INSERT INTO transfers (shard, id, tenant_id, customer_id, kind, debit, credit, amount_minor, currency, accounting_on, period_start_on, period_end_on, invoice_id, line_no,
    credit_id, payment_id, refund_id, dispute_id, credit_note_id, write_off_id, to_customer_id, cause_id)
SELECT shard, id, tenant_id, customer_id, kind, debit, credit, amount_minor, currency, accounting_on, period_start_on, period_end_on, invoice_id, line_no,
    credit_id, payment_id, refund_id, dispute_id, credit_note_id, write_off_id, to_customer_id, cause_id
FROM json_to_recordset($1::json) AS new (shard smallint, id uuid, tenant_id uuid, customer_id uuid, kind text, debit text, credit text, amount_minor bigint, currency text,
    accounting_on date, period_start_on date, period_end_on date, invoice_id uuid, line_no integer, credit_id uuid, payment_id uuid,
    refund_id uuid, dispute_id uuid, credit_note_id uuid, write_off_id uuid, to_customer_id uuid, cause_id uuid);

-- name: list_transfers
-- Of one customer, one invoice or both, newest first: a stretch of one shard's primary key.
SELECT transfers.id, customer_id, kind, debit, credit, amount_minor, currency, accounting_on, period_start_on, period_end_on, invoice_id, line_no,
    credit_id, payment_id, refund_id, dispute_id, credit_note_id, write_off_id, to_customer_id, actor, reason, request_id, caused_at
FROM transfers
JOIN causes ON causes.tenant_id = $1 AND causes.id = cause_id
WHERE transfers.tenant_id = $1 AND shard = $2 AND ($3::uuid IS NULL OR customer_id = $3) AND ($4::uuid IS NULL OR invoice_id = $4)
    AND ($5::uuid IS NULL OR transfers.id < $5)
ORDER BY transfers.id DESC LIMIT $6;
