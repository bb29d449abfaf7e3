-- Numbers of invoices and credit notes: one for every finalised document, no gap and no repeat in any series.
-- Across tenants: verify proves all of them unless $1 names one. Columns: tenant_id, object, figure, expected, stored.

-- name: number_sequence
-- The numbers of a series run 1, 2, 3 … without a gap or a repeat.
SELECT tenant_id, 'series ' || series AS object, 'sequence' AS figure, (before + 1)::text AS expected, sequence::text AS stored
FROM (
    SELECT tenant_id, series, sequence, lag(sequence, 1, 0::bigint) OVER (PARTITION BY tenant_id, series ORDER BY sequence) AS before
    FROM (
        SELECT tenant_id, series, sequence FROM invoice_numbers
        UNION ALL
        SELECT tenant_id, series, sequence FROM credit_note_numbers
    ) AS taken
    WHERE $1::uuid IS NULL OR tenant_id = $1
) AS ordered
WHERE sequence <> before + 1;

-- name: number_series
-- A series goes on right behind its last number.
WITH taken AS (
    SELECT tenant_id, series, max(sequence) AS last
    FROM (
        SELECT tenant_id, series, sequence FROM invoice_numbers
        UNION ALL
        SELECT tenant_id, series, sequence FROM credit_note_numbers
    ) AS numbers
    WHERE $1::uuid IS NULL OR tenant_id = $1
    GROUP BY tenant_id, series
), kept AS (
    SELECT tenant_id, series, next_sequence FROM number_series WHERE $1::uuid IS NULL OR tenant_id = $1
)
SELECT tenant_id, 'series ' || series AS object, 'next_sequence' AS figure, (COALESCE(last, 0) + 1)::text AS expected,
    next_sequence::text AS stored
FROM taken
FULL JOIN kept USING (tenant_id, series)
WHERE COALESCE(last, 0) + 1 IS DISTINCT FROM next_sequence;

-- name: invoice_numbers
-- Every finalised invoice has one number; drafts and purchases not completed have none, and no number is without invoice.
WITH taken AS (
    SELECT tenant_id, invoice_id, count(*) AS numbers
    FROM invoice_numbers
    WHERE $1::uuid IS NULL OR tenant_id = $1
    GROUP BY tenant_id, invoice_id
), kept AS (
    SELECT tenant_id, id AS invoice_id, CASE WHEN status IN ('draft', 'awaiting_payment', 'abandoned') THEN 0 ELSE 1 END AS due
    FROM invoices
    WHERE $1::uuid IS NULL OR tenant_id = $1
)
SELECT tenant_id, 'invoice ' || invoice_id AS object, 'numbers' AS figure, COALESCE(due, 0)::text AS expected,
    COALESCE(numbers, 0)::text AS stored
FROM taken
FULL JOIN kept USING (tenant_id, invoice_id)
WHERE COALESCE(due, 0) <> COALESCE(numbers, 0);

-- name: number_texts
-- A printed number ends in its place in the series, and is printed once per tenant.
SELECT tenant_id, document AS object, 'number' AS figure, '… ' || sequence || ', once' AS expected, number AS stored
FROM (
    SELECT tenant_id, document, sequence, number, lag(number) OVER (PARTITION BY tenant_id ORDER BY number) AS before
    FROM (
        SELECT tenant_id, 'invoice ' || invoice_id AS document, sequence, number FROM invoice_numbers
        UNION ALL
        SELECT tenant_id, 'credit note ' || credit_note_id, sequence, number FROM credit_note_numbers
    ) AS printed
    WHERE $1::uuid IS NULL OR tenant_id = $1
) AS ordered
WHERE right(number, length(sequence::text)) <> sequence::text OR number = before;

-- name: number_customers
-- A series of a customer's own numbers that customer's invoices only.
SELECT numbers.tenant_id, 'series ' || series AS object, 'customers' AS figure, '1' AS expected,
    count(DISTINCT invoices.customer_id)::text AS stored
FROM invoice_numbers AS numbers
JOIN invoices ON invoices.tenant_id = numbers.tenant_id AND invoices.id = numbers.invoice_id
WHERE series <> 'tenant' AND ($1::uuid IS NULL OR numbers.tenant_id = $1)
GROUP BY numbers.tenant_id, series
HAVING count(DISTINCT invoices.customer_id) > 1;
