"""From a catalogue as it is given to values: every mistake is named with its place, and nothing is half-taken."""

import re
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from typing import ParamSpec, TypeVar, get_args

import msgspec

from billsmith.core.catalog.given import (
    CaseGiven,
    CatalogGiven,
    CatalogInvalid,
    ChargeGiven,
    LengthGiven,
    PhaseGiven,
    PlanGiven,
    ProductGiven,
    RulesGiven,
    SideGiven,
    in_one_sentence,
)
from billsmith.core.catalog.lengths import length_of
from billsmith.core.catalog.plans import (
    ANY_CURRENCY,
    DEFAULT_PRICE_LIST,
    Charge,
    Moves,
    Phase,
    PlanVersion,
    Product,
)
from billsmith.core.catalog.rules import (
    BillAlignment,
    Case,
    Catalog,
    CreateAlignment,
    PhaseAlignment,
    Policy,
    Rules,
    Side,
)
from billsmith.core.currencies import UnknownCurrency, minor_digits
from billsmith.core.cycles.lengths import Length
from billsmith.core.invoices import Direction
from billsmith.core.taxes import Tax, checked_tax
from billsmith.core.text import DESCRIPTION_LENGTH, NAME_LENGTH, line_of_text, metadata, pointer_under
from billsmith.core.time_zones import EARLIEST, LATEST
from billsmith.errors import FieldError, Invalid

LONGEST_CODE = 80
MOST_PHASES = 20
MOST_CHARGES = 50
MOST_CASES = 200

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_DECIMAL = re.compile(r"[0-9]{1,15}(\.[0-9]{1,12})?")
_THEN: dict[str, tuple[str, ...]] = {
    "change_policy": get_args(Policy),
    "cancel_policy": get_args(Policy),
    "change_alignment": get_args(PhaseAlignment),
    "create_alignment": get_args(CreateAlignment),
    "bill_alignment": get_args(BillAlignment),
}
"""What cases may say, where it is not the name of a price list."""
_BETWEEN_TWO = ("change_policy", "change_alignment")
"""Rules about a plan and the one changed to: only their cases have conditions on `to`."""
_IN_A_PHASE = (*_BETWEEN_TWO, "cancel_policy", "bill_alignment")

P = ParamSpec("P")
T = TypeVar("T")


class Content(msgspec.Struct, frozen=True, gc=False):
    """What of a plan is sold: two versions with the same content are not worth telling apart."""

    product: str
    name: str
    price_list: str
    direction: Direction
    phases: tuple[Phase, ...]
    metadata: dict[str, str]


class WantedPlan(msgspec.Struct, frozen=True, gc=False):
    """How a plan is to be. `content` None: as it is; `retire` None: the same."""

    code: str
    content: Content | None
    effective_on: date | None
    """From when on; None where nothing was said."""
    moves: Moves
    moves_on: date | None
    retire: bool | None


class Wanted(msgspec.Struct, frozen=True, gc=False):
    """What a given catalogue comes to; what is not in it stays as it is."""

    products: dict[str, Product]
    plans: dict[str, WantedPlan]
    rules: Rules | None


class Notes:
    """What was found to be wrong so far, each with its place."""

    def __init__(self) -> None:
        self.errors: list[FieldError] = []

    def note(self, pointer: str, detail: str) -> None:
        """Something is wrong there."""
        self.errors.append(FieldError(pointer, detail))

    def tried(self, pointer: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """What `work` gives; None after noting why it can't."""
        try:
            return work(*args, **kwargs)
        except Invalid as error:
            self.errors += error.errors or (FieldError(pointer, error.detail),)
            return None


def _content_of(version: PlanVersion) -> Content:
    """What of a version is sold."""
    return Content(
        version.product, version.name, version.price_list, version.direction, version.phases, version.metadata
    )


def checked(given: CatalogGiven, before: Catalog, today: date) -> Wanted:
    """What a given catalogue comes to, beside the one there is. Raises CatalogInvalid with every mistake."""
    notes = Notes()
    for kind in ("products", "plans"):
        for code in getattr(given, kind):
            _check_code(code, pointer_under(f"/{kind}", code), notes)
    products = _products(given.products, before, notes)
    known = {**before.products, **products}
    plans = {
        code: plan
        for code, entry in given.plans.items()
        if (plan := _plan(code, entry, known, before, today, notes)) is not None
    }
    price_lists = {entry.price_list or DEFAULT_PRICE_LIST for entry in given.plans.values()}
    price_lists |= {plan.versions[-1].price_list for plan in before.plans.values()}
    names = _Names(known, {*before.plans, *given.plans}, price_lists)
    rules = None if given.rules is None else _rules(given.rules, names, notes)
    if notes.errors:
        raise CatalogInvalid(in_one_sentence(notes.errors), errors=tuple(notes.errors))
    return Wanted(products, plans, rules)


def _check_code(code: str, pointer: str, notes: Notes) -> None:
    """A code stands in addresses and files: letters, digits and a few signs."""
    if len(code) > LONGEST_CODE or not _CODE.fullmatch(code):
        notes.note(pointer, f"a code has up to {LONGEST_CODE} of A-Z a-z 0-9 _ . - and starts with a letter or a digit")


# ---------------------------------------------------------------------------------------------------------- products


def _products(given: dict[str, ProductGiven], before: Catalog, notes: Notes) -> dict[str, Product]:
    products = {}
    for code, entry in given.items():
        place = pointer_under("/products", code)
        name = notes.tried(place, line_of_text, entry.name, NAME_LENGTH, f"{place}/name")
        kept = notes.tried(place, metadata, entry.metadata, f"{place}/metadata")
        products[code] = Product(code, name or "", entry.kind, tuple(dict.fromkeys(entry.add_ons)), kept or {})
        if code in before.products and before.products[code].kind != entry.kind:
            notes.note(
                f"{place}/kind",
                f"this product is {before.products[code].kind} and stays so: its subscribers are. Make another product",
            )
    known = {**before.products, **products}
    for code in given:
        _check_add_ons(products[code], known, notes)
    return products


def _check_add_ons(product: Product, known: dict[str, Product], notes: Notes) -> None:
    place = f"{pointer_under('/products', product.code)}/add_ons"
    if product.add_ons and product.kind != "base":
        notes.note(place, f"only a base product has add-ons; this one is {product.kind}")
        return
    for nth, code in enumerate(product.add_ons):
        if code not in known:
            notes.note(f"{place}/{nth}", f"there is no product {code[:LONGEST_CODE]!r}")
        elif known[code].kind != "add_on":
            notes.note(f"{place}/{nth}", f"{code} is {known[code].kind}, not an add-on")


# ------------------------------------------------------------------------------------------------------------- plans


def _plan(
    code: str, given: PlanGiven, products: dict[str, Product], before: Catalog, today: date, notes: Notes
) -> WantedPlan | None:
    place = pointer_under("/plans", code)
    plan = before.plans.get(code)
    missing = [name for name in ("product", "name", "phases") if getattr(given, name) is None]
    if plan is not None and len(missing) == 3 and given.retire is not None and _says_nothing_else(given):
        return WantedPlan(code, None, None, "keep", None, given.retire)
    for name in missing:
        notes.note(f"{place}/{name}", f"the field {name!r} is missing")
    errors = len(notes.errors)
    content = _content(given, place, products, notes)
    _check_dates(given, place, notes)
    if missing or len(notes.errors) > errors:
        return None
    if plan is not None:
        newest = plan.versions[-1]
        _check_stays(content, newest, products, place, notes)
        if is_new_version(content, given.moves, given.moves_on, newest):
            _check_follows(given, today, newest, place, notes)
    return WantedPlan(code, content, given.effective_on, given.moves, given.moves_on, given.retire)


def is_new_version(content: Content, moves: Moves, moves_on: date | None, newest: PlanVersion) -> bool:
    """Whether what is given is more than the newest version there is: sold otherwise, or subscribers move."""
    moved = moves != "keep" and (moves, moves_on) != (newest.moves, newest.moves_on)
    return moved or content != _content_of(newest)


def _says_nothing_else(given: PlanGiven) -> bool:
    return msgspec.structs.replace(given, retire=None) == PlanGiven()


def _content(given: PlanGiven, place: str, products: dict[str, Product], notes: Notes) -> Content:
    product, name, phases = given.product or "", given.name or "", given.phases or ()
    if given.product is not None and product not in products:
        notes.note(f"{place}/product", f"there is no product {product[:LONGEST_CODE]!r}")
    if given.name is not None:
        name = notes.tried(place, line_of_text, name, NAME_LENGTH, f"{place}/name") or ""
    price_list = DEFAULT_PRICE_LIST if given.price_list is None else given.price_list
    _check_code(price_list, f"{place}/price_list", notes)
    kept = notes.tried(place, metadata, given.metadata or {}, f"{place}/metadata")
    if given.phases is not None:
        _check_order(phases, f"{place}/phases", notes)
    made = tuple(_phase(phase, f"{place}/phases/{nth}", notes) for nth, phase in enumerate(phases))
    _check_currencies(made, f"{place}/phases", notes)
    return Content(product, name, price_list, given.direction or "charge", made, kept or {})


def _check_dates(given: PlanGiven, place: str, notes: Notes) -> None:
    for name in ("effective_on", "moves_on"):
        day = getattr(given, name)
        if day is not None and not EARLIEST <= day < LATEST:
            notes.note(f"{place}/{name}", f"a date between {EARLIEST} and {LATEST} is needed")
    if (given.moves == "at_date") != (given.moves_on is not None):
        notes.note(
            f"{place}/moves_on", "the date on which subscribers move is given with moves: at_date, and only then"
        )
    elif given.moves_on is not None and given.effective_on is not None and given.moves_on < given.effective_on:
        notes.note(f"{place}/moves_on", f"subscribers can't move before this version is sold: {given.effective_on}")


def _check_stays(content: Content, newest: PlanVersion, products: dict[str, Product], place: str, notes: Notes) -> None:
    """What subscribers of older versions were promised can't change under them."""
    if content.direction != newest.direction:
        notes.note(f"{place}/direction", f"a plan's direction stays as it is: {newest.direction}")
    kind = products[newest.product].kind
    if products[content.product].kind != kind:
        notes.note(f"{place}/product", f"this plan is of a product that is {kind}; so must every later one be")


def _check_follows(given: PlanGiven, today: date, newest: PlanVersion, place: str, notes: Notes) -> None:
    effective_on = given.effective_on or today
    if given.effective_on is None and given.moves_on is not None and given.moves_on < today:
        notes.note(f"{place}/moves_on", f"subscribers can't move before this version is sold: {today}")
    if effective_on <= newest.effective_on:
        said = "" if given.effective_on is not None else f"; without a date it would be sold from {effective_on}, today"
        notes.note(
            f"{place}/effective_on",
            f"version {newest.version} is sold from {newest.effective_on} on; the next must be of a later day{said}",
        )


# ---------------------------------------------------------------------------------------------- phases and charges


def _check_order(phases: tuple[PhaseGiven, ...], place: str, notes: Notes) -> None:
    if not 1 <= len(phases) <= MOST_PHASES:
        notes.note(place, f"a plan has 1 to {MOST_PHASES} phases")
    for nth, phase in enumerate(phases):
        if phase.kind == "evergreen" and nth + 1 < len(phases):
            notes.note(f"{place}/{nth}/kind", "an evergreen phase never ends: nothing can follow it")
        if phase.kind == "evergreen" and phase.duration is not None:
            notes.note(f"{place}/{nth}/duration", "an evergreen phase never ends: it has no duration")
        if phase.kind != "evergreen" and phase.duration is None:
            notes.note(f"{place}/{nth}/duration", f"a phase of kind {phase.kind} needs a duration")


def _phase(given: PhaseGiven, place: str, notes: Notes) -> Phase:
    duration = _length(given.duration, f"{place}/duration", notes)
    if len(given.charges) > MOST_CHARGES:
        notes.note(f"{place}/charges", f"a phase has at most {MOST_CHARGES} charges")
    codes: set[str] = set()
    charges = []
    for nth, charge in enumerate(given.charges):
        at = f"{place}/charges/{nth}"
        if charge.code in codes:
            notes.note(f"{at}/code", f"there are two charges {charge.code[:LONGEST_CODE]!r} in this phase")
        codes.add(charge.code)
        charges.append(_charge(charge, at, notes))
    return Phase(given.kind, duration, tuple(charges))


def _charge(given: ChargeGiven, place: str, notes: Notes) -> Charge:
    _check_code(given.code, f"{place}/code", notes)
    name = notes.tried(place, line_of_text, given.name, DESCRIPTION_LENGTH, f"{place}/name")
    length = _length(given.length, f"{place}/length", notes)
    _check_kind(given, place, notes)
    return Charge(
        code=given.code,
        kind=given.kind,
        name=name or "",
        prices=_prices(given.prices, f"{place}/prices", notes),
        length=length,
        timing=given.timing or "in_advance",
        proration=given.proration or "by_day",
        per_unit=given.per_unit,
        refundable=bool(given.refundable),
        tax=None if given.tax is None else _tax(given.tax.percent, given.tax.inclusive, f"{place}/tax", notes),
    )


def _check_kind(given: ChargeGiven, place: str, notes: Notes) -> None:
    if given.kind == "recurring":
        if given.length is None:
            notes.note(f"{place}/length", "a recurring charge needs the length of its periods, such as monthly")
        if given.refundable is not None:
            notes.note(f"{place}/refundable", "of a recurring charge the unused part is given back by its proration")
        return
    for name in ("length", "timing", "proration"):
        if getattr(given, name) is not None:
            notes.note(f"{place}/{name}", f"a fixed charge is billed once, as its phase starts: it has no {name}")


def _prices(given: dict[str, str], place: str, notes: Notes) -> dict[str, Decimal]:
    if not given:
        notes.note(place, 'a price is needed, such as {"EUR": "19.90"}')
    prices: dict[str, Decimal] = {}
    for currency, text in given.items():
        at = pointer_under(place, currency)
        if currency != ANY_CURRENCY:
            notes.tried(at, _check_currency, currency, at)
        if not _DECIMAL.fullmatch(text):
            notes.note(
                at,
                "a price is a decimal in a string, not below zero, up to 15 digits and 12 places; "
                "who pays is said by the plan's direction",
            )
            continue
        prices[currency] = Decimal(text)
        if currency == ANY_CURRENCY and prices[currency]:
            notes.note(at, "only zero is the same in every currency; give a price for each")
    return dict(sorted(prices.items()))


def _check_currency(currency: str, pointer: str) -> None:
    try:
        minor_digits(currency)
    except UnknownCurrency as error:
        raise UnknownCurrency(error.detail, pointer=pointer) from None


def _check_currencies(phases: Iterable[Phase], place: str, notes: Notes) -> None:
    """Whoever subscribes in a currency needs every price in it."""
    charges = [
        (f"{place}/{nth}/charges/{number}/prices", charge.prices)
        for nth, phase in enumerate(phases)
        for number, charge in enumerate(phase.charges)
    ]
    sold_in = {currency for _, prices in charges for currency in prices} - {ANY_CURRENCY}
    for at, prices in charges:
        missing = sorted(sold_in - set(prices))
        if missing and prices and ANY_CURRENCY not in prices:
            notes.note(at, f"there is no price in {', '.join(missing)}, in which other charges of this plan have one")


def _tax(percent: str, inclusive: bool, place: str, notes: Notes) -> Tax | None:
    if not _DECIMAL.fullmatch(percent):
        notes.note(f"{place}/percent", 'a percentage is a decimal in a string, such as "19"')
        return None
    return notes.tried(place, checked_tax, Tax(Decimal(percent), inclusive), place)


# ------------------------------------------------------------------------------------------------------------- rules


class _Names(msgspec.Struct, frozen=True, gc=False):
    """What conditions can name."""

    products: dict[str, Product]
    plans: set[str]
    price_lists: set[str]


def _rules(given: RulesGiven, names: _Names, notes: Notes) -> Rules:
    lists = {}
    for rule in Rules.__struct_fields__:
        cases: tuple[CaseGiven, ...] = getattr(given, rule)
        if len(cases) > MOST_CASES:
            notes.note(f"/rules/{rule}", f"a rule has at most {MOST_CASES} cases")
        lists[rule] = tuple(_case(rule, case, f"/rules/{rule}/{nth}", names, notes) for nth, case in enumerate(cases))
    return Rules(**lists)


def _case(rule: str, given: CaseGiven, place: str, names: _Names, notes: Notes) -> Case:
    if rule == "price_list":
        if given.then not in names.price_lists:
            notes.note(f"{place}/then", f"no plan is on a price list {given.then[:LONGEST_CODE]!r}")
    elif given.then not in _THEN[rule]:
        notes.note(f"{place}/then", f"{given.then[:LONGEST_CODE]!r} is none of {', '.join(_THEN[rule])}")
    if rule not in _BETWEEN_TWO and given.to != SideGiven():
        notes.note(f"{place}/to", "there is one plan only here: its conditions stand in `of`")
    if rule not in _IN_A_PHASE and given.phase is not None:
        notes.note(f"{place}/phase", "this is asked before there is a phase")
    of, to = _side(given.of, f"{place}/of", names, notes), _side(given.to, f"{place}/to", names, notes)
    return Case(given.then, of, to, given.phase)


def _side(given: SideGiven, place: str, names: _Names, notes: Notes) -> Side:
    for name, known in (("product", names.products), ("plan", names.plans), ("price_list", names.price_lists)):
        code = getattr(given, name)
        if code is not None and code not in known:
            notes.note(f"{place}/{name}", f"there is no {name.replace('_', ' ')} {code[:LONGEST_CODE]!r}")
    length = _length(given.length, f"{place}/length", notes)
    return Side(given.product, given.category, length, given.price_list, given.plan)


def _length(given: str | LengthGiven | None, place: str, notes: Notes) -> Length | None:
    return None if given is None else notes.tried(place, length_of, given, place)
