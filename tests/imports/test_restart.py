"""Starting again: after an end, after a crash, at the same time, with other content; and trying without storing."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from billsmith.cli.generated_shop import write_shop
from tests.imports.running import SHOP_MAPPING, Importer, books

NewImporter = Callable[[], Awaitable[Importer]]
DOCUMENTS = 1_500
ROWS = ("F-1,acme,2026-01-31,Setup,1,50", "F-2,zebra,2026-02-01,Setup,2,50", "F-3,acme,2026-02-02,Refund,-1,50")
COMMAND = [sys.executable, "-c", "from billsmith.cli.main import main; main()"]


async def everything(importer: Importer) -> dict[str, int]:
    """How many rows of this tenant each of its tables has."""
    tables = await importer.context.pool.fetch(
        "SELECT table_name FROM information_schema.columns WHERE column_name = 'tenant_id' AND table_schema = 'public'"
    )
    count = "SELECT count(*) FROM {} WHERE tenant_id = $1"
    return {name: (await importer.fetch(count.format(name)))[0][0] for (name,) in tables}


async def test_a_second_start_makes_nothing_twice(importer: Importer) -> None:
    first = await importer.lines(*ROWS)
    before = await books(importer)
    again = await importer.lines(*ROWS, workers=2)
    assert (first.documents_made, first.documents_made_before) == (3, 0)
    assert (again.documents_made, again.documents_made_before, again.lines, again.lines_made_before) == (0, 3, 0, 3)
    assert await books(importer) == before


async def test_what_is_remembered_is_the_document_not_where_its_rows_stand(importer: Importer) -> None:
    await importer.lines(*ROWS)
    again = await importer.lines("F-0,acme,2026-01-01,Setup,1,1", *reversed(ROWS))
    assert (again.documents_made, again.documents_made_before) == (1, 3)


async def test_a_document_with_other_content_than_before_is_refused(importer: Importer) -> None:
    await importer.lines(*ROWS)
    before = await books(importer)
    again = await importer.lines(ROWS[0], ROWS[1].replace("2,50", "2,60"), ROWS[2])
    assert (again.documents_made_before, again.documents_refused) == (2, 1)
    assert importer.reasons() == ["this import made document 'F-2' before, from other content"]
    assert await books(importer) == before


async def test_under_another_name_it_is_another_import(importer: Importer) -> None:
    await importer.lines(*ROWS)
    assert (await importer.lines(*ROWS, name="another")).documents_made == 3


@pytest.mark.parametrize("create_customers", [True, False])
async def test_a_dry_run_stores_nothing_at_all(importer: Importer, create_customers: bool) -> None:
    before = await everything(importer)
    summary = await importer.lines(
        *ROWS, "F-4,acme,2026-01-31,Setup,x,1", dry_run=True, create_customers=create_customers
    )
    assert await everything(importer) == before
    assert (summary.documents_made, summary.documents_refused) == ((3, 1) if create_customers else (0, 4))
    assert summary.dry_run


async def test_a_dry_run_says_what_a_run_would(importer: Importer) -> None:
    await importer.lines(*ROWS)
    before = await everything(importer)
    changed = [ROWS[0], ROWS[1].replace("2,50", "2,60"), "F-4,new,2026-01-31,Setup,1,1"]
    tried = await importer.lines(*changed, dry_run=True)
    said = importer.reasons()
    assert await everything(importer) == before
    done = await importer.lines(*changed)
    assert importer.reasons() == said
    assert (tried.documents_made, tried.documents_made_before, tried.documents_refused) == (1, 1, 1)
    assert (done.documents_made, done.documents_made_before, done.documents_refused) == (1, 1, 1)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough that an import takes many transactions."""
    path = tmp_path_factory.mktemp("shop") / "shop.csv"
    write_shop(path, DOCUMENTS, seed=3)
    return path


async def test_two_imports_at_once_make_every_document_once(new_importer: NewImporter, shop: Path) -> None:
    alone, together = await new_importer(), await new_importer()
    await alone.run(shop, *SHOP_MAPPING, workers=2)
    summaries = await asyncio.gather(
        together.run(shop, *SHOP_MAPPING, workers=2, lines_at_once=400),
        together.run(shop, *SHOP_MAPPING, workers=1, lines_at_once=300),
    )
    assert sum(summary.documents_made for summary in summaries) == DOCUMENTS
    assert [summary.documents_refused for summary in summaries] == [0, 0]
    assert await books(together) == await books(alone)


def started(importer: Importer, shop: Path) -> "subprocess.Popen[str]":
    """The command itself, importing into the importer's tenant."""
    words = [word for mapping in SHOP_MAPPING for word in ("-m", mapping)]
    options = ["--create-customers", "--workers", "2", "--tenant", importer.tenant_id, "--name", shop.name, "--json"]
    return subprocess.Popen(
        [*COMMAND, "invoices", "import", str(shop), *options, *words],
        env=importer.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def made_some(importer: Importer, running: "subprocess.Popen[str]") -> list[psutil.Process]:
    """Waits until some documents are made; the command's workers."""
    while not (await importer.fetch("SELECT FROM invoices WHERE tenant_id = $1 LIMIT 1")):
        assert running.poll() is None, running.communicate()
        await asyncio.sleep(0.01)
    return [child for child in psutil.Process(running.pid).children() if "spawn_main" in " ".join(child.cmdline())]


async def test_killed_in_the_middle_it_goes_on_from_there(new_importer: NewImporter, shop: Path) -> None:
    undisturbed, killed = await new_importer(), await new_importer()
    await undisturbed.run(shop, *SHOP_MAPPING, workers=2)
    running = started(killed, shop)
    workers = await made_some(killed, running)
    running.kill()
    running.communicate()
    psutil.wait_procs(workers)  # they notice by themselves
    made = len(await killed.documents())
    assert 0 < made < DOCUMENTS
    again = await killed.run(shop, *SHOP_MAPPING, workers=1)
    assert (again.documents_made_before, again.documents_made) == (made, DOCUMENTS - made)
    assert await books(killed) == await books(undisturbed)


async def test_a_killed_worker_ends_the_import_with_a_word_and_starting_again_completes_it(
    new_importer: NewImporter, shop: Path
) -> None:
    undisturbed, killed = await new_importer(), await new_importer()
    await undisturbed.run(shop, *SHOP_MAPPING, workers=2)
    running = started(killed, shop)
    workers = await made_some(killed, running)
    workers[0].kill()
    _, said = running.communicate()
    assert running.returncode == 1
    assert f"an import worker ended with code -{signal.SIGKILL:d}; start the import again" in " ".join(said.split())
    assert not any(worker.is_running() for worker in workers)
    again = started(killed, shop)
    again.communicate()
    assert again.returncode == 0
    assert await books(killed) == await books(undisturbed)
