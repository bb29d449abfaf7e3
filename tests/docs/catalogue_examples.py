"""What computes the tables about the catalogue."""

from typing import Any

from billsmith.cli.catalog.reading import read_catalog_file
from billsmith.core.catalog import rules as matching
from billsmith.core.catalog.rules import Catalog, Rules, Traits, traits
from tests.core.catalog.made import applied
from tests.docs.pages import Example, Row
from tests.house.source_tree import ROOT

PRICING = ROOT / "examples" / "pricing.yml"


def catalogue_rules(rows: list[Row], options: Row) -> list[Row]:
    """What the rules of a file, or no rules, decide about plans of the example."""
    catalog = applied(read_catalog_file(PRICING).document)
    rules = Rules() if options["of"] == "nothing" else applied(read_catalog_file(ROOT / options["of"]).document).rules
    return [{"decided": _decided(catalog, rules, row)} for row in rows]


def _decided(catalog: Catalog, rules: Rules, row: Row) -> str:
    of = _traits(catalog, row["plan"])
    phase: Any = None if row["phase"] == "–" else row["phase"]
    rule = row["list"].strip("`")
    if rule == "price_list":
        return matching.price_list_for(rules, of)
    if rule == "create_alignment":
        return matching.create_alignment(rules, of)
    if rule in ("cancel_policy", "bill_alignment"):
        decide: Any = getattr(matching, rule)
        return str(decide(rules, of, phase))
    between: Any = getattr(matching, rule)
    return str(between(rules, of, _traits(catalog, row["changed to"]), phase))


def _traits(catalog: Catalog, code: str) -> Traits:
    version = catalog.plans[code].versions[-1]
    return traits(version, catalog.products[version.product].kind)


CATALOGUE: dict[str, Example] = {"catalogue_rules": catalogue_rules}
