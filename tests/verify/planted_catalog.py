"""Errors planted in the catalogue, each with the check that has to name it."""

from tests.verify.planted import Planted

_SECOND = "SELECT id FROM plan_versions WHERE plan = 'backup' AND version = 2 ORDER BY id LIMIT 1"
_CATALOG = "SELECT id FROM catalogs ORDER BY id LIMIT 1"


def _set(what: str) -> str:
    return f"UPDATE plan_versions SET {what} WHERE id = '{{v}}'"


CATALOG = [
    Planted("plan_versions", "version", _SECOND, _set("version = 3"), "plan_versions.version"),
    Planted("plan_versions", "effective_on", _SECOND, _set("effective_on = '1970-01-01'")),
    Planted("plan_versions", "moves_on", _SECOND, _set("moves = 'at_date', moves_on = '1971-01-01'")),
    Planted("object_versions", "version", _CATALOG, "UPDATE catalogs SET version = version + 1 WHERE id = '{v}'",
            "catalogs.version", "events tell every version"),
]  # fmt: skip
