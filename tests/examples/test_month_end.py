"""The month-end script of the examples: everybody is billed once, however often it runs."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn

from billsmith.actions import customers
from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.api.app import make_app
from billsmith.core.customers import CustomerDetails
from billsmith.core.tenants import Tenant
from tests.api.conftest import secret_for

SCRIPT = Path(__file__).parents[2] / "examples" / "month_end.py"


@pytest.fixture
async def url(context: Context) -> AsyncIterator[str]:
    """The address of a server on the context under test."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(make_app(context), log_config=None, lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


async def run_script(url: str, key: str, file: Path) -> tuple[int, str]:
    """Its exit code, and what it says."""
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, str(SCRIPT), "2026-03", str(file)),
        env={**os.environ, "BILLSMITH_URL": url, "BILLSMITH_KEY": key},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await running.communicate()
    assert running.returncode is not None
    return running.returncode, said.decode()


async def test_the_month_end_script_bills_everybody_once(
    context: Context, tenant: Tenant, call: Call, url: str, tmp_path: Path
) -> None:
    await customers.create_customer(context, call, CustomerDetails(name="Tim Berg", external_id="tim"))
    file = tmp_path / "customers.csv"
    file.write_text("customer,amount,title\ntim,15000,Hosting in March\nnobody,100,Hosting in March\n")
    key = await secret_for(context, tenant)

    code, said = await run_script(url, key, file)
    assert code == 0, said
    made, refused = said.splitlines()
    assert made == "INV-000001  tim  15000 EUR"
    assert refused.startswith("REFUSED  nobody  ")

    code, said = await run_script(url, key, file)
    assert code == 0, said
    assert said.splitlines()[0].startswith("made before  tim  inv_")


async def test_the_script_says_why_a_key_is_refused(url: str, tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_text("customer,amount,title\ntim,15000,Hosting in March\n")
    assert await run_script(url, "sk_live_wrong", file) == (1, "401: this API key is unknown or was revoked\n")
