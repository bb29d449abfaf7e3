"""Gateway accounts: what may be said about one, and how one changes. What credentials mean only a gateway knows."""

from datetime import datetime
from typing import Literal

import msgspec
from msgspec.structs import replace

from billsmith.core.ids import GatewayAccountId, TenantId
from billsmith.core.payments.methods import GatewayAccount, GatewayAccountUnusable
from billsmith.core.text import NAME_LENGTH, line_of_text, metadata, pointer_under
from billsmith.errors import Conflict, Invalid

MOST_CREDENTIALS = 20
LONGEST_CREDENTIAL_NAME = 40
LONGEST_CREDENTIAL = 10_000
"""A private key in PEM fits."""

MOVES_NO_MONEY = ("fake",)
"""Gateways for trying things out: a live tenant can't have one, for its invoices would only seem to be paid."""


class AccountDetails(msgspec.Struct, frozen=True, gc=False):
    """Everything about a gateway account that a caller may say, but for its credentials."""

    name: str
    settings: dict[str, str] = {}
    metadata: dict[str, str] = {}
    is_default: bool = False


class GatewayNotAllowed(Conflict):
    """This tenant can't use that gateway."""

    code = "gateway_not_allowed"


class CredentialsInvalid(Invalid):
    """Credentials that no gateway could have, or that this one does not accept."""

    code = "gateway_credentials_invalid"


def new_account(
    tenant_id: TenantId,
    mode: Literal["live", "sandbox"],
    gateway: str,
    given: AccountDetails,
    id_: GatewayAccountId,
    sealed: bytes,
    at: datetime,
) -> GatewayAccount:
    """The account as stored. Raises GatewayNotAllowed, UnusableText."""
    if mode == "live" and gateway in MOVES_NO_MONEY:
        raise GatewayNotAllowed(f"the gateway {gateway!r} moves no real money; it is for sandboxes", pointer="/gateway")
    blank = GatewayAccount(tenant_id, id_, gateway, "", False, "active", None, {}, sealed, {}, 1, at)
    return replace(blank, **_checked(given))


def changed_account(account: GatewayAccount, given: AccountDetails, sealed: bytes | None) -> GatewayAccount:
    """The account with other details, and other credentials where they are given.

    Which account is the default changes only by making another one it. Raises GatewayAccountUnusable, UnusableText.
    """
    not_closed(account)
    if account.is_default and not given.is_default:
        raise GatewayAccountUnusable("make another account the default instead", pointer="/is_default")
    changed = replace(account, version=account.version + 1, **_checked(given))
    return changed if sealed is None else replace(changed, sealed_credentials=sealed)


def details_of(account: GatewayAccount) -> AccountDetails:
    """What was said about an account, to be changed in part."""
    return AccountDetails(account.name, account.settings, account.metadata, account.is_default)


def resumed_account(account: GatewayAccount) -> GatewayAccount:
    """The account, used again. Raises GatewayAccountUnusable unless it was paused."""
    if account.status != "paused":
        raise GatewayAccountUnusable(f"this gateway account is {account.status}, not paused")
    return replace(account, status="active", paused_because=None, version=account.version + 1)


def closed_account(account: GatewayAccount, live_attempts: int) -> GatewayAccount:
    """The account, never used for anything new again. Raises GatewayAccountUnusable."""
    not_closed(account)
    if live_attempts:
        raise GatewayAccountUnusable(
            f"{live_attempts} operations of this account are under way; wait for what becomes of them"
        )
    return replace(account, status="closed", paused_because=None, is_default=False, version=account.version + 1)


def not_closed(account: GatewayAccount) -> None:
    """Raises GatewayAccountUnusable."""
    if account.status == "closed":
        raise GatewayAccountUnusable("this gateway account is closed")


def used_now(account: GatewayAccount) -> GatewayAccount:
    """The account itself, if its gateway may be asked. Raises GatewayAccountUnusable."""
    not_closed(account)
    if account.status == "paused":
        raise GatewayAccountUnusable(
            f"this gateway account is paused until it is resumed: {account.paused_because}",
        )
    return account


def checked_credentials(given: dict[str, str]) -> dict[str, str]:
    """The credentials themselves, unchanged. Raises CredentialsInvalid, which quotes none of them."""
    if len(given) > MOST_CREDENTIALS:
        raise CredentialsInvalid(f"there are {MOST_CREDENTIALS} credentials at most", pointer="/credentials")
    for name, secret in given.items():
        line_of_text(name, LONGEST_CREDENTIAL_NAME, "/credentials")
        if not secret or len(secret) > LONGEST_CREDENTIAL or "\x00" in secret:
            raise CredentialsInvalid(
                f"a credential has 1 to {LONGEST_CREDENTIAL} characters", pointer=pointer_under("/credentials", name)
            )
    return given


def _checked(given: AccountDetails) -> dict[str, object]:
    return {
        "name": line_of_text(given.name, NAME_LENGTH, "/name"),
        "settings": metadata(given.settings, "/settings"),
        "metadata": metadata(given.metadata),
        "is_default": given.is_default,
    }
