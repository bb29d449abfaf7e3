"""The fake gateway: a whole payment provider that obeys a script, for tests, demos and sandboxes.

It lives in our process; its books live in files of one folder, outside of it. Which book an account uses is its setting
`book`: a name, never a path. Its time is the caller's.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from billsmith.core.payments.results import NextAction, OperationKind, OperationResult
from billsmith.gateways.amounts import AS_ISO, LIKE_STRIPE
from billsmith.gateways.fake import webhooks
from billsmith.gateways.fake.book import Book, Decided, MethodChanged, Pages, Rule, Scripted
from billsmith.gateways.fake.history import Movement, movements, result
from billsmith.gateways.fake.operating import Answer, fee_setting, is_method, operate
from billsmith.gateways.fake.script import TOKEN, behaviour_of
from billsmith.gateways.port import (
    AmountLimits,
    AuthFailed,
    Capabilities,
    Changes,
    GatewayAccount,
    GatewayEvent,
    GatewayOperation,
    InvalidRequest,
    MethodDetails,
    MethodSetup,
    NotFound,
    NotSubmitted,
    OutcomeUnknown,
    RateLimited,
    SetupRequest,
)
from billsmith.gateways.references import ReferenceForm

HOST = "fake-gateway.example"
LONGEST_LATENCY_MS = 600_000
_BOOK_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
_FOREVER_SECONDS = 10_000_000
_KEY_WINDOW_SECONDS = 86_400
_CAPABILITIES = Capabilities(
    operations=frozenset(OperationKind),
    methods=frozenset({"card", "bank_account"}),
    off_session=True,
    authorize=True,
    partial_capture=True,
    partial_refund=True,
    async_days=5,
    mandates=True,
    disputes=True,
    webhooks=True,
    lists_changes=True,
    key_window_seconds=_KEY_WINDOW_SECONDS,
    key_scope="account",
    lookup_by_reference=True,
    amounts=AmountLimits(1, 10**12),
    statement_text_length=22,
)
_REFERENCES = ReferenceForm(token=TOKEN, hosts=(HOST, f"api.{HOST}"))

T = TypeVar("T")


class FakeGateway:
    """The gateway itself. `like_stripe` writes amounts as Stripe does instead of as ISO 4217."""

    name = "fake"

    def __init__(self, folder: Path, *, like_stripe: bool = False) -> None:
        self._folder = folder
        self._amounts = LIKE_STRIPE if like_stripe else AS_ISO
        self._books: dict[str, Book] = {}

    def capabilities(self, account: GatewayAccount) -> Capabilities:
        """Everything that the port knows."""
        return _CAPABILITIES

    def encode_amount(self, amount_minor: int, currency: str) -> int:
        """The integer that this gateway writes. Raises NotRepresentable."""
        return self._amounts.encode(amount_minor, currency)

    def decode_amount(self, written: int | str, currency: str) -> int:
        """Minor units of what this gateway wrote. Raises NotRepresentable."""
        return self._amounts.decode(written, currency)

    def method_token(self, account: GatewayAccount, reference: str) -> str:
        """`tok_ok` of `tok_ok`, `/v1/payment_methods/tok_ok` or its URL. Raises ReferenceRefused."""
        return _REFERENCES.read(reference)

    def parse_webhook(
        self, account: GatewayAccount, headers: Mapping[str, str], body: bytes, at: datetime
    ) -> tuple[GatewayEvent, ...]:
        """The event in a webhook. Raises WebhookRefused."""
        return webhooks.parse(account, headers, body, at)

    async def verify_account(self, account: GatewayAccount, at: datetime) -> None:
        """Raises AuthFailed unless the account's `api_key` begins with `fake_`, InvalidRequest for bad settings."""
        self._check_account(account)
        _latency_ms(account)
        for name in ("fee_percent", "fee_minor"):
            fee_setting(account, name)
        await self._look(account, lambda pages: None)

    async def read_method(self, account: GatewayAccount, token: str, at: datetime) -> MethodDetails:
        """A card of the fake bank for every token whose words mean something. Raises InvalidRequest."""
        self._check_account(account)
        if not is_method(token) or await self._look(account, lambda pages: (account.id, token) in pages.forgotten):
            raise InvalidRequest(f"there is no payment method {token!r}", pointer="/payment_method")
        return _details(token)

    async def begin_setup(self, account: GatewayAccount, request: SetupRequest, at: datetime) -> MethodSetup:
        """A set-up that waits for `finish_setup`."""
        self._check_account(account)
        stored = await self._look(account, lambda pages: pages.setups.get((account.id, request.id)))
        if stored is not None:
            return MethodSetup(f"fsu_{request.id}", method=_details(stored.token))
        return MethodSetup(
            f"fsu_{request.id}", next_action=NextAction("redirect", url=f"https://{HOST}/setup/{request.id}")
        )

    async def detach(self, account: GatewayAccount, token: str, at: datetime) -> None:
        """Forget a token: nothing can be charged to it from now on."""
        self._check_account(account)
        forgotten = MethodChanged(account.id, token, at, forgotten=True)
        await self._write(account, forgotten)

    async def charge(self, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        """What the payment method's words say."""
        return await self._operate(account, operation, at, OperationKind.CHARGE)

    async def capture(self, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        """What the words for captures say: `capture_…`."""
        return await self._operate(account, operation, at, OperationKind.CAPTURE)

    async def cancel(self, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        """What the words for cancellations say: `cancel_…`."""
        return await self._operate(account, operation, at, OperationKind.CANCEL)

    async def refund(self, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        """What the words for refunds say: `refund_…`."""
        return await self._operate(account, operation, at, OperationKind.REFUND)

    async def payout(self, account: GatewayAccount, operation: GatewayOperation, at: datetime) -> OperationResult:
        """What the payment method's words say."""
        return await self._operate(account, operation, at, OperationKind.PAYOUT)

    async def lookup(
        self, account: GatewayAccount, operation: GatewayOperation, at: datetime
    ) -> OperationResult | NotFound:
        """What the book says; what is not in it never happened."""
        self._check_account(account)

        def ask(pages: Pages) -> OperationResult | NotFound:
            found = pages.operations.get((account.id, operation.id))
            if found is None and operation.gateway_id is not None:
                found = pages.by_gateway_id.get((account.id, operation.gateway_id))
            return NotFound(certain=True) if found is None else result(pages, found, at)

        return await self._look(account, ask)

    async def list_changes(self, account: GatewayAccount, since: datetime, at: datetime) -> Changes:
        """Everything that happened from `since` to `at`, both included."""
        self._check_account(account)
        found = await self._look(account, lambda pages: webhooks.messages_within(pages, account.id, since, at))
        return Changes(tuple(webhooks.event_of(message) for message in found), until=at)

    # What only the fake gateway has: its other side.

    def book(self, account: GatewayAccount) -> Book:
        """The book that the account uses. Raises InvalidRequest for a setting that is no name."""
        name = account.settings.get("book", "book")
        if not _BOOK_NAME.fullmatch(name):
            raise InvalidRequest(f"{name[:60]!r} can't be the name of a book (a-z, 0-9, _ and -)")
        if name not in self._books:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._books[name] = Book(self._folder / f"{name}.jsonl")
        return self._books[name]

    async def script(self, account: GatewayAccount, rule: Rule | None) -> None:
        """From now on this rule holds as well; None takes all back. Raises UnknownWord."""
        if rule is not None:
            behaviour_of(rule.words, rule.kind.value)
        await self._write(account, Scripted(account.id, rule))

    async def decide(self, account: GatewayAccount, gateway_id: str, what: str, at: datetime) -> None:
        """Succeed or fail what waits; reverse or dispute a charge; a dispute is won or lost."""
        await self._write(account, Decided(account.id, gateway_id, what, at))

    async def finish_setup(self, account: GatewayAccount, setup_id: str, token: str, at: datetime) -> None:
        """The customer has given that payment method."""
        await self._write(account, MethodChanged(account.id, token, at, setup_id=setup_id))

    async def deliveries(self, account: GatewayAccount, after: datetime, until: datetime) -> list[webhooks.Delivery]:
        """The webhooks that arrive in (after, until], signed, in the order in which they arrive."""
        return await self._look(account, lambda pages: webhooks.deliveries(pages, account, after, until))

    async def movements(self, account: GatewayAccount, at: datetime) -> list[Movement]:
        """All money that really moved by an instant."""
        return await self._look(account, lambda pages: movements(pages, account.id, at))

    async def _operate(
        self, account: GatewayAccount, operation: GatewayOperation, at: datetime, kind: OperationKind
    ) -> OperationResult:
        self._check_account(account)
        assert operation.kind is kind, f"a {operation.kind} was sent as a {kind}"
        self.encode_amount(operation.amount_minor, operation.currency)
        await asyncio.sleep(_latency_ms(account) / 1000)
        book = self.book(account)

        def work() -> tuple[Answer, OperationResult | None]:
            answer = book.write(lambda pages: operate(pages, account, operation, at))
            operated = answer.operated
            return answer, None if operated is None else book.recall(lambda pages: result(pages, operated, at))

        answer, found = await asyncio.to_thread(work)
        await _reply(answer)
        assert found is not None, "what had no effect has no result"
        return found

    async def _look(self, account: GatewayAccount, ask: Callable[[Pages], T]) -> T:
        return await asyncio.to_thread(self.book(account).look, ask)

    async def _write(self, account: GatewayAccount, entry: Scripted | Decided | MethodChanged) -> None:
        book = self.book(account)
        await asyncio.to_thread(book.write, lambda pages: ((entry,), None))

    def _check_account(self, account: GatewayAccount) -> None:
        if account.mode == "live" and account.settings.get("allow_live") != "yes":
            raise InvalidRequest("the fake gateway moves no real money: it serves sandboxes")
        if not account.credentials.get("api_key", "").startswith("fake_"):
            raise AuthFailed("the fake gateway takes any api_key that begins with fake_")


async def _reply(answer: Answer) -> None:
    """Let the answer through, late, or not at all."""
    await asyncio.sleep(answer.behaviour.delay_seconds)
    match answer.behaviour.reply:
        case "given":
            return
        case "rate_limited":
            raise RateLimited("slow down", retry_after_seconds=2)
        case "auth_failed":
            raise AuthFailed("the api_key was revoked")
        case "not_submitted":
            raise NotSubmitted("the connection was refused")
        case "invalid":
            raise InvalidRequest("the fake gateway does not like this request")
        case "hangs_before" | "hangs_after":
            await asyncio.sleep(_FOREVER_SECONDS)
        case "raises_before" | "raises_after":
            raise ValueError("a mistake in the plugin, planted")
    raise OutcomeUnknown("the connection broke before the reply")


def _latency_ms(account: GatewayAccount) -> int:
    text = account.settings.get("latency_ms") or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 7 and int(text) <= LONGEST_LATENCY_MS):
        raise InvalidRequest(f"the account's latency_ms is {text[:40]!r}; a number of milliseconds is needed")
    return int(text)


def _details(token: str) -> MethodDetails:
    first = behaviour_of(token.removeprefix("tok_")).first
    kind = "bank_account" if first == "pending" else "card"
    expired = "expired_card" in token
    return MethodDetails(
        token=token,
        kind=kind,
        brand="Fakecard" if kind == "card" else "Fake Bank",
        last4="4242",
        expires_month=12 if kind == "card" else None,
        expires_year=(2020 if expired else 2099) if kind == "card" else None,
    )
