-- The schema of Billsmith, whole and commented. It equals the sum of migrations/ (tests/migrations compares the two).
--
-- Customer-owned tables carry `shard` (0–1023, the lowest 10 bits of every id of that customer) first in their key;
-- tenant-owned tables are narrow and keyed by tenant. Amounts are bigint minor units, instants timestamptz, local dates
-- date. No default and no statement asks the time: times come from the two clocks of the program.

-- The program connects as this role (SET ROLE). It owns nothing, and can't change what is append-only.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'billsmith_program') THEN
        CREATE ROLE billsmith_program NOLOGIN;
    END IF;
END
$$;

------------------------------------------------------------------------------------------------------------- tenants

-- A company that bills with Billsmith.
CREATE TABLE tenants (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    mode text NOT NULL CHECK (mode IN ('live', 'sandbox')),
    currency text NOT NULL CHECK (length(currency) = 3),
    time_zone text NOT NULL,
    seller jsonb NOT NULL,            -- legal name, address, tax ids: what invoices say of the seller
    settings jsonb NOT NULL,          -- policies (core/tenants.py: TenantSettings)
    metadata jsonb NOT NULL,
    clock_at timestamptz,             -- a sandbox's own time, standing still; null: the real time
    snapshot_id uuid NOT NULL,        -- the party_snapshots row that says what `seller` says now
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    clock_holder uuid,                -- the advance that is moving the sandbox's clock; nobody else writes meanwhile
    clock_held_until timestamptz,     -- … unless it gave no sign until then, by the real time
    CHECK (mode = 'sandbox' OR clock_at IS NULL),
    CONSTRAINT tenants_clock_held CHECK ((clock_holder IS NULL) = (clock_held_until IS NULL))
);

-- API keys: only a hash is kept. Looked up by hash, which is how the tenant of a request is found.
CREATE TABLE api_keys (
    tenant_id uuid NOT NULL REFERENCES tenants,
    id uuid NOT NULL,
    name text NOT NULL,
    secret_hash bytea NOT NULL UNIQUE,
    hint text NOT NULL,               -- sk_live_…abcd, to recognise it by
    scopes text[] NOT NULL CHECK (scopes <@ ARRAY['read', 'write', 'admin']),
    created_at timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);

-- What an invoice says of its seller or buyer, frozen. One row per change of a party, shared by its invoices.
CREATE TABLE party_snapshots (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    party jsonb NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

-- Who did it, why, and in which request: one row per verb carried out; transfers and events point here.
CREATE TABLE causes (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    actor text NOT NULL,
    reason text,
    request_id text NOT NULL,
    caused_at timestamptz NOT NULL,   -- by the tenant's clock
    PRIMARY KEY (tenant_id, id)
);

-- The stored answer per idempotency key.
CREATE TABLE idempotency_keys (
    tenant_id uuid NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,       -- of method, path and body
    status text NOT NULL CHECK (status IN ('running', 'done')),
    answer_status smallint,
    answer bytea,
    expires_at timestamptz NOT NULL,
    subject text,                     -- what is being made, while it takes several transactions: a repeat is told
    lease_until timestamptz,          -- … and may complete it from then on, by the real time
    PRIMARY KEY (tenant_id, key),
    CHECK ((status = 'done') = (answer IS NOT NULL AND answer_status IS NOT NULL))
);
CREATE INDEX idempotency_keys_expire ON idempotency_keys (expires_at);  -- the sweep that forgets them

-- Long work that was asked for.
CREATE TABLE operations (
    tenant_id uuid NOT NULL REFERENCES tenants,
    id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('invoice_import', 'bulk_refund', 'catalogue_move', 'catalogue_cancel')),
    name text NOT NULL,               -- an import is restarted under its name
    status text NOT NULL CHECK (status IN ('running', 'completed', 'cancelled')),
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    input jsonb,                      -- what was asked for
    lease_until timestamptz,          -- a worker carries it on until then; anybody may once that has passed. Null: who began it does
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, kind, name)
);
CREATE INDEX operations_running ON operations (kind, id) WHERE status = 'running' AND lease_until IS NOT NULL;  -- what workers carry on

-- What became of each item of an operation.
CREATE TABLE operation_items (
    tenant_id uuid NOT NULL,
    operation_id uuid NOT NULL,
    item_id uuid NOT NULL,            -- what it is done to: of a bulk refund the invoice, otherwise the subscription
    status text NOT NULL CHECK (status IN ('waiting', 'done', 'refused')),
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    detail jsonb,                     -- what was made, or why it was refused
    PRIMARY KEY (tenant_id, operation_id, item_id)
);
CREATE INDEX operation_items_waiting ON operation_items (tenant_id, operation_id, item_id) WHERE status = 'waiting';  -- what is done next

-- Which documents an import has made: what makes it restartable, whatever its batches were.
CREATE TABLE import_documents (
    tenant_id uuid NOT NULL,
    operation_id uuid NOT NULL,
    document text NOT NULL,
    fingerprint bytea NOT NULL,       -- of the document's content: the same name with other content is refused
    invoice_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, operation_id, document)
);

-- A tenant's account at a gateway. Its credentials are sealed (vault.py): the database alone can't open them.
CREATE TABLE gateway_accounts (
    tenant_id uuid NOT NULL REFERENCES tenants,
    id uuid NOT NULL,
    gateway text NOT NULL,            -- its name in the registry: fake, external, a plugin's
    name text NOT NULL,
    is_default boolean NOT NULL,
    status text NOT NULL CHECK (status IN ('active', 'paused', 'closed')),
    paused_because text,              -- nothing is sent until somebody says that it works again
    settings jsonb NOT NULL,
    sealed_credentials bytea NOT NULL,
    metadata jsonb NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    changes_until timestamptz,        -- up to when its changes were pulled, by the tenant's clock
    next_pull_at timestamptz,         -- by the wall clock; no wake-up of its own, for accounts are few
    PRIMARY KEY (tenant_id, id),
    CHECK (status = 'paused' OR paused_because IS NULL)
);
CREATE UNIQUE INDEX gateway_accounts_id ON gateway_accounts (id);  -- a webhook names the account, not the tenant
CREATE UNIQUE INDEX gateway_accounts_default ON gateway_accounts (tenant_id) WHERE is_default;  -- one default per tenant

-- What gateways told us, as it came: kept before it is answered, read again before it is believed.
CREATE TABLE gateway_events (
    tenant_id uuid NOT NULL,
    gateway_account_id uuid NOT NULL,
    gateway_event_id text NOT NULL,   -- the gateway's own: a repeat is known by it
    id uuid NOT NULL,                 -- ours, in the order in which they came
    kind text NOT NULL CHECK (kind IN ('operation', 'dispute', 'method', 'other')),
    type text NOT NULL,               -- the gateway's own word
    operation_kind text CHECK (operation_kind IN ('charge', 'capture', 'cancel', 'refund', 'payout')),  -- where the gateway says so
    operation_id text,                -- ours, where the gateway echoes it
    gateway_id text,                  -- the gateway's, of the operation or of the charge in dispute
    happened_at timestamptz NOT NULL,
    headers jsonb NOT NULL,           -- without secrets; empty where it was pulled
    body bytea NOT NULL,
    status text NOT NULL CHECK (status IN ('received', 'processed', 'orphan', 'ignored', 'parked')),
    detail text,
    suspended_minor bigint,           -- of an orphan: what this event moved into suspense, below zero out of it
    currency text CHECK (length(currency) = 3),
    tries integer NOT NULL,
    received_at timestamptz NOT NULL,
    next_try_at timestamptz,
    PRIMARY KEY (tenant_id, gateway_account_id, gateway_event_id),
    CHECK ((suspended_minor IS NULL) = (currency IS NULL))
);
CREATE INDEX gateway_events_object ON gateway_events (tenant_id, gateway_account_id, gateway_id);  -- all that was told of one object
CREATE INDEX gateway_events_due ON gateway_events (next_try_at) WHERE next_try_at IS NOT NULL;  -- wake-up
CREATE UNIQUE INDEX gateway_events_list ON gateway_events (tenant_id, id DESC);  -- GET /v1/gateway-events
CREATE INDEX gateway_events_review ON gateway_events (status) WHERE status IN ('orphan', 'parked');  -- what somebody has to look at

----------------------------------------------------------------------------------------------------------- customers

CREATE TABLE customers (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL REFERENCES tenants,
    external_id text,
    parent_id uuid,                   -- lives in the same shard
    name text NOT NULL COLLATE "C",
    emails text[] NOT NULL,
    currency text NOT NULL CHECK (length(currency) = 3),
    time_zone text NOT NULL,
    locale text NOT NULL,
    address jsonb NOT NULL,
    tax_ids jsonb NOT NULL,
    bill_cycle_day smallint CHECK (bill_cycle_day BETWEEN 1 AND 31),
    terms_days smallint CHECK (terms_days BETWEEN 0 AND 3650),
    number_prefix text,               -- of its own number series, where numbers are per customer
    auto_collect boolean NOT NULL,
    invoicing text NOT NULL CHECK (invoicing IN ('on', 'draft', 'off')),
    draw_credit boolean NOT NULL,
    overdue_exempt boolean NOT NULL,
    metadata jsonb NOT NULL,
    tags text[] NOT NULL,
    labels bigint[] NOT NULL,         -- hashes of tags and metadata, for the one index below
    snapshot_id uuid NOT NULL,
    payment_method_id uuid,           -- the default: what its invoices are collected with unless they have their own
    collection_policy jsonb,          -- null: the tenant's
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    deleted_at timestamptz,
    next_bill_at timestamptz,         -- the earliest of its subscriptions: when a run next has something to do
    bill_parked_because text,         -- why runs leave it out until somebody looks; others are billed
    PRIMARY KEY (shard, id),
    FOREIGN KEY (shard, parent_id) REFERENCES customers (shard, id),
    CHECK (parent_id IS DISTINCT FROM id)
);
CREATE INDEX customers_list ON customers (tenant_id, id DESC);                          -- GET /v1/customers
CREATE INDEX customers_children ON customers (shard, parent_id) WHERE parent_id IS NOT NULL;  -- the children of a parent
CREATE INDEX customers_number_prefix ON customers (tenant_id, number_prefix) WHERE number_prefix IS NOT NULL;  -- no two alike
CREATE INDEX customers_labels ON customers USING gin (labels) WHERE labels <> '{}';     -- tags and metadata filters
CREATE INDEX customers_bill_due ON customers (tenant_id, next_bill_at, shard) WHERE next_bill_at IS NOT NULL;  -- wake-up, shard by shard
CREATE INDEX customers_bill_parked ON customers (tenant_id, id) WHERE bill_parked_because IS NOT NULL;  -- whom a person has to look at

-- A customer's external id is unique per tenant; customers live in shards, so the names have a table of their own.
CREATE TABLE customer_external_ids (
    tenant_id uuid NOT NULL,
    external_id text NOT NULL,
    customer_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, external_id)
);

-- The three stored balances of a customer in one currency. Each is the sum of its transfers (billsmith verify).
CREATE TABLE customer_balances (
    shard smallint NOT NULL,
    customer_id uuid NOT NULL,
    currency text NOT NULL,
    tenant_id uuid NOT NULL,
    receivable_minor bigint NOT NULL CHECK (receivable_minor >= 0),  -- the customer owes us
    credit_minor bigint NOT NULL CHECK (credit_minor >= 0),          -- we owe the customer: customer credit
    payable_minor bigint NOT NULL CHECK (payable_minor >= 0),        -- we owe the customer: payout invoices
    PRIMARY KEY (shard, customer_id, currency)
) WITH (fillfactor = 80);          -- what a run moves stays on its page

-- How a customer pays: the gateway's own token and what may be shown of it. Never a card number.
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
    setup_id text,                    -- the gateway's, while the customer has something to do
    next_action jsonb,                -- … and what
    metadata jsonb NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    validated_at timestamptz,         -- when the gateway last said that it can be used
    PRIMARY KEY (shard, id),
    FOREIGN KEY (shard, customer_id) REFERENCES customers (shard, id)
);
CREATE INDEX payment_methods_list ON payment_methods (tenant_id, id DESC);                       -- GET /v1/payment-methods
CREATE INDEX payment_methods_of_customer ON payment_methods (shard, customer_id, id DESC);       -- … of one customer
CREATE INDEX payment_methods_setup ON payment_methods (tenant_id, setup_id) WHERE status = 'pending';  -- which set-up was finished

------------------------------------------------------------------------------------------------------------ invoices

-- After finalisation all but the columns marked * are fixed.
CREATE TABLE invoices (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    status text NOT NULL CHECK (status IN ('draft', 'open', 'paid', 'void', 'uncollectible', 'awaiting_payment', 'abandoned')),  -- *
    collection_state text CHECK (collection_state IN ('no_method', 'scheduled', 'processing', 'action_required', 'retrying', 'failed', 'stopped', 'void_pending')),  -- *
    direction text NOT NULL CHECK (direction IN ('charge', 'payout')),
    currency text NOT NULL CHECK (length(currency) = 3),
    external_id text,
    external_number text,             -- an imported document's own number
    title text,
    memo text,
    period_start_on date,
    period_end_on date,
    terms_days smallint,
    issued_on date,                   -- the local date of finalisation
    due_on date,
    line_count integer NOT NULL CHECK (line_count >= 0),
    net_minor bigint NOT NULL,
    tax_minor bigint NOT NULL,
    total_minor bigint NOT NULL,
    -- What became of the total, each a sum of transfers. balance = what is still owed.
    paid_minor bigint NOT NULL CHECK (paid_minor >= 0),                        -- *
    credit_applied_minor bigint NOT NULL CHECK (credit_applied_minor >= 0),    -- *
    credit_noted_minor bigint NOT NULL CHECK (credit_noted_minor >= 0),        -- *
    written_off_minor bigint NOT NULL CHECK (written_off_minor >= 0),          -- *
    voided_minor bigint NOT NULL,                                              -- * < 0 where the total was
    moved_to_credit_minor bigint NOT NULL CHECK (moved_to_credit_minor <= 0),  -- *
    absorbed_minor bigint NOT NULL CHECK (absorbed_minor <= 0),                -- *
    refunded_minor bigint NOT NULL CHECK (refunded_minor >= 0),                -- * what of paid_minor was given back with a credit note
    payment_method_id uuid,           -- * its own; null: the customer's default
    collection_policy jsonb,          -- * its own; null: the customer's, or the tenant's
    statement_text text,              -- what the payer's bank prints
    next_collect_at timestamptz,      -- * when it is tried (again) by itself
    attempt_count integer NOT NULL,   -- * tries that counted since the method or the debt last changed
    collection_reason text,           -- * why it is in its collection state, where that does not say
    last_decline jsonb,               -- *
    adjusts_id uuid,                  -- the invoice that this one corrects upwards
    revises_id uuid,                  -- the void invoice that this one is a new version of
    revised_by_id uuid,               -- * … and back
    rebill boolean,                   -- * of a void one: whether its periods are to be billed again
    metadata jsonb NOT NULL,          -- *
    tags text[] NOT NULL,             -- *
    labels bigint[] NOT NULL,         -- *
    seller_snapshot_id uuid,          -- null on drafts, like the next
    buyer_snapshot_id uuid,
    version integer NOT NULL,         -- *
    created_at timestamptz NOT NULL,
    finalised_at timestamptz,
    settled_at timestamptz,           -- * when the balance became zero
    finalise_at timestamptz,          -- of a draft: when it finalises itself
    unrecoverable_minor bigint NOT NULL,  -- * what of written_off_minor later documents absorbed
    balance_minor bigint NOT NULL GENERATED ALWAYS AS (
        CASE WHEN finalised_at IS NULL THEN 0 ELSE
            total_minor - paid_minor - credit_applied_minor - credit_noted_minor - written_off_minor - voided_minor
            - moved_to_credit_minor - absorbed_minor
        END) STORED,
    PRIMARY KEY (shard, id),
    FOREIGN KEY (shard, customer_id) REFERENCES customers (shard, id),
    CONSTRAINT invoices_balance_not_negative CHECK (balance_minor >= 0),
    CONSTRAINT invoices_unrecoverable_within_written_off CHECK (unrecoverable_minor BETWEEN 0 AND written_off_minor),
    CONSTRAINT invoices_refunded_within_paid CHECK (refunded_minor <= paid_minor),
    CHECK (total_minor = net_minor + tax_minor),
    CHECK ((status = 'draft') = (finalised_at IS NULL)),
    CHECK (finalised_at IS NULL OR (issued_on IS NOT NULL AND due_on IS NOT NULL AND seller_snapshot_id IS NOT NULL AND buyer_snapshot_id IS NOT NULL)),
    CHECK (status <> 'paid' OR balance_minor = 0),
    CHECK (status <> 'open' OR balance_minor > 0)
);
CREATE INDEX invoices_list ON invoices (tenant_id, id DESC);                                   -- GET /v1/invoices, newest first
CREATE INDEX invoices_issued ON invoices (tenant_id, issued_on DESC, id DESC);                 -- … by date of issue
CREATE INDEX invoices_status ON invoices (tenant_id, status, id DESC);                         -- … with one status
CREATE INDEX invoices_collection ON invoices (tenant_id, collection_state, id DESC) WHERE collection_state IS NOT NULL;  -- … in one collection state
CREATE INDEX invoices_due ON invoices (tenant_id, due_on, id DESC);                            -- … due in a range of days
CREATE INDEX invoices_of_customer ON invoices (shard, customer_id, id DESC);                   -- … of one customer
CREATE INDEX invoices_owed ON invoices (shard, customer_id, due_on, id) WHERE status = 'open'; -- what credit is drawn on, oldest due first
CREATE UNIQUE INDEX invoices_external_id ON invoices (shard, customer_id, external_id) WHERE external_id IS NOT NULL;  -- a repeat is refused, naming the first
CREATE INDEX invoices_labels ON invoices USING gin (labels) WHERE labels <> '{}';              -- tags and metadata filters

CREATE INDEX invoices_finalise_due ON invoices (finalise_at) WHERE finalise_at IS NOT NULL;    -- wake-up
CREATE INDEX invoices_collect_due ON invoices (next_collect_at) WHERE next_collect_at IS NOT NULL;  -- wake-up
CREATE INDEX invoices_parked ON invoices (tenant_id, id) WHERE collection_reason = 'parked';  -- what could not even be tried
CREATE INDEX invoices_adjusting ON invoices (shard, adjusts_id) WHERE adjusts_id IS NOT NULL;  -- what corrects an invoice upwards

-- Bulk-loaded: no foreign key; verify checks that every line has its invoice.
CREATE TABLE invoice_lines (
    shard smallint NOT NULL,
    invoice_id uuid NOT NULL,
    line_no integer NOT NULL,         -- from 1
    tenant_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('recurring', 'fixed', 'usage', 'one_off', 'proration_credit', 'adjustment')),
    description text NOT NULL,
    category text,                    -- the caller's own word for the type of item
    quantity numeric,
    unit text,
    unit_price numeric,               -- major units, up to 12 places
    volume text,                      -- shown beside the quantity, never computed with
    amount_minor bigint NOT NULL,     -- quantity × unit price, rounded once; or as given
    discount_minor bigint NOT NULL,   -- towards zero: same sign as the amount
    discount_percent numeric,
    tax_percent numeric,
    tax_inclusive boolean NOT NULL,
    net_minor bigint NOT NULL,
    tax_minor bigint NOT NULL,
    total_minor bigint NOT NULL,
    period_start_on date,             -- half-open, local dates in `time_zone`
    period_end_on date,
    time_zone text,                   -- the zone the period was meant in
    share text,                       -- of a piece of a period: which part of the price it costs, '22/31'
    subscription_id uuid,             -- what it was billed for
    corrects_invoice_id uuid,         -- proration_credit: the line of which it gives back the unused part
    corrects_line_no integer,
    PRIMARY KEY (shard, invoice_id, line_no),
    CHECK (total_minor = net_minor + tax_minor),
    CHECK (tax_inclusive OR net_minor = amount_minor - discount_minor),
    CHECK (NOT tax_inclusive OR total_minor = amount_minor - discount_minor)
);

-- A series of invoice numbers: one per tenant ('tenant') or one per customer (its prefix). Taken as a block, as the last write of a transaction.
CREATE TABLE number_series (
    tenant_id uuid NOT NULL,
    series text NOT NULL,
    next_sequence bigint NOT NULL CHECK (next_sequence >= 1),
    PRIMARY KEY (tenant_id, series)
);

-- The number of every finalised invoice.
CREATE TABLE invoice_numbers (
    tenant_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    series text NOT NULL,
    sequence bigint NOT NULL,
    number text NOT NULL,             -- as printed
    PRIMARY KEY (tenant_id, invoice_id),
    UNIQUE (tenant_id, number)
);

------------------------------------------------------------------------------------------------------------ payments

-- Money that moved or may have. Once it succeeded: amount = allocated + credited + suspended, less what went back.
CREATE TABLE payments (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,        -- the payer
    direction text NOT NULL CHECK (direction IN ('charge', 'payout')),
    status text NOT NULL CHECK (status IN ('processing', 'action_required', 'succeeded', 'failed', 'cancelled', 'reversed')),
    currency text NOT NULL CHECK (length(currency) = 3),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),          -- asked; once it succeeded, what really moved
    fee_minor bigint NOT NULL CHECK (fee_minor >= 0),               -- what the gateway kept
    allocated_minor bigint NOT NULL CHECK (allocated_minor >= 0),   -- set against invoices now
    credited_minor bigint NOT NULL CHECK (credited_minor >= 0),     -- became customer credit, gross
    suspended_minor bigint NOT NULL CHECK (suspended_minor >= 0),   -- matches nothing asked, until somebody decides
    refunded_minor bigint NOT NULL CHECK (refunded_minor >= 0),     -- given back by refunds that succeeded
    disputed_minor bigint NOT NULL CHECK (disputed_minor >= 0),     -- held by disputes that are open
    lost_minor bigint NOT NULL CHECK (lost_minor >= 0),             -- taken by disputes that were lost
    reversed_minor bigint NOT NULL CHECK (reversed_minor >= 0),     -- taken back by the bank weeks later
    method_kind text NOT NULL CHECK (method_kind IN ('card', 'bank_account', 'external')),
    payment_method_id uuid,
    gateway_account_id uuid,          -- null: it came by other ways, and somebody said so
    gateway_id text,                  -- the gateway's own
    reference text,                   -- the number of a cheque, the text of a transfer
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
CREATE INDEX payments_list ON payments (tenant_id, id DESC);                                     -- GET /v1/payments
CREATE INDEX payments_of_customer ON payments (shard, customer_id, id DESC);                     -- … of one customer
CREATE UNIQUE INDEX payments_external_id ON payments (shard, customer_id, external_id) WHERE external_id IS NOT NULL;  -- a repeat is refused, naming the first
CREATE INDEX payments_gateway_id ON payments (tenant_id, gateway_account_id, gateway_id) WHERE gateway_id IS NOT NULL;  -- whom a gateway's event is about

-- One call to a gateway; its id is the idempotency key. Committed before anything is sent.
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
    fingerprint bytea NOT NULL,       -- of the request as it was sent: a resend is the same request
    sent_at timestamptz NOT NULL,     -- by the real time, like the next
    lease_until timestamptz NOT NULL, -- until then nobody but the sender touches it
    next_check_at timestamptz,        -- when the gateway is asked again; null: nothing more to ask
    checks integer NOT NULL,          -- how often it was heard of or asked about
    gateway_id text,
    actual_amount_minor bigint,       -- what really moved, where the gateway says so
    actual_currency text,
    fee_minor bigint NOT NULL,
    decline jsonb,
    next_action jsonb,
    settles_at timestamptz,
    raw bytea,                        -- the gateway's last reply, without secrets
    evidence text,                    -- how a person knew what became of it, where the gateway could not say
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (shard, id)
);
CREATE INDEX attempts_of_payment ON attempts (shard, payment_id, id);                            -- what was tried
CREATE INDEX attempts_due ON attempts (next_check_at) WHERE next_check_at IS NOT NULL;           -- wake-up
CREATE INDEX attempts_unknown ON attempts (tenant_id, id DESC) WHERE status = 'unknown';         -- what needs a person
CREATE INDEX attempts_gateway_id ON attempts (tenant_id, gateway_account_id, gateway_id) WHERE gateway_id IS NOT NULL;  -- what a webhook is about
CREATE INDEX attempts_of_method ON attempts (shard, payment_method_id, created_at) WHERE payment_method_id IS NOT NULL;  -- what is under way with a method

-- What of an attempt is meant for which invoice. `live`: money may still move; never two at once for one invoice.
CREATE TABLE attempt_invoices (
    shard smallint NOT NULL,
    attempt_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    live boolean NOT NULL,
    PRIMARY KEY (shard, attempt_id, invoice_id)
);
CREATE UNIQUE INDEX attempt_invoices_live ON attempt_invoices (shard, invoice_id) WHERE live;    -- the guard itself
CREATE INDEX attempt_invoices_of_invoice ON attempt_invoices (shard, invoice_id);                -- what was tried for an invoice

-- What of a payment is set against which invoice of the payer or a child; it pays amount − released now.
CREATE TABLE allocations (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,        -- the invoice's
    payment_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    currency text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    released_minor bigint NOT NULL CHECK (released_minor BETWEEN 0 AND amount_minor),  -- went back: owed again
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (shard, id),
    UNIQUE (shard, payment_id, invoice_id)
);
CREATE INDEX allocations_of_invoice ON allocations (shard, invoice_id);                          -- what paid an invoice

-- Money given back, from one payment. While it is pending its amount is reserved.
CREATE TABLE refunds (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    status text NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed', 'cancelled')),
    payment_id uuid NOT NULL,
    invoice_id uuid,                  -- null: it gives back credit that was never spent
    credit_id uuid,                   -- that credit, or the one that it became
    destination text NOT NULL CHECK (destination IN ('gateway', 'credit')),
    reopen boolean NOT NULL,          -- whether the invoice is owed again, instead of a credit note
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
CREATE INDEX refunds_list ON refunds (tenant_id, id DESC);                                       -- GET /v1/refunds
CREATE INDEX refunds_of_customer ON refunds (shard, customer_id, id DESC);                       -- … of one customer
CREATE INDEX refunds_of_payment ON refunds (shard, payment_id, id);                              -- … of one payment
CREATE INDEX refunds_of_invoice ON refunds (shard, invoice_id, id) WHERE invoice_id IS NOT NULL; -- … of one invoice
CREATE INDEX refunds_attention ON refunds (tenant_id, id) WHERE needs_attention AND status = 'pending';  -- what needs a person
CREATE INDEX refunds_due ON refunds (next_try_at) WHERE next_try_at IS NOT NULL;                 -- wake-up

-- A payer's bank holds money back, for good or not.
CREATE TABLE disputes (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    gateway_id text,
    status text NOT NULL CHECK (status IN ('open', 'won', 'lost')),
    outcome text CHECK (outcome IN ('expensed', 'reopened')),  -- of a lost one, as the tenant chose
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
CREATE INDEX disputes_list ON disputes (tenant_id, id DESC);                                     -- GET /v1/disputes
CREATE INDEX disputes_of_customer ON disputes (shard, customer_id, id DESC);                     -- … of one customer
CREATE UNIQUE INDEX disputes_of_payment ON disputes (shard, payment_id, gateway_id);             -- … of one payment; each is told once

--------------------------------------------------------------------------------------------------------- corrections

-- The document that corrects a finalised invoice downwards. Never changed.
CREATE TABLE credit_notes (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    refund_id uuid,                   -- the refund whose success issued it
    credit_id uuid,                   -- the credit that its paid part became
    currency text NOT NULL,
    net_minor bigint NOT NULL,
    tax_minor bigint NOT NULL,
    total_minor bigint NOT NULL CHECK (total_minor > 0),
    -- What became of the part of the invoice that it takes back.
    owed_minor bigint NOT NULL CHECK (owed_minor >= 0),
    written_off_minor bigint NOT NULL CHECK (written_off_minor >= 0),
    paid_minor bigint NOT NULL CHECK (paid_minor >= 0),
    reason text NOT NULL,
    issued_on date NOT NULL,
    lines jsonb NOT NULL,             -- parts of the invoice's lines (core/payments/corrections.py: CreditNoteLine)
    metadata jsonb NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (shard, id),
    CHECK (total_minor = net_minor + tax_minor),
    CHECK (total_minor = owed_minor + written_off_minor + paid_minor)
);
CREATE INDEX credit_notes_list ON credit_notes (tenant_id, id DESC);                             -- GET /v1/credit-notes
CREATE INDEX credit_notes_of_customer ON credit_notes (shard, customer_id, id DESC);             -- … of one customer
CREATE INDEX credit_notes_of_invoice ON credit_notes (shard, invoice_id, id);                    -- … of one invoice

-- The number of every credit note.
CREATE TABLE credit_note_numbers (
    tenant_id uuid NOT NULL,
    credit_note_id uuid NOT NULL,
    series text NOT NULL,
    sequence bigint NOT NULL,
    number text NOT NULL,             -- as printed
    PRIMARY KEY (tenant_id, credit_note_id),
    UNIQUE (tenant_id, number)
);

-- What we no longer expect of an invoice; amount − reversed still stands.
CREATE TABLE write_offs (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    currency text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    reversed_minor bigint NOT NULL CHECK (reversed_minor BETWEEN 0 AND amount_minor),  -- undone, recovered or corrected
    reason text NOT NULL,
    written_off_on date NOT NULL,
    metadata jsonb NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (shard, id)
);
CREATE INDEX write_offs_list ON write_offs (tenant_id, id DESC);                                 -- GET /v1/write-offs
CREATE INDEX write_offs_of_customer ON write_offs (shard, customer_id, id DESC);                 -- … of one customer
CREATE INDEX write_offs_of_invoice ON write_offs (shard, invoice_id, id);                        -- … of one invoice

-------------------------------------------------------------------------------------------------------------- ledger

-- The ledger. One row is a debit and a credit of the same amount, so it can't be unbalanced. Append-only.
CREATE TABLE transfers (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    customer_id uuid,                 -- null: nobody's yet, money in suspense that came for an unknown payment
    kind text NOT NULL,               -- which fact moved it (core/ledger.py: the postings)
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
    payment_id uuid,
    refund_id uuid,
    dispute_id uuid,
    credit_note_id uuid,
    write_off_id uuid,
    to_customer_id uuid,              -- whose the credit side is, where it is another's: credit moved to the parent
    cause_id uuid NOT NULL,           -- who, why, in which request
    PRIMARY KEY (shard, id),
    CHECK (debit <> credit OR (to_customer_id IS NOT NULL AND to_customer_id <> customer_id))  -- moved credit stays on its account, and becomes another's
);

-- Customer credit: money we owe the customer. Drawn soonest-expiring, then oldest first.
CREATE TABLE credits (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    currency text NOT NULL,
    source text NOT NULL CHECK (source IN ('negative_total', 'granted', 'payment', 'credit_note', 'refund', 'moved')),
    invoice_id uuid,                  -- the document that it comes from
    payment_id uuid,                  -- the payment that it came in with
    reason text,
    granted_on date NOT NULL,
    expires_at timestamptz,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    drawn_minor bigint NOT NULL CHECK (drawn_minor >= 0),
    expired_minor bigint NOT NULL CHECK (expired_minor >= 0),
    deleted_minor bigint NOT NULL CHECK (deleted_minor >= 0),
    paid_out_minor bigint NOT NULL CHECK (paid_out_minor >= 0),   -- given back as money
    moved_minor bigint NOT NULL CHECK (moved_minor >= 0),         -- to the parent
    reserved_minor bigint NOT NULL CHECK (reserved_minor >= 0),   -- kept for a refund in flight: a row, not a transfer
    metadata jsonb NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    remaining_minor bigint NOT NULL GENERATED ALWAYS AS (
        amount_minor - drawn_minor - expired_minor - deleted_minor - paid_out_minor - moved_minor - reserved_minor
    ) STORED,
    PRIMARY KEY (shard, id),
    CONSTRAINT credits_remaining_not_negative CHECK (remaining_minor >= 0)
);
CREATE INDEX credits_list ON credits (tenant_id, id DESC);                                       -- GET /v1/credits
CREATE INDEX credits_of_customer ON credits (shard, customer_id, id DESC);                               -- … of one customer
CREATE INDEX credits_left ON credits (shard, customer_id) WHERE remaining_minor > 0;  -- what is drawn on invoices
CREATE INDEX credits_expiring ON credits (expires_at) WHERE expires_at IS NOT NULL AND remaining_minor > 0;  -- wake-up

CREATE INDEX credits_of_payment ON credits (shard, payment_id) WHERE payment_id IS NOT NULL;     -- what became of a payment
CREATE INDEX credits_of_invoice ON credits (shard, invoice_id) WHERE invoice_id IS NOT NULL;     -- … and of a document

-- What an invoice has drawn of a credit, net of what came back.
CREATE TABLE credit_draws (
    shard smallint NOT NULL,
    credit_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
    PRIMARY KEY (shard, credit_id, invoice_id)
);
CREATE INDEX credit_draws_of_invoice ON credit_draws (shard, invoice_id);                        -- what comes back when it is voided

--------------------------------------------------------------------------------------------------------- the catalogue

-- One row per tenant that has a catalogue: its rules, and the version that every change of it raises. Its lock.
CREATE TABLE catalogs (
    tenant_id uuid PRIMARY KEY REFERENCES tenants,
    id uuid NOT NULL,
    version integer NOT NULL,
    rules jsonb NOT NULL              -- core/catalog/rules.py: Rules
);

CREATE TABLE products (
    tenant_id uuid NOT NULL REFERENCES tenants,
    code text NOT NULL,
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('base', 'add_on', 'standalone')),
    add_ons text[] NOT NULL,          -- of a base: the add-on products that its subscribers may have
    metadata jsonb NOT NULL,
    PRIMARY KEY (tenant_id, code)
);

CREATE TABLE plans (
    tenant_id uuid NOT NULL REFERENCES tenants,
    code text NOT NULL,
    retired_at timestamptz,           -- takes no new subscribers since then, and keeps those it has
    PRIMARY KEY (tenant_id, code)
);

-- A plan as it is sold from a day on. Append-only: subscribers stand on it.
CREATE TABLE plan_versions (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL,
    plan text NOT NULL,
    version integer NOT NULL CHECK (version >= 1),
    product text NOT NULL,
    name text NOT NULL,
    price_list text NOT NULL,
    direction text NOT NULL CHECK (direction IN ('charge', 'payout')),
    phases jsonb NOT NULL,            -- core/catalog/plans.py: Phase, with its charges and prices
    effective_on date NOT NULL,
    moves text NOT NULL CHECK (moves IN ('keep', 'at_date', 'at_renewal')),  -- what becomes of the subscribers of the version before
    moves_on date,
    metadata jsonb NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, plan, version),
    FOREIGN KEY (tenant_id, plan) REFERENCES plans (tenant_id, code),
    FOREIGN KEY (tenant_id, product) REFERENCES products (tenant_id, code),
    CHECK ((moves = 'at_date') = (moves_on IS NOT NULL))
);

------------------------------------------------------------------------------------------------------- subscriptions

CREATE TABLE subscriptions (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    group_id uuid NOT NULL,           -- a base plan with its add-ons; a standalone one alone
    external_id text,
    product_kind text NOT NULL CHECK (product_kind IN ('base', 'add_on', 'standalone')),
    status text NOT NULL CHECK (status IN ('pending', 'trialing', 'active', 'paused', 'cancelled', 'expired')),
    plan_version_id uuid NOT NULL,
    phase smallint,                   -- of that version, from 0; null before the start
    currency text NOT NULL CHECK (length(currency) = 3),
    quantity numeric NOT NULL CHECK (quantity >= 0),
    starts_on date NOT NULL,          -- the first day that is billed
    ends_on date,                     -- the first day that is no longer billed, once that is known
    billed_through_on date,           -- days before were billed elsewhere
    next_change_at timestamptz,       -- when its status, phase or plan next changes by itself
    metadata jsonb NOT NULL,
    tags text[] NOT NULL,
    labels bigint[] NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (shard, id),
    FOREIGN KEY (shard, customer_id) REFERENCES customers (shard, id)
);
CREATE INDEX subscriptions_list ON subscriptions (tenant_id, id DESC);                          -- GET /v1/subscriptions
CREATE INDEX subscriptions_of_customer ON subscriptions (shard, customer_id, id DESC);          -- … of one customer
CREATE INDEX subscriptions_of_group ON subscriptions (shard, group_id);                         -- a base with its add-ons
CREATE INDEX subscriptions_of_version ON subscriptions (tenant_id, plan_version_id, id);        -- whom a new version of a plan moves
CREATE UNIQUE INDEX subscriptions_external_id ON subscriptions (shard, customer_id, external_id) WHERE external_id IS NOT NULL;  -- had once by a customer
CREATE INDEX subscriptions_labels ON subscriptions USING gin (labels) WHERE labels <> '{}';     -- tags and metadata filters
CREATE INDEX subscriptions_change_due ON subscriptions (next_change_at, id) WHERE next_change_at IS NOT NULL;  -- wake-up

-- How far runs have come with each subscription: what every renewal moves, apart from the wide row, so that it costs two
-- index entries in place of six or more. Bulk-loaded: no foreign key; verify checks that each subscription has its row.
CREATE TABLE subscription_billing (
    shard smallint NOT NULL,
    subscription_id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,        -- the subscription's
    charged_through jsonb NOT NULL,   -- {charge: day}: up to where each recurring charge is on lines
    rework_from_on date,              -- from here on what should exist is compared with what does; null: plain renewals
    next_bill_on date,                -- when it next needs a run by itself; null: never again
    PRIMARY KEY (shard, subscription_id)
) WITH (fillfactor = 80);          -- what a run moves stays on its page
CREATE INDEX subscription_billing_due ON subscription_billing (shard, customer_id, next_bill_on) WHERE next_bill_on IS NOT NULL;  -- what of a customer a run has to do with

-- The timeline: what was asked for, dated. Rows are added, and undone until they take effect; never rewritten.
CREATE TABLE subscription_changes (
    shard smallint NOT NULL,
    subscription_id uuid NOT NULL,
    position integer NOT NULL CHECK (position >= 1),
    tenant_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('created', 'plan_changed', 'quantity_changed', 'bill_day_changed', 'paused', 'resumed', 'cancelled', 'transferred')),
    entitlement_at timestamptz,       -- null: leaves entitlement alone
    billing_on date,                  -- null: leaves billing alone
    plan_version_id uuid,
    aligned_on date,                  -- from which day the plan's phases are counted
    bill_alignment text CHECK (bill_alignment IN ('account', 'group', 'subscription')),
    quantity numeric,
    prices jsonb,                     -- prices of its own by charge code, in place of the plan's
    bill_cycle_day smallint CHECK (bill_cycle_day BETWEEN 1 AND 31),
    made_at timestamptz NOT NULL,
    undone_at timestamptz,
    PRIMARY KEY (shard, subscription_id, position)
);

-- Which days of which charge a line covers. Bulk-loaded: no foreign key; verify checks that each has its line.
CREATE TABLE coverage (
    shard smallint NOT NULL,
    subscription_id uuid NOT NULL,
    charge text NOT NULL,             -- its code
    period_start_on date NOT NULL,
    revision smallint NOT NULL,       -- from 0: how many earlier lines of this charge start on that day
    tenant_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    line_no integer NOT NULL,
    kind text NOT NULL CHECK (kind IN ('recurring', 'fixed')),
    period_end_on date,               -- null: fixed, in a phase without an end
    plan_version_id uuid NOT NULL,
    phase smallint NOT NULL,
    quantity numeric NOT NULL,
    unit_price numeric NOT NULL,
    amount_minor bigint NOT NULL,     -- before discount and tax, as on the line
    released_at timestamptz,          -- its invoice is void, and its days are to be billed again
    PRIMARY KEY (shard, subscription_id, charge, period_start_on, revision)
);
CREATE INDEX coverage_of_invoice ON coverage (shard, invoice_id, line_no);                      -- what a line is for; what a void releases

-- What of a covering line was given back: each row is a line of kind proration_credit.
CREATE TABLE give_backs (
    shard smallint NOT NULL,
    invoice_id uuid NOT NULL,
    line_no integer NOT NULL,
    tenant_id uuid NOT NULL,
    subscription_id uuid NOT NULL,
    corrects_invoice_id uuid NOT NULL,
    corrects_line_no integer NOT NULL,
    period_start_on date NOT NULL,    -- the days given back
    period_end_on date NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor <= 0),
    released_at timestamptz,          -- its invoice is void: the line that it corrected covers its days again
    PRIMARY KEY (shard, invoice_id, line_no)
);
CREATE INDEX give_backs_of_line ON give_backs (shard, corrects_invoice_id, corrects_line_no);   -- what is left of a line

-------------------------------------------------------------------------------------------------------------- events

-- Facts, each about one object at one version, written in the transaction that made it. Append-only.
CREATE TABLE events (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    customer_id uuid,
    type text NOT NULL,
    object_id uuid NOT NULL,
    object_version integer NOT NULL,
    object jsonb,                     -- the object at that version, or what of it can still change; null: as the document says
    cause_id uuid NOT NULL,
    occurred_at timestamptz NOT NULL, -- by the tenant's clock
    PRIMARY KEY (shard, id)
);

-- Events not numbered yet: one row per transaction, in the order of facts. The dispatcher empties it.
CREATE TABLE outbox (
    shard smallint NOT NULL,
    position bigint GENERATED ALWAYS AS IDENTITY,  -- drawn under the customer's lock, so it is the order of facts within a customer
    tenant_id uuid NOT NULL,
    event_ids uuid[] NOT NULL,
    PRIMARY KEY (shard, position)
);
CREATE INDEX outbox_of_tenant ON outbox (tenant_id, position);  -- what the dispatcher takes next, tenant by tenant

-- The tenant's own sequence of events, without gaps; given by the dispatcher alone.
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

---------------------------------------------------------------------------------------------------------- privileges

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO billsmith_program;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO billsmith_program;
REVOKE UPDATE, DELETE ON transfers, events, event_numbers, invoice_numbers, credit_note_numbers, credit_notes, party_snapshots, causes, plan_versions FROM billsmith_program;
