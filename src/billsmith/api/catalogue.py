"""Every endpoint of the API, in the order in which the reference shows them."""

from billsmith.api.endpoints import Endpoint
from billsmith.api.routes import (
    corrections,
    credits,
    customers,
    events,
    invoices,
    operations,
    payments,
    tenants,
    transfers,
)

ENDPOINTS: tuple[Endpoint, ...] = (
    *invoices.ENDPOINTS,
    *customers.ENDPOINTS,
    *payments.ENDPOINTS,
    *operations.ENDPOINTS,
    *corrections.ENDPOINTS,
    *credits.ENDPOINTS,
    *transfers.ENDPOINTS,
    *events.ENDPOINTS,
    *tenants.ENDPOINTS,
)
