"""All SQL: the schema, migrations, named queries, and the transaction."""
