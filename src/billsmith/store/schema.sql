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
    PRIMARY KEY (tenant_id, key),
    CHECK ((status = 'done') = (answer IS NOT NULL AND answer_status IS NOT NULL))
);
CREATE INDEX idempotency_keys_expire ON idempotency_keys (expires_at);  -- the sweep that forgets them

-- Long work that was asked for.
CREATE TABLE operations (
    tenant_id uuid NOT NULL REFERENCES tenants,
    id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('invoice_import')),
    name text NOT NULL,               -- an import is restarted under its name
    status text NOT NULL CHECK (status IN ('running', 'completed')),
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, kind, name)
);

-- Which documents an import has made: what makes it restartable, whatever its batches were.
CREATE TABLE import_documents (
    tenant_id uuid NOT NULL,
    operation_id uuid NOT NULL,
    document text NOT NULL,
    fingerprint bytea NOT NULL,       -- of the document's content: the same name with other content is refused
    invoice_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, operation_id, document)
);

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
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    deleted_at timestamptz,
    PRIMARY KEY (shard, id),
    FOREIGN KEY (shard, parent_id) REFERENCES customers (shard, id),
    CHECK (parent_id IS DISTINCT FROM id)
);
CREATE INDEX customers_list ON customers (tenant_id, id DESC);                          -- GET /v1/customers
CREATE INDEX customers_children ON customers (shard, parent_id) WHERE parent_id IS NOT NULL;  -- the children of a parent
CREATE INDEX customers_labels ON customers USING gin (labels) WHERE labels <> '{}';     -- tags and metadata filters

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
);

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
    voided_minor bigint NOT NULL CHECK (voided_minor >= 0),                    -- *
    moved_to_credit_minor bigint NOT NULL CHECK (moved_to_credit_minor <= 0),  -- *
    absorbed_minor bigint NOT NULL CHECK (absorbed_minor <= 0),                -- *
    metadata jsonb NOT NULL,          -- *
    tags text[] NOT NULL,             -- *
    labels bigint[] NOT NULL,         -- *
    seller_snapshot_id uuid,          -- null on drafts, like the next
    buyer_snapshot_id uuid,
    version integer NOT NULL,         -- *
    created_at timestamptz NOT NULL,
    finalised_at timestamptz,
    settled_at timestamptz,           -- * when the balance became zero
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
CREATE INDEX invoices_list ON invoices (tenant_id, id DESC);                                   -- GET /v1/invoices, newest first
CREATE INDEX invoices_issued ON invoices (tenant_id, issued_on DESC, id DESC);                 -- … by date of issue
CREATE INDEX invoices_status ON invoices (tenant_id, status, id DESC);                         -- … with one status
CREATE INDEX invoices_collection ON invoices (tenant_id, collection_state, id DESC) WHERE collection_state IS NOT NULL;  -- … in one collection state
CREATE INDEX invoices_due ON invoices (tenant_id, due_on, id DESC);                            -- … due in a range of days
CREATE INDEX invoices_of_customer ON invoices (shard, customer_id, id DESC);                   -- … of one customer
CREATE INDEX invoices_owed ON invoices (shard, customer_id, due_on, id) WHERE status = 'open'; -- what credit is drawn on, oldest due first
CREATE UNIQUE INDEX invoices_external_id ON invoices (shard, customer_id, external_id) WHERE external_id IS NOT NULL;  -- a repeat is refused, naming the first
CREATE INDEX invoices_labels ON invoices USING gin (labels) WHERE labels <> '{}';              -- tags and metadata filters

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

-------------------------------------------------------------------------------------------------------------- ledger

-- The ledger. One row is a debit and a credit of the same amount, so it can't be unbalanced. Append-only.
CREATE TABLE transfers (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
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
    cause_id uuid NOT NULL,           -- who, why, in which request
    PRIMARY KEY (shard, id),
    CHECK (debit <> credit)
);

-- Customer credit: money we owe the customer. Drawn soonest-expiring, then oldest first.
CREATE TABLE credits (
    shard smallint NOT NULL,
    id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    currency text NOT NULL,
    source text NOT NULL CHECK (source IN ('negative_total', 'granted')),
    invoice_id uuid,                  -- the document whose negative total it is
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
CREATE INDEX credits_list ON credits (tenant_id, id DESC);                                       -- GET /v1/credits
CREATE INDEX credits_of_customer ON credits (shard, customer_id, id DESC);                               -- … of one customer
CREATE INDEX credits_left ON credits (shard, customer_id) WHERE remaining_minor > 0;  -- what is drawn on invoices
CREATE INDEX credits_expiring ON credits (expires_at) WHERE expires_at IS NOT NULL AND remaining_minor > 0;  -- wake-up

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
REVOKE UPDATE, DELETE ON transfers, events, event_numbers, invoice_numbers, party_snapshots, causes FROM billsmith_program;
