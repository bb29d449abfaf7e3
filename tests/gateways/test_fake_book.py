"""The fake gateway's book: whole after a kill at any byte, the same for every process, and never ahead of the truth."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from billsmith.gateways.fake import Book, FakeGateway
from billsmith.gateways.fake.book import MethodChanged, Pages
from billsmith.gateways.port import GatewayAccount
from tests.gateways.made import NOON, charged, fake_account, operation, send
from tests.house.source_tree import ROOT

CHARGES_FOREVER = """
import asyncio, pathlib, sys
from billsmith.gateways.fake import FakeGateway
from tests.gateways.made import fake_account, operation, send

async def main():
    gateway = FakeGateway(pathlib.Path(sys.argv[1]))
    for number in range(int(sys.argv[3])):
        asked = operation(id=f"{sys.argv[2]}_{number}")
        await send(gateway, fake_account(), asked)
        print(asked.id, flush=True)

asyncio.run(main())
"""


def charging(folder: Path, name: str, charges: int) -> "subprocess.Popen[str]":
    """A process that charges and says so after each."""
    command = [sys.executable, "-c", CHARGES_FOREVER, str(folder), name, str(charges)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


async def test_what_was_answered_is_in_the_book_after_a_kill(tmp_path: Path) -> None:
    running = charging(tmp_path, "killed", 100_000)
    assert running.stdout is not None
    answered = [running.stdout.readline().strip() for _ in range(30)]
    os.kill(running.pid, signal.SIGKILL)
    answered += running.communicate()[0].split()
    gateway, account = FakeGateway(tmp_path), fake_account()
    written = {moved.operation_id for moved in await gateway.movements(account, NOON)}
    assert set(answered) <= written
    assert len(written) <= len(answered) + 1
    await send(gateway, account, operation())
    assert len(await charged(gateway, account)) == len(written) + 1


async def test_processes_that_charge_together_lose_nothing(tmp_path: Path) -> None:
    running = [charging(tmp_path, name, 40) for name in ("one", "two", "three")]
    told = [line for process in running for line in process.communicate()[0].split()]
    moved = await FakeGateway(tmp_path).movements(fake_account(), NOON)
    assert sorted(told) == sorted(one.operation_id for one in moved)
    assert len(told) == 120


async def test_a_line_torn_at_any_byte_is_forgotten(tmp_path: Path) -> None:
    gateway, account = FakeGateway(tmp_path), fake_account()
    await send(gateway, account, operation())
    path = gateway.book(account).path
    whole = path.read_bytes()
    await send(gateway, account, operation())
    second = path.read_bytes()[len(whole) :]
    for cut in range(0, len(second), 7):
        path.write_bytes(whole + second[:cut])
        again = FakeGateway(tmp_path)
        assert len(await charged(again, account)) == 1
        await send(again, account, operation())
        assert len(await charged(FakeGateway(tmp_path), account)) == 2


def test_writers_who_wait_are_all_served(tmp_path: Path) -> None:
    book = Book(tmp_path / "book.jsonl")

    def write(number: int) -> None:
        def decide(pages: Pages) -> tuple[list[MethodChanged], None]:
            if number % 10 == 0:
                raise ValueError("refused")
            return [MethodChanged("acc_1", f"tok_{number}", NOON, forgotten=True)], None

        try:
            book.write(decide)
        except ValueError:
            refused.append(number)

    refused: list[int] = []
    threads = [threading.Thread(target=write, args=(number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(refused) == list(range(0, 100, 10))
    assert Book(book.path).look(lambda pages: len(pages.forgotten)) == 90


@pytest.mark.skipif(sys.platform == "win32", reason="no file modes")
async def test_a_book_is_private(gateway: FakeGateway, account: GatewayAccount) -> None:
    await send(gateway, account, operation())
    assert gateway.book(account).path.stat().st_mode & 0o077 == 0


async def test_a_disk_that_fails_leaves_the_outcome_unknown_and_the_book_whole(
    gateway: FakeGateway, account: GatewayAccount
) -> None:
    await send(gateway, account, operation())
    path = gateway.book(account).path
    kept = path.rename(path.with_suffix(".kept"))
    path.mkdir()
    with pytest.raises(Exception, match="IsADirectoryError"):
        await send(gateway, account, operation())
    path.rmdir()
    kept.rename(path)
    await send(gateway, account, operation())
    assert len(await charged(gateway, account)) == 2
