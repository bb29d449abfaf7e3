"""Bodies about gateway accounts, payment methods and collecting, and two answers that are no objects."""

from datetime import date

import msgspec
from msgspec import UNSET, Struct, UnsetType

from billsmith.actions.money.accounts import Tested
from billsmith.actions.money.methods import NewMethod, NewSetup
from billsmith.api.schemas.given import Texts, id_given, set_fields
from billsmith.core.ids import CustomerId, GatewayAccountId, PaymentMethodId, show_id
from billsmith.core.payments.accounts import AccountDetails
from billsmith.errors import Invalid
from billsmith.store.invoices import Uncollectable

LONGEST_URL = 2000


class SetupInvalid(Invalid):
    """A set-up that can't be meant."""

    code = "setup_invalid"


class AccountToChange(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """What is to change about a gateway account; `settings`, `credentials` and `metadata` are replaced as a whole."""

    name: str | UnsetType = UNSET
    settings: Texts | UnsetType = UNSET
    credentials: Texts | UnsetType = UNSET
    is_default: bool | UnsetType = UNSET
    metadata: Texts | UnsetType = UNSET

    def changed(self, before: AccountDetails) -> AccountDetails:
        """What core is told of an account that changes."""
        return msgspec.structs.replace(before, **set_fields(self, _DETAILS))

    def secrets(self) -> dict[str, str] | None:
        """The credentials, where they are given."""
        return None if self.credentials is UNSET else self.credentials


class AccountToCreate(AccountToChange, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """An account at a gateway, for instance `external`, `fake` in a sandbox, or a plugin's.

    Which settings and credentials there are is the gateway's; they are shown to it before anything is stored.
    """

    gateway: str
    name: str


class MethodToAdd(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """How a customer (its id or external id) pays: the gateway's `payment_method` as id, path or full URL.

    Without one a set-up is begun: the answer says where the customer has to go; `return_url` is where it comes back to.
    """

    customer: str
    payment_method: str | None = None
    gateway_account: str | None = None
    make_default: bool = False
    return_url: str | None = None
    metadata: Texts = {}

    def meant(self, customer_id: CustomerId) -> NewMethod | NewSetup:
        """What the verb is told. Raises SetupInvalid, NotFound."""
        account = self.gateway_account
        account_id = account and GatewayAccountId(id_given("gateway_account", account, "/gateway_account"))
        if self.payment_method is not None:
            if self.return_url is not None:
                raise SetupInvalid("there is nothing to come back from: it is stored already", pointer="/return_url")
            return NewMethod(customer_id, self.payment_method, account_id or None, self.make_default, self.metadata)
        if self.make_default:
            raise SetupInvalid("make it the default once it is set up", pointer="/make_default")
        if self.return_url is not None and not _is_web(self.return_url):
            raise SetupInvalid("a return URL is one of https", pointer="/return_url")
        return NewSetup(customer_id, account_id or None, self.return_url, self.metadata)


class MethodToChange(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """The caller's notes on a payment method; all else about it is the gateway's."""

    metadata: Texts


class MethodToGive(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """The payment method that an invoice is collected with; `make_default`: the customer's from now on, too."""

    payment_method: str
    make_default: bool = False

    def method_id(self) -> PaymentMethodId:
        """Which one. Raises NotFound."""
        return PaymentMethodId(id_given("payment_method", self.payment_method, "/payment_method"))


class GatewayAccountTest(Struct, frozen=True, gc=False, kw_only=True):
    """Whether a gateway accepts an account; if not, why, and what to do about it."""

    gateway_account: str
    works: bool
    problem: str | None
    advice: str | None


class BlockedInvoices(Struct, frozen=True, gc=False, kw_only=True):
    """Open invoices of one customer that nothing collects by itself for the same reason."""

    currency: str
    collection_state: str
    collection_reason: str | None
    invoices: int
    owed: int
    oldest_due_on: date


class BlockedCustomer(Struct, frozen=True, gc=False, kw_only=True):
    """A customer who can't be charged, how much of theirs waits, and why."""

    object: str = "blocked_customer"
    customer: str
    blocked: tuple[BlockedInvoices, ...]


class OrphanToAssign(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """The customer (its id or external id) whose the money is."""

    customer: str


_DETAILS = AccountDetails.__struct_fields__


def details_of(given: AccountToCreate) -> AccountDetails:
    """What core is told of a new account."""
    return AccountDetails(**set_fields(given, _DETAILS))


def gateway_account_test(result: Tested) -> GatewayAccountTest:
    """A test of an account as it is shown."""
    return GatewayAccountTest(
        gateway_account=show_id("gateway_account", result.account_id),
        works=result.works,
        problem=result.problem,
        advice=result.advice,
    )


def blocked_customer(entry: tuple[CustomerId, list[Uncollectable]]) -> BlockedCustomer:
    """A customer who can't be charged as it is shown."""
    customer_id, rows = entry
    return BlockedCustomer(
        customer=show_id("customer", customer_id),
        blocked=tuple(
            BlockedInvoices(
                currency=row.currency,
                collection_state=row.collection_state,
                collection_reason=row.collection_reason,
                invoices=row.invoices,
                owed=row.owed_minor,
                oldest_due_on=row.oldest_due_on,
            )
            for row in rows
        ),
    )


def _is_web(url: str) -> bool:
    """Handed to the gateway, which sends the customer there; we never fetch it."""
    return url.startswith("https://") and url.isprintable() and " " not in url and len(url) <= LONGEST_URL
