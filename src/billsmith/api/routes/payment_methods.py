"""/v1/gateway-accounts and /v1/payment-methods"""

from starlette.responses import Response

from billsmith.actions.customers import resolve_customer
from billsmith.actions.money import accounts, methods
from billsmith.actions.money.methods import NewMethod
from billsmith.actions.money_objects import (
    GatewayAccountObject,
    PaymentMethodObject,
    gateway_account_object,
    payment_method_object,
)
from billsmith.api.endpoints import Asked, Endpoint, answer
from billsmith.api.filters import Listed
from billsmith.api.paging import Cursor, Page, page_of
from billsmith.api.schemas.methods import (
    AccountToChange,
    AccountToCreate,
    GatewayAccountTest,
    MethodToAdd,
    MethodToChange,
    details_of,
    gateway_account_test,
)
from billsmith.core.tenants import Scope

ACCOUNTS = "/v1/gateway-accounts"
ACCOUNT = ACCOUNTS + "/{id}"
METHODS = "/v1/payment-methods"
METHOD = METHODS + "/{id}"

METHODS_LISTED = Listed(
    choices={"status": ("pending", "active", "failed", "detached"), "kind": methods.KINDS},
    instants=("created_at",),
    customer=True,
)


async def create_account(asked: Asked) -> Response:
    """Make a gateway account."""
    given: AccountToCreate = asked.body
    details, secrets = details_of(given), given.secrets() or {}
    return await asked.carry_out(
        lambda call: accounts.create_account(asked.context, call, given.gateway, details, secrets),
        gateway_account_object,
        status=201,
    )


async def list_accounts(asked: Asked) -> Response:
    """All gateway accounts of the tenant."""
    found = await accounts.list_accounts(asked.context, asked.tenant)
    return answer(Page(data=[gateway_account_object(one) for one in found], has_more=False, next_cursor=None))


async def get_account(asked: Asked) -> Response:
    """One gateway account."""
    found = await accounts.get_account(asked.context, asked.tenant, asked.id("gateway_account"))
    return answer(gateway_account_object(found))


async def change_account(asked: Asked) -> Response:
    """Change a gateway account."""
    given: AccountToChange = asked.body
    id_, secrets = asked.id("gateway_account"), given.secrets()
    return await asked.carry_out(
        lambda call: accounts.update_account(asked.context, call, id_, given.changed, secrets), gateway_account_object
    )


async def check_account(asked: Asked) -> Response:
    """Ask the gateway whether the account works."""
    id_ = asked.id("gateway_account")
    return await asked.carry_out(lambda call: accounts.check_account(asked.context, call, id_), gateway_account_test)


async def resume_account(asked: Asked) -> Response:
    """Use a paused account again."""
    id_ = asked.id("gateway_account")
    return await asked.carry_out(lambda call: accounts.resume_account(asked.context, call, id_), gateway_account_object)


async def close_account(asked: Asked) -> Response:
    """Use an account for nothing new."""
    id_ = asked.id("gateway_account")
    return await asked.carry_out(lambda call: accounts.close_account(asked.context, call, id_), gateway_account_object)


async def add_method(asked: Asked) -> Response:
    """Store a payment method, or begin to set one up."""
    given: MethodToAdd = asked.body
    meant = given.meant(await resolve_customer(asked.context, asked.tenant, given.customer))
    if isinstance(meant, NewMethod):
        return await asked.carry_out(
            lambda call: methods.add_method(asked.context, call, meant), payment_method_object, status=201
        )
    return await asked.carry_out(
        lambda call: methods.begin_setup(asked.context, call, meant), payment_method_object, status=201
    )


async def list_methods(asked: Asked) -> Response:
    """A page of payment methods."""
    filters = METHODS_LISTED.read(asked.query, asked.tenant, await asked.customer_in_query())
    found = await methods.list_methods(asked.context, asked.tenant, filters)
    return answer(page_of(found, filters.limit, payment_method_object, lambda one: Cursor(one.id)))


async def get_method(asked: Asked) -> Response:
    """One payment method."""
    found = await methods.get_method(asked.context, asked.tenant, asked.id("payment_method"))
    return answer(payment_method_object(found))


async def change_method(asked: Asked) -> Response:
    """Change the notes on a payment method."""
    given: MethodToChange = asked.body
    id_ = asked.id("payment_method")
    return await asked.carry_out(
        lambda call: methods.update_method(asked.context, call, id_, given.metadata), payment_method_object
    )


async def validate_method(asked: Asked) -> Response:
    """Ask the gateway about a payment method again."""
    id_ = asked.id("payment_method")
    return await asked.carry_out(lambda call: methods.validate_method(asked.context, call, id_), payment_method_object)


async def detach_method(asked: Asked) -> Response:
    """Forget a payment method."""
    id_ = asked.id("payment_method")
    return await asked.carry_out(lambda call: methods.detach_method(asked.context, call, id_), payment_method_object)


ENDPOINTS = (
    Endpoint(
        method="POST", path=ACCOUNTS, name="createGatewayAccount", summary="Create a gateway account",
        description="Its gateway has to accept credentials and settings first. The first account is the default.",
        run=create_account, scope=Scope.ADMIN, body=AccountToCreate, example="gateway_account",
        answers=GatewayAccountObject, status=201, problems=(409,),
    ),
    Endpoint(
        method="GET", path=ACCOUNTS, name="listGatewayAccounts", summary="List gateway accounts", run=list_accounts,
        description="Oldest first, closed ones too, without credentials.", scope=Scope.ADMIN,
        answers=GatewayAccountObject, lists=True,
    ),
    Endpoint(
        method="GET", path=ACCOUNT, name="getGatewayAccount", summary="Get a gateway account", run=get_account,
        scope=Scope.ADMIN, answers=GatewayAccountObject, problems=(404,),
    ),
    Endpoint(
        method="PATCH", path=ACCOUNT, name="changeGatewayAccount", summary="Change a gateway account",
        description="Other settings or credentials are first shown to its gateway. A paused account stays paused.",
        run=change_account, scope=Scope.ADMIN, body=AccountToChange, example="gateway_account_change",
        answers=GatewayAccountObject, problems=(404, 409),
    ),
    Endpoint(
        method="POST", path=ACCOUNT + "/test", name="testGatewayAccount", summary="Test a gateway account",
        description="Asks its gateway; nothing is changed.", run=check_account, scope=Scope.ADMIN,
        answers=GatewayAccountTest, problems=(404,),
    ),
    Endpoint(
        method="POST", path=ACCOUNT + "/resume", name="resumeGatewayAccount", summary="Resume a gateway account",
        description="An account is paused when its gateway refuses its credentials. What waited for it is due at once.",
        run=resume_account, scope=Scope.ADMIN, answers=GatewayAccountObject, problems=(404, 409),
    ),
    Endpoint(
        method="POST", path=ACCOUNT + "/close", name="closeGatewayAccount", summary="Close a gateway account",
        description="Nothing new is done with it; what it moved can still be given back.",
        run=close_account, scope=Scope.ADMIN, answers=GatewayAccountObject, problems=(404, 409),
    ),
    Endpoint(
        method="POST", path=METHODS, name="addPaymentMethod", summary="Add a payment method", run=add_method,
        description="Its gateway has to say that it can be used. Without `payment_method` a set-up is begun.",
        scope=Scope.WRITE, body=MethodToAdd, example="payment_method", answers=PaymentMethodObject, status=201,
        problems=(404, 409),
    ),
    Endpoint(
        method="GET", path=METHODS, name="listPaymentMethods", summary="List payment methods", run=list_methods,
        scope=Scope.READ, parameters=METHODS_LISTED.parameters(), answers=PaymentMethodObject, lists=True,
        problems=(404,),
    ),
    Endpoint(
        method="GET", path=METHOD, name="getPaymentMethod", summary="Get a payment method", run=get_method,
        scope=Scope.READ, answers=PaymentMethodObject, problems=(404,),
    ),
    Endpoint(
        method="PATCH", path=METHOD, name="changePaymentMethod", summary="Change a payment method", run=change_method,
        scope=Scope.WRITE, body=MethodToChange, example="payment_method_change", answers=PaymentMethodObject,
        problems=(404,),
    ),
    Endpoint(
        method="POST", path=METHOD + "/validate", name="validatePaymentMethod", summary="Validate a payment method",
        description="Asks its gateway again: whether it can be used, or whether its set-up is done.",
        run=validate_method, scope=Scope.WRITE, answers=PaymentMethodObject, problems=(404, 409),
    ),
    Endpoint(
        method="DELETE", path=METHOD, name="detachPaymentMethod", summary="Detach a payment method", run=detach_method,
        description="Forgotten at its gateway and here; what was to be collected with it waits for another.",
        scope=Scope.WRITE, answers=PaymentMethodObject, problems=(404, 409),
    ),
)  # fmt: skip
