"""Examples of subscriptions for the reference: what the example of a body comes to with the example of a catalogue."""

from typing import Any

import msgspec

from billsmith.actions.subscriptions import objects as shown
from billsmith.actions.subscriptions.telling import told
from billsmith.api.examples import AT, BODIES, CUSTOMER, id_of
from billsmith.api.schemas.subscriptions import SubscriptionToCreate
from billsmith.core.catalog.checks import checked
from billsmith.core.catalog.difference import changed, difference
from billsmith.core.catalog.given import catalog_given
from billsmith.core.catalog.rules import Catalog, Rules
from billsmith.core.customers import today_of
from billsmith.core.ids import CatalogId, GroupId, PlanVersionId, SubscriptionId, show_id
from billsmith.core.subscriptions.entitlement import entitlement_at
from billsmith.core.subscriptions.starting import NewIds, created


def subscription_examples() -> dict[type, Any]:
    """For each type of answer an example, as it would be sent."""
    order = msgspec.convert(BODIES["subscription"], SubscriptionToCreate).order()
    ids = NewIds(SubscriptionId(id_of(34)), GroupId(id_of(35)))
    group = created(order.subscription, CUSTOMER, _catalog(), ids, AT).group
    timeline = group.lead
    row = timeline.subscription
    found = entitlement_at(timeline, group.versions, AT, group.zone)
    version = group.versions[row.plan_version_id]
    return {
        shown.SubscriptionObject: shown.subscription_object(row, group.versions),
        shown.EntitlementObject: shown.EntitlementObject(
            subscription=show_id("subscription", row.id),
            customer=show_id("customer", row.customer_id),
            entitled=found.state.entitled,
            since=found.since,
            until=found.until,
            status=found.state.status,
            plan=shown.plan_reference(version),
            phase=shown.phase_reference(version, found.state.phase),
            quantity=found.state.quantity,
            at=AT,
        ),
        shown.TimelineEntryObject: told(timeline, group.versions, AT, group.zone)[0],
    }


def _catalog() -> Catalog:
    before = Catalog({}, {}, Rules())
    today = today_of(CUSTOMER, AT)
    wanted = checked(catalog_given(BODIES["catalog"]), before, today)
    made = difference(wanted, before, CUSTOMER.tenant_id, today, {"hosting": PlanVersionId(id_of(31))}, {})
    return changed(before, made, CatalogId(id_of(30)), AT)
