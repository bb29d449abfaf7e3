"""A scenario as it is written down: typed steps and expectations, with the place named where one can't be read."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, UnsetType

from tests.cases.report import NotYet, Unreadable


class Moment:
    """A UTC instant, or a day alone: then the instant is its midnight in UTC, and it is that day in every zone."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.instant: datetime
        self._day: date | None = None
        if len(text) == len("2012-01-01"):
            self._day = date.fromisoformat(text)
            self.instant = datetime(self._day.year, self._day.month, self._day.day, tzinfo=UTC)
        else:
            given = datetime.fromisoformat(text)
            if given.tzinfo is None:
                raise ValueError(f"{text} has no time zone")
            self.instant = given.astimezone(UTC)

    @property
    def has_time(self) -> bool:
        """Whether it is an instant rather than a day alone."""
        return self._day is None

    def day(self, zone: str) -> date:
        """The day it is, or falls on in that zone."""
        return self._day or self.instant.astimezone(ZoneInfo(zone)).date()

    def __repr__(self) -> str:
        return self.text


class Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What has exactly these fields."""


class Step(Given, kw_only=True):
    """One step; `do` names its kind."""

    do: ClassVar[str]
    at: Moment


class CreateAccount(Step, kw_only=True):
    do = "create_account"
    account: str
    currency: str
    timezone: str = "UTC"
    bill_cycle_day: int | None = None
    payment_method: str | None = None
    parent: str | None = None
    payment_delegated_to_parent: bool = False


class Override(Given, kw_only=True):
    """Prices of a phase in place of the plan's."""

    phase: str
    recurring_price: Decimal | None = None
    fixed_price: Decimal | None = None
    usages: list[Any] = []


class Subscribe(Step, kw_only=True):
    do = "subscribe"
    account: str
    subscription: str
    plan: str
    add_on_to: str | None = None
    entitlement_date: Moment | None = None
    billing_date: Moment | None = None
    bill_cycle_day: int | None = None
    quantity: Decimal | None = None
    price_overrides: list[Override] = []


class Together(Given, kw_only=True):
    """One of several subscriptions that are created together."""

    subscription: str
    plan: str
    bundle: str
    quantity: Decimal | None = None


class SubscribeMany(Step, kw_only=True):
    do = "subscribe_many"
    account: str
    subscriptions: list[Together]


class ChangePlan(Step, kw_only=True):
    do = "change_plan"
    subscription: str
    plan: str
    billing_policy: str
    effective_date: Moment | None = None
    price_overrides: list[Override] = []
    bill_cycle_day: int | None = None


class Cancel(Step, kw_only=True):
    do = "cancel"
    subscription: str
    entitlement: str | None = None
    billing: str | None = None
    effective_date: Moment | None = None


class Uncancel(Step, kw_only=True):
    do = "uncancel"
    subscription: str


class Pause(Step, kw_only=True):
    do = "pause"
    subscription: str
    effective_date: Moment | None = None
    scope: str = "bundle"


class Resume(Step, kw_only=True):
    do = "resume"
    subscription: str
    effective_date: Moment | None = None
    scope: str = "bundle"


class SetBlockingState(Step, kw_only=True):
    do = "set_blocking_state"
    subscription: str
    effective_date: Moment | None = None
    block_change: bool = False
    block_entitlement: bool = False
    block_billing: bool = False
    scope: str = "subscription"
    state: str | None = None


class AdvanceClock(Step, kw_only=True):
    do = "advance_clock"
    to: Moment


class Charge(Step, kw_only=True):
    do = "charge"
    account: str
    amount: Decimal
    currency: str | None = None
    start_date: Moment | None = None
    end_date: Moment | None = None
    invoice_date: Moment | None = None
    commit: bool = True


class Credit(Step, kw_only=True):
    do = "credit"
    account: str
    amount: Decimal
    currency: str | None = None
    effective_date: Moment | None = None
    commit: bool = True
    invoice: int | None = None


class DeleteCredit(Step, kw_only=True):
    do = "delete_credit"
    account: str
    invoice: int


class AdjustItem(Step, kw_only=True):
    do = "adjust_item"
    account: str
    invoice: int
    item: int | str
    amount: Decimal | None = None
    effective_date: Moment | None = None


class ItemAdjustment(Given, kw_only=True):
    """What a refund gives back of one item; None: all that is left."""

    invoice: int
    item: int | str
    amount: Decimal | None = None


class Refund(Step, kw_only=True):
    do = "refund"
    account: str
    payment: int
    amount: Decimal | None = None
    item_adjustments: list[ItemAdjustment] = []


class Chargeback(Step, kw_only=True):
    do = "chargeback"
    account: str
    payment: int
    amount: Decimal | None = None


class ChargebackReversal(Step, kw_only=True):
    do = "chargeback_reversal"
    account: str
    payment: int


class PayInvoice(Step, kw_only=True):
    do = "pay_invoice"
    account: str
    invoice: int
    amount: Decimal | None = None
    external: bool = False


class SetGateway(Step, kw_only=True):
    do = "set_gateway"
    mode: str
    processed_amount: Decimal | None = None
    processed_currency: str | None = None


class OfInvoice(Step, kw_only=True):
    """A step that names an invoice alone."""

    account: str
    invoice: int


class WriteOff(OfInvoice, kw_only=True):
    do = "write_off"


class UndoWriteOff(OfInvoice, kw_only=True):
    do = "undo_write_off"


class Void(OfInvoice, kw_only=True):
    do = "void"


class CommitInvoice(OfInvoice, kw_only=True):
    do = "commit_invoice"


class SetTag(Step, kw_only=True):
    do = "set_tag"
    tag: str
    account: str
    object: str = "account"
    invoice: int | None = None


class RemoveTag(Step, kw_only=True):
    do = "remove_tag"
    tag: str
    account: str
    object: str = "account"
    invoice: int | None = None


class ChangeBillDay(Step, kw_only=True):
    do = "change_bcd"
    subscription: str
    bill_cycle_day: int
    effective_from: Moment | None = None


class ChangeAccountBillDay(Step, kw_only=True):
    do = "change_account_bcd"
    account: str
    bill_cycle_day: int


class ChangeQuantity(Step, kw_only=True):
    do = "change_quantity"
    subscription: str
    quantity: Decimal
    effective_date: Moment | None = None


class TriggerInvoice(Step, kw_only=True):
    do = "trigger_invoice"
    account: str
    target_date: Moment


class TransferCreditToParent(Step, kw_only=True):
    do = "transfer_credit_to_parent"
    account: str


class Action(Given, kw_only=True):
    """What a preview pretends: change, cancel or start of a subscription."""

    type: str
    subscription: str | None = None
    plan: str | None = None
    billing_policy: str | None = None
    effective_date: Moment | None = None


class DryRun(Step, kw_only=True):
    do = "dry_run"
    account: str
    kind: str
    target_date: Moment | None = None
    action: Action | None = None


class ExpectedItem(Given, kw_only=True):
    """An item; dates that are absent are not asserted, an end of None is none."""

    type: str
    amount: Decimal
    currency: str | None = None
    start_date: date | UnsetType | None = UNSET
    end_date: date | UnsetType | None = UNSET
    quantity: Decimal | None = None


class InsertItems(Step, kw_only=True):
    do = "insert_items"
    account: str
    invoice: int
    items: list[ExpectedItem]


STEPS: tuple[type[Step], ...] = (
    CreateAccount, Subscribe, SubscribeMany, ChangePlan, Cancel, Uncancel, Pause, Resume, SetBlockingState,
    AdvanceClock, Charge, Credit, DeleteCredit, AdjustItem, Refund, Chargeback, ChargebackReversal, PayInvoice,
    SetGateway, WriteOff, UndoWriteOff, Void, CommitInvoice, SetTag, RemoveTag, ChangeBillDay, ChangeAccountBillDay,
    ChangeQuantity, TriggerInvoice, TransferCreditToParent, DryRun, InsertItems,
)  # fmt: skip
_BY_NAME = {step.do: step for step in STEPS}


class ExpectedInvoice(Given, kw_only=True):
    """What is asserted of one invoice; `items` is all of them unless `items_partial`."""

    number: int
    account: str | None = None
    items: list[ExpectedItem] | None = None
    items_partial: bool = False
    balance: Decimal | None = None
    status: str | None = None
    charged: Decimal | None = None
    paid: Decimal | None = None
    credited: Decimal | None = None
    amount: Decimal | None = None
    credit_items: Decimal | None = None
    invoice_date: date | None = None
    item_count: int | None = None
    excluding_voided: bool = False
    derived_from_loop: bool = False


class ExpectedPayment(Given, kw_only=True):
    """What is asserted of one payment; `number` counts from 1."""

    number: int
    amount: Decimal
    status: str | None = None
    invoice: int | None = None
    currency: str | None = None
    derived: bool = False


class ExpectedEnd(Given, kw_only=True):
    """When a subscription's two sides end."""

    entitlement: date | UnsetType | None = UNSET
    billing: date | UnsetType | None = UNSET


class Figures(Given, kw_only=True):
    """Figures of one account."""

    invoice_count: int | None = None
    payment_count: int | None = None
    balance: Decimal | None = None
    credit: Decimal | None = None
    account_balance: Decimal | None = None
    account_credit: Decimal | None = None
    account_bill_cycle_day: int | None = None
    overdue_state: str | None = None


class Preview(Given, kw_only=True):
    """The items of a preview."""

    items: list[ExpectedItem]
    items_partial: bool = False


class Expectation(Given, kw_only=True):
    """What is asserted after a step; what it does not mention is unconstrained."""

    after_step: int
    invoices: list[ExpectedInvoice] = []
    invoice_count: int | None = None
    payment_count: int | None = None
    payments: list[ExpectedPayment] = []
    account_balance: Decimal | None = None
    account_credit: Decimal | None = None
    account_bill_cycle_day: int | None = None
    overdue_state: str | None = None
    entitlement_state: dict[str, str] = {}
    charged_through: dict[str, date | None] = {}
    subscription_end: dict[str, ExpectedEnd] = {}
    accounts: dict[str, Figures] = {}
    no_new_invoice: bool = False
    nothing_more_to_invoice: bool = False
    dry_run: Preview | UnsetType | None = UNSET
    error: str | None = None


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """A case whose steps and expectations were read."""

    id: str
    area: str
    timezone: str
    steps: tuple[Step, ...]
    expect: dict[int, tuple[Expectation, ...]]
    """By the step after which they hold."""
    config: dict[str, Any]
    catalogs: tuple[dict[str, Any], ...]
    """As written, oldest first."""


def scenario_of(raw: dict[str, Any]) -> Scenario:
    """The case, read. Raises Unreadable, NotYet for steps and figures that this runner has no word for."""
    if "overdue_config" in raw:
        raise NotYet("overdue_config (dunning does not exist yet)")
    steps = tuple(_step(given, position) for position, given in enumerate(raw["steps"]))
    expect: dict[int, tuple[Expectation, ...]] = {}
    for position, given in enumerate(raw.get("expect", ())):
        one = _read(given, Expectation, f"expect[{position}]")
        if not 0 <= one.after_step < len(steps):
            raise Unreadable(f"expect[{position}]: there is no step {one.after_step}")
        expect[one.after_step] = (*expect.get(one.after_step, ()), one)
    catalog = raw.get("catalog")
    catalogs = () if catalog is None else tuple(catalog.get("versions", (catalog,)))
    return Scenario(
        id=raw["id"],
        area=raw["area"],
        timezone=raw.get("timezone", "UTC"),
        steps=steps,
        expect=expect,
        config=raw.get("config", {}),
        catalogs=catalogs,
    )


def _step(given: dict[str, Any], position: int) -> Step:
    name = given.get("do")
    if name not in _BY_NAME:
        raise NotYet(f"step {name}")
    fields = {key: value for key, value in given.items() if key != "do"}
    step: Step = _read(fields, _BY_NAME[name], f"steps[{position}] {name}")
    return step


def _read(given: Any, kind: Any, place: str) -> Any:
    try:
        return msgspec.convert(given, kind, dec_hook=_special)
    except msgspec.ValidationError as error:
        if "unknown field" in str(error):
            raise NotYet(f"{place}: {error}") from error
        raise Unreadable(f"{place}: {error}") from error


def _special(kind: type, given: Any) -> Any:
    if kind is Moment and isinstance(given, str):
        try:
            return Moment(given)
        except ValueError as error:
            raise msgspec.ValidationError(str(error)) from error
    raise msgspec.ValidationError(f"{given!r} can't be read as {kind.__name__}")
