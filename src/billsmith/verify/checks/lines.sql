-- Lines: the arithmetic of each, and the documents they add up to.
-- Across tenants: verify proves all of them unless $1 names one. Columns: tenant_id, object, figure, expected, stored.

-- name: line_amounts
-- A line's amount is quantity × unit price × its share, rounded half away from zero; its discount, net, tax and total follow from it.
WITH digits (currency, factor) AS (VALUES  -- of currencies whose minor unit is not a hundredth
    ('BIF', 1), ('CLP', 1), ('DJF', 1), ('GNF', 1), ('ISK', 1), ('JPY', 1), ('KMF', 1), ('KRW', 1), ('PYG', 1), ('RWF', 1),
    ('UGX', 1), ('UYI', 1), ('VND', 1), ('VUV', 1), ('XAF', 1), ('XOF', 1), ('XPF', 1), ('BHD', 1000), ('IQD', 1000),
    ('JOD', 1000), ('KWD', 1000), ('LYD', 1000), ('OMR', 1000), ('TND', 1000), ('CLF', 10000), ('UYW', 10000)
), shared AS (
    SELECT lines.*, COALESCE(split_part(share, '/', 1)::numeric, 1) AS part, COALESCE(split_part(share, '/', 2)::numeric, 1) AS whole
    FROM invoice_lines AS lines
    WHERE $1::uuid IS NULL OR tenant_id = $1
), worked AS (
    SELECT lines.tenant_id, lines.invoice_id, lines.line_no, lines.amount_minor, lines.discount_minor, lines.discount_percent, lines.tax_percent,
        lines.tax_inclusive, lines.net_minor, lines.tax_minor, lines.total_minor, lines.amount_minor - lines.discount_minor AS base,
        CASE
            -- what is given back is that part of the line it corrects, or the less that is left of it
            WHEN lines.corrects_invoice_id IS NOT NULL
                THEN GREATEST(LEAST(lines.amount_minor, 0), -div(2 * corrected.amount_minor * part + whole, 2 * whole))
            WHEN lines.unit_price IS NULL THEN lines.amount_minor
            ELSE sign(lines.unit_price) * sign(COALESCE(lines.quantity, 1))
                * div(2 * abs(COALESCE(lines.quantity, 1) * lines.unit_price * COALESCE(factor, 100)) * part + whole, 2 * whole)
            END AS amount,
        CASE WHEN lines.discount_percent IS NOT NULL THEN round(lines.amount_minor * lines.discount_percent * 0.01)
            WHEN lines.discount_minor = 0
                OR (sign(lines.discount_minor) = sign(lines.amount_minor) AND abs(lines.discount_minor) <= abs(lines.amount_minor)) THEN lines.discount_minor
            END AS discount,
        CASE WHEN lines.tax_inclusive THEN 100 + lines.tax_percent ELSE 100 END AS per
    FROM shared AS lines
    LEFT JOIN invoices ON invoices.shard = lines.shard AND invoices.id = lines.invoice_id
    LEFT JOIN digits ON digits.currency = invoices.currency
    LEFT JOIN invoice_lines AS corrected ON corrected.tenant_id = lines.tenant_id AND corrected.shard = lines.shard
        AND corrected.invoice_id = lines.corrects_invoice_id AND corrected.line_no = lines.corrects_line_no
)
SELECT tenant_id, 'line ' || line_no || ' of invoice ' || invoice_id AS object, figure, expected, stored
FROM worked
CROSS JOIN LATERAL (VALUES
    ('amount_minor', amount = amount_minor, amount::text, amount_minor::text),
    ('discount_minor', discount IS NOT DISTINCT FROM discount_minor, COALESCE(discount::text, 'a part of the amount'), discount_minor::text),
    ('net_minor', net_minor = CASE WHEN tax_inclusive THEN base - tax_minor ELSE base END,
        (CASE WHEN tax_inclusive THEN base - tax_minor ELSE base END)::text, net_minor::text),
    ('tax_minor', CASE WHEN tax_percent IS NULL THEN tax_minor = 0 ELSE abs(tax_minor * per - base * tax_percent) < per END,
        COALESCE('less than 1 from ' || round(base * tax_percent / per, 6), '0'), tax_minor::text),
    ('total_minor', total_minor = net_minor + tax_minor, (net_minor + tax_minor)::text, total_minor::text)
) AS figures (figure, holds, expected, stored)
WHERE NOT (amount = amount_minor AND discount IS NOT DISTINCT FROM discount_minor AND total_minor = net_minor + tax_minor
        AND net_minor = CASE WHEN tax_inclusive THEN base - tax_minor ELSE base END
        AND CASE WHEN tax_percent IS NULL THEN tax_minor = 0 ELSE abs(tax_minor * per - base * tax_percent) < per END)
    AND NOT holds;

-- name: tax_rounding
-- The tax of a rate is rounded half away from zero: on each of its lines, or once over the invoice.
WITH taxed AS (
    SELECT tenant_id, shard, invoice_id, tax_percent, tax_inclusive, tax_minor, (amount_minor - discount_minor) * tax_percent AS part,
        CASE WHEN tax_inclusive THEN 100 + tax_percent ELSE 100 END AS per
    FROM invoice_lines
    WHERE tax_percent IS NOT NULL AND ($1::uuid IS NULL OR tenant_id = $1)
), rated AS (
    SELECT tenant_id, shard, invoice_id, tax_percent, tax_inclusive, sum(tax_minor) AS tax,
        sum(sign(part) * div(2 * abs(part) + per, 2 * per)) AS per_line,
        bool_and(tax_minor = sign(part) * div(2 * abs(part) + per, 2 * per)) AS each_rounded,
        sign(sum(part)) * div(2 * abs(sum(part)) + min(per), 2 * min(per)) AS per_invoice
    FROM taxed
    GROUP BY tenant_id, shard, invoice_id, tax_percent, tax_inclusive
)
SELECT tenant_id, 'invoice ' || invoice_id AS object, 'tax_minor' AS figure,
    CASE WHEN per_line = per_invoice THEN '' ELSE per_line || ' or ' END || per_invoice || ' at ' || trim_scale(tax_percent) || ' %' AS expected,
    tax::text AS stored
FROM rated
WHERE NOT each_rounded AND tax <> per_invoice;

-- name: invoice_lines
-- An invoice's net, tax and total are the sums of its lines, numbered from 1; no line is without its invoice.
WITH summed AS (
    SELECT tenant_id, shard, invoice_id, count(*) AS lines, sum(net_minor) AS net, sum(tax_minor) AS tax, sum(total_minor) AS total,
        min(line_no) AS first, max(line_no) AS last, sum(line_no) AS numbers
    FROM invoice_lines
    WHERE $1::uuid IS NULL OR tenant_id = $1
    GROUP BY tenant_id, shard, invoice_id
), kept AS (
    SELECT tenant_id, shard, id AS invoice_id, line_count, net_minor, tax_minor, total_minor
    FROM invoices
    WHERE $1::uuid IS NULL OR tenant_id = $1
)
SELECT tenant_id, 'invoice ' || invoice_id AS object, figure, expected::text, stored::text
FROM summed
FULL JOIN kept USING (tenant_id, shard, invoice_id)
CROSS JOIN LATERAL (VALUES
    ('line_count', COALESCE(lines, 0), line_count),
    ('net_minor', COALESCE(net, 0), net_minor),
    ('tax_minor', COALESCE(tax, 0), tax_minor),
    ('total_minor', COALESCE(total, 0), total_minor),
    ('line_no', lines, CASE WHEN first = 1 AND numbers * 2 = lines * (lines + 1) THEN last END)
) AS figures (figure, expected, stored)
WHERE (lines = line_count AND net = net_minor AND tax = tax_minor AND total = total_minor
        AND first = 1 AND last = lines AND numbers * 2 = lines * (lines + 1)) IS NOT TRUE
    AND expected IS DISTINCT FROM stored;
