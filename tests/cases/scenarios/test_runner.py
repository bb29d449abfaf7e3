"""The runner itself: what it reads, how it compares, and that a wrong figure fails."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from billsmith.actions.context import Context
from tests.cases.report import NotYet, Unreadable
from tests.cases.scenarios import playing
from tests.cases.scenarios.comparing import items_differ
from tests.cases.scenarios.reading import Item
from tests.cases.scenarios.values import ExpectedItem, Moment, scenario_of
from tests.cases.scenarios.world import fixed_zone, major, minor

ACCOUNT = {"at": "2024-01-01", "do": "create_account", "account": "a", "currency": "USD", "timezone": "UTC"}
CHARGE = {"at": "2024-01-01", "do": "charge", "account": "a", "amount": "4.00", "commit": True}
FEBRUARY = Item("RECURRING", date(2024, 2, 1), date(2024, 3, 1), 2995)


def case(*steps: dict[str, Any], expect: list[dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    """A case of these steps, after an account."""
    return {"id": "made-up", "area": "test", "steps": [ACCOUNT, *steps], "expect": expect or [], **fields}


def expected(amount: str = "29.95", **fields: Any) -> ExpectedItem:
    """That month, as a case says it."""
    given = {"start_date": date(2024, 2, 1), "end_date": date(2024, 3, 1)} | fields
    return ExpectedItem(type="RECURRING", amount=Decimal(amount), currency="USD", **given)


def test_a_step_is_read_with_its_amounts_and_days():
    step = scenario_of(case(CHARGE)).steps[1]
    assert step.do == "charge"
    assert step.amount == 4
    assert step.at.day("America/Los_Angeles") == date(2024, 1, 1), "a day without a time is that day everywhere"


def test_an_instant_falls_on_another_day_in_another_zone():
    moment = Moment("2017-03-02T07:30:00Z")
    assert moment.day("Etc/GMT+8") == date(2017, 3, 1)
    assert moment.day("Etc/GMT+7") == date(2017, 3, 2)


@pytest.mark.parametrize(
    ("step", "place"),
    [
        ({**CHARGE, "amount": "four"}, "amount"),
        ({**CHARGE, "at": "2024-13-01"}, r"steps\[1\] charge"),
        ({"at": "2024-01-01", "do": "charge", "account": "a"}, "amount"),
    ],
)
def test_a_case_that_breaks_the_format_names_the_place(step: dict[str, Any], place: str):
    with pytest.raises(Unreadable, match=place):
        scenario_of(case(step))


def test_an_expectation_after_a_step_that_is_not_there_is_refused():
    with pytest.raises(Unreadable, match="no step 7"):
        scenario_of(case(expect=[{"after_step": 7}]))


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (case({"at": "2024-01-01", "do": "sing"}), "step sing"),
        (case({**CHARGE, "colour": "red"}), "colour"),
        (case(expect=[{"after_step": 0, "weather": "fine"}]), "weather"),
        (case(overdue_config={}), "overdue_config"),
    ],
)
def test_what_does_not_exist_yet_is_named(raw: dict[str, Any], named: str):
    with pytest.raises(NotYet, match=named):
        scenario_of(raw)


def test_amounts_are_compared_by_value():
    assert items_differ([expected("29.950")], [FEBRUARY], "USD") == []


@pytest.mark.parametrize(
    "wanted",
    [
        [expected("29.96")],
        [expected(start_date=date(2024, 2, 2))],
        [expected(end_date=None)],
        [expected(), expected()],
        [],
    ],
)
def test_a_wrong_amount_date_or_number_of_items_is_told(wanted: list[ExpectedItem]):
    assert items_differ(wanted, [FEBRUARY], "USD")


def test_an_item_without_dates_asserts_type_and_amount_only():
    bare = ExpectedItem(type="RECURRING", amount=Decimal("29.95"))
    assert items_differ([bare], [FEBRUARY], "USD") == []


def test_an_item_without_dates_takes_none_that_another_needs():
    march = Item("RECURRING", date(2024, 3, 1), date(2024, 4, 1), 2995)
    bare = ExpectedItem(type="RECURRING", amount=Decimal("29.95"))
    assert items_differ([bare, expected()], [FEBRUARY, march], "USD") == []


def test_days_of_service_are_compared_strictly_and_days_of_making_as_asked():
    def lenient(wanted: date, got: date) -> bool:
        return True

    made = Item("CBA_ADJ", date(2024, 2, 1), date(2024, 2, 1), 100, made_on=True)
    later = date(2024, 2, 9)
    wanted = ExpectedItem(type="CBA_ADJ", amount=Decimal(1), start_date=later, end_date=later)
    assert items_differ([wanted], [made], "USD", lenient) == []
    assert items_differ([expected(start_date=later)], [FEBRUARY], "USD", lenient)


def test_a_partial_list_allows_more():
    assert items_differ([], [FEBRUARY], "USD", partial=True) == []


def test_a_zone_keeps_the_offset_it_had_when_the_account_was_made():
    summer = datetime.fromisoformat("2016-11-06T06:30:00+00:00")
    assert fixed_zone("America/Los_Angeles", summer) == "Etc/GMT+7"
    assert fixed_zone("Europe/Berlin", summer) == "Etc/GMT-1"
    assert fixed_zone("UTC", summer) == "UTC"
    assert fixed_zone("Asia/Kolkata", summer) == "Asia/Kolkata"


def test_minor_units_follow_the_currency():
    assert minor(Decimal("4.5"), "USD") == 450
    assert minor(Decimal(450), "JPY") == 450
    assert major(450, "KWD") == Decimal("0.45")
    with pytest.raises(ValueError, match="fraction"):
        minor(Decimal("0.005"), "USD")


async def test_a_case_passes_when_every_figure_is_as_expected(context: Context):
    said = [{"after_step": 1, "invoices": [{"number": 1, "balance": "4", "item_count": 1}], "account_balance": "4.00"}]
    verdict = await playing.play(context, case(CHARGE, expect=said))
    assert (verdict.status, verdict.details) == ("passed", ())


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ({"account_balance": "4.01"}, "account_balance"),
        ({"account_credit": "1"}, "account_credit"),
        ({"invoice_count": 2}, "invoice_count"),
        ({"payment_count": 1}, "payment_count"),
        ({"invoices": [{"number": 2}]}, "there are only 1"),
        ({"invoices": [{"number": 1, "status": "VOID"}]}, "status"),
        ({"invoices": [{"number": 1, "balance": "0"}]}, "balance"),
        ({"invoices": [{"number": 1, "items": []}]}, "got      EXTERNAL_CHARGE"),
        ({"payments": [{"number": 1, "amount": "4"}]}, "there are only 0"),
        ({"no_new_invoice": True}, "no_new_invoice"),
        ({"error": "ANY"}, "expected to be refused"),
        ({"accounts": {"a": {"credit": "3"}}}, "credit"),
    ],
)
async def test_a_figure_that_differs_fails(context: Context, block: dict[str, Any], told: str):
    verdict = await playing.play(context, case(CHARGE, expect=[{"after_step": 1, **block}]))
    assert verdict.status == "failed"
    assert told in "\n".join(verdict.details)


async def test_a_refusal_that_is_not_expected_fails(context: Context):
    void = {"at": "2024-01-01", "do": "void", "account": "a", "invoice": 1}
    verdict = await playing.play(context, case(CHARGE, void, void))
    assert verdict.status == "failed"
    assert "refused" in verdict.details[0]


async def test_a_refusal_that_is_expected_passes(context: Context):
    void = {"at": "2024-01-01", "do": "void", "account": "a", "invoice": 1}
    verdict = await playing.play(context, case(CHARGE, void, void, expect=[{"after_step": 3, "error": "ANY"}]))
    assert verdict.status == "passed"
