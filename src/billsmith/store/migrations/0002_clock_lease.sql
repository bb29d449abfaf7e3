-- One advance of a sandbox's clock at a time; a quick way to a tenant's events that have no number yet. Meanings: schema.sql.

ALTER TABLE tenants
    ADD COLUMN clock_holder uuid,
    ADD COLUMN clock_held_until timestamptz,
    ADD CONSTRAINT tenants_clock_held CHECK ((clock_holder IS NULL) = (clock_held_until IS NULL));

CREATE INDEX outbox_of_tenant ON outbox (tenant_id, position);

-- The program reads which migrations were applied; only the owner writes it.
REVOKE INSERT, UPDATE, DELETE ON schema_migrations FROM billsmith_program;
