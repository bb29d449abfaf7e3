"""Where all is right, verify finds nothing, whoever else is writing."""

from billsmith.verify import read_checks, verify
from tests.verify.conftest import Owner
from tests.verify.world import World


async def test_a_world_made_through_actions_has_no_difference(world: World, world_url: str) -> None:
    told = []
    report = await verify(world_url, on_check=told.append)
    assert report.differences == ()
    assert report.found == 0
    assert sorted(check.name for check in report.checks) == sorted(check.name for check in read_checks())
    assert sorted(told, key=lambda check: check.name) == list(report.checks)
    assert report.rows["invoices"] > 30


async def test_one_tenant_is_looked_at_alone(world: World, world_url: str, owner: Owner) -> None:
    report = await verify(world_url, tenant_id=world.first.id)
    assert report.found == 0
    of_tenant = await owner.fetchval("SELECT count(*) FROM invoices WHERE tenant_id = $1", world.first.id)
    assert report.rows["invoices"] == of_tenant
