"""A catalogue as people write it: read strictly, with every mistake named by a JSON pointer, not only the first.

Prices and percentages are decimals in strings, dates are ISO 8601. What the texts mean: `checks.py`.
"""

from collections.abc import Callable
from datetime import date
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from billsmith.core.catalog.plans import ChargeKind, Moves, PhaseKind, ProductKind
from billsmith.core.cycles.lengths import Unit
from billsmith.core.cycles.pieces import Timing
from billsmith.core.cycles.proration import Proration
from billsmith.core.invoices import Direction
from billsmith.core.text import pointer_under
from billsmith.errors import FieldError, Invalid

T = TypeVar("T")


class CatalogInvalid(Invalid):
    """A catalogue that can't be meant; `errors` names every place."""

    code = "catalog_invalid"


class LengthGiven(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """So many days, weeks, months or years."""

    every: int
    unit: Unit


class PriceTaxGiven(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A rate in per cent, added to the price or contained in it."""

    percent: str
    inclusive: bool = False


class ProductGiven(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Something that is sold. `add_ons`: codes of the add-on products that a base product's subscribers may have."""

    name: str
    kind: ProductKind
    add_ons: tuple[str, ...] = ()
    metadata: dict[str, str] = {}


class ChargeGiven(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A price of a phase: `fixed`, once as the phase starts, or `recurring`, every `length`.

    `prices` by ISO 4217 code; `*` stands for every currency and can only be zero. `timing`, `proration` and `length`
    belong to recurring charges, `refundable` to fixed ones.
    """

    code: str
    kind: ChargeKind
    name: str
    prices: dict[str, str]
    length: str | LengthGiven | None = None
    timing: Timing | None = None
    proration: Proration | None = None
    per_unit: bool = True
    refundable: bool | None = None
    tax: PriceTaxGiven | None = None


class PhaseGiven(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a plan's life. Every kind but `evergreen` has a duration, and nothing follows that."""

    kind: PhaseKind
    duration: str | LengthGiven | None = None
    charges: tuple[ChargeGiven, ...] = ()


class PlanGiven(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A plan as it is to be sold. One that is there already may be named with nothing but `retire`.

    `effective_on`: from when it is sold so; a first version ever since, a later one from today on unless said
    otherwise. `moves`: what becomes of subscribers of older versions. `retire`: whether it takes no new subscribers.
    """

    product: str | None = None
    name: str | None = None
    price_list: str | None = None
    direction: Direction | None = None
    phases: tuple[PhaseGiven, ...] | None = None
    effective_on: date | None = None
    moves: Moves = "keep"
    moves_on: date | None = None
    retire: bool | None = None
    metadata: dict[str, str] | None = None


class SideGiven(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Conditions on a plan; what is left out may be anything."""

    product: str | None = None
    category: ProductKind | None = None
    length: str | LengthGiven | None = None
    price_list: str | None = None
    plan: str | None = None


class CaseGiven(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What holds (`then`) where every condition does: on the plan as it is (`of`), the one changed to, the phase."""

    then: str
    of: SideGiven = SideGiven()
    to: SideGiven = SideGiven()
    phase: PhaseKind | None = None


class RulesGiven(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Lists of cases: of each the first case whose conditions all hold decides. They replace all rules there are."""

    change_policy: tuple[CaseGiven, ...] = ()
    cancel_policy: tuple[CaseGiven, ...] = ()
    change_alignment: tuple[CaseGiven, ...] = ()
    create_alignment: tuple[CaseGiven, ...] = ()
    bill_alignment: tuple[CaseGiven, ...] = ()
    price_list: tuple[CaseGiven, ...] = ()


class CatalogGiven(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is sold: products and plans by code, and the rules. What is not named stays as it is."""

    products: dict[str, ProductGiven] = {}
    plans: dict[str, PlanGiven] = {}
    rules: RulesGiven | None = None


def catalog_given(document: Any) -> CatalogGiven:
    """A JSON document as a catalogue. Raises CatalogInvalid with every field that is unknown, missing or of no use."""
    errors: list[FieldError] = []
    given: CatalogGiven = _read(CatalogGiven, document, "", errors)
    if errors:
        raise CatalogInvalid(in_one_sentence(errors), errors=tuple(errors))
    return given


def in_one_sentence(errors: list[FieldError]) -> str:
    """The first of these places, and how many more there are."""
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"this catalogue can't be used: {errors[0].pointer or 'as a whole'}: {errors[0].detail}{more}"


def _read(shape: Any, value: Any, pointer: str, errors: list[FieldError]) -> Any:
    """The value in this shape; None after noting what is wrong with it."""
    origin = get_origin(shape)
    if isinstance(shape, type) and issubclass(shape, Struct):
        return _read_struct(shape, value, pointer, errors)
    if origin in _CHOICES:
        return _read_choice(get_args(shape), value, pointer, errors)
    if origin is tuple:
        return _read_list(get_args(shape)[0], value, pointer, errors)
    if origin is dict:
        return _read_map(get_args(shape)[1], value, pointer, errors)
    if origin is Literal:
        return _checked(value in get_args(shape), value, f"one of {', '.join(get_args(shape))}", pointer, errors)
    if shape is date:
        return _read_date(value, pointer, errors)
    return _checked(type(value) is shape, value, _WORDS[shape], pointer, errors)


_CHOICES = (Union, type(int | None))
_WORDS: dict[type, str] = {str: "a text", int: "a whole number", bool: "true or false"}


def _read_struct(shape: type[Struct], value: Any, pointer: str, errors: list[FieldError]) -> Any:
    if not isinstance(value, dict):
        return _wrong(value, "an object", pointer, errors)
    before, fields = len(errors), {}
    kinds = get_type_hints(shape)
    for name, entry in value.items():
        if name in kinds:
            fields[name] = _read(kinds[name], entry, pointer_under(pointer, name), errors)
        else:
            errors.append(FieldError(pointer_under(pointer, name), f"there is no field {name[:80]!r} here"))
    for field in msgspec.structs.fields(shape):
        if field.required and field.name not in value:
            errors.append(FieldError(pointer_under(pointer, field.name), f"the field {field.name!r} is missing"))
    return shape(**fields) if len(errors) == before else None


def _read_choice(shapes: tuple[Any, ...], value: Any, pointer: str, errors: list[FieldError]) -> Any:
    """null, an object or a text: of each kind there is one choice at most."""
    if value is None and type(None) in shapes:
        return None
    choices = [shape for shape in shapes if shape is not type(None)]
    structs = [shape for shape in choices if isinstance(shape, type) and issubclass(shape, Struct)]
    if structs and (isinstance(value, dict) or len(choices) == 1):
        return _read(structs[0], value, pointer, errors)
    return _read(next(shape for shape in choices if shape not in structs), value, pointer, errors)


def _read_list(shape: Any, value: Any, pointer: str, errors: list[FieldError]) -> Any:
    if not isinstance(value, list):
        return _wrong(value, "a list", pointer, errors)
    return tuple(_read(shape, entry, f"{pointer}/{nth}", errors) for nth, entry in enumerate(value))


def _read_map(shape: Any, value: Any, pointer: str, errors: list[FieldError]) -> Any:
    if not isinstance(value, dict):
        return _wrong(value, "an object", pointer, errors)
    return {name: _read(shape, entry, pointer_under(pointer, name), errors) for name, entry in value.items()}


def _read_date(value: Any, pointer: str, errors: list[FieldError]) -> date | None:
    try:
        found = date.fromisoformat(value)
    except (TypeError, ValueError):
        found = None
    if found is None or found.isoformat() != value:
        errors.append(FieldError(pointer, "this is no date of the calendar, such as 2026-03-31"))
    return found


def _checked(holds: bool, value: Any, needed: str, pointer: str, errors: list[FieldError]) -> Any:
    return value if holds else _wrong(value, needed, pointer, errors)


def _wrong(value: Any, needed: str, pointer: str, errors: list[FieldError]) -> None:
    kinds: dict[type, Callable[[], str]] = {
        dict: lambda: "an object",
        list: lambda: "a list",
        type(None): lambda: "null",
        bool: lambda: str(value).lower(),
    }
    said = kinds.get(type(value), lambda: repr(value)[:60])()
    errors.append(FieldError(pointer, f"{needed} is needed here, not {said}"))
