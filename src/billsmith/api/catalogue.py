"""Every endpoint of the API, in the order in which the reference shows them."""

from billsmith.api.endpoints import Endpoint
from billsmith.api.routes import credits, customers, events, invoices, tenants, transfers

ENDPOINTS: tuple[Endpoint, ...] = (
    *invoices.ENDPOINTS,
    *customers.ENDPOINTS,
    *credits.ENDPOINTS,
    *transfers.ENDPOINTS,
    *events.ENDPOINTS,
    *tenants.ENDPOINTS,
)
