"""`billsmith worker`"""

from billsmith.actions.context import Context
from billsmith.cli.running import Stop, run_until_stopped
from billsmith.cli.session import settings_or_fail
from billsmith.wiring import make_worker


def worker() -> None:
    """Run the worker alone: collect what is due, send refunds, ask about payments, number events.

    `billsmith serve` has one inside; run more of them where one doesn't keep up. Ctrl-C ends the batch under way, a
    second Ctrl-C quits at once.

    Example: BILLSMITH_LOG_FORMAT=json billsmith worker
    """

    async def work(context: Context, stop: Stop) -> None:
        stop.runs = True
        await make_worker(context).run(stop.asked)

    run_until_stopped(settings_or_fail(), work)
