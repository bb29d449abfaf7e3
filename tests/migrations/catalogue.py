"""What a database consists of, as lines of text that two databases can be compared by."""

import asyncpg

# Not part of the schema: the runner's own list.
RUNNERS_OWN = "schema_migrations"

_QUERIES = {
    "table": """
        SELECT c.relname || ' ' || c.relkind::text || ' ' || c.relpersistence::text || ' '
            || coalesce(array_to_string(c.reloptions, ','), '') || c.relrowsecurity
        FROM pg_class AS c WHERE c.relnamespace = 'public'::regnamespace AND c.relname NOT LIKE $1 || '%'
    """,
    "column": """
        SELECT c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
            || ' collate ' || coalesce(l.collname, '-') || ' not null ' || a.attnotnull
            || ' generated ' || a.attgenerated::text || ' identity ' || a.attidentity::text
            || ' default ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '-')
        FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'v', 'm', 'p')
        LEFT JOIN pg_collation AS l ON l.oid = a.attcollation
        LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped AND c.relname <> $1
    """,
    "constraint": """
        SELECT c.relname || ' ' || o.conname || ' ' || pg_get_constraintdef(o.oid) || ' valid ' || o.convalidated
        FROM pg_constraint AS o JOIN pg_class AS c ON c.oid = o.conrelid
        WHERE o.connamespace = 'public'::regnamespace AND c.relname <> $1
    """,
    "index": """
        SELECT pg_get_indexdef(i.indexrelid) || ' valid ' || i.indisvalid
        FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
        WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> $1
    """,
    "sequence": """
        SELECT sequencename || ' ' || data_type::text || ' ' || start_value || ' ' || increment_by || ' ' || cache_size
        FROM pg_sequences WHERE schemaname = 'public' AND sequencename NOT LIKE $1 || '%'
    """,
    "privilege": """
        SELECT c.relname || ' ' || pg_get_userbyid(acl.grantor) || ' ' || coalesce(r.rolname, 'public')
            || ' ' || acl.privilege_type || ' ' || acl.is_grantable
        FROM pg_class AS c CROSS JOIN aclexplode(c.relacl) AS acl LEFT JOIN pg_roles AS r ON r.oid = acl.grantee
        WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> $1
    """,
    "comment": """
        SELECT c.relname || ' ' || d.objsubid || ' ' || d.description
        FROM pg_description AS d JOIN pg_class AS c ON c.oid = d.objoid
        WHERE d.classoid = 'pg_class'::regclass AND c.relnamespace = 'public'::regnamespace AND c.relname <> $1
    """,
    "function": """
        SELECT p.proname || ' ' || md5(p.prosrc) FROM pg_proc AS p
        WHERE p.pronamespace = 'public'::regnamespace AND p.proname <> $1
    """,
    "trigger": """
        SELECT pg_get_triggerdef(t.oid) FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
        WHERE NOT t.tgisinternal AND c.relname <> $1
    """,
    "type": """
        SELECT t.typname FROM pg_type AS t
        WHERE t.typnamespace = 'public'::regnamespace AND t.typtype IN ('e', 'd', 'r') AND t.typname <> $1
    """,
    "extension": "SELECT extname FROM pg_extension WHERE extname <> $1",
}


async def catalogue(url: str) -> list[str]:
    """Every table, column, constraint, index, privilege … of the database, sorted; whose order of columns is free."""
    connection = await asyncpg.connect(url)
    try:
        lines: list[str] = []
        for kind, query in _QUERIES.items():
            lines += [f"{kind} {row[0]}" for row in await connection.fetch(query, RUNNERS_OWN)]
        return sorted(lines)
    finally:
        await connection.close()
