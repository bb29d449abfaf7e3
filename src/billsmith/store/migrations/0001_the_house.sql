-- The tables of tenants, customers, invoices, the ledger and events. What each column means: schema.sql.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'billsmith_program') THEN
        CREATE ROLE billsmith_program NOLOGIN;
    END IF;
END
$$;

CREATE TABLE tenants (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    mode text NOT NULL CHECK (mode IN ('live', 'sandbox')),
    currency text NOT NULL CHECK (length(currency) = 3),
    time_zone text NOT NULL,
    seller jsonb NOT NULL,
    settings jsonb NOT NULL,
    metadata jsonb NOT NULL,
    clock_at timestamptz,
    snapshot_id uuid NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    CHECK (mode = 'sandbox' OR clock_at IS NULL)
);

CREATE TABLE api_keys (
    tenant_id uuid NOT NULL REFERENCES tenants,
    id uuid NOT NULL,
    name text NOT NULL,
    secret_hash bytea NOT NULL UNIQUE,
    hint text NOT NULL,
    scopes text[] NOT NULL CHECK (scopes <@ ARRAY['read', 'write', 'admin']),
    created_at timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE party_snapshots (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    party jsonb NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE causes (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    actor text NOT NULL,
    reason text,
    request_id text NOT NULL,
    caused_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE idempotency_keys (
    tenant_id uuid NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    status text NOT NULL CHECK (status IN ('running', 'done')),
    answer_status smallint,
    answer bytea,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, key),
    CHECK ((status = 'done') = (answer IS NOT NULL AND answer_status IS NOT NULL))
);
CREATE INDEX idempotency_keys_expire ON idempotency_keys (expires_at);

CREATE TABLE operations (
    tenant_id uuid NOT NULL REFERENCES tenants,
    id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('invoice_import')),
    name text NOT NULL,
    status text NOT NULL CHECK (status IN ('running', 'completed')),
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, kind, name)
);

CREATE TABLE import_documents (
    tenant_id uuid NOT NULL,
    operation_id uuid NOT NULL,
    document text NOT NULL,
    fingerprint bytea NOT NULL,
    invoice_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, operation_id, document)
);

CREATE TABLE customers (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL REFERENCES tenants,
    external_id text,
    parent_id uuid,
    name text NOT NULL COLLATE "C",
    emails text[] NOT NULL,
    currency text NOT NULL CHECK (length(currency) = 3),
    time_zone text NOT NULL,
    locale text NOT NULL,
    address jsonb NOT NULL,
    tax_ids jsonb NOT NULL,
    bill_cycle_day smallint CHECK (bill_cycle_day BETWEEN 1 AND 31),
    terms_days smallint CHECK (terms_days BETWEEN 0 AND 3650),
    number_prefix text,
    auto_collect boolean NOT NULL,
    invoicing text NOT NULL CHECK (invoicing IN ('on', 'draft', 'off')),
    draw_credit boolean NOT NULL,
    overdue_exempt boolean NOT NULL,
    metadata jsonb NOT NULL,
    tags text[] NOT NULL,
    labels bigint[] NOT NULL,
    snapshot_id uuid NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    deleted_at timestamptz,
    PRIMARY KEY (shard, id),
    FOREIGN KEY (shard, parent_id) REFERENCES customers (shard, id),
    CHECK (parent_id IS DISTINCT FROM id)
);
CREATE INDEX customers_list ON customers (tenant_id, id DESC);
CREATE INDEX customers_children ON customers (shard, parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX customers_labels ON customers USING gin (labels) WHERE labels <> '{}';

CREATE TABLE customer_external_ids (
    tenant_id uuid NOT NULL,
    external_id text NOT NULL,
    customer_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, external_id)
);

CREATE TABLE customer_balances (
    shard smallint NOT NULL,
    customer_id uuid NOT NULL,
    currency text NOT NULL,
    tenant_id uuid NOT NULL,
    receivable_minor bigint NOT NULL CHECK (receivable_minor >= 0),
    credit_minor bigint NOT NULL CHECK (credit_minor >= 0),
    payable_minor bigint NOT NULL CHECK (payable_minor >= 0),
    PRIMARY KEY (shard, customer_id, currency)
);

CREATE TABLE invoices (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    status text NOT NULL CHECK (status IN ('draft', 'open', 'paid', 'void', 'uncollectible', 'awaiting_payment', 'abandoned')),
    collection_state text CHECK (collection_state IN ('no_method', 'scheduled', 'processing', 'action_required', 'retrying', 'failed', 'stopped', 'void_pending')),
    direction text NOT NULL CHECK (direction IN ('charge', 'payout')),
    currency text NOT NULL CHECK (length(currency) = 3),
    external_id text,
    external_number text,
    title text,
    memo text,
    period_start_on date,
    period_end_on date,
    terms_days smallint,
    issued_on date,
    due_on date,
    line_count integer NOT NULL CHECK (line_count >= 0),
    net_minor bigint NOT NULL,
    tax_minor bigint NOT NULL,
    total_minor bigint NOT NULL,
    paid_minor bigint NOT NULL CHECK (paid_minor >= 0),
    credit_applied_minor bigint NOT NULL CHECK (credit_applied_minor >= 0),
    credit_noted_minor bigint NOT NULL CHECK (credit_noted_minor >= 0),
    written_off_minor bigint NOT NULL CHECK (written_off_minor >= 0),
    voided_minor bigint NOT NULL CHECK (voided_minor >= 0),
    moved_to_credit_minor bigint NOT NULL CHECK (moved_to_credit_minor <= 0),
    absorbed_minor bigint NOT NULL CHECK (absorbed_minor <= 0),
    metadata jsonb NOT NULL,
    tags text[] NOT NULL,
    labels bigint[] NOT NULL,
    seller_snapshot_id uuid,
    buyer_snapshot_id uuid,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    finalised_at timestamptz,
    settled_at timestamptz,
    balance_minor bigint NOT NULL GENERATED ALWAYS AS (
        CASE WHEN finalised_at IS NULL THEN 0 ELSE
            total_minor - paid_minor - credit_applied_minor - credit_noted_minor - written_off_minor - voided_minor
            - moved_to_credit_minor - absorbed_minor
        END) STORED,
    PRIMARY KEY (shard, id),
    FOREIGN KEY (shard, customer_id) REFERENCES customers (shard, id),
    CONSTRAINT invoices_balance_not_negative CHECK (balance_minor >= 0),
    CHECK (total_minor = net_minor + tax_minor),
    CHECK ((status = 'draft') = (finalised_at IS NULL)),
    CHECK (finalised_at IS NULL OR (issued_on IS NOT NULL AND due_on IS NOT NULL AND seller_snapshot_id IS NOT NULL AND buyer_snapshot_id IS NOT NULL)),
    CHECK (status <> 'paid' OR balance_minor = 0),
    CHECK (status <> 'open' OR balance_minor > 0)
);
CREATE INDEX invoices_list ON invoices (tenant_id, id DESC);
CREATE INDEX invoices_issued ON invoices (tenant_id, issued_on DESC, id DESC);
CREATE INDEX invoices_status ON invoices (tenant_id, status, id DESC);
CREATE INDEX invoices_collection ON invoices (tenant_id, collection_state, id DESC) WHERE collection_state IS NOT NULL;
CREATE INDEX invoices_due ON invoices (tenant_id, due_on, id DESC);
CREATE INDEX invoices_of_customer ON invoices (shard, customer_id, id DESC);
CREATE INDEX invoices_owed ON invoices (shard, customer_id, due_on, id) WHERE status = 'open';
CREATE UNIQUE INDEX invoices_external_id ON invoices (shard, customer_id, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX invoices_labels ON invoices USING gin (labels) WHERE labels <> '{}';

CREATE TABLE invoice_lines (
    shard smallint NOT NULL,
    invoice_id uuid NOT NULL,
    line_no integer NOT NULL,
    tenant_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('recurring', 'fixed', 'usage', 'one_off', 'proration_credit', 'adjustment')),
    description text NOT NULL,
    category text,
    quantity numeric,
    unit text,
    unit_price numeric,
    volume text,
    amount_minor bigint NOT NULL,
    discount_minor bigint NOT NULL,
    discount_percent numeric,
    tax_percent numeric,
    tax_inclusive boolean NOT NULL,
    net_minor bigint NOT NULL,
    tax_minor bigint NOT NULL,
    total_minor bigint NOT NULL,
    period_start_on date,
    period_end_on date,
    time_zone text,
    PRIMARY KEY (shard, invoice_id, line_no),
    CHECK (total_minor = net_minor + tax_minor),
    CHECK (tax_inclusive OR net_minor = amount_minor - discount_minor),
    CHECK (NOT tax_inclusive OR total_minor = amount_minor - discount_minor)
);

CREATE TABLE number_series (
    tenant_id uuid NOT NULL,
    series text NOT NULL,
    next_sequence bigint NOT NULL CHECK (next_sequence >= 1),
    PRIMARY KEY (tenant_id, series)
);

CREATE TABLE invoice_numbers (
    tenant_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    series text NOT NULL,
    sequence bigint NOT NULL,
    number text NOT NULL,
    PRIMARY KEY (tenant_id, invoice_id),
    UNIQUE (tenant_id, number)
);

CREATE TABLE transfers (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    kind text NOT NULL,
    debit text NOT NULL,
    credit text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text NOT NULL,
    accounting_on date NOT NULL,
    period_start_on date,
    period_end_on date,
    invoice_id uuid,
    line_no integer,
    credit_id uuid,
    cause_id uuid NOT NULL,
    PRIMARY KEY (shard, id),
    CHECK (debit <> credit)
);

CREATE TABLE credits (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    currency text NOT NULL,
    source text NOT NULL CHECK (source IN ('negative_total', 'granted')),
    invoice_id uuid,
    reason text,
    granted_on date NOT NULL,
    expires_at timestamptz,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    drawn_minor bigint NOT NULL CHECK (drawn_minor >= 0),
    expired_minor bigint NOT NULL CHECK (expired_minor >= 0),
    deleted_minor bigint NOT NULL CHECK (deleted_minor >= 0),
    metadata jsonb NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    remaining_minor bigint NOT NULL GENERATED ALWAYS AS (amount_minor - drawn_minor - expired_minor - deleted_minor) STORED,
    PRIMARY KEY (shard, id),
    CONSTRAINT credits_remaining_not_negative CHECK (remaining_minor >= 0)
);
CREATE INDEX credits_list ON credits (tenant_id, id DESC);
CREATE INDEX credits_of_customer ON credits (shard, customer_id, id DESC);
CREATE INDEX credits_left ON credits (shard, customer_id) WHERE remaining_minor > 0;
CREATE INDEX credits_expiring ON credits (expires_at) WHERE expires_at IS NOT NULL AND remaining_minor > 0;

CREATE TABLE events (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    customer_id uuid,
    type text NOT NULL,
    object_id uuid NOT NULL,
    object_version integer NOT NULL,
    object jsonb,
    cause_id uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    PRIMARY KEY (shard, id)
);

CREATE TABLE outbox (
    shard smallint NOT NULL,
    position bigint GENERATED ALWAYS AS IDENTITY,
    tenant_id uuid NOT NULL,
    event_ids uuid[] NOT NULL,
    PRIMARY KEY (shard, position)
);

CREATE TABLE event_numbers (
    tenant_id uuid NOT NULL,
    sequence bigint NOT NULL,
    shard smallint NOT NULL,
    event_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, sequence)
);
CREATE TABLE event_series (
    tenant_id uuid PRIMARY KEY REFERENCES tenants,
    next_sequence bigint NOT NULL CHECK (next_sequence >= 1)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO billsmith_program;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO billsmith_program;
REVOKE UPDATE, DELETE ON transfers, events, event_numbers, invoice_numbers, party_snapshots, causes FROM billsmith_program;
