"""Bodies about subscriptions. Days are the customer's; prices and quantities are decimals in strings."""

import contextlib
import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeAlias, cast

from msgspec import UNSET, Meta, Struct, UnsetType

from billsmith.actions.subscriptions.asking import Asked, BillDayChange, QuantityChange, Resume, Undo
from billsmith.actions.subscriptions.changing import Labels
from billsmith.actions.subscriptions.saving import Bill
from billsmith.actions.subscriptions.starting import Order
from billsmith.api.schemas.given import DecimalText, Instant, Texts, decimal, id_given, instant, set_fields
from billsmith.core.catalog.rules import BillAlignment, CreateAlignment, PhaseAlignment
from billsmith.core.ids import SubscriptionId
from billsmith.core.subscriptions.cancelling import Cancel, Refund
from billsmith.core.subscriptions.changing import PlanChange
from billsmith.core.subscriptions.days import When
from billsmith.core.subscriptions.pausing import Pause
from billsmith.core.subscriptions.starting import NewSubscription
from billsmith.core.subscriptions.undoing import Undoable
from billsmith.core.text import pointer_under
from billsmith.errors import Invalid

_POLICIES = ("immediate", "end_of_term", "start_of_term")
_WHEN = r"(immediate|end_of_term|start_of_term|[0-9]{4}-[0-9]{2}-[0-9]{2})"

WhenText = Annotated[
    str,
    Meta(
        description="`immediate`, `end_of_term` (up to where it is charged), `start_of_term` (back to where the "
        "current period began), or a date of the customer's.",
        examples=["end_of_term"],
        extra_json_schema={"pattern": f"^{_WHEN}$"},
    ),
]


class WhenMalformed(Invalid):
    """Neither a policy nor a date."""

    code = "when_malformed"


class AddOnToCreate(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """An add-on that is started with its base. Left out, it starts on the same day."""

    plan: str
    quantity: DecimalText = "1"
    prices: dict[str, DecimalText] | None = None
    starts_on: date | None = None
    bill_cycle_day: int | None = None
    ends_on: date | None = None
    ends_after_periods: int | None = None
    external_id: str | None = None
    metadata: Texts = {}
    tags: list[str] = []

    def subscription(self, at: str) -> NewSubscription:
        """What core is told; `at` is where it stands. Raises DecimalMalformed."""
        return NewSubscription(**_of_new(self, at))


class SubscriptionToCreate(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """A subscription of a customer (its id or external id) to a plan (its code), with add-ons if it is a base.

    `prices` by the code of a charge, in place of the plan's. `starts_on` may be past. `base`: the subscription that an
    add-on joins. `phases_from`, `billed_on`: in place of what the catalogue's rules say. `bill`: whether what is due is
    billed with this, or by the next run.
    """

    customer: str
    plan: str
    quantity: DecimalText = "1"
    prices: dict[str, DecimalText] | None = None
    currency: str | None = None
    starts_on: date | None = None
    entitled_at: Instant | None = None
    bill_cycle_day: int | None = None
    billed_through_on: date | None = None
    ends_on: date | None = None
    ends_after_periods: int | None = None
    external_id: str | None = None
    metadata: Texts = {}
    tags: list[str] = []
    base: str | None = None
    add_ons: list[AddOnToCreate] = []
    phases_from: CreateAlignment | None = None
    billed_on: BillAlignment | None = None
    bill: Bill = "now"

    def order(self) -> Order:
        """What the action is told. Raises DecimalMalformed, InstantInvalid, NotFound for a base that is no id."""
        new = NewSubscription(
            **_of_new(self, ""),
            currency=self.currency,
            entitled_at=self.entitled_at and instant(self.entitled_at, "/entitled_at"),
            billed_through_on=self.billed_through_on,
        )
        return Order(
            new,
            tuple(one.subscription(f"/add_ons/{position}") for position, one in enumerate(self.add_ons)),
            None if self.base is None else SubscriptionId(id_given("subscription", self.base, "/base")),
            self.phases_from,
            self.billed_on,
        )


class SubscriptionToRelabel(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Labels to change; `metadata` and `tags` are replaced as a whole."""

    external_id: str | UnsetType | None = UNSET
    metadata: Texts | UnsetType = UNSET
    tags: list[str] | UnsetType = UNSET

    def labels(self) -> Labels:
        """What the action is told."""
        fields = set_fields(self, self.__struct_fields__)
        if "tags" in fields:
            fields["tags"] = tuple(fields["tags"])
        return Labels(**fields)


class PlanToChangeTo(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Another plan, or the same for other prices. `when` left out: as the catalogue's rules say.

    `product` in place of `plan`: the plan of that product which is billed as often as the present one, in the price
    list that the catalogue's rules say. `entitlement_when`: where use changes at another time than billing. `prices`
    are those of its own from then on; left out, the plan's.
    """

    plan: str | UnsetType = UNSET
    product: str | UnsetType = UNSET
    when: WhenText | None = None
    entitlement_when: WhenText | None = None
    quantity: DecimalText | None = None
    prices: dict[str, DecimalText] | None = None
    bill_cycle_day: int | None = None
    phases_from: PhaseAlignment | None = None
    billed_on: BillAlignment | None = None
    bill: Bill = "now"

    def asked(self) -> Asked:
        """What the action is told. Raises DecimalMalformed, WhenMalformed."""
        return PlanChange(
            None if self.plan is UNSET else self.plan,
            None if self.quantity is None else decimal(self.quantity, "/quantity"),
            _prices(self.prices, ""),
            self.bill_cycle_day,
            _maybe_when(self.when, "/when"),
            _maybe_when(self.entitlement_when, "/entitlement_when"),
            self.phases_from,
            self.billed_on,
            None if self.product is UNSET else self.product,
        )


class QuantityToChangeTo(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Another quantity."""

    quantity: DecimalText
    when: WhenText = "immediate"
    entitlement_when: WhenText | None = None
    bill: Bill = "now"

    def asked(self) -> Asked:
        """What the action is told. Raises DecimalMalformed, WhenMalformed."""
        return QuantityChange(
            decimal(self.quantity, "/quantity"),
            _when(self.when, "/when"),
            _maybe_when(self.entitlement_when, "/entitlement_when"),
        )


class BillDayToChangeTo(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """A bill cycle day of its own, from its next occurrence on or after `from_on`; left out: today."""

    day: int
    from_on: date | None = None
    bill: Bill = "now"

    def asked(self) -> Asked:
        """What the action is told."""
        return BillDayChange(self.day, self.from_on)


class SubscriptionToCancel(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """The end. `when` left out: as the catalogue's rules say.

    `refund`: what becomes of days that are billed and not used. `credit`: a fixed amount in minor units instead, with
    `refund` none.
    """

    when: WhenText | None = None
    entitlement_when: WhenText | None = None
    refund: Refund = "prorated"
    credit: int = 0
    bill: Bill = "now"

    def asked(self) -> Asked:
        """What the action is told. Raises WhenMalformed."""
        return Cancel(
            _maybe_when(self.when, "/when"),
            _maybe_when(self.entitlement_when, "/entitlement_when"),
            self.refund,
            self.credit,
        )


class ChangeToUndo(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """What is pending and is not to be."""

    what: Undoable
    bill: Bill = "now"

    def asked(self) -> Asked:
        """What the action is told."""
        return Undo(self.what)


class PauseToMake(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """From when, and of what; of the whole group unless `only` this one."""

    on: date | None = None
    entitlement: bool = True
    billing: bool = True
    only: bool = False
    bill: Bill = "now"

    def pause(self, id_: SubscriptionId) -> Pause:
        """What core is told of one subscription, by name if it alone is meant."""
        return Pause(self.on, self.entitlement, self.billing, id_ if self.only else None)


class ResumeToMake(PauseToMake, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """From when it goes on, and of what; of the whole group unless `only` this one."""

    def resume(self, id_: SubscriptionId) -> Resume:
        """What the action is told."""
        return Resume(self.pause(id_))


VerbGiven: TypeAlias = (
    PlanToChangeTo
    | QuantityToChangeTo
    | BillDayToChangeTo
    | SubscriptionToCancel
    | ChangeToUndo
    | PauseToMake
    | ResumeToMake
)


def asked_by(given: VerbGiven, id_: SubscriptionId) -> Asked:
    """What the action is told of a subscription by a verb's body. Raises DecimalMalformed, WhenMalformed."""
    if isinstance(given, ResumeToMake):
        return given.resume(id_)
    return given.pause(id_) if isinstance(given, PauseToMake) else given.asked()


class SubscriptionToTransfer(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """To whom (its id or external id). `give_back`: what is charged ahead is given back there and charged here."""

    customer: str
    give_back: bool = False
    bill: Bill = "now"


def _of_new(given: AddOnToCreate | SubscriptionToCreate, at: str) -> dict[str, Any]:
    return {
        "plan": given.plan,
        "quantity": decimal(given.quantity, f"{at}/quantity"),
        "prices": _prices(given.prices, at),
        "starts_on": given.starts_on,
        "bill_cycle_day": given.bill_cycle_day,
        "ends_on": given.ends_on,
        "ends_after_periods": given.ends_after_periods,
        "external_id": given.external_id,
        "metadata": given.metadata,
        "tags": tuple(given.tags),
    }


def _prices(given: dict[str, str] | None, at: str) -> dict[str, Decimal] | None:
    if given is None:
        return None
    return {code: decimal(text, pointer_under(f"{at}/prices", code)) for code, text in given.items()}


def _maybe_when(text: str | None, pointer: str) -> When | None:
    return None if text is None else _when(text, pointer)


def _when(text: str, pointer: str) -> When:
    """Raises WhenMalformed."""
    if text in _POLICIES:
        return cast(Literal["immediate", "end_of_term", "start_of_term"], text)
    with contextlib.suppress(ValueError):
        if re.fullmatch(_WHEN, text):
            return date.fromisoformat(text)
    said = f"{text[:40]!r} is none of {', '.join(_POLICIES)}, and no date such as 2026-03-31"
    raise WhenMalformed(said, pointer=pointer)


class SubscriptionToTry(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """A subscription that is not started: what would be billed with it by a day, today unless said."""

    subscription: SubscriptionToCreate
    until_on: date | None = None


class VerbToTry(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """One verb with its body, which is not carried out: what would be billed by a day, today unless said."""

    change: PlanToChangeTo | UnsetType = UNSET
    quantity: QuantityToChangeTo | UnsetType = UNSET
    bill_cycle_day: BillDayToChangeTo | UnsetType = UNSET
    cancel: SubscriptionToCancel | UnsetType = UNSET
    undo: ChangeToUndo | UnsetType = UNSET
    pause: PauseToMake | UnsetType = UNSET
    resume: ResumeToMake | UnsetType = UNSET
    until_on: date | None = None

    def verb(self) -> tuple[str, VerbGiven]:
        """The verb's field and its body. Raises NotOneVerb."""
        given = [(name, body) for name in self.__struct_fields__ if isinstance(body := getattr(self, name), VerbGiven)]
        if len(given) != 1:
            raise NotOneVerb('give one verb with its body, such as {"cancel": {}}', pointer="")
        return given[0]


class NotOneVerb(Invalid):
    """A preview is of one verb."""

    code = "not_one_verb"
