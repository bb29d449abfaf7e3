"""The rules of SQL, as functions over statements and syntax trees: the tenant in every query, the order of locks, …

A rule gives its breaches as sentences; an empty list is a kept rule. tests/house/test_sql.py runs them.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlglot
from sqlglot import exp

from tests.house.source_tree import Module, docstrings, functions, modules, strings

LOCK_ORDER = ["customers", "invoices", "number_series"]
LOCKING_FUNCTIONS = ["lock_customers", "lock_invoices", "take_numbers"]

# The one query that may ask the time: it sets the program's clock by the database's.
MAY_ASK_THE_TIME = {"database_clock"}

VOLATILE = re.compile(
    r"\b(?:(?:now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday|random|gen_random_uuid|uuidv4|uuidv7"
    r"|uuid_generate\w*)\s*\(|(?:current_timestamp|current_date|current_time|localtime|localtimestamp)\b)",
    re.IGNORECASE,
)
NOT_OURS = re.compile(
    r"\bMERGE\s+INTO\b|\bSERIALIZABLE\b|\bLISTEN\b|\bNOTIFY\b|\bpg_notify\b|\bpg_\w*advisory\w*|\bON\s+CONSTRAINT\b",
    re.IGNORECASE,
)
LOOKS_LIKE_SQL = re.compile(
    r"\s*(?:SELECT\s|select\s.+\sfrom\s|(?:INSERT\s+INTO|insert\s+into|DELETE\s+FROM|delete\s+from)\s"
    r"|(?:UPDATE|update)\s.+\s(?:SET|set)\s|(?:WITH|with)\s.+\s(?:AS|as)\s.*\()",
    re.DOTALL,
)
# Python of the store that holds whole statements of its own, each with its reason; all others are named in sql/.
MAY_HOLD_SQL = {
    "store/listing.py": "wraps a named query in a count",
    "store/migrations.py": "keeps its own list before there is a schema",
}
BLOCK = re.compile(r"^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Query:
    """One named statement: the file it is in, its text with its comments, and the reason if it may cross tenants."""

    file: str
    name: str
    text: str

    @property
    def code(self) -> str:
        """The statement without its comments."""
        return without_comments(self.text)

    @property
    def tree(self) -> exp.Expression:
        """The syntax tree. Raises ValueError unless there is exactly one statement."""
        trees = [tree for tree in sqlglot.parse(self.code, dialect="postgres") if tree is not None]
        if len(trees) != 1:
            raise ValueError(f"{self} holds {len(trees)} statements")
        return trees[0]

    @property
    def crosses_tenants(self) -> bool:
        return re.search(r"^-- across tenants: \S", self.text, re.MULTILINE) is not None

    def __str__(self) -> str:
        return f"{self.file}: {self.name}"


def queries(folder: Path) -> list[Query]:
    """The named queries of every file of `folder`; a file without names is one query, called like the file."""
    found = []
    for file in sorted(folder.rglob("*.sql")):
        text = file.read_text()
        blocks = BLOCK.findall(text) or [(file.stem, text)]
        found += [Query(file.name, name, body.strip()) for name, body in blocks]
    return found


def without_comments(sql: str) -> str:
    """`sql` with comments and the content of quoted strings gone."""
    return re.sub(r"--[^\n]*|/\*.*?\*/|'[^']*'", lambda found: "''" if found[0][0] == "'" else "", sql, flags=re.DOTALL)


def form(all_queries: list[Query]) -> list[str]:
    """One statement per name, ended by a semicolon; a name stands once."""
    names = [query.name for query in all_queries]
    return [f"{query} ends without a semicolon" for query in all_queries if not query.text.endswith(";")] + [
        f"{query} stands twice" for query in all_queries if names.count(query.name) > 1
    ]


def volatile(name: str, sql: str) -> list[str]:
    """SQL asks neither the time nor for randomness: both come from the program."""
    return [f"{name} asks for {found}" for found in VOLATILE.findall(without_comments(sql))]


def foreign_ways(name: str, sql: str) -> list[str]:
    """No MERGE, SERIALIZABLE, LISTEN, NOTIFY or advisory lock; no conflict named by its constraint."""
    return [f"{name} uses {found}" for found in NOT_OURS.findall(without_comments(sql))]


def dead_queries(all_queries: list[Query], callers: list[Module]) -> list[str]:
    """Every query is named by a string in the Python that runs it."""
    named = {text.value for module in callers for text in strings(module.tree)}
    return [f"{query} is never used" for query in all_queries if query.name not in named]


# ------------------------------------------------------------------------------------------------------------ tenants


def tenant_tables(schema: str) -> set[str]:
    """The tables of the schema that have a tenant_id."""
    created = re.findall(r"^CREATE TABLE (?:IF NOT EXISTS )?(\w+) \((.*?)^\)", schema, re.MULTILINE | re.DOTALL)
    return {name for name, columns in created if re.search(r"^\s+tenant_id\s", columns, re.MULTILINE)}


def without_tenant(query: Query, tables: set[str]) -> list[str]:
    """Every use of a tenant's table is tied to the tenant: compared with a value, or with a table that is.

    Only conditions that always hold count: a comparison below an OR ties nothing. Joining `tenants` ties nothing
    either, unless it is tied itself.
    """
    if query.crosses_tenants:
        return []
    scopes, known = _scopes(query.tree), tables | {"tenants"}
    uses = {(id(scope), alias): name for scope, sources in scopes for alias, name in sources.items() if name in known}
    pairs = [pair for scope, _ in scopes for pair in _compared(scope, scopes, uses)]
    tied = {use for use, other in pairs if other is None}
    while more := {use for use, other in pairs if other in tied and use not in tied}:
        tied |= more
    read = sorted({name for use, name in uses.items() if use not in tied and name in tables})
    return [f"{query} reads {name} without its tenant" for name in read] + [
        f"{query} inserts into {name} without its tenant" for name in _inserted_without_tenant(query.tree, tables)
    ]


Use = tuple[int, str]
Scopes = list[tuple[exp.Expression, dict[str, str]]]


def _scopes(tree: exp.Expression) -> Scopes:
    """Each SELECT, UPDATE and DELETE with the tables it reads itself, by alias; an INSERT reads none."""
    nodes = tree.find_all(exp.Select, exp.Update, exp.Delete)
    return [(node, {table.alias_or_name: table.name for table in _tables(node)}) for node in nodes]


def _tables(scope: exp.Expression) -> list[exp.Table]:
    found = scope.find_all(exp.Table)
    return [table for table in found if _owner(table) is scope and not table.find_ancestor(exp.Lock)]


def _owner(node: exp.Expression) -> exp.Expression | None:
    return node.find_ancestor(exp.Select, exp.Update, exp.Delete, exp.Insert)


def _conditions(scope: exp.Expression) -> Iterator[exp.Expression]:
    """What always holds in `scope`: the conjuncts of WHERE and of every ON."""
    clauses = [scope.args.get("where"), *(join.args.get("on") for join in _joins(scope))]
    for clause in clauses:
        if clause is not None:
            yield from _conjuncts(clause.this if isinstance(clause, exp.Where) else clause)


def _joins(scope: exp.Expression) -> Iterator[exp.Join]:
    return (join for join in scope.find_all(exp.Join) if _owner(join) is scope)


def _conjuncts(condition: exp.Expression) -> Iterator[exp.Expression]:
    if isinstance(condition, exp.And):
        yield from _conjuncts(condition.left)
        yield from _conjuncts(condition.right)
    elif isinstance(condition, exp.Paren):
        yield from _conjuncts(condition.this)
    else:
        yield condition


def _compared(scope: exp.Expression, scopes: Scopes, uses: dict[Use, str]) -> Iterator[tuple[Use, Use | None]]:
    """Each use that must equal something: another use, or (None) a value."""
    for condition in _conditions(scope):
        for left, right in _comparisons(condition):
            if use := _use(left, scopes, uses):
                yield use, _use(right, scopes, uses)


def _comparisons(condition: exp.Expression) -> Iterator[tuple[exp.Expression, exp.Expression | None]]:
    """The pairs that `condition` sets equal, both ways round; rows member by member; of IN the left side."""
    if isinstance(condition, exp.EQ):
        left, right = condition.left, condition.right
        if isinstance(left, exp.Tuple) and isinstance(right, exp.Tuple):
            yield from zip(left.expressions, right.expressions, strict=True)
            yield from zip(right.expressions, left.expressions, strict=True)
        else:
            yield from ((left, right), (right, left))
    elif isinstance(condition, exp.In):
        members = condition.this.expressions if isinstance(condition.this, exp.Tuple) else [condition.this]
        yield from ((member, None) for member in members)


def _use(node: exp.Expression | None, scopes: Scopes, uses: dict[Use, str]) -> Use | None:
    """Which use of a table `node` names the tenant of, looking outwards from its own scope."""
    if not isinstance(node, exp.Column):
        return None
    sources, scope = {id(scope): names for scope, names in scopes}, _owner(node)
    while scope is not None:
        here = [(id(scope), alias) for alias in sources.get(id(scope), {}) if (id(scope), alias) in uses]
        named = [use for use in here if node.table in ("", use[1]) and node.name == _tenant_column(uses[use])]
        if len(named) == 1:
            return named[0]
        scope = _owner(scope)
    return None


def _tenant_column(table: str) -> str:
    return "id" if table == "tenants" else "tenant_id"


def _inserted_without_tenant(tree: exp.Expression, tables: set[str]) -> Iterator[str]:
    for insert in tree.find_all(exp.Insert):
        columns = {column.name for column in insert.this.expressions} if isinstance(insert.this, exp.Schema) else set()
        table = insert.this.this.name if isinstance(insert.this, exp.Schema) else insert.this.name
        if table in tables and "tenant_id" not in columns:
            yield table


# -------------------------------------------------------------------------------------------------------------- locks


def unordered_locks(query: Query) -> list[str]:
    """Rows of customers, invoices and number series are locked by id, customers first, one table at a time."""
    breaches, last = [], -1
    for step, tables in _locking_steps(query.tree):
        if len(tables) > 1:
            breaches.append(f"{query} locks {' and '.join(tables)} row by row together")
        rank = min(LOCK_ORDER.index(table) for table in tables)
        if rank < last:
            breaches.append(f"{query} locks {tables[0]} after {LOCK_ORDER[last]}")
        last = max(last, rank)
        if not _by_id(step, tables[0]):
            breaches.append(f"{query} locks {tables[0]} in no order")
    return breaches


def _locking_steps(tree: exp.Expression) -> Iterator[tuple[exp.Expression, list[str]]]:
    """What locks, WITH queries and subqueries first: each SELECT … FOR UPDATE, each UPDATE and DELETE."""
    for node in _inner_first(tree):
        tables: list[str] = []
        if isinstance(node, exp.Select):
            tables = _locked_by(node)
        elif isinstance(node, exp.Update | exp.Delete) and node.this.name in LOCK_ORDER:
            tables = [node.this.name]
        if tables:
            yield node, tables


def _inner_first(node: exp.Expression) -> Iterator[exp.Expression]:
    for child in sorted(node.iter_expressions(), key=lambda child: not isinstance(child, exp.With)):
        yield from _inner_first(child)
    yield node


def _locked_by(select: exp.Select) -> list[str]:
    locked: set[str] = set()
    for lock in select.args.get("locks") or []:
        if lock.args.get("update"):
            of = {table.name for table in lock.expressions}
            locked |= {table.name for table in _tables(select) if not of or table.alias_or_name in of}
    return sorted(locked & set(LOCK_ORDER), key=LOCK_ORDER.index)


def _by_id(step: exp.Expression, table: str) -> bool:
    """The rows come by id, or there is but one. Customers and invoices that are changed were locked before."""
    key = "series" if table == "number_series" else "id"
    if any(_pinned(condition, key) for condition in _conditions(step)):
        return True
    if isinstance(step, exp.Select):
        order = step.args.get("order")
        columns = [ordered.this for ordered in order.expressions] if order else []
        return bool(columns) and isinstance(columns[-1], exp.Column) and columns[-1].name == key
    return table != "number_series"


def _pinned(condition: exp.Expression, key: str) -> bool:
    if not isinstance(condition, exp.EQ) or not isinstance(condition.left, exp.Column) or condition.left.name != key:
        return False
    value = condition.right.this if isinstance(condition.right, exp.Cast) else condition.right
    return isinstance(value, exp.Parameter)


def unordered_calls(module: Module) -> list[str]:
    """Within one function: lock_customers… before lock_invoices… before take_numbers…."""
    return [breach for function in functions(module.nodes) for breach in _unordered_in(module, function)]


def _unordered_in(module: Module, function: ast.AST) -> Iterator[str]:
    last = -1
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        name = ast.unparse(call.func).split(".")[-1]
        rank = next((n for n, prefix in enumerate(LOCKING_FUNCTIONS) if name.startswith(prefix)), None)
        if rank is not None and rank < last:
            yield module.at(call, f"{name} after {LOCKING_FUNCTIONS[last]}")
        last = max(last, rank if rank is not None else -1)


# ------------------------------------------------------------------------------------------------------------- Python


def sql_outside_the_store(root: Path) -> list[str]:
    """SQL text stands in store, verify and private_postgres; no other room has any, whole or in pieces."""
    return [
        module.at(text, "SQL outside the store")
        for module in modules(root)
        if module.room not in {"store", "verify", "private_postgres"}
        for text in strings(module.tree)
        if LOOKS_LIKE_SQL.match(text.value)
    ]


def unnamed_sql(root: Path) -> list[str]:
    """In the store's own Python no statement stands either: unnamed, it would escape every rule above."""
    return [
        module.at(text, "SQL without a name")
        for module in modules(root, "store")
        if module.path not in MAY_HOLD_SQL
        for text in strings(module.tree)
        if LOOKS_LIKE_SQL.match(text.value)
    ]


def branches_on_constraint_names(root: Path) -> list[str]:
    """Nothing asks an error which constraint it was: what may conflict says ON CONFLICT DO NOTHING RETURNING."""
    return [
        module.at(node, "asks for a constraint's name")
        for module in modules(root)
        for node in module.nodes
        if (isinstance(node, ast.Attribute) and node.attr == "constraint_name")
        or (
            isinstance(node, ast.Constant)
            and node.value == "constraint_name"
            and id(node) not in docstrings(module.tree)
        )
    ]
