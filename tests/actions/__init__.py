"""Every verb on a real PostgreSQL: what it stores, posts and tells, and that a refused one changes nothing."""
