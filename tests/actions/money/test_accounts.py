"""Gateway accounts: shown to their gateway before they are stored, sealed, tested, resumed, closed."""

import asyncio

import msgspec
import pytest
from msgspec.structs import replace

from billsmith.actions.calls import Call
from billsmith.actions.context import Context
from billsmith.actions.money import accounts, attempts, collect, methods
from billsmith.actions.money.accounts import GatewayAccountNotFound, GatewayUnknown
from billsmith.actions.money.methods import NewMethod
from billsmith.core.ids import show_id
from billsmith.core.payments.accounts import AccountDetails, CredentialsInvalid, GatewayNotAllowed
from billsmith.core.payments.methods import GatewayAccount, GatewayAccountUnusable
from billsmith.core.tenants import Tenant
from billsmith.core.text import UnusableText
from billsmith.gateways.port import InvalidRequest
from billsmith.store.pool import Pool
from billsmith.vault import Vault, new_key
from tests.actions.made import customer, everything, keyed, refused, told
from tests.actions.money.conftest import CREDENTIALS
from tests.actions.money.stage import Stage
from tests.contexts import TEST_KEY

FAKE = AccountDetails("Fake", settings={"book": "accounts"})


def kept(details: AccountDetails) -> AccountDetails:
    return details


async def status_of(context: Context, call: Call, account: GatewayAccount) -> str:
    return (await accounts.get_account(context, call.tenant, account.id)).status


async def revoked(stage: Stage) -> None:
    """The gateway does not accept the account's credentials any more, and it was paused for that."""
    bad = stage.context.vault.seal(
        msgspec.json.encode({"api_key": "revoked"}), show_id("gateway_account", stage.account.id)
    )
    pool = stage.context.pool
    await pool.execute("UPDATE gateway_accounts SET sealed_credentials = $2 WHERE id = $1", stage.account.id, bad)
    await attempts.pause_account(stage.context, stage.call, stage.account.id, "the api_key was revoked")


async def test_the_first_account_is_the_default_and_another_becomes_it_only_if_asked(
    context: Context, trying: Call
) -> None:
    first = (await accounts.create_account(context, trying, "fake", FAKE, CREDENTIALS)).fresh
    second = (await accounts.create_account(context, trying, "external", AccountDetails("Bank"), {})).fresh
    assert (first.is_default, second.is_default) == (True, False)
    third = AccountDetails("Third", is_default=True)
    made = (await accounts.create_account(context, trying, "external", third, {})).fresh
    changed = await accounts.update_account(context, trying, second.id, lambda one: replace(one, is_default=True))
    assert changed.fresh.is_default
    found = await accounts.list_accounts(context, trying.tenant)
    assert [(one.id, one.is_default) for one in found] == [(first.id, False), (second.id, True), (made.id, False)]
    assert await told(context, trying.tenant) == [
        "tenant.created", "gateway_account.created", "gateway_account.created",
        "gateway_account.updated", "gateway_account.created",
        "gateway_account.updated", "gateway_account.updated",
    ]  # fmt: skip


async def test_of_accounts_made_at_once_one_is_the_default(context: Context, trying: Call) -> None:
    details = AccountDetails("Bank", is_default=True)
    await asyncio.gather(*(accounts.create_account(context, trying, "external", details, {}) for _ in range(6)))
    found = await accounts.list_accounts(context, trying.tenant)
    assert (len(found), sum(one.is_default for one in found)) == (6, 1)
    await asyncio.gather(
        *(accounts.update_account(context, trying, one.id, lambda it: replace(it, is_default=True)) for one in found)
    )
    assert sum(one.is_default for one in await accounts.list_accounts(context, trying.tenant)) == 1


async def test_credentials_are_sealed_for_their_account_and_told_to_nobody(
    context: Context, stage: Stage, pool: Pool
) -> None:
    secret = CREDENTIALS["webhook_secret"]
    assert stage.opened.credentials == CREDENTIALS
    assert secret not in repr(stage.opened)
    stored = await everything(pool, stage.call.tenant)
    assert secret not in str(stored)
    assert "webhook_secret" not in str(stored)


async def test_a_gateway_that_does_not_exist_or_moves_no_money_is_refused(
    context: Context, call: Call, pool: Pool
) -> None:
    async with refused(pool, call.tenant, GatewayUnknown, "external"):
        await accounts.create_account(context, call, "strype", FAKE, CREDENTIALS)
    async with refused(pool, call.tenant, GatewayNotAllowed, "sandboxes"):
        await accounts.create_account(context, call, "fake", FAKE, CREDENTIALS)
    live = replace(FAKE, settings={"allow_live": "yes"})
    async with refused(pool, call.tenant, GatewayNotAllowed):
        await accounts.create_account(context, call, "fake", live, CREDENTIALS)


@pytest.mark.parametrize(
    ("details", "credentials", "error"),
    [
        (FAKE, {"api_key": "wrong"}, CredentialsInvalid),
        (FAKE, {}, CredentialsInvalid),
        (FAKE, {"api_key": ""}, CredentialsInvalid),
        (FAKE, {f"key{number}": "x" for number in range(21)}, CredentialsInvalid),
        (AccountDetails("Fake", settings={"book": "../etc"}), CREDENTIALS, InvalidRequest),
        (AccountDetails("Fake", settings={"latency_ms": "fast"}), CREDENTIALS, InvalidRequest),
        (AccountDetails(""), CREDENTIALS, UnusableText),
    ],
)
async def test_what_the_gateway_does_not_accept_is_not_stored(
    context: Context, trying: Call, pool: Pool, details: AccountDetails, credentials: dict[str, str], error: type
) -> None:
    async with refused(pool, trying.tenant, error):
        await accounts.create_account(context, trying, "fake", details, credentials)


async def test_other_credentials_and_settings_are_shown_to_the_gateway_first(stage: Stage, pool: Pool) -> None:
    context, call, id_ = stage.context, stage.call, stage.account.id
    async with refused(pool, call.tenant, CredentialsInvalid):
        await accounts.update_account(context, call, id_, kept, {"api_key": "wrong"})
    async with refused(pool, call.tenant, InvalidRequest):
        await accounts.update_account(context, call, id_, lambda one: replace(one, settings={"book": "No Name"}))
    changed = (await accounts.update_account(context, call, id_, kept, {"api_key": "fake_2"})).fresh
    assert attempts.opened_account(context, call.tenant, changed).credentials == {"api_key": "fake_2"}
    renamed = (await accounts.update_account(context, call, id_, lambda one: replace(one, name="Shop"))).fresh
    assert (renamed.name, renamed.version) == ("Shop", 3)
    async with refused(pool, call.tenant, GatewayAccountUnusable, "another account"):
        await accounts.update_account(context, call, id_, lambda one: replace(one, is_default=False))


async def test_a_test_says_what_is_wrong_and_what_to_do(stage: Stage, pool: Pool) -> None:
    context, call = stage.context, stage.call
    works = (await accounts.check_account(context, call, stage.account.id)).fresh
    assert (works.works, works.problem, works.advice) == (True, None, None)
    await revoked(stage)
    before = (await everything(pool, call.tenant))["gateway_accounts"]
    result = (await accounts.check_account(context, call, stage.account.id)).fresh
    assert not result.works
    assert result.problem is not None
    assert "new credentials" in (result.advice or "")
    assert (await everything(pool, call.tenant))["gateway_accounts"] == before


async def test_a_paused_account_is_resumed_once_its_gateway_accepts_it_and_what_waited_is_due_now(
    stage: Stage, pool: Pool
) -> None:
    context, call = stage.context, stage.call
    tim = await stage.customer()
    method = await stage.method(tim)
    await revoked(stage)
    waiting = await stage.invoice(tim, payment_method_id=method.id)
    assert (waiting.invoice.collection_state, waiting.invoice.collection_reason) == ("scheduled", "gateway_paused")
    assert await collect.collect_due_of(context, call) == 0
    async with refused(pool, call.tenant, CredentialsInvalid):
        await accounts.resume_account(context, call, stage.account.id)
    mended = (await accounts.update_account(context, call, stage.account.id, kept, CREDENTIALS)).fresh
    assert mended.status == "paused"
    advice = (await accounts.check_account(context, call, stage.account.id)).fresh
    assert advice.works
    assert "resume" in (advice.advice or "")
    resumed = (await accounts.resume_account(context, call, stage.account.id)).fresh
    assert (resumed.status, resumed.paused_because) == ("active", None)
    assert await collect.collect_due_of(context, call) == 1
    assert (await stage.read(waiting)).invoice.status == "paid"
    assert await stage.moved() == {"charge": 10_000}
    async with refused(pool, call.tenant, GatewayAccountUnusable, "active"):
        await accounts.resume_account(context, call, stage.account.id)


async def test_resuming_one_account_wakes_nothing_of_another(stage: Stage) -> None:
    context, call = stage.context, stage.call
    tim = await stage.customer()
    other = (await accounts.create_account(context, call, "fake", FAKE, CREDENTIALS)).fresh
    method = await Stage(context, call, other).method(tim)
    await attempts.pause_account(context, call, other.id, "the api_key was revoked")
    await attempts.pause_account(context, call, stage.account.id, "the api_key was revoked")
    waiting = await stage.invoice(tim, payment_method_id=method.id)
    await accounts.resume_account(context, call, stage.account.id)
    assert await collect.collect_due_of(context, call) == 0
    assert (await stage.read(waiting)).invoice.status == "open"


async def test_a_closed_account_takes_nothing_new_and_is_not_closed_under_way(stage: Stage, pool: Pool) -> None:
    context, call = stage.context, stage.call
    tim = await stage.customer()
    await stage.invoice(tim, payment_method_id=(await stage.method(tim, "tok_pending_2d_succeed")).id)
    async with refused(pool, call.tenant, GatewayAccountUnusable, "under way"):
        await accounts.close_account(context, call, stage.account.id)
    other = (await accounts.create_account(context, call, "fake", FAKE, CREDENTIALS)).fresh
    closed = (await accounts.close_account(context, call, other.id)).fresh
    assert closed.status == "closed"
    for verb in (
        lambda: accounts.close_account(context, call, other.id),
        lambda: accounts.update_account(context, call, other.id, kept),
        lambda: accounts.resume_account(context, call, other.id),
        lambda: methods.add_method(context, call, NewMethod(tim.id, "tok_ok", other.id)),
    ):
        async with refused(pool, call.tenant, GatewayAccountUnusable, "closed"):
            await verb()


async def test_a_default_that_is_closed_is_none(context: Context, trying: Call, account: GatewayAccount) -> None:
    closed = (await accounts.close_account(context, trying, account.id)).fresh
    assert not closed.is_default
    tim = await customer(context, trying)
    with pytest.raises(GatewayAccountNotFound, match="no default"):
        await methods.add_method(context, trying, NewMethod(tim.id, "tok_ok"))
    next_one = (await accounts.create_account(context, trying, "fake", FAKE, CREDENTIALS)).fresh
    assert next_one.is_default


async def test_credentials_are_sealed_anew_for_another_key(context: Context, stage: Stage) -> None:
    newer = new_key()
    both = msgspec.structs.replace(context, vault=Vault([newer, TEST_KEY]))
    assert await accounts.reseal_accounts(both) >= 1
    assert await accounts.reseal_accounts(both) == 0
    alone = msgspec.structs.replace(context, vault=Vault([newer]))
    found = await accounts.get_account(context, stage.call.tenant, stage.account.id)
    assert attempts.opened_account(alone, stage.call.tenant, found).credentials == CREDENTIALS
    # The database is shared with other tests, whose key stays the old one.
    back = msgspec.structs.replace(context, vault=Vault([TEST_KEY, newer]))
    assert await accounts.reseal_accounts(back) >= 1
    assert await status_of(context, stage.call, stage.account) == "active"


async def test_a_repeat_under_the_same_key_makes_one_account(context: Context, sandbox: Tenant, trying: Call) -> None:
    asked = keyed(trying, "account-1")
    first = await accounts.create_account(context, asked, "fake", FAKE, CREDENTIALS)
    second = await accounts.create_account(context, asked, "fake", FAKE, CREDENTIALS)
    assert (first.replayed, second.replayed) == (False, True)
    assert second.answer == first.answer
    assert len(await accounts.list_accounts(context, sandbox)) == 1
