"""A catalogue is taken whole or not at all; whatever is wrong with it is named by its place, everything at once."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from billsmith.core.catalog.given import CatalogInvalid
from billsmith.core.cycles.lengths import Length
from tests.core.catalog.made import EMPTY, HOSTING, SINCE_EVER, applied, hosting, put, wanted


def places(document: Any, before: Any = EMPTY, today: date = date(2026, 3, 15)) -> list[str]:
    """Where a catalogue is wrong."""
    with pytest.raises(CatalogInvalid) as refused:
        wanted(document, before, today)
    return [error.pointer for error in refused.value.errors]


def test_what_is_given_becomes_values_with_what_goes_without_saying() -> None:
    catalog = applied(HOSTING)
    monthly = catalog.plans["hosting-monthly"].versions[0]
    assert (monthly.version, monthly.effective_on, monthly.price_list, monthly.direction) == (
        1, SINCE_EVER, "default", "charge",
    )  # fmt: skip
    trial, evergreen = monthly.phases
    assert (trial.duration, trial.charges) == (Length("day", 14), ())
    (charge,) = evergreen.charges
    assert charge.prices == {"EUR": Decimal("19.90"), "USD": Decimal("21.00"), "JPY": Decimal("3200")}
    assert (charge.timing, charge.proration, charge.per_unit, charge.refundable) == (
        "in_advance", "by_day", True, False,
    )  # fmt: skip
    assert catalog.products["hosting"].add_ons == ("backup",)
    assert [case.then for case in catalog.rules.change_policy] == ["immediate", "illegal", "immediate", "end_of_term"]


PRICES = "plans.hosting-monthly.phases.1.charges.0.prices"
PHASES = "plans.hosting-monthly.phases"
CHARGE = "plans.hosting-monthly.phases.1.charges.0"
FIXED = "plans.hosting-yearly.phases.0.charges.0"

WRONG: list[tuple[str, Any, str]] = [
    ("products.hosting.kind", "bundle", "/products/hosting/kind"),
    ("products.hosting.name", " ", "/products/hosting/name"),
    ("products.hosting.name", ..., "/products/hosting/name"),
    ("products.hosting.colour", "red", "/products/hosting/colour"),
    ("products.hosting.add_ons", ["nothing"], "/products/hosting/add_ons/0"),
    ("products.hosting.add_ons", ["backup", "domain"], "/products/hosting/add_ons/1"),
    ("products.domain.add_ons", ["backup"], "/products/domain/add_ons"),
    ("products.a/b", {"name": "a", "kind": "base"}, "/products/a~1b"),
    ("products.hosting.metadata", {"a": 1}, "/products/hosting/metadata/a"),
    ("plans.hosting-monthly.product", "nothing", "/plans/hosting-monthly/product"),
    ("plans.hosting-monthly.product", ..., "/plans/hosting-monthly/product"),
    ("plans.hosting-monthly.phases", [], "/plans/hosting-monthly/phases"),
    ("plans.hosting-monthly.phases", {}, "/plans/hosting-monthly/phases"),
    ("plans.hosting-monthly.direction", "both", "/plans/hosting-monthly/direction"),
    ("plans.hosting-monthly.price_list", "a b", "/plans/hosting-monthly/price_list"),
    ("plans.hosting-monthly.effective_on", "2026-02-30", "/plans/hosting-monthly/effective_on"),
    ("plans.hosting-monthly.effective_on", "20260301", "/plans/hosting-monthly/effective_on"),
    ("plans.hosting-monthly.effective_on", "9999-01-01", "/plans/hosting-monthly/effective_on"),
    ("plans.hosting-monthly.moves", "at_date", "/plans/hosting-monthly/moves_on"),
    ("plans.hosting-monthly.moves_on", "2026-04-01", "/plans/hosting-monthly/moves_on"),
    (f"{PHASES}.0.duration", ..., "/plans/hosting-monthly/phases/0/duration"),
    (f"{PHASES}.0.duration", "a fortnight", "/plans/hosting-monthly/phases/0/duration"),
    (f"{PHASES}.0.duration", {"every": 0, "unit": "day"}, "/plans/hosting-monthly/phases/0/duration"),
    (f"{PHASES}.0.duration", {"every": 1.5, "unit": "day"}, "/plans/hosting-monthly/phases/0/duration/every"),
    (f"{PHASES}.0.duration", {"every": True, "unit": "day"}, "/plans/hosting-monthly/phases/0/duration/every"),
    (f"{PHASES}.0", {"kind": "evergreen"}, "/plans/hosting-monthly/phases/0/kind"),
    (f"{PHASES}.1.duration", "monthly", "/plans/hosting-monthly/phases/1/duration"),
    (f"{CHARGE}.length", ..., "/plans/hosting-monthly/phases/1/charges/0/length"),
    (f"{CHARGE}.length", "sometimes", "/plans/hosting-monthly/phases/1/charges/0/length"),
    (f"{CHARGE}.refundable", True, "/plans/hosting-monthly/phases/1/charges/0/refundable"),
    (f"{CHARGE}.code", "two words", "/plans/hosting-monthly/phases/1/charges/0/code"),
    (f"{CHARGE}.tax", {"percent": "1001"}, "/plans/hosting-monthly/phases/1/charges/0/tax/percent"),
    (f"{CHARGE}.tax", {"percent": 19}, "/plans/hosting-monthly/phases/1/charges/0/tax/percent"),
    (f"{CHARGE}.kind", "usage", "/plans/hosting-monthly/phases/1/charges/0/kind"),
    (f"{CHARGE}.per_unit", "yes", "/plans/hosting-monthly/phases/1/charges/0/per_unit"),
    (f"{FIXED}.length", "monthly", "/plans/hosting-yearly/phases/0/charges/0/length"),
    (f"{FIXED}.timing", "in_arrears", "/plans/hosting-yearly/phases/0/charges/0/timing"),
    (f"{FIXED}.proration", "none", "/plans/hosting-yearly/phases/0/charges/0/proration"),
    (f"{FIXED}.code", "hosting", "/plans/hosting-yearly/phases/0/charges/1/code"),
    (PRICES, {}, "/plans/hosting-monthly/phases/1/charges/0/prices"),
    (f"{PRICES}.EUR", "-1", "/plans/hosting-monthly/phases/1/charges/0/prices/EUR"),
    (f"{PRICES}.EUR", "1e3", "/plans/hosting-monthly/phases/1/charges/0/prices/EUR"),
    (f"{PRICES}.EUR", "NaN", "/plans/hosting-monthly/phases/1/charges/0/prices/EUR"),
    (f"{PRICES}.EUR", "0.0000000000001", "/plans/hosting-monthly/phases/1/charges/0/prices/EUR"),
    (f"{PRICES}.EUR", "1" * 16, "/plans/hosting-monthly/phases/1/charges/0/prices/EUR"),
    (f"{PRICES}.EUR", 1990, "/plans/hosting-monthly/phases/1/charges/0/prices/EUR"),
    (f"{PRICES}.EUR", 19.9, "/plans/hosting-monthly/phases/1/charges/0/prices/EUR"),
    (f"{PRICES}.EUR", "", "/plans/hosting-monthly/phases/1/charges/0/prices/EUR"),
    (f"{PRICES}.XXX", "1", "/plans/hosting-monthly/phases/1/charges/0/prices/XXX"),
    (f"{PRICES}.*", "1", "/plans/hosting-monthly/phases/1/charges/0/prices/*"),
    ("rules.change_policy.0.then", "tomorrow", "/rules/change_policy/0/then"),
    ("rules.change_policy.1.of.product", "nothing", "/rules/change_policy/1/of/product"),
    ("rules.change_policy.2.to.length", "never", "/rules/change_policy/2/to/length"),
    ("rules.change_policy.2.to.price_list", "gone", "/rules/change_policy/2/to/price_list"),
    ("rules.change_policy.0.phase", "free", "/rules/change_policy/0/phase"),
    ("rules.bill_alignment.0.to", {"category": "base"}, "/rules/bill_alignment/0/to"),
    ("rules.bill_alignment.0.then", "start_of_group", "/rules/bill_alignment/0/then"),
    ("rules.create_alignment", [{"then": "change_of_plan"}], "/rules/create_alignment/0/then"),
    ("rules.create_alignment", [{"then": "start_of_group", "phase": "trial"}], "/rules/create_alignment/0/phase"),
    ("rules.price_list.0.then", "gone", "/rules/price_list/0/then"),
    ("rules.price_list.0.of.plan", "gone", "/rules/price_list/0/of/plan"),
    ("rules.refunds", [], "/rules/refunds"),
    ("colour", "red", "/colour"),
]


@pytest.mark.parametrize(("path", "value", "pointer"), WRONG, ids=lambda part: str(part)[:60])
def test_each_mistake_is_named_by_its_place(path: str, value: Any, pointer: str) -> None:
    assert places(put(hosting(), path, value)) == [pointer]


def test_every_mistake_is_named_at_once() -> None:
    wrong = put(
        put(put(hosting(), f"{PRICES}.EUR", "-1"), "products.hosting.add_ons", ["x"]), f"{PHASES}.0.duration", ...
    )
    assert places(wrong) == [
        "/products/hosting/add_ons/0",
        "/plans/hosting-monthly/phases/0/duration",
        "/plans/hosting-monthly/phases/1/charges/0/prices/EUR",
    ]
    unread = put(put(hosting(), "products.domain.kind", 5), f"{PRICES}.EUR", None)
    assert places(unread) == ["/products/domain/kind", "/plans/hosting-monthly/phases/1/charges/0/prices/EUR"]


@pytest.mark.parametrize("document", [None, [], "a", 5, 1.5, True])
def test_a_document_that_is_no_object_is_no_catalogue(document: Any) -> None:
    assert places(document) == [""]


def test_who_subscribes_in_a_currency_needs_every_price_in_it() -> None:
    """The setup of the yearly plan is free in every currency; one with a price in dollars alone fits nobody."""
    wanted(hosting())
    place = "/plans/hosting-yearly/phases/0/charges"
    assert places(put(hosting(), f"{FIXED}.prices", {"USD": "5"})) == [f"{place}/0/prices", f"{place}/1/prices"]


def test_a_plan_can_name_what_is_there_already() -> None:
    before = applied(HOSTING)
    backup = {"plans": {"spare": HOSTING["plans"]["backup"]}}
    assert wanted(backup, before).plans["spare"].content is not None
    assert places(backup) == ["/plans/spare/product"]


def test_a_product_stays_what_it_is_and_a_plan_pays_in_one_direction() -> None:
    before = applied(HOSTING)
    assert places({"products": {"domain": {"name": "Domain", "kind": "add_on"}}}, before) == ["/products/domain/kind"]
    turned = {"plans": {"backup": HOSTING["plans"]["backup"] | {"direction": "payout"}}}
    assert places(turned, before) == ["/plans/backup/direction"]
    moved = {"plans": {"backup": HOSTING["plans"]["backup"] | {"product": "domain"}}}
    assert places(moved, before) == ["/plans/backup/product"]


def test_versions_of_a_plan_follow_each_other_by_their_dates() -> None:
    def priced(price: str, **fields: Any) -> dict[str, Any]:
        return put({"plans": {"backup": hosting()["plans"]["backup"] | fields}},
                   "plans.backup.phases.0.charges.0.prices.EUR", price)  # fmt: skip

    first = applied(HOSTING)
    second = applied(priced("2"), first)
    assert [version.effective_on for version in second.plans["backup"].versions] == [SINCE_EVER, date(2026, 3, 15)]
    assert places(priced("3"), second) == ["/plans/backup/effective_on"]
    assert places(priced("3", effective_on="2026-03-15"), second) == ["/plans/backup/effective_on"]
    third = applied(priced("3", effective_on="2026-03-16"), second)
    assert [version.version for version in third.plans["backup"].versions] == [1, 2, 3]
    early = priced("4", effective_on="2026-05-01", moves="at_date", moves_on="2026-04-30")
    assert places(early, third) == ["/plans/backup/moves_on"]
    past = priced("4", moves="at_date", moves_on="2026-03-01")
    assert places(past, second, date(2026, 3, 20)) == ["/plans/backup/moves_on"]


def test_only_a_plan_that_is_there_can_be_retired_by_name_alone() -> None:
    alone = {"plans": {"backup": {"retire": True}}}
    assert places(alone) == ["/plans/backup/product", "/plans/backup/name", "/plans/backup/phases"]
    before = applied(HOSTING)
    assert applied(alone, before).plans["backup"].retired_at is not None
    half = {"plans": {"backup": {"retire": True, "name": "Backup"}}}
    assert places(half, before) == ["/plans/backup/product", "/plans/backup/phases"]
