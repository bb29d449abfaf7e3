-- The catalogue, subscriptions and what their lines cover; when customers and drafts wake up. What each column means: schema.sql.

CREATE TABLE catalogs (
    tenant_id uuid PRIMARY KEY REFERENCES tenants,
    id uuid NOT NULL,
    version integer NOT NULL,
    rules jsonb NOT NULL
);

CREATE TABLE products (
    tenant_id uuid NOT NULL REFERENCES tenants,
    code text NOT NULL,
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('base', 'add_on', 'standalone')),
    add_ons text[] NOT NULL,
    metadata jsonb NOT NULL,
    PRIMARY KEY (tenant_id, code)
);

CREATE TABLE plans (
    tenant_id uuid NOT NULL REFERENCES tenants,
    code text NOT NULL,
    retired_at timestamptz,
    PRIMARY KEY (tenant_id, code)
);

CREATE TABLE plan_versions (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    plan text NOT NULL,
    version integer NOT NULL CHECK (version >= 1),
    product text NOT NULL,
    name text NOT NULL,
    price_list text NOT NULL,
    direction text NOT NULL CHECK (direction IN ('charge', 'payout')),
    phases jsonb NOT NULL,
    effective_on date NOT NULL,
    moves text NOT NULL CHECK (moves IN ('keep', 'at_date', 'at_renewal')),
    moves_on date,
    metadata jsonb NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, plan, version),
    FOREIGN KEY (tenant_id, plan) REFERENCES plans (tenant_id, code),
    FOREIGN KEY (tenant_id, product) REFERENCES products (tenant_id, code),
    CHECK ((moves = 'at_date') = (moves_on IS NOT NULL))
);

CREATE TABLE subscriptions (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    group_id uuid NOT NULL,
    external_id text,
    product_kind text NOT NULL CHECK (product_kind IN ('base', 'add_on', 'standalone')),
    status text NOT NULL CHECK (status IN ('pending', 'trialing', 'active', 'paused', 'cancelled', 'expired')),
    plan_version_id uuid NOT NULL,
    phase smallint,
    currency text NOT NULL CHECK (length(currency) = 3),
    quantity numeric NOT NULL CHECK (quantity >= 0),
    starts_on date NOT NULL,
    ends_on date,
    billed_through_on date,
    next_change_at timestamptz,
    metadata jsonb NOT NULL,
    tags text[] NOT NULL,
    labels bigint[] NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (shard, id),
    FOREIGN KEY (shard, customer_id) REFERENCES customers (shard, id)
);
CREATE INDEX subscriptions_list ON subscriptions (tenant_id, id DESC);
CREATE INDEX subscriptions_of_customer ON subscriptions (shard, customer_id, id DESC);
CREATE INDEX subscriptions_of_group ON subscriptions (shard, group_id);
CREATE INDEX subscriptions_of_version ON subscriptions (tenant_id, plan_version_id, id);
CREATE UNIQUE INDEX subscriptions_external_id ON subscriptions (shard, customer_id, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX subscriptions_labels ON subscriptions USING gin (labels) WHERE labels <> '{}';
CREATE INDEX subscriptions_change_due ON subscriptions (next_change_at, id) WHERE next_change_at IS NOT NULL;

CREATE TABLE subscription_billing (
    shard smallint NOT NULL,
    subscription_id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    charged_through jsonb NOT NULL,
    rework_from_on date,
    next_bill_on date,
    PRIMARY KEY (shard, subscription_id)
) WITH (fillfactor = 80);
CREATE INDEX subscription_billing_due ON subscription_billing (shard, customer_id, next_bill_on) WHERE next_bill_on IS NOT NULL;

CREATE TABLE subscription_changes (
    shard smallint NOT NULL,
    subscription_id uuid NOT NULL,
    position integer NOT NULL CHECK (position >= 1),
    tenant_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('created', 'plan_changed', 'quantity_changed', 'bill_day_changed', 'paused', 'resumed', 'cancelled', 'transferred')),
    entitlement_at timestamptz,
    billing_on date,
    plan_version_id uuid,
    aligned_on date,
    bill_alignment text CHECK (bill_alignment IN ('account', 'group', 'subscription')),
    quantity numeric,
    prices jsonb,
    bill_cycle_day smallint CHECK (bill_cycle_day BETWEEN 1 AND 31),
    made_at timestamptz NOT NULL,
    undone_at timestamptz,
    PRIMARY KEY (shard, subscription_id, position)
);

CREATE TABLE coverage (
    shard smallint NOT NULL,
    subscription_id uuid NOT NULL,
    charge text NOT NULL,
    period_start_on date NOT NULL,
    revision smallint NOT NULL,
    tenant_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    line_no integer NOT NULL,
    kind text NOT NULL CHECK (kind IN ('recurring', 'fixed')),
    period_end_on date,
    plan_version_id uuid NOT NULL,
    phase smallint NOT NULL,
    quantity numeric NOT NULL,
    unit_price numeric NOT NULL,
    amount_minor bigint NOT NULL,
    released_at timestamptz,
    PRIMARY KEY (shard, subscription_id, charge, period_start_on, revision)
);
CREATE INDEX coverage_of_invoice ON coverage (shard, invoice_id, line_no);

CREATE TABLE give_backs (
    shard smallint NOT NULL,
    invoice_id uuid NOT NULL,
    line_no integer NOT NULL,
    tenant_id uuid NOT NULL,
    subscription_id uuid NOT NULL,
    corrects_invoice_id uuid NOT NULL,
    corrects_line_no integer NOT NULL,
    period_start_on date NOT NULL,
    period_end_on date NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor <= 0),
    released_at timestamptz,
    PRIMARY KEY (shard, invoice_id, line_no)
);
CREATE INDEX give_backs_of_line ON give_backs (shard, corrects_invoice_id, corrects_line_no);

ALTER TABLE customers ADD COLUMN next_bill_at timestamptz, ADD COLUMN bill_parked_because text;
CREATE INDEX customers_bill_due ON customers (tenant_id, next_bill_at, shard) WHERE next_bill_at IS NOT NULL;
CREATE INDEX customers_bill_parked ON customers (tenant_id, id) WHERE bill_parked_because IS NOT NULL;

ALTER TABLE invoices
    ADD COLUMN finalise_at timestamptz,
    ADD COLUMN unrecoverable_minor bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT invoices_unrecoverable_within_written_off CHECK (unrecoverable_minor BETWEEN 0 AND written_off_minor);
ALTER TABLE invoices ALTER COLUMN unrecoverable_minor DROP DEFAULT;
ALTER TABLE invoice_lines
    ADD COLUMN share text,
    ADD COLUMN subscription_id uuid,
    ADD COLUMN corrects_invoice_id uuid,
    ADD COLUMN corrects_line_no integer;
CREATE INDEX invoices_finalise_due ON invoices (finalise_at) WHERE finalise_at IS NOT NULL;

ALTER TABLE operations DROP CONSTRAINT operations_kind_check;
ALTER TABLE operations ADD CONSTRAINT operations_kind_check CHECK (kind IN ('invoice_import', 'bulk_refund', 'catalogue_move', 'catalogue_cancel'));

GRANT SELECT, INSERT, UPDATE, DELETE ON catalogs, products, plans, plan_versions, subscriptions, subscription_billing, subscription_changes, coverage, give_backs TO billsmith_program;
REVOKE UPDATE, DELETE ON plan_versions FROM billsmith_program;

-- What a run moves stays on its page.
ALTER TABLE customer_balances SET (fillfactor = 80);
