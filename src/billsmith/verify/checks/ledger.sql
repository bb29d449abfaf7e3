-- The ledger: transfers are well made, and every stored balance is their sum.
-- Across tenants: verify proves all of them unless $1 names one. Columns: tenant_id, object, figure, expected, stored.

-- name: customer_balances
-- What stands between us and a customer in a currency is the sum of its transfers.
WITH sides AS (
    SELECT tenant_id, shard, customer_id, currency, debit, CASE WHEN to_customer_id IS NULL THEN credit END AS credit, amount_minor
    FROM transfers
    WHERE customer_id IS NOT NULL AND ($1::uuid IS NULL OR tenant_id = $1)
    UNION ALL
    SELECT tenant_id, shard, to_customer_id, currency, NULL, credit, amount_minor
    FROM transfers
    WHERE to_customer_id IS NOT NULL AND ($1::uuid IS NULL OR tenant_id = $1)
), moved AS (
    SELECT tenant_id, shard, customer_id, currency,
        sum(CASE 'receivable' WHEN debit THEN amount_minor WHEN credit THEN -amount_minor ELSE 0 END) AS receivable,
        sum(CASE 'customer_credit' WHEN credit THEN amount_minor WHEN debit THEN -amount_minor ELSE 0 END) AS customer_credit,
        sum(CASE 'payable' WHEN credit THEN amount_minor WHEN debit THEN -amount_minor ELSE 0 END) AS payable
    FROM sides
    GROUP BY tenant_id, shard, customer_id, currency
), kept AS (
    SELECT tenant_id, shard, customer_id, currency, receivable_minor, credit_minor, payable_minor
    FROM customer_balances
    WHERE $1::uuid IS NULL OR tenant_id = $1
)
SELECT tenant_id, 'customer ' || customer_id || ' in ' || currency AS object, figure, expected::text, stored::text
FROM moved
FULL JOIN kept USING (tenant_id, shard, customer_id, currency)
CROSS JOIN LATERAL (VALUES
    ('receivable_minor', COALESCE(receivable, 0), receivable_minor),
    ('credit_minor', COALESCE(customer_credit, 0), credit_minor),
    ('payable_minor', COALESCE(payable, 0), payable_minor)
) AS figures (figure, expected, stored)
WHERE (receivable = receivable_minor AND customer_credit = credit_minor AND payable = payable_minor) IS NOT TRUE AND expected IS DISTINCT FROM stored;

-- name: customer_totals
-- What a customer owes is what its invoices still ask for; its credit is what is left of its credits, reserved or not.
WITH owed AS (
    SELECT tenant_id, shard, customer_id, currency,
        sum(balance_minor) FILTER (WHERE direction = 'charge') AS receivable,
        sum(balance_minor) FILTER (WHERE direction = 'payout') AS payable
    FROM invoices
    WHERE $1::uuid IS NULL OR tenant_id = $1
    GROUP BY tenant_id, shard, customer_id, currency
), unspent AS (
    SELECT tenant_id, shard, customer_id, currency, sum(remaining_minor + reserved_minor) AS customer_credit
    FROM credits
    WHERE $1::uuid IS NULL OR tenant_id = $1
    GROUP BY tenant_id, shard, customer_id, currency
), kept AS (
    SELECT tenant_id, shard, customer_id, currency, receivable_minor, credit_minor, payable_minor
    FROM customer_balances
    WHERE $1::uuid IS NULL OR tenant_id = $1
)
SELECT tenant_id, 'customer ' || customer_id || ' in ' || currency AS object, figure, expected::text, stored::text
FROM kept
FULL JOIN owed USING (tenant_id, shard, customer_id, currency)
FULL JOIN unspent USING (tenant_id, shard, customer_id, currency)
CROSS JOIN LATERAL (VALUES
    ('receivable_minor', COALESCE(receivable, 0), COALESCE(receivable_minor, 0)),
    ('credit_minor', COALESCE(customer_credit, 0), COALESCE(credit_minor, 0)),
    ('payable_minor', COALESCE(payable, 0), COALESCE(payable_minor, 0))
) AS figures (figure, expected, stored)
WHERE expected <> stored;

-- name: transfer_postings
-- A transfer moves a positive amount between accounts of its kind, and names what it is about.
WITH postings (kind, debits, credits, mirrored, about) AS (VALUES
    -- mirrored: of a negative line, or of a payout whose amount is another than asked; cash: either way money comes
    ('net_billed', 'receivable', 'billed_revenue', true, 'invoice line'),
    ('tax_billed', 'receivable', 'tax_payable', true, 'invoice line'),
    ('payout_billed', 'payout_cost', 'payable', true, 'invoice line'),
    ('absorbed', 'receivable', 'bad_debt', false, 'invoice'),
    ('negative_total', 'receivable', 'customer_credit', false, 'invoice credit'),
    ('negative_total_voided', 'customer_credit', 'receivable', false, 'invoice credit'),
    ('credit_drawn', 'customer_credit', 'receivable', false, 'invoice credit'),
    ('credit_returned', 'receivable', 'customer_credit', false, 'invoice credit'),
    ('credit_granted', 'credits_granted', 'customer_credit', false, 'credit'),
    ('credit_expired', 'customer_credit', 'credits_granted', false, 'credit'),
    ('credit_deleted', 'customer_credit', 'credits_granted', false, 'credit'),
    ('credit_moved', 'customer_credit', 'customer_credit', false, 'credit parent'),
    ('credit_refunded', 'customer_credit', 'cash', false, 'credit payment refund'),
    ('refund_returned', 'cash', 'customer_credit', false, 'credit payment refund'),
    ('payment_allocated', 'cash', 'receivable', false, 'invoice payment'),
    ('payment_credited', 'cash', 'customer_credit', false, 'credit payment'),
    ('payment_suspended', 'cash', 'suspense', true, 'payment'),
    ('payment_linked', 'customer_credit', 'receivable', false, 'invoice credit payment'),
    ('payment_fee', 'fees', 'cash', false, 'payment'),
    ('payment_reversed', 'receivable', 'cash', false, 'invoice payment'),
    ('payment_reversed', 'customer_credit', 'cash', false, 'credit payment'),
    ('payment_reversed', 'suspense', 'cash', false, 'payment'),
    ('suspense_released', 'suspense', 'customer_credit', false, 'credit payment'),
    ('credit_noted_net', 'billed_revenue', 'receivable', true, 'invoice line note'),
    ('credit_noted_net', 'billed_revenue', 'customer_credit', true, 'invoice line credit note'),
    ('credit_noted_tax', 'tax_payable', 'receivable', true, 'invoice line note'),
    ('credit_noted_tax', 'tax_payable', 'customer_credit', true, 'invoice line credit note'),
    ('refunded_net', 'billed_revenue', 'cash', true, 'invoice line payment refund note'),
    ('refunded_net', 'billed_revenue', 'customer_credit', true, 'invoice line credit payment refund note'),
    ('refunded_tax', 'tax_payable', 'cash', true, 'invoice line payment refund note'),
    ('refunded_tax', 'tax_payable', 'customer_credit', true, 'invoice line credit payment refund note'),
    ('refund_reopened', 'receivable', 'cash', false, 'invoice payment refund'),
    ('refund_reopened', 'suspense', 'cash', false, 'payment refund'),
    ('dispute_opened', 'disputed', 'cash', false, 'payment dispute'),
    ('dispute_won', 'cash', 'disputed', false, 'payment dispute'),
    ('dispute_expensed', 'dispute_losses', 'disputed', false, 'payment dispute'),
    ('dispute_reopened', 'receivable', 'disputed', false, 'invoice payment dispute'),
    ('dispute_reopened', 'customer_credit', 'disputed', false, 'credit payment dispute'),
    ('dispute_reopened', 'suspense', 'disputed', false, 'payment dispute'),
    ('written_off', 'bad_debt', 'receivable', false, 'invoice write-off'),
    ('write_off_reversed', 'receivable', 'bad_debt', false, 'invoice write-off'),
    ('net_voided', 'billed_revenue', 'receivable', true, 'invoice line'),
    ('tax_voided', 'tax_payable', 'receivable', true, 'invoice line'),
    ('payout_voided', 'payable', 'payout_cost', true, 'invoice line'),
    ('payout_paid', 'payable', 'cash', false, 'invoice payment'),
    ('payout_bounced', 'cash', 'payable', false, 'invoice payment'),
    ('payout_bounced', 'cash', 'suspense', false, 'payment')
), meanings AS (
    SELECT kind, string_agg(debits || ' to ' || credits, ' or ') AS meant FROM postings GROUP BY kind
), judged AS (
    SELECT tenant_id, id, amount_minor, transfers.kind || ': ' || debit || ' to ' || credit AS moved, meant, postings.about AS ought,
        concat_ws(' ', CASE WHEN invoice_id IS NOT NULL THEN 'invoice' END, CASE WHEN line_no IS NOT NULL THEN 'line' END,
            CASE WHEN credit_id IS NOT NULL THEN 'credit' END, CASE WHEN payment_id IS NOT NULL THEN 'payment' END,
            CASE WHEN refund_id IS NOT NULL THEN 'refund' END, CASE WHEN dispute_id IS NOT NULL THEN 'dispute' END,
            CASE WHEN credit_note_id IS NOT NULL THEN 'note' END, CASE WHEN write_off_id IS NOT NULL THEN 'write-off' END,
            CASE WHEN to_customer_id IS NOT NULL THEN 'parent' END) AS named,
        postings.kind IS NOT NULL AS fits
    FROM transfers
    CROSS JOIN LATERAL (SELECT CASE WHEN debit LIKE 'cash:%' THEN 'cash' ELSE debit END AS taken,
        CASE WHEN credit LIKE 'cash:%' THEN 'cash' ELSE credit END AS given) AS sides
    LEFT JOIN meanings ON meanings.kind = transfers.kind
    LEFT JOIN postings ON postings.kind = transfers.kind
        AND ((taken, given) = (postings.debits, postings.credits) OR postings.mirrored AND (taken, given) = (postings.credits, postings.debits))
    WHERE $1::uuid IS NULL OR tenant_id = $1
)
SELECT tenant_id, 'transfer ' || id AS object, figure, expected, stored
FROM judged
CROSS JOIN LATERAL (VALUES
    ('accounts', fits, COALESCE(meant, 'a known kind'), moved),
    ('about', ought IS NULL OR ought = named, ought, named),
    ('amount_minor', amount_minor > 0, 'more than 0', amount_minor::text)
) AS figures (figure, holds, expected, stored)
WHERE NOT (fits AND ought = named AND amount_minor > 0) IS TRUE AND NOT holds;

-- name: transfer_parents
-- A transfer stays with one customer, but for credit moved to its parent: its invoice and credit are that customer's, in its
-- currency, tenant and shard; what else it names is of the same tenant.
-- What is wrong is put into words only for transfers that are: wording all that hold took most of the time of `verify`.
WITH judged AS (
    SELECT transfers.*, invoices.issued_on,
        (get_byte(uuid_send(transfers.id), 14) & 3) * 256 + get_byte(uuid_send(transfers.id), 15) AS own_shard,
        customers.id IS NOT NULL OR transfers.customer_id IS NULL AND transfers.kind = 'payment_suspended' AS customer_holds,
        transfers.to_customer_id IS NULL OR transfers.to_customer_id IS NOT DISTINCT FROM customers.parent_id AS to_customer_holds,
        transfers.payment_id IS NULL OR payments.id IS NOT NULL AS payment_holds,
        transfers.refund_id IS NULL OR refunds.id IS NOT NULL AS refund_holds,
        transfers.dispute_id IS NULL OR disputes.id IS NOT NULL AS dispute_holds,
        transfers.credit_note_id IS NULL OR notes.id IS NOT NULL AS note_holds,
        transfers.write_off_id IS NULL OR write_offs.id IS NOT NULL AS write_off_holds,
        transfers.invoice_id IS NULL OR invoices.id IS NOT NULL AS invoice_holds,
        transfers.credit_id IS NULL OR credits.id IS NOT NULL AS credit_holds,
        causes.id IS NOT NULL AS cause_holds,
        transfers.kind NOT IN ('net_billed', 'tax_billed', 'payout_billed')
            OR transfers.accounting_on = COALESCE(invoices.issued_on, transfers.accounting_on) AS day_holds
    FROM transfers
    LEFT JOIN customers ON customers.shard = transfers.shard AND customers.id = transfers.customer_id
        AND customers.tenant_id = transfers.tenant_id
    LEFT JOIN invoices ON invoices.shard = transfers.shard AND invoices.id = transfers.invoice_id
        AND invoices.tenant_id = transfers.tenant_id AND invoices.customer_id = transfers.customer_id
        AND invoices.currency = transfers.currency
    LEFT JOIN credits ON credits.shard = transfers.shard AND credits.id = transfers.credit_id
        AND credits.tenant_id = transfers.tenant_id AND credits.customer_id = transfers.customer_id
        AND credits.currency = transfers.currency
    LEFT JOIN causes ON causes.tenant_id = transfers.tenant_id AND causes.id = transfers.cause_id
    LEFT JOIN payments ON payments.shard = transfers.shard AND payments.id = transfers.payment_id
        AND payments.tenant_id = transfers.tenant_id AND payments.currency = transfers.currency
    LEFT JOIN refunds ON refunds.shard = transfers.shard AND refunds.id = transfers.refund_id AND refunds.tenant_id = transfers.tenant_id
        AND refunds.payment_id = transfers.payment_id
    LEFT JOIN disputes ON disputes.shard = transfers.shard AND disputes.id = transfers.dispute_id AND disputes.tenant_id = transfers.tenant_id
        AND disputes.payment_id = transfers.payment_id
    LEFT JOIN credit_notes AS notes ON notes.shard = transfers.shard AND notes.id = transfers.credit_note_id AND notes.tenant_id = transfers.tenant_id
        AND notes.invoice_id = transfers.invoice_id
    LEFT JOIN write_offs ON write_offs.shard = transfers.shard AND write_offs.id = transfers.write_off_id AND write_offs.tenant_id = transfers.tenant_id
        AND write_offs.invoice_id = transfers.invoice_id
    WHERE $1::uuid IS NULL OR transfers.tenant_id = $1
)
SELECT tenant_id, 'transfer ' || id AS object, figure, expected, stored
FROM judged
CROSS JOIN LATERAL (VALUES
    ('customer_id', customer_holds, 'a customer of this tenant', customer_id::text),
    ('to_customer_id', to_customer_holds, 'the parent', to_customer_id::text),
    ('payment_id', payment_holds, 'a payment in ' || currency, payment_id::text),
    ('refund_id', refund_holds, 'a refund of this payment', refund_id::text),
    ('dispute_id', dispute_holds, 'a dispute of this payment', dispute_id::text),
    ('credit_note_id', note_holds, 'a credit note of this invoice', credit_note_id::text),
    ('write_off_id', write_off_holds, 'a write-off of this invoice', write_off_id::text),
    ('invoice_id', invoice_holds, 'an invoice of this customer in ' || currency, invoice_id::text),
    ('credit_id', credit_holds, 'a credit of this customer in ' || currency, credit_id::text),
    ('cause_id', cause_holds, 'a cause of this tenant', cause_id::text),
    ('accounting_on', day_holds, 'the day of issue, ' || issued_on, accounting_on::text),
    ('shard', shard = own_shard, own_shard::text, shard::text)
) AS figures (figure, holds, expected, stored)
WHERE NOT (customer_holds AND to_customer_holds AND payment_holds AND refund_holds AND dispute_holds AND note_holds
        AND write_off_holds AND invoice_holds AND credit_holds AND cause_holds AND day_holds AND shard = own_shard)
    AND NOT holds;

-- name: line_transfers
-- Each line of a finalised invoice was posted once: its net and its tax, a payout's line with its total.
-- Matching every transfer with its line needs a sort of both tables. So the two are first compared per invoice, by sums
-- of hashes of (line, part, amount), and only invoices that differ there are matched line by line.
WITH transfer_prints AS (
    SELECT shard, invoice_id, count(*) AS parts, sum(hashint8extended(
        CASE WHEN debit = 'receivable' OR credit = 'payable' THEN amount_minor ELSE -amount_minor END,
        line_no::bigint * 4 + CASE kind WHEN 'net_billed' THEN 1 WHEN 'tax_billed' THEN 2 WHEN 'payout_billed' THEN 3 ELSE 0 END)) AS print
    FROM transfers
    WHERE line_no IS NOT NULL AND kind IN ('net_billed', 'tax_billed', 'payout_billed') AND ($1::uuid IS NULL OR tenant_id = $1)
    GROUP BY shard, invoice_id
), line_prints AS (
    SELECT shard, invoice_id,
        count(*) FILTER (WHERE net_minor <> 0) + count(*) FILTER (WHERE tax_minor <> 0) AS charge_parts,
        COALESCE(sum(hashint8extended(net_minor, line_no::bigint * 4 + 1)) FILTER (WHERE net_minor <> 0), 0)
            + COALESCE(sum(hashint8extended(tax_minor, line_no::bigint * 4 + 2)) FILTER (WHERE tax_minor <> 0), 0) AS charge_print,
        count(*) FILTER (WHERE total_minor <> 0) AS payout_parts,
        COALESCE(sum(hashint8extended(total_minor, line_no::bigint * 4 + 3)) FILTER (WHERE total_minor <> 0), 0) AS payout_print
    FROM invoice_lines
    WHERE $1::uuid IS NULL OR tenant_id = $1
    GROUP BY shard, invoice_id
), suspects AS (
    SELECT shard, invoice_id
    FROM transfer_prints
    FULL JOIN line_prints USING (shard, invoice_id)
    LEFT JOIN (SELECT shard, id AS invoice_id, finalised_at, direction FROM invoices) AS documents USING (shard, invoice_id)
    WHERE COALESCE(parts, 0) <> CASE WHEN finalised_at IS NULL THEN 0 WHEN direction = 'payout' THEN payout_parts ELSE charge_parts END
        OR COALESCE(print, 0) <> CASE WHEN finalised_at IS NULL THEN 0 WHEN direction = 'payout' THEN payout_print ELSE charge_print END
        OR line_prints.invoice_id IS NULL
), posted AS (
    SELECT tenant_id, shard, invoice_id, line_no, count(*) AS transfers,
        sum(CASE debit WHEN 'receivable' THEN amount_minor ELSE -amount_minor END) FILTER (WHERE kind = 'net_billed') AS net,
        sum(CASE debit WHEN 'receivable' THEN amount_minor ELSE -amount_minor END) FILTER (WHERE kind = 'tax_billed') AS tax,
        sum(CASE credit WHEN 'payable' THEN amount_minor ELSE -amount_minor END) FILTER (WHERE kind = 'payout_billed') AS payout
    FROM transfers
    JOIN suspects USING (shard, invoice_id)
    WHERE line_no IS NOT NULL AND kind IN ('net_billed', 'tax_billed', 'payout_billed') AND ($1::uuid IS NULL OR tenant_id = $1)
    GROUP BY tenant_id, shard, invoice_id, line_no
), billed AS (
    SELECT invoice_lines.tenant_id, invoice_lines.shard, invoice_id, line_no, direction = 'charge' AS charged,
        invoice_lines.net_minor, invoice_lines.tax_minor, invoice_lines.total_minor
    FROM invoice_lines
    JOIN suspects USING (shard, invoice_id)
    JOIN invoices ON invoices.shard = invoice_lines.shard AND invoices.id = invoice_lines.invoice_id
    WHERE finalised_at IS NOT NULL AND ($1::uuid IS NULL OR invoice_lines.tenant_id = $1)
)
SELECT tenant_id, 'line ' || line_no || ' of invoice ' || invoice_id AS object, figure, expected::text, stored::text
FROM posted
FULL JOIN billed USING (tenant_id, shard, invoice_id, line_no)
CROSS JOIN LATERAL (VALUES
    ('net_minor', CASE WHEN charged THEN COALESCE(net, 0) ELSE net END, CASE WHEN charged THEN net_minor END),
    ('tax_minor', CASE WHEN charged THEN COALESCE(tax, 0) ELSE tax END, CASE WHEN charged THEN tax_minor END),
    ('total_minor', COALESCE(net, 0) + COALESCE(tax, 0) + COALESCE(payout, 0), total_minor),
    ('transfers', CASE WHEN charged THEN (net_minor <> 0)::integer + (tax_minor <> 0)::integer ELSE (total_minor <> 0)::integer END,
        COALESCE(transfers, 0))
) AS figures (figure, expected, stored)
WHERE expected IS DISTINCT FROM stored;

-- name: correction_lines
-- What of a line credit notes and a void took back is never more than it has; of a void invoice all of it.
WITH taken AS (
    SELECT tenant_id, shard, invoice_id, line_no,
        sum(CASE WHEN debit IN ('billed_revenue', 'tax_payable') OR credit = 'payout_cost' THEN amount_minor ELSE -amount_minor END) AS amount
    FROM transfers
    WHERE line_no IS NOT NULL AND kind NOT IN ('net_billed', 'tax_billed', 'payout_billed') AND ($1::uuid IS NULL OR tenant_id = $1)
    GROUP BY tenant_id, shard, invoice_id, line_no
)
SELECT taken.tenant_id, 'line ' || line_no || ' of invoice ' || invoice_id AS object, 'taken_back' AS figure,
    CASE WHEN invoices.status = 'void' THEN lines.total_minor::text ELSE '0 to ' || lines.total_minor END AS expected, amount::text AS stored
FROM taken
LEFT JOIN invoice_lines AS lines USING (shard, invoice_id, line_no)
LEFT JOIN invoices ON invoices.shard = taken.shard AND invoices.id = invoice_id
WHERE (CASE WHEN invoices.status = 'void' THEN amount = lines.total_minor
    ELSE amount BETWEEN least(0, lines.total_minor) AND greatest(0, lines.total_minor) END) IS NOT TRUE;
