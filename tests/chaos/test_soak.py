"""A few days of a few customers in one process, as the soak has a month of many."""

from collections.abc import Callable

from bench.soak import Lasting, soak


async def test_days_of_changes_failures_and_refunds_leave_nothing_to_be_explained(
    server_url: Callable[[str], str],
) -> None:
    measured = await soak(server_url("postgres"), None, Lasting(customers=120, days=2))
    found = {figure.name: figure.value for figure in measured.figures}
    assert measured.differences == 0
    assert found["documents"] >= 120
    assert found["payments"] >= 120
    assert found["verbs, refused ones included"] > 0
