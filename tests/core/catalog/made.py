"""A hosting company's catalogue as it is given, and the steps from there to values."""

from copy import deepcopy
from datetime import date, datetime
from typing import Any
from uuid import UUID

from billsmith.core.catalog.checks import Wanted, checked
from billsmith.core.catalog.difference import Difference, changed, difference
from billsmith.core.catalog.given import catalog_given
from billsmith.core.catalog.rules import Catalog, Rules
from billsmith.core.ids import CatalogId, PlanVersionId, TenantId
from billsmith.core.time_zones import EARLIEST

TODAY = date(2026, 3, 15)
AT = datetime.fromisoformat("2026-03-15T12:00:00+00:00")
TENANT_ID = TenantId(UUID(int=1 << 80))
EMPTY = Catalog({}, {}, Rules())

HOSTING: dict[str, Any] = {
    "products": {
        "hosting": {"name": "Hosting", "kind": "base", "add_ons": ["backup"]},
        "backup": {"name": "Backup", "kind": "add_on"},
        "domain": {"name": "Domain", "kind": "standalone", "metadata": {"desk": "registry"}},
    },
    "plans": {
        "hosting-monthly": {
            "product": "hosting",
            "name": "Hosting, monthly",
            "phases": [
                {"kind": "trial", "duration": "14 days"},
                {
                    "kind": "evergreen",
                    "charges": [
                        {
                            "code": "hosting", "kind": "recurring", "name": "Hosting", "length": "monthly",
                            "prices": {"EUR": "19.90", "USD": "21.00", "JPY": "3200"},
                        }
                    ],
                },
            ],
        },
        "hosting-yearly": {
            "product": "hosting",
            "name": "Hosting, yearly",
            "price_list": "prepaid",
            "phases": [
                {
                    "kind": "fixed_term",
                    "duration": {"every": 12, "unit": "month"},
                    "charges": [
                        {"code": "setup", "kind": "fixed", "name": "Setup", "prices": {"*": "0"}, "refundable": True},
                        {
                            "code": "hosting", "kind": "recurring", "name": "Hosting", "length": "annual",
                            "prices": {"EUR": "199"}, "timing": "in_arrears", "proration": "none", "per_unit": False,
                            "tax": {"percent": "19", "inclusive": True},
                        },
                    ],
                }
            ],
        },
        "backup": {
            "product": "backup",
            "name": "Backup",
            "phases": [
                {
                    "kind": "evergreen",
                    "charges": [
                        {"code": "backup", "kind": "recurring", "name": "Backup", "length": "monthly",
                         "prices": {"EUR": "0.000000000001"}}
                    ],
                }
            ],
        },
    },
    "rules": {
        "change_policy": [
            {"then": "immediate", "phase": "trial"},
            {"then": "illegal", "of": {"product": "domain"}},
            {"then": "immediate", "of": {"length": "monthly"}, "to": {"length": "annual", "price_list": "prepaid"}},
            {"then": "end_of_term"},
        ],
        "bill_alignment": [
            {"then": "subscription", "of": {"length": {"every": 12, "unit": "month"}}},
            {"then": "group", "of": {"category": "add_on"}},
        ],
        "price_list": [{"then": "default", "of": {"plan": "hosting-yearly"}}],
    },
}  # fmt: skip


def hosting(**edits: Any) -> dict[str, Any]:
    """The catalogue with other values at places written as `plans.backup.name`; `...` takes the field away."""
    document = deepcopy(HOSTING)
    for path, value in edits.items():
        put(document, path, value)
    return document


def put(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Another value at a place."""
    *parents, last = path.split(".")
    place: Any = document
    for step in parents:
        place = place[int(step)] if isinstance(place, list) else place[step]
    if value is ...:
        del place[int(last) if isinstance(place, list) else last]
    elif isinstance(place, list):
        place.insert(int(last), value) if int(last) >= len(place) else place.__setitem__(int(last), value)
    else:
        place[last] = value
    return document


def wanted(document: Any, before: Catalog = EMPTY, today: date = TODAY) -> Wanted:
    """What a document comes to."""
    return checked(catalog_given(document), before, today)


def made_of(document: Any, before: Catalog = EMPTY, today: date = TODAY, counts: Any = None) -> Difference:
    """What applying a document changes; ids are numbers."""
    first = 100 * (before.version + 1)
    found = wanted(document, before, today)
    ids = {code: PlanVersionId(UUID(int=first + nth)) for nth, code in enumerate(found.plans)}
    return difference(found, before, TENANT_ID, today, ids, counts or {})


def applied(document: Any, before: Catalog = EMPTY, today: date = TODAY) -> Catalog:
    """The catalogue after applying a document."""
    return changed(before, made_of(document, before, today), CatalogId(UUID(int=7)), AT)


SINCE_EVER = EARLIEST
