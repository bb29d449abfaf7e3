"""Checks about what a gateway tells and is told: webhooks, changes, disputes, references, credentials, raw replies."""

import re
from datetime import datetime

import msgspec

from billsmith.core.payments.results import OperationStatus
from billsmith.gateways.calling import call_gateway, no_check
from billsmith.gateways.conformance.stage import (
    BrokenPromise,
    Situation,
    Stage,
    Webhook,
    asked,
    found,
    method,
    needs,
    promise,
    send,
    succeed,
)
from billsmith.gateways.port import AuthFailed, Changes, GatewayAccount, GatewayEvent, WebhookRefused
from billsmith.gateways.references import ReferenceRefused

_CARD_NUMBER = re.compile(rb"(?<!\d)\d{13,19}(?!\d)")
_SHORTEST_SECRET = 6
_FOREIGN_REFERENCES = (
    "https://evil.example/v1/payment_methods/{token}",
    "http://{token}",
    "https://user:password@evil.example/{token}",
    "../../{token}\nx",
    "",
)


async def a_webhook_is_read(stage: Stage) -> None:
    """A genuine webhook gives events with the gateway's id for each; header names are read in any case."""
    sent = await _webhook(stage)
    events = _parsed(stage, stage.account, sent)
    promise(bool(events) and all(event.id for event in events), "a genuine webhook tells of nothing")
    shouted = msgspec.structs.replace(sent, headers={name.upper(): value for name, value in sent.headers.items()})
    promise(_parsed(stage, stage.account, shouted) == events, "it reads its headers only as they are usually written")


async def a_forged_webhook_is_refused(stage: Stage) -> None:
    """A webhook whose body or signature was touched, or that has none, is refused."""
    sent = await _webhook(stage)
    forged = {
        "another body": msgspec.structs.replace(sent, body=sent.body + b" "),
        "no body": msgspec.structs.replace(sent, body=b""),
        "no headers": msgspec.structs.replace(sent, headers={}),
        "touched headers": msgspec.structs.replace(sent, headers=_touched(sent.headers)),
        "nonsense": Webhook(dict.fromkeys(sent.headers, "\u20ac,=;\x00"), b"\xff{"),
    }
    for what, webhook in forged.items():
        _refused(stage, stage.account, webhook, what)


async def a_replayed_webhook_is_the_same_event(stage: Stage) -> None:
    """The same webhook again has the same event ids, by which the repeat is known."""
    sent = await _webhook(stage)
    promise(_parsed(stage, stage.account, sent) == _parsed(stage, stage.account, sent), "a repeat is another event")


async def another_accounts_webhook_is_refused(stage: Stage) -> None:
    """A webhook for one account is not taken for another."""
    if stage.other_account is None:
        needs(False, "its sandbox has one account only")
    else:
        _refused(stage, stage.other_account, await _webhook(stage), "another account's webhook")


async def a_dispute_is_seen(stage: Stage) -> None:
    """A lookup of a disputed charge tells of the dispute; the charge itself stays as it was."""
    needs(stage.gateway.capabilities(stage.account).disputes, "it has no disputes")
    operation = asked(stage, payment_method=method(stage, Situation.DISPUTED))
    result = await succeed(stage, operation)
    await stage.pass_time()
    later = await found(stage, operation, result.gateway_id)
    promise(len(later.disputes) == 1, f"{len(later.disputes)} disputes are seen")
    promise(later.status is OperationStatus.SUCCEEDED, f"a disputed charge is said to be {later.status}")
    promise(0 < later.disputes[0].amount_minor <= operation.amount_minor, "more is disputed than was charged")


async def changes_are_listed(stage: Stage) -> None:
    """What changed at or after an instant is listed; listed again, it has the same ids."""
    needs(stage.gateway.capabilities(stage.account).lists_changes, "it lists no changes")
    before = await _changes(stage, stage.now)
    result = await succeed(stage, asked(stage))
    await stage.pass_time()
    after = await _changes(stage, before.until)
    again = await _changes(stage, before.until)
    promise(result.gateway_id in {event.gateway_id for event in after.events}, "a charge is not among the changes")
    promise(_ids(after) <= _ids(again), "a change that is listed again has another id")


async def references_are_brought_to_the_token(stage: Stage) -> None:
    """A token stands for itself; another host, or what is no reference, is refused without asking anybody."""
    token = stage.method(Situation.GOOD)
    if token is not None:
        read = stage.gateway.method_token(stage.account, token)
        promise(read == token, f"{token} is read as {read}")
    for form in _FOREIGN_REFERENCES:
        reference = form.format(token=token or "token")
        try:
            stage.gateway.method_token(stage.account, reference)
        except ReferenceRefused:
            continue
        raise BrokenPromise(f"{reference!r} is taken for a payment method")


async def revoked_credentials_are_told(stage: Stage) -> None:
    """Credentials that do not work are `AuthFailed`; those that do pass "test connection"."""
    await _verify(stage, stage.account)
    if stage.revoked_account is None:
        return
    try:
        await _verify(stage, stage.revoked_account)
    except AuthFailed:
        return
    raise BrokenPromise("credentials that do not work pass the test")


async def raw_replies_hold_no_secrets(stage: Stage) -> None:
    """What is kept of a reply has neither credentials nor card numbers in it."""
    tokens = [method(stage, Situation.GOOD), *stage.declines()]
    secrets = [value for value in stage.account.credentials.values() if len(value) >= _SHORTEST_SECRET]
    for token in tokens:
        raw = (await send(stage, asked(stage, payment_method=token))).raw
        promise(not any(secret.encode() in raw for secret in secrets), "a raw reply holds credentials")
        promise(not any(map(_is_card_number, _CARD_NUMBER.findall(raw))), "a raw reply holds a card number")


async def accounts_hide_their_credentials(stage: Stage) -> None:
    """An account that is printed, into a log for instance, shows none of its credentials."""
    printed = f"{stage.account!r} {stage.account}"
    shown = [name for name, value in stage.account.credentials.items() if value and value in printed]
    promise(not shown, f"{', '.join(shown)} is shown")


async def _webhook(stage: Stage) -> Webhook:
    needs(stage.gateway.capabilities(stage.account).webhooks, "it has no webhooks")
    sent = await stage.webhook()
    if sent is None:
        raise BrokenPromise("it has webhooks, and yet its sandbox sends none")
    return sent


def _parsed(stage: Stage, account: GatewayAccount, sent: Webhook) -> tuple[GatewayEvent, ...]:
    return stage.gateway.parse_webhook(account, sent.headers, sent.body, stage.now)


def _refused(stage: Stage, account: GatewayAccount, sent: Webhook, what: str) -> None:
    try:
        _parsed(stage, account, sent)
    except WebhookRefused:
        return
    raise BrokenPromise(f"a webhook with {what} is believed")


async def _verify(stage: Stage, account: GatewayAccount) -> None:
    await call_gateway(
        lambda: stage.gateway.verify_account(account, stage.now), type(None), assert_no_transaction=no_check
    )


async def _changes(stage: Stage, since: datetime) -> Changes:
    return await call_gateway(
        lambda: stage.gateway.list_changes(stage.account, since, stage.now), Changes, assert_no_transaction=no_check
    )


def _touched(headers: dict[str, str]) -> dict[str, str]:
    """The last character of each is another one."""
    return {name: value[:-1] + ("0" if value[-1:] != "0" else "1") for name, value in headers.items()}


def _ids(changes: Changes) -> set[str]:
    return {event.id for event in changes.events}


def _is_card_number(digits: bytes) -> bool:
    """By its check digit (Luhn)."""
    total = 0
    for position, digit in enumerate(reversed(digits.decode())):
        value = int(digit) * (1 + position % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
