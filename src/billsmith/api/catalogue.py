"""Every endpoint of the API, in the order in which the reference shows them."""

from billsmith.api.endpoints import Endpoint
from billsmith.api.routes import (
    attempts,
    catalog,
    collection,
    corrections,
    credits,
    customers,
    disputes,
    events,
    invoices,
    operations,
    payment_methods,
    payments,
    subscriptions,
    tenants,
    transfers,
)

ENDPOINTS: tuple[Endpoint, ...] = (
    *invoices.ENDPOINTS,
    *customers.ENDPOINTS,
    *payment_methods.ENDPOINTS,
    *collection.ENDPOINTS,
    *payments.ENDPOINTS,
    *attempts.ENDPOINTS,
    *disputes.ENDPOINTS,
    *catalog.ENDPOINTS,
    *subscriptions.ENDPOINTS,
    *operations.ENDPOINTS,
    *corrections.ENDPOINTS,
    *credits.ENDPOINTS,
    *transfers.ENDPOINTS,
    *events.ENDPOINTS,
    *tenants.ENDPOINTS,
)
