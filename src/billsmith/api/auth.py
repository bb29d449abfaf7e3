"""Who asks: the key of a request, the tenant it speaks for, and what it may do."""

import base64
import binascii
import hashlib
import time
from collections.abc import Callable

from billsmith.actions.context import Context
from billsmith.actions.tenants import Caller, authenticate
from billsmith.core.tenants import Scope
from billsmith.errors import Refused, Unauthenticated

REMEMBERED_SECONDS = 1.0
_MOST_REMEMBERED = 10_000
_LONGEST_SECRET = 200
_RANK = {Scope.READ: 0, Scope.WRITE: 1, Scope.ADMIN: 2}


class KeyMissing(Unauthenticated):
    """A request without a key where one is needed."""

    code = "key_missing"


class ScopeMissing(Refused):
    """The key is good, but not for this."""

    code = "scope_missing"


class Callers:
    """Whom secrets speak for, remembered for a second, so that a busy key costs no query per request.

    Revoking a key through this process is heard at once (`forget`), by other processes within that second. Keys of a
    sandbox are never remembered: its clock may move between two requests.
    """

    def __init__(self, context: Context, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._context = context
        self._monotonic = monotonic
        self._known: dict[bytes, tuple[Caller, float]] = {}
        self._forgotten = 0

    async def find(self, authorization: str | None) -> Caller:
        """Whom the header speaks for. Raises KeyMissing, KeyUnknown."""
        name = hashlib.blake2b((authorization or "").encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(name)
        if known is not None and self._monotonic() < known[1]:
            return known[0]
        forgotten = self._forgotten
        caller = await authenticate(self._context, secret_in(authorization))
        if caller.tenant.mode == "live" and forgotten == self._forgotten:  # what was found may be revoked by now
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[name] = (caller, self._monotonic() + REMEMBERED_SECONDS)
        return caller

    def forget(self) -> None:
        """Ask the database again for every key: one was revoked, or what it speaks for has changed."""
        self._forgotten += 1
        self._known.clear()


def secret_in(authorization: str | None) -> str:
    """The key in `Bearer sk_…`, or in Basic as the user name. Raises KeyMissing."""
    scheme, _, rest = (authorization or "").partition(" ")
    secret = rest.strip()
    if scheme.lower() == "basic":
        secret = _user_name(secret)
    elif scheme.lower() != "bearer":
        secret = ""
    if not secret or len(secret) > _LONGEST_SECRET:
        raise KeyMissing("send an API key: `Authorization: Bearer sk_…`, or the key as the user name of Basic")
    return secret


def may(caller: Caller, scope: Scope) -> None:
    """Raises ScopeMissing unless the key has the scope, or one that includes it."""
    if not any(_RANK[held] >= _RANK[scope] for held in caller.scopes):
        raise ScopeMissing(f"this needs a key with the scope {scope}", facts={"scope": str(scope)})


def _user_name(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""
