"""Examples of subscriptions for the reference: what the example of a body comes to with the example of a catalogue."""

from typing import Any

import msgspec

from billsmith.actions.subscriptions import objects as shown
from billsmith.actions.subscriptions.telling import told
from billsmith.api.catalog_examples import applied
from billsmith.api.examples import AT, BODIES, CUSTOMER, id_of
from billsmith.api.schemas.subscriptions import SubscriptionToCreate
from billsmith.core.ids import GroupId, SubscriptionId, show_id
from billsmith.core.subscriptions.entitlement import entitlement_at
from billsmith.core.subscriptions.starting import NewIds, created


def subscription_examples() -> dict[type, Any]:
    """For each type of answer an example, as it would be sent."""
    order = msgspec.convert(BODIES["subscription"], SubscriptionToCreate).order()
    ids = NewIds(SubscriptionId(id_of(34)), GroupId(id_of(35)))
    _, catalog = applied()
    group = created(order.subscription, CUSTOMER, catalog, ids, AT).group
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
