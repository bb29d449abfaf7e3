"""Gateway accounts: opened with credentials that are checked and sealed, tested, paused ones resumed, closed."""

from collections.abc import Callable
from uuid import UUID

import msgspec

from billsmith.actions.calls import Call, Outcome, answered_before, carry_out
from billsmith.actions.context import Context
from billsmith.actions.money.attempts import opened_account
from billsmith.actions.saving import record_facts
from billsmith.core.facts import Fact, FactType
from billsmith.core.ids import GatewayAccountId, shard_of, show_id
from billsmith.core.payments.accounts import (
    AccountDetails,
    CredentialsInvalid,
    changed_account,
    checked_credentials,
    closed_account,
    details_of,
    new_account,
    resumed_account,
    used_now,
)
from billsmith.core.payments.methods import GatewayAccount
from billsmith.core.tenants import Tenant
from billsmith.errors import Invalid, NotFound
from billsmith.gateways import calling, port
from billsmith.gateways.registry import NoSuchGateway
from billsmith.store.events import Cause
from billsmith.store.money import payment_methods as method_rows
from billsmith.store.money import payments as payment_rows
from billsmith.store.pool import Connection
from billsmith.store.transaction import MustRepeat, no_transaction_open

RESEALED_AT_ONCE = 500


class GatewayAccountNotFound(NotFound):
    """No such gateway account of this tenant, or none at all."""

    code = "gateway_account_not_found"


class GatewayUnknown(Invalid):
    """No gateway of that name is installed."""

    code = "gateway_unknown"


class Tested(msgspec.Struct, frozen=True, gc=False):
    """What came of asking a gateway whether an account works, and what a person should do if it does not."""

    account_id: GatewayAccountId
    works: bool
    problem: str | None = None
    advice: str | None = None


async def create_account(
    context: Context, call: Call, gateway: str, given: AccountDetails, credentials: dict[str, str]
) -> Outcome[GatewayAccount]:
    """A new gateway account, once its gateway has accepted credentials and settings; the first is the default.

    Raises GatewayUnknown, GatewayNotAllowed, CredentialsInvalid, Invalid kinds, and what keeps the gateway from being
    asked; then nothing is stored.
    """
    if (before := await answered_before(context, call)) is not None:
        return before
    id_ = GatewayAccountId(context.ids.new(shard_of(call.tenant.id)))
    sealed = _sealed(context, id_, checked_credentials(credentials))
    tenant, at = call.tenant, context.clock.of(call.tenant)
    wanted = new_account(tenant.id, tenant.mode, gateway, given, id_, sealed, at)
    await _accepted(context, call.tenant, wanted)

    async def verb(connection: Connection, cause: Cause) -> GatewayAccount:
        others = await method_rows.lock_accounts(connection, call.tenant.id)
        first = not any(other.is_default for other in others)
        account = msgspec.structs.replace(wanted, is_default=first or given.is_default, created_at=cause.caused_at)
        if account.is_default:
            await _undefault(connection, context, cause, account.id, others)
        if not await method_rows.insert_account(connection, account):
            raise MustRepeat
        await _told(connection, context, cause, "gateway_account.created", account)
        return account

    return await carry_out(context, call, verb)


async def update_account(
    context: Context,
    call: Call,
    id_: UUID,
    change: Callable[[AccountDetails], AccountDetails],
    credentials: dict[str, str] | None = None,
) -> Outcome[GatewayAccount]:
    """Change what `change` makes of an account's details, and its credentials if given, which replace those there.

    Other settings or credentials are first shown to the gateway; a paused account stays paused. Raises
    GatewayAccountNotFound, GatewayAccountUnusable (closed), CredentialsInvalid, Invalid kinds, and what keeps the
    gateway from being asked.
    """
    if (replayed := await answered_before(context, call)) is not None:
        return replayed
    found = await get_account(context, call.tenant, id_)
    sealed = None if credentials is None else _sealed(context, found.id, checked_credentials(credentials))
    planned = changed_account(found, change(details_of(found)), sealed)
    if sealed is not None or planned.settings != found.settings:
        await _accepted(context, call.tenant, planned)

    async def verb(connection: Connection, cause: Cause) -> GatewayAccount:
        others = await method_rows.lock_accounts(connection, call.tenant.id)
        before = next(other for other in others if other.id == id_)
        account = changed_account(before, change(details_of(before)), sealed)
        if account.is_default and not before.is_default:
            await _undefault(connection, context, cause, account.id, others)
        await method_rows.update_account(connection, account)
        await _told(connection, context, cause, "gateway_account.updated", account)
        return account

    return await carry_out(context, call, verb)


async def check_account(context: Context, call: Call, id_: UUID) -> Outcome[Tested]:
    """Ask the gateway whether the account works; nothing is changed. Raises GatewayAccountNotFound."""
    if (before := await answered_before(context, call)) is not None:
        return before
    account = await get_account(context, call.tenant, id_)
    result = await _tested(context, call.tenant, account)

    async def verb(connection: Connection, cause: Cause) -> Tested:
        return result

    return await carry_out(context, call, verb)


async def resume_account(context: Context, call: Call, id_: UUID) -> Outcome[GatewayAccount]:
    """Use a paused account again, once its gateway accepts it: what waited for it has stayed due.

    Raises GatewayAccountNotFound, GatewayAccountUnusable, CredentialsInvalid, and what keeps the gateway from being
    asked.
    """
    if (before := await answered_before(context, call)) is not None:
        return before
    found = await get_account(context, call.tenant, id_)
    resumed_account(found)
    await _accepted(context, call.tenant, found)

    async def verb(connection: Connection, cause: Cause) -> GatewayAccount:
        account = resumed_account(await _locked(connection, call.tenant, id_))
        await method_rows.update_account(connection, account)
        await _told(connection, context, cause, "gateway_account.resumed", account)
        return account

    return await carry_out(context, call, verb)


async def close_account(context: Context, call: Call, id_: UUID) -> Outcome[GatewayAccount]:
    """Use this account for nothing new; what it moved can still be given back, and its webhooks are heard.

    Raises GatewayAccountNotFound, GatewayAccountUnusable while operations are under way.
    """

    async def verb(connection: Connection, cause: Cause) -> GatewayAccount:
        before = await _locked(connection, call.tenant, id_)
        live = await payment_rows.count_live_of_account(connection, call.tenant.id, before.id)
        account = closed_account(before, live)
        await method_rows.update_account(connection, account)
        await _told(connection, context, cause, "gateway_account.closed", account)
        return account

    return await carry_out(context, call, verb)


async def get_account(context: Context, tenant: Tenant, id_: UUID) -> GatewayAccount:
    """Raises GatewayAccountNotFound."""
    return _existing(await method_rows.get_account(context.pool, tenant.id, id_), id_)


async def list_accounts(context: Context, tenant: Tenant) -> list[GatewayAccount]:
    """Every account of the tenant, oldest first, closed ones too."""
    return await method_rows.list_accounts(context.pool, tenant.id)


async def account_to_use(context: Context, tenant: Tenant, id_: UUID | None) -> GatewayAccount:
    """This account, or the default one, if it may be asked. Raises GatewayAccountNotFound, GatewayAccountUnusable."""
    if id_ is not None:
        found = await method_rows.get_account(context.pool, tenant.id, id_)
        return used_now(_existing(found, id_, "/gateway_account"))
    for account in await list_accounts(context, tenant):
        if account.is_default:
            return used_now(account)
    raise GatewayAccountNotFound("there is no default gateway account; name one", pointer="/gateway_account")


async def reseal_accounts(context: Context) -> int:
    """Seal every credential with the newest key that is not yet; how many were. For changing keys: then drop the old.

    Cut off anywhere, it is started again. Raises SecretNotOpenable for one that no key opens.
    """
    resealed, after = 0, UUID(int=0)
    while accounts := await method_rows.list_all_accounts(context.pool, after, RESEALED_AT_ONCE):
        after = accounts[-1].id
        for account in accounts:
            if not context.vault.needs_resealing(account.sealed_credentials):
                continue
            owner = show_id("gateway_account", account.id)
            sealed = context.vault.seal(context.vault.open(account.sealed_credentials, owner), owner)
            resealed += await method_rows.reseal_account(context.pool, account, sealed)
    return resealed


async def _accepted(context: Context, tenant: Tenant, account: GatewayAccount) -> None:
    """Show an account to its gateway. Raises GatewayUnknown, CredentialsInvalid, and what the gateway says."""
    try:
        await _verified(context, tenant, account)
    except NoSuchGateway as error:
        raise GatewayUnknown(error.detail, pointer="/gateway") from error
    except port.AuthFailed as error:
        raise CredentialsInvalid(
            f"the gateway does not accept these credentials: {error.detail}", pointer="/credentials"
        ) from error


async def _tested(context: Context, tenant: Tenant, account: GatewayAccount) -> Tested:
    try:
        await _verified(context, tenant, account)
    except port.AuthFailed as error:
        return Tested(
            account.id, works=False, problem=error.detail,
            advice="make new credentials at the gateway and give them to this account, then resume it if it is paused",
        )  # fmt: skip
    except (port.InvalidRequest, port.Unsupported) as error:
        return Tested(account.id, works=False, problem=error.detail, advice="correct the account's settings")
    except NoSuchGateway as error:
        return Tested(account.id, works=False, problem=error.detail, advice="install the gateway's plugin again")
    except port.GatewayError as error:
        return Tested(account.id, works=False, problem=str(error), advice="nothing is wrong here; try again later")
    if account.status == "paused":
        return Tested(account.id, works=True, advice="resume the account: what waits for it is then due at once")
    return Tested(account.id, works=True)


async def _verified(context: Context, tenant: Tenant, account: GatewayAccount) -> None:
    gateway = context.gateways.gateway(account.gateway)
    opened = opened_account(context, tenant, account)
    at = context.clock.of(tenant)
    await calling.call_gateway(
        lambda: gateway.verify_account(opened, at), type(None), assert_no_transaction=no_transaction_open
    )


def _sealed(context: Context, id_: GatewayAccountId, credentials: dict[str, str]) -> bytes:
    """Bound to the account's id: copied to another row it can't be opened."""
    return context.vault.seal(msgspec.json.encode(credentials), show_id("gateway_account", id_))


async def _locked(connection: Connection, tenant: Tenant, id_: UUID) -> GatewayAccount:
    return _existing(await method_rows.lock_account(connection, tenant.id, id_), id_)


def _existing(found: GatewayAccount | None, id_: UUID, pointer: str | None = None) -> GatewayAccount:
    if found is None:
        raise GatewayAccountNotFound(f"there is no gateway account {show_id('gateway_account', id_)}", pointer=pointer)
    return found


async def _undefault(
    connection: Connection, context: Context, cause: Cause, but: GatewayAccountId, accounts: list[GatewayAccount]
) -> None:
    """No account but this one is the default any more; the one that was is told of."""
    for before in accounts:
        if before.is_default and before.id != but:
            account = msgspec.structs.replace(before, is_default=False, version=before.version + 1)
            await method_rows.update_account(connection, account)
            await _told(connection, context, cause, "gateway_account.updated", account)


async def _told(
    connection: Connection, context: Context, cause: Cause, type_: FactType, account: GatewayAccount
) -> None:
    await record_facts(connection, context, cause, [Fact(type_, account.id, account.version, account, None)])
