-- name: database_clock
-- The one query that may ask for the time: it sets the program's clock by the database's.
SELECT clock_timestamp();
