-- The tables of payments, refunds, corrections and disputes, and what they add to the others. What each column means: schema.sql.

CREATE TABLE gateway_accounts (
    tenant_id uuid NOT NULL REFERENCES tenants,
    id uuid NOT NULL,
    gateway text NOT NULL,
    name text NOT NULL,
    is_default boolean NOT NULL,
    status text NOT NULL CHECK (status IN ('active', 'paused', 'closed')),
    paused_because text,
    settings jsonb NOT NULL,
    sealed_credentials bytea NOT NULL,
    metadata jsonb NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    changes_until timestamptz,
    next_pull_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    CHECK (status = 'paused' OR paused_because IS NULL)
);
CREATE UNIQUE INDEX gateway_accounts_id ON gateway_accounts (id);
CREATE UNIQUE INDEX gateway_accounts_default ON gateway_accounts (tenant_id) WHERE is_default;

CREATE TABLE gateway_events (
    tenant_id uuid NOT NULL,
    gateway_account_id uuid NOT NULL,
    gateway_event_id text NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('operation', 'dispute', 'method', 'other')),
    type text NOT NULL,
    operation_kind text CHECK (operation_kind IN ('charge', 'capture', 'cancel', 'refund', 'payout')),
    operation_id text,
    gateway_id text,
    happened_at timestamptz NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    status text NOT NULL CHECK (status IN ('received', 'processed', 'orphan', 'ignored', 'parked')),
    detail text,
    suspended_minor bigint,
    currency text CHECK (length(currency) = 3),
    tries integer NOT NULL,
    received_at timestamptz NOT NULL,
    next_try_at timestamptz,
    PRIMARY KEY (tenant_id, gateway_account_id, gateway_event_id),
    CHECK ((suspended_minor IS NULL) = (currency IS NULL))
);
CREATE INDEX gateway_events_object ON gateway_events (tenant_id, gateway_account_id, gateway_id);
CREATE INDEX gateway_events_due ON gateway_events (next_try_at) WHERE next_try_at IS NOT NULL;
CREATE UNIQUE INDEX gateway_events_list ON gateway_events (tenant_id, id DESC);
CREATE INDEX gateway_events_review ON gateway_events (status) WHERE status IN ('orphan', 'parked');

CREATE TABLE payment_methods (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    gateway_account_id uuid NOT NULL,
    token text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('card', 'bank_account', 'external')),
    status text NOT NULL CHECK (status IN ('pending', 'active', 'failed', 'detached')),
    brand text,
    last4 text CHECK (length(last4) <= 4),
    expires_year smallint,
    expires_month smallint CHECK (expires_month BETWEEN 1 AND 12),
    setup_id text,
    next_action jsonb,
    metadata jsonb NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    validated_at timestamptz,
    PRIMARY KEY (shard, id),
    FOREIGN KEY (shard, customer_id) REFERENCES customers (shard, id)
);
CREATE INDEX payment_methods_list ON payment_methods (tenant_id, id DESC);
CREATE INDEX payment_methods_of_customer ON payment_methods (shard, customer_id, id DESC);
CREATE INDEX payment_methods_setup ON payment_methods (tenant_id, setup_id) WHERE status = 'pending';

CREATE INDEX customers_number_prefix ON customers (tenant_id, number_prefix) WHERE number_prefix IS NOT NULL;
ALTER TABLE customers ADD COLUMN payment_method_id uuid;
ALTER TABLE customers ADD COLUMN collection_policy jsonb;

ALTER TABLE invoices ADD COLUMN refunded_minor bigint NOT NULL DEFAULT 0 CHECK (refunded_minor >= 0);
ALTER TABLE invoices ADD COLUMN payment_method_id uuid;
ALTER TABLE invoices ADD COLUMN collection_policy jsonb;
ALTER TABLE invoices ADD COLUMN statement_text text;
ALTER TABLE invoices ADD COLUMN next_collect_at timestamptz;
ALTER TABLE invoices ADD COLUMN attempt_count integer NOT NULL DEFAULT 0;
ALTER TABLE invoices ADD COLUMN collection_reason text;
ALTER TABLE invoices ADD COLUMN last_decline jsonb;
ALTER TABLE invoices ADD COLUMN adjusts_id uuid;
ALTER TABLE invoices ADD COLUMN revises_id uuid;
ALTER TABLE invoices ADD COLUMN revised_by_id uuid;
ALTER TABLE invoices ADD COLUMN rebill boolean;
ALTER TABLE invoices ALTER COLUMN refunded_minor DROP DEFAULT;
ALTER TABLE invoices ALTER COLUMN attempt_count DROP DEFAULT;
ALTER TABLE invoices DROP CONSTRAINT invoices_voided_minor_check;
ALTER TABLE invoices ADD CONSTRAINT invoices_refunded_within_paid CHECK (refunded_minor <= paid_minor);
CREATE INDEX invoices_collect_due ON invoices (next_collect_at) WHERE next_collect_at IS NOT NULL;
CREATE INDEX invoices_parked ON invoices (tenant_id, id) WHERE collection_reason = 'parked';
CREATE INDEX invoices_adjusting ON invoices (shard, adjusts_id) WHERE adjusts_id IS NOT NULL;

CREATE TABLE payments (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    direction text NOT NULL CHECK (direction IN ('charge', 'payout')),
    status text NOT NULL CHECK (status IN ('processing', 'action_required', 'succeeded', 'failed', 'cancelled', 'reversed')),
    currency text NOT NULL CHECK (length(currency) = 3),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    fee_minor bigint NOT NULL CHECK (fee_minor >= 0),
    allocated_minor bigint NOT NULL CHECK (allocated_minor >= 0),
    credited_minor bigint NOT NULL CHECK (credited_minor >= 0),
    suspended_minor bigint NOT NULL CHECK (suspended_minor >= 0),
    refunded_minor bigint NOT NULL CHECK (refunded_minor >= 0),
    disputed_minor bigint NOT NULL CHECK (disputed_minor >= 0),
    lost_minor bigint NOT NULL CHECK (lost_minor >= 0),
    reversed_minor bigint NOT NULL CHECK (reversed_minor >= 0),
    method_kind text NOT NULL CHECK (method_kind IN ('card', 'bank_account', 'external')),
    payment_method_id uuid,
    gateway_account_id uuid,
    gateway_id text,
    reference text,
    external_id text,
    received_on date,
    decline jsonb,
    metadata jsonb NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    settled_at timestamptz,
    PRIMARY KEY (shard, id),
    FOREIGN KEY (shard, customer_id) REFERENCES customers (shard, id),
    CHECK (refunded_minor <= amount_minor)
);
CREATE INDEX payments_list ON payments (tenant_id, id DESC);
CREATE INDEX payments_of_customer ON payments (shard, customer_id, id DESC);
CREATE UNIQUE INDEX payments_external_id ON payments (shard, customer_id, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX payments_gateway_id ON payments (tenant_id, gateway_account_id, gateway_id) WHERE gateway_id IS NOT NULL;

CREATE TABLE attempts (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('charge', 'capture', 'cancel', 'refund', 'payout')),
    status text NOT NULL CHECK (status IN ('sent', 'succeeded', 'authorized', 'failed', 'pending', 'requires_action', 'unknown', 'cancelled', 'reversed')),
    payment_id uuid NOT NULL,
    refund_id uuid,
    payment_method_id uuid,
    gateway_account_id uuid NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text NOT NULL,
    statement_text text,
    fingerprint bytea NOT NULL,
    sent_at timestamptz NOT NULL,
    lease_until timestamptz NOT NULL,
    next_check_at timestamptz,
    checks integer NOT NULL,
    gateway_id text,
    actual_amount_minor bigint,
    actual_currency text,
    fee_minor bigint NOT NULL,
    decline jsonb,
    next_action jsonb,
    settles_at timestamptz,
    raw bytea,
    evidence text,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (shard, id)
);
CREATE INDEX attempts_of_payment ON attempts (shard, payment_id, id);
CREATE INDEX attempts_due ON attempts (next_check_at) WHERE next_check_at IS NOT NULL;
CREATE INDEX attempts_unknown ON attempts (tenant_id, id DESC) WHERE status = 'unknown';
CREATE INDEX attempts_gateway_id ON attempts (tenant_id, gateway_account_id, gateway_id) WHERE gateway_id IS NOT NULL;
CREATE INDEX attempts_of_method ON attempts (shard, payment_method_id, created_at) WHERE payment_method_id IS NOT NULL;

CREATE TABLE attempt_invoices (
    shard smallint NOT NULL,
    attempt_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    live boolean NOT NULL,
    PRIMARY KEY (shard, attempt_id, invoice_id)
);
CREATE UNIQUE INDEX attempt_invoices_live ON attempt_invoices (shard, invoice_id) WHERE live;
CREATE INDEX attempt_invoices_of_invoice ON attempt_invoices (shard, invoice_id);

CREATE TABLE allocations (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    currency text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    released_minor bigint NOT NULL CHECK (released_minor BETWEEN 0 AND amount_minor),
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (shard, id),
    UNIQUE (shard, payment_id, invoice_id)
);
CREATE INDEX allocations_of_invoice ON allocations (shard, invoice_id);

CREATE TABLE refunds (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    status text NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed', 'cancelled')),
    payment_id uuid NOT NULL,
    invoice_id uuid,
    credit_id uuid,
    destination text NOT NULL CHECK (destination IN ('gateway', 'credit')),
    reopen boolean NOT NULL,
    currency text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    lines jsonb NOT NULL,
    reason text,
    credit_note_id uuid,
    decline jsonb,
    needs_attention boolean NOT NULL,
    tries integer NOT NULL,
    next_try_at timestamptz,
    metadata jsonb NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    settled_at timestamptz,
    PRIMARY KEY (shard, id)
);
CREATE INDEX refunds_list ON refunds (tenant_id, id DESC);
CREATE INDEX refunds_of_customer ON refunds (shard, customer_id, id DESC);
CREATE INDEX refunds_of_payment ON refunds (shard, payment_id, id);
CREATE INDEX refunds_of_invoice ON refunds (shard, invoice_id, id) WHERE invoice_id IS NOT NULL;
CREATE INDEX refunds_attention ON refunds (tenant_id, id) WHERE needs_attention AND status = 'pending';
CREATE INDEX refunds_due ON refunds (next_try_at) WHERE next_try_at IS NOT NULL;

CREATE TABLE credit_notes (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    refund_id uuid,
    credit_id uuid,
    currency text NOT NULL,
    net_minor bigint NOT NULL,
    tax_minor bigint NOT NULL,
    total_minor bigint NOT NULL CHECK (total_minor > 0),
    owed_minor bigint NOT NULL CHECK (owed_minor >= 0),
    written_off_minor bigint NOT NULL CHECK (written_off_minor >= 0),
    paid_minor bigint NOT NULL CHECK (paid_minor >= 0),
    reason text NOT NULL,
    issued_on date NOT NULL,
    lines jsonb NOT NULL,
    metadata jsonb NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (shard, id),
    CHECK (total_minor = net_minor + tax_minor),
    CHECK (total_minor = owed_minor + written_off_minor + paid_minor)
);
CREATE INDEX credit_notes_list ON credit_notes (tenant_id, id DESC);
CREATE INDEX credit_notes_of_customer ON credit_notes (shard, customer_id, id DESC);
CREATE INDEX credit_notes_of_invoice ON credit_notes (shard, invoice_id, id);

CREATE TABLE credit_note_numbers (
    tenant_id uuid NOT NULL,
    credit_note_id uuid NOT NULL,
    series text NOT NULL,
    sequence bigint NOT NULL,
    number text NOT NULL,
    PRIMARY KEY (tenant_id, credit_note_id),
    UNIQUE (tenant_id, number)
);

CREATE TABLE write_offs (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    currency text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    reversed_minor bigint NOT NULL CHECK (reversed_minor BETWEEN 0 AND amount_minor),
    reason text NOT NULL,
    written_off_on date NOT NULL,
    metadata jsonb NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (shard, id)
);
CREATE INDEX write_offs_list ON write_offs (tenant_id, id DESC);
CREATE INDEX write_offs_of_customer ON write_offs (shard, customer_id, id DESC);
CREATE INDEX write_offs_of_invoice ON write_offs (shard, invoice_id, id);

CREATE TABLE disputes (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    gateway_id text,
    status text NOT NULL CHECK (status IN ('open', 'won', 'lost')),
    outcome text CHECK (outcome IN ('expensed', 'reopened')),
    currency text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    reason text,
    needs_attention boolean NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    closed_at timestamptz,
    PRIMARY KEY (shard, id),
    CHECK ((status = 'lost') = (outcome IS NOT NULL))
);
CREATE INDEX disputes_list ON disputes (tenant_id, id DESC);
CREATE INDEX disputes_of_customer ON disputes (shard, customer_id, id DESC);
CREATE UNIQUE INDEX disputes_of_payment ON disputes (shard, payment_id, gateway_id);

ALTER TABLE credits DROP CONSTRAINT credits_source_check;
ALTER TABLE credits ADD CONSTRAINT credits_source_check CHECK (source IN ('negative_total', 'granted', 'payment', 'credit_note', 'refund', 'moved'));
ALTER TABLE credits ADD COLUMN payment_id uuid;
ALTER TABLE credits ADD COLUMN paid_out_minor bigint NOT NULL DEFAULT 0 CHECK (paid_out_minor >= 0);
ALTER TABLE credits ADD COLUMN moved_minor bigint NOT NULL DEFAULT 0 CHECK (moved_minor >= 0);
ALTER TABLE credits ADD COLUMN reserved_minor bigint NOT NULL DEFAULT 0 CHECK (reserved_minor >= 0);
ALTER TABLE credits ALTER COLUMN paid_out_minor DROP DEFAULT;
ALTER TABLE credits ALTER COLUMN moved_minor DROP DEFAULT;
ALTER TABLE credits ALTER COLUMN reserved_minor DROP DEFAULT;
DROP INDEX credits_left;
DROP INDEX credits_expiring;
ALTER TABLE credits DROP COLUMN remaining_minor;
ALTER TABLE credits ADD COLUMN remaining_minor bigint NOT NULL GENERATED ALWAYS AS (
    amount_minor - drawn_minor - expired_minor - deleted_minor - paid_out_minor - moved_minor - reserved_minor
) STORED;
ALTER TABLE credits ADD CONSTRAINT credits_remaining_not_negative CHECK (remaining_minor >= 0);
CREATE INDEX credits_left ON credits (shard, customer_id) WHERE remaining_minor > 0;
CREATE INDEX credits_expiring ON credits (expires_at) WHERE expires_at IS NOT NULL AND remaining_minor > 0;
CREATE INDEX credits_of_payment ON credits (shard, payment_id) WHERE payment_id IS NOT NULL;
CREATE INDEX credits_of_invoice ON credits (shard, invoice_id) WHERE invoice_id IS NOT NULL;

CREATE TABLE credit_draws (
    shard smallint NOT NULL,
    credit_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
    PRIMARY KEY (shard, credit_id, invoice_id)
);
CREATE INDEX credit_draws_of_invoice ON credit_draws (shard, invoice_id);
INSERT INTO credit_draws
SELECT shard, credit_id, invoice_id, tenant_id, sum(amount_minor) FROM transfers WHERE kind = 'credit_drawn' GROUP BY shard, credit_id, invoice_id, tenant_id;

ALTER TABLE transfers ALTER COLUMN customer_id DROP NOT NULL;
ALTER TABLE transfers ADD COLUMN payment_id uuid;
ALTER TABLE transfers ADD COLUMN refund_id uuid;
ALTER TABLE transfers ADD COLUMN dispute_id uuid;
ALTER TABLE transfers ADD COLUMN credit_note_id uuid;
ALTER TABLE transfers ADD COLUMN write_off_id uuid;
ALTER TABLE transfers ADD COLUMN to_customer_id uuid;
ALTER TABLE transfers DROP CONSTRAINT transfers_check;
ALTER TABLE transfers ADD CONSTRAINT transfers_check CHECK (debit <> credit OR (to_customer_id IS NOT NULL AND to_customer_id <> customer_id));

ALTER TABLE idempotency_keys ADD COLUMN subject text;
ALTER TABLE idempotency_keys ADD COLUMN lease_until timestamptz;

ALTER TABLE operations DROP CONSTRAINT operations_kind_check;
ALTER TABLE operations DROP CONSTRAINT operations_status_check;
ALTER TABLE operations ADD CONSTRAINT operations_kind_check CHECK (kind IN ('invoice_import', 'bulk_refund'));
ALTER TABLE operations ADD CONSTRAINT operations_status_check CHECK (status IN ('running', 'completed', 'cancelled'));
ALTER TABLE operations ADD COLUMN input jsonb;
ALTER TABLE operations ADD COLUMN lease_until timestamptz;

CREATE INDEX operations_running ON operations (kind, id) WHERE status = 'running' AND lease_until IS NOT NULL;

CREATE TABLE operation_items (
    tenant_id uuid NOT NULL,
    operation_id uuid NOT NULL,
    item_id uuid NOT NULL,
    status text NOT NULL CHECK (status IN ('waiting', 'done', 'refused')),
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    detail jsonb,
    PRIMARY KEY (tenant_id, operation_id, item_id)
);
CREATE INDEX operation_items_waiting ON operation_items (tenant_id, operation_id, item_id) WHERE status = 'waiting';

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO billsmith_program;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO billsmith_program;
REVOKE UPDATE, DELETE ON transfers, events, event_numbers, invoice_numbers, credit_note_numbers, credit_notes, party_snapshots, causes FROM billsmith_program;
REVOKE INSERT, UPDATE, DELETE ON schema_migrations FROM billsmith_program;
