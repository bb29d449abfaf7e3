"""What the fake gateway decides about one request, from its book. Pure: the entries to write, and what to reply."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation

import msgspec

from billsmith.core.money import is_plain, percent_of, round_half_away
from billsmith.core.payments.results import OperationKind, OperationStatus
from billsmith.gateways.fake.book import Entry, Operated, Pages, Rule, Turned
from billsmith.gateways.fake.history import disputes_by, refundable_minor, standing
from billsmith.gateways.fake.script import DECLINES, TOKEN, Behaviour, UnknownWord, behaviour_of
from billsmith.gateways.port import GatewayAccount, GatewayOperation, InvalidRequest, KeyReused

GATEWAY_IDS = {
    OperationKind.CHARGE: "fch",
    OperationKind.CAPTURE: "fcp",
    OperationKind.CANCEL: "fcn",
    OperationKind.REFUND: "frf",
    OperationKind.PAYOUT: "fpo",
}
_WITHOUT_EFFECT = {
    "lost_before", "hangs_before", "raises_before", "rate_limited", "auth_failed", "not_submitted", "invalid",
    "never_reached",
}  # fmt: skip


class Answer(msgspec.Struct, frozen=True):
    """What to say, and how: `operated` is None when the request had no effect."""

    operated: Operated | None
    behaviour: Behaviour


def operate(
    pages: Pages, account: GatewayAccount, operation: GatewayOperation, at: datetime
) -> tuple[Sequence[Entry], Answer]:
    """The entries for one request, and its answer. Raises InvalidRequest, KeyReused."""
    before = pages.operations.get((account.id, operation.id))
    if before is not None:
        if before.fingerprint != _fingerprint(operation):
            raise KeyReused(f"operation {operation.id} came before, with another body")
        return (), Answer(before, Behaviour())
    _check(pages, account, operation, at)
    words, rule = _words(pages, account, operation)
    behaviour = _behaviour(words, operation.kind)
    turned = pages.turned.get((account.id, operation.id))
    if turned is not None and _behaviour(turned.words, operation.kind).reply == "lost_before":
        # Only the first message is lost: what is sent again arrives.
        behaviour = msgspec.structs.replace(behaviour, reply="given")
    if behaviour.reply in _WITHOUT_EFFECT:
        turned_away = Turned(
            account.id, operation.id, at, words, rule, operation.payment_method, operation.amount_minor
        )
        return (turned_away,), Answer(None, behaviour)
    operated = _operated(pages, account, operation, at, words, behaviour, rule)
    return (operated,), Answer(operated, behaviour)


def gateway_id(account: GatewayAccount, operation: GatewayOperation) -> str:
    """The gateway's id of an operation: always the same for the same operation of the same account."""
    digest = hashlib.sha256(f"{account.id}\n{operation.id}".encode()).hexdigest()
    return f"{GATEWAY_IDS[operation.kind]}_{digest[:24]}"


def _operated(
    pages: Pages,
    account: GatewayAccount,
    operation: GatewayOperation,
    at: datetime,
    words: str,
    behaviour: Behaviour,
    rule: str | None,
) -> Operated:
    currency = operation.currency
    if behaviour.other_currency:
        currency = "USD" if currency != "USD" else "EUR"
    refused = _refused_by_state(pages, account, operation, at)
    return Operated(
        account=account.id,
        id=operation.id,
        kind=operation.kind,
        gateway_id=gateway_id(account, operation),
        at=at,
        fingerprint=_fingerprint(operation),
        # Written by kind, so that it is read back for this operation, whatever its kind.
        words=f"{operation.kind}_declined_{refused}" if refused else words,
        amount_minor=operation.amount_minor + behaviour.more_minor,
        currency=currency,
        asked_minor=operation.amount_minor,
        reference=operation.reference,
        payment_method=operation.payment_method,
        related_id=operation.related_id,
        authorize_only=operation.authorize_only,
        rule=rule,
        fee_minor=_fee(account, operation),
    )


def _check(pages: Pages, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> None:
    """Raises InvalidRequest for what the gateway would never do."""
    if operation.amount_minor < 1 and operation.kind is not OperationKind.CANCEL:
        raise InvalidRequest("an amount is positive")
    if operation.kind in {OperationKind.CHARGE, OperationKind.PAYOUT}:
        _check_method(pages, account, operation.payment_method)
        return
    charge = pages.by_gateway_id.get((account.id, operation.related_id or ""))
    if charge is None or charge.kind is not OperationKind.CHARGE:
        raise InvalidRequest(f"there is no charge {operation.related_id}")
    status = standing(pages, charge, at).status
    if operation.kind is not OperationKind.CANCEL and operation.currency != charge.currency:
        raise InvalidRequest(f"charge {charge.gateway_id} is in {charge.currency}")
    if operation.kind is OperationKind.CAPTURE:
        if status not in {OperationStatus.AUTHORIZED, OperationStatus.EXPIRED}:
            raise InvalidRequest(f"charge {charge.gateway_id} is {status}: nothing is held to be captured")
        if operation.amount_minor > charge.amount_minor:
            raise InvalidRequest(f"only {charge.amount_minor} are held")
    elif operation.kind is OperationKind.REFUND:
        left = refundable_minor(pages, charge, at)
        if operation.amount_minor > left:
            raise InvalidRequest(f"charge {charge.gateway_id} is {status}; {left} of it can be refunded")
    elif status not in {OperationStatus.AUTHORIZED, OperationStatus.PENDING, OperationStatus.REQUIRES_ACTION}:
        raise InvalidRequest(f"charge {charge.gateway_id} is {status}: nothing is left to cancel")


def _check_method(pages: Pages, account: GatewayAccount, token: str | None) -> None:
    if token is None or (account.id, token) in pages.forgotten or not is_method(token):
        raise InvalidRequest(f"there is no payment method {token!r}", pointer="/payment_method")


def is_method(token: str) -> bool:
    """Whether a token is made of words that mean something."""
    try:
        return bool(TOKEN.fullmatch(token)) and behaviour_of(token.removeprefix("tok_")) is not None
    except UnknownWord:
        return False


def _refused_by_state(pages: Pages, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> str | None:
    """The decline that follows from where the charge stands, whatever was scripted."""
    charge = pages.by_gateway_id.get((account.id, operation.related_id or ""))
    if charge is None:
        return None
    if operation.kind is OperationKind.REFUND:
        disputed = any(dispute.status != "won" for dispute in disputes_by(pages, charge, at))
        return "charge_disputed" if disputed else None
    expired = standing(pages, charge, at).status is OperationStatus.EXPIRED
    return "authorization_expired" if operation.kind is OperationKind.CAPTURE and expired else None


def _words(pages: Pages, account: GatewayAccount, operation: GatewayOperation) -> tuple[str, str | None]:
    """The words that hold for an operation, and the rule they are from, if any."""
    for rule in pages.rules.get(account.id, ()):
        if _matches(pages, account, operation, rule):
            return meant_for(rule.kind, rule.words), rule.id
    if operation.related_id is not None:
        return pages.by_gateway_id[account.id, operation.related_id].words, None
    return (operation.payment_method or "").removeprefix("tok_"), None


def meant_for(kind: OperationKind, words: str) -> str:
    """The same words, said of operations of a kind: `fails` of refunds is `refund_fails`."""
    if kind in {OperationKind.CHARGE, OperationKind.PAYOUT}:
        return words
    return ".".join(word if word.startswith(f"{kind}_") else f"{kind}_{word}" for word in words.split("."))


def _matches(pages: Pages, account: GatewayAccount, operation: GatewayOperation, rule: Rule) -> bool:
    if (
        rule.kind is not operation.kind
        or (rule.payment_method is not None and rule.payment_method != operation.payment_method)
        or (rule.amount_minor is not None and rule.amount_minor != operation.amount_minor)
        or (rule.next is not None and pages.uses.get((account.id, rule.id), 0) >= rule.next)
    ):
        return False
    if rule.share is None:
        return True
    before = pages.repeats.get((account.id, operation.payment_method, operation.amount_minor), 0)
    drawn = f"{rule.seed}\n{operation.payment_method}\n{operation.amount_minor}\n{before}"
    ticket = int.from_bytes(hashlib.sha256(drawn.encode()).digest()[:8])
    return ticket < rule.share * 2**64


def _behaviour(words: str, kind: OperationKind) -> Behaviour:
    try:
        return behaviour_of(words, kind.value)
    except UnknownWord as error:
        raise InvalidRequest(str(error)) from error


def _fee(account: GatewayAccount, operation: GatewayOperation) -> int:
    """What the gateway keeps of a charge: `fee_percent` of it and `fee_minor`, both settings of the account."""
    if operation.kind not in {OperationKind.CHARGE, OperationKind.CAPTURE}:
        return 0
    share = percent_of(operation.amount_minor, fee_setting(account, "fee_percent"))
    return round_half_away(share) + int(fee_setting(account, "fee_minor"))


def fee_setting(account: GatewayAccount, name: str) -> Decimal:
    """A number from the account's settings; 0 where it is not set. Raises InvalidRequest."""
    text = account.settings.get(name) or "0"
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not is_plain(number) or not 0 <= number <= 100 or (name == "fee_minor" and number != int(number)):
        raise InvalidRequest(f"the account's {name} is {text[:40]!r}; a number from 0 to 100 is needed")
    return number


def _fingerprint(operation: GatewayOperation) -> str:
    """What must be the same when an operation id comes again; the gateway's own id is not part of what is asked."""
    asked = msgspec.structs.replace(operation, gateway_id=None)
    return hashlib.sha256(msgspec.json.encode(asked)).hexdigest()


assert all(code in DECLINES for code in ("charge_disputed", "authorization_expired"))
