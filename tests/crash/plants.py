"""Planted bugs, which the crash tests have to catch: each changes a module in the process that will be killed."""

from collections.abc import Callable, Sequence
from typing import Any

from billsmith.actions.context import Context
from billsmith.actions.money import attempts, collect
from billsmith.core.invoices import Invoice
from billsmith.errors import BillsmithError
from billsmith.store import transaction
from billsmith.store.pool import Connection


def call_before_the_commit() -> None:
    """The gateway is called while tx 1 is still open."""
    begin = collect.begin_charges

    async def begin_and_send(
        connection: Connection,
        context: Context,
        cause: Any,
        standings: Any,
        invoices: Sequence[Invoice],
        **options: Any,
    ) -> tuple[list[attempts.Sending], list[BillsmithError]]:
        begun = await begin(connection, context, cause, standings, invoices, **options)
        token = transaction._open.set(False)
        for sending in begun[0]:
            await attempts.send(context, sending)
        transaction._open.reset(token)
        return begun

    collect.begin_charges = begin_and_send  # type: ignore[assignment]


PLANTS: dict[str, Callable[[], None]] = {"call before the commit": call_before_the_commit}
