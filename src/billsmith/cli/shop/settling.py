"""The shop's year is paid: by cards and bank debits over the fake gateway, at the till, or not at all."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date, timedelta

import msgspec
from msgspec.structs import replace

from billsmith.actions.advance import move_clock
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.imports import find_customers
from billsmith.actions.invoices import Refusal
from billsmith.actions.money.accounts import create_account
from billsmith.actions.money.collect import collect_due_of
from billsmith.actions.money.corrections import NewWriteOff, write_off
from billsmith.actions.money.methods import NewMethod, add_method
from billsmith.actions.money.payments import NewPayment, Wanted, record_payment
from billsmith.actions.money.recovery import recover_of
from billsmith.actions.money.rehearsing import all_documents, script_gateway
from billsmith.cli.shop.documents import Year, groups
from billsmith.cli.shop.script import is_gone, new_token_of, rules, token_of
from billsmith.core.ids import CustomerId, GatewayAccountId
from billsmith.core.invoices import Document
from billsmith.core.payments.accounts import AccountDetails

AT_ONCE = 10
INVOICES_AT_ONCE = 900
"""In one group of customers: few enough that one run of the sweep takes all of them, so that the card networks' count
of tries never depends on where a run ended."""
CUSTOMERS_LOOKED_UP_AT_ONCE = 1_000
LONGEST_DAYS = 90
ROUNDS = 3
"""How often a customer is asked for another payment method."""
FEES = {"fee_percent": "1.4", "fee_minor": "20"}
WAITING = ("scheduled", "processing", "retrying")


class Settling(msgspec.Struct, frozen=True):
    """Where the year is settled, and who is told how far it is: a phase, how much of it, of how much."""

    context: Context
    call: Call
    year: Year
    account_id: GatewayAccountId
    customers: dict[str, CustomerId]
    on_progress: Callable[[str, int, int], None]

    async def settle(self) -> "Settling":
        """Work through the year; the same with the clock where it stands then."""
        await self._first_methods()
        await self._till()
        now = await self._days()
        for nth in range(1, ROUNDS + 1):
            failed = await now._failed()
            if not failed:
                break
            now._tell("other payment methods", 0, len(failed))
            await now._methods({name: new_token_of(name, nth) for name in failed})
            await now._collect()
            now = await now._days()
        await now._write_off()
        return now

    def _tell(self, phase: str, done: int, of: int) -> None:
        self.on_progress(phase, done, of)

    async def _first_methods(self) -> None:
        """Every customer brings a payment method, upon which what is owed is due at once."""
        owing = {name: count for name, count in self.year.owing.items() if name not in self.year.walk_ins}
        of, done = sum(owing.values()), 0
        for group in groups(owing, INVOICES_AT_ONCE):
            await self._methods({name: token_of(name) for name in group})
            await self._collect()
            done += sum(owing[name] for name in group)
            self._tell("charging", done, of)

    async def _methods(self, tokens: dict[str, str]) -> None:
        room = asyncio.Semaphore(AT_ONCE)

        async def of_one(name: str, token: str) -> None:
            async with room:
                given = NewMethod(self.customers[name], token, self.account_id, make_default=True)
                await add_method(self.context, self.call, given)

        await asyncio.gather(*(of_one(*one) for one in tokens.items()))

    async def _collect(self) -> None:
        """Charge what is due, and ask about replies that were lost, until nothing more is to be done today."""
        while await collect_due_of(self.context, self.call) or await recover_of(self.context, self.call):
            pass

    async def _till(self) -> None:
        """Who is no customer has paid at the till: one payment for each day's takings, over all of its invoices."""
        for name in sorted(self.year.walk_ins & self.customers.keys()):
            of_days: dict[date, list[Document]] = {}
            async for document in self._invoices(customer_id=self.customers[name], status="open"):
                if document.invoice.issued_on is not None:
                    of_days.setdefault(document.invoice.issued_on, []).append(document)
            for done, day in enumerate(sorted(of_days), start=1):
                await self._take(name, day, of_days[day])
                self._tell(f"the till: {name}", done, len(of_days))

    async def _take(self, name: str, day: date, documents: Sequence[Document]) -> None:
        takings = NewPayment(
            self.customers[name],
            sum(document.invoice.balance_minor for document in documents),
            reference=f"Takings of {day}",
            received_on=day,
            invoices=tuple(Wanted(document.invoice.id) for document in documents),
        )
        await record_payment(self.context, self.call, takings)

    async def _days(self) -> "Settling":
        """Let day after day pass, until nothing is to be tried again and no bank has to decide."""
        now = self
        for day in range(1, LONGEST_DAYS + 1):
            if not await now._waits():
                break
            to = now.context.clock.of(now.call.tenant) + timedelta(days=1)
            tenant = (await move_clock(now.context, now.call, to)).fresh
            now = replace(now, call=replace(now.call, tenant=tenant))
            await now._collect()
            now._tell(f"{to.date()}", day, 0)
        return now

    async def _waits(self) -> bool:
        for state in WAITING:
            async for _ in self._invoices(status="open", collection_state=state):
                return True
        return False

    async def _failed(self) -> list[str]:
        """Customers who are worth asking for another payment method."""
        failed = {document.invoice.customer_id async for document in self._invoices(collection_state="failed")}
        return sorted(name for name, id_ in self.customers.items() if id_ in failed and not is_gone(name))

    async def _write_off(self) -> None:
        """Nothing more is expected of who is gone."""
        gone = {id_ for name, id_ in self.customers.items() if is_gone(name)}
        lost = [one async for one in self._invoices(collection_state="failed") if one.invoice.customer_id in gone]
        for done, document in enumerate(lost, start=1):
            await write_off(self.context, self.call, document.invoice.id, NewWriteOff("The customer is gone"))
            self._tell("writing off", done, len(lost))

    def _invoices(self, **filters: object) -> AsyncIterator[Document]:
        return all_documents(self.context, self.call.tenant, lines=False, **filters)  # type: ignore[arg-type]


async def begin_settling(
    context: Context, call: Call, year: Year, book: str, on_progress: Callable[[str, int, int], None]
) -> Settling:
    """A gateway account with its script, and who the customers are."""
    details = AccountDetails("The shop's acquirer", {"book": book, **FEES})
    account = (await create_account(context, call, "fake", details, {"api_key": "fake_demo"})).fresh
    await script_gateway(context, call.tenant, account.id, rules())
    customers: dict[str, CustomerId] = {}
    names = sorted(year.owing)
    for start in range(0, len(names), CUSTOMERS_LOOKED_UP_AT_ONCE):
        part = [year.details_of(name) for name in names[start : start + CUSTOMERS_LOOKED_UP_AT_ONCE]]
        for name, found in (await find_customers(context, call, part)).items():
            if not isinstance(found, Refusal):
                customers[name] = found
    return Settling(context, call, year, account.id, customers, on_progress)
