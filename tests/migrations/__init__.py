"""The schema and how a database gets it: the sum of migrations, the runner, upgrades, and PostgreSQL 15."""
