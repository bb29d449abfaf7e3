"""To another customer: ended there, begun here, nothing billed twice and nothing left out."""

import pytest
from msgspec.structs import replace

from billsmith.core.ids import CustomerId, GroupId, SubscriptionId
from billsmith.core.subscriptions.cancelling import Cancel, cancelled
from billsmith.core.subscriptions.changing import PlanChange, plan_changed
from billsmith.core.subscriptions.group import SubscriptionOver
from billsmith.core.subscriptions.moving import Transfer, TransferToItself, transferred
from tests.core.made import uuid
from tests.core.subscriptions.made import (
    ADD_ON,
    BASE,
    PAYER,
    at,
    billed,
    charged,
    day,
    shown,
    started,
    told,
    with_add_on,
)

OTHER = replace(PAYER, id=CustomerId(uuid(77)), bill_cycle_day=20)
HERE = {BASE: SubscriptionId(uuid(601)), ADD_ON: SubscriptionId(uuid(602))}
ASKED = Transfer(OTHER, GroupId(uuid(600)), HERE)


def test_it_ends_there_and_begins_here_on_the_same_place_of_its_timeline() -> None:
    group = charged(at(with_add_on(started("steps", on="1-10")), "3-10"), "4-1")
    made = transferred(group, ASKED)
    assert told(made.left)[-2:] == ["transferred", "transferred"]
    assert told(made.arrived) == ["created", "started"] * 2
    gone, here = made.left.group.lead.subscription, made.arrived.group.lead.subscription
    assert (gone.status, gone.ends_on) == ("cancelled", day("4-1"))
    assert (here.id, here.customer_id, here.group_id) == (HERE[BASE], OTHER.id, ASKED.group_id)
    assert (here.status, here.phase) == ("active", 2)
    assert (here.billed_through_on, here.next_bill_on) == (day("4-1"), day("4-1"))
    assert shown(billed(made.arrived.group)) == shown(billed(group))
    assert [member.subscription.billed_through_on for member in made.arrived.group.members] == [day("4-1"), day("3-10")]


def test_what_is_charged_ahead_is_given_back_there_if_asked() -> None:
    group = charged(at(started("plain", on="1-10"), "3-10"), "4-1")
    made = transferred(group, replace(ASKED, give_back=True))
    assert made.left.group.lead.subscription.ends_on == day("3-10")
    assert made.arrived.group.lead.subscription.billed_through_on == day("3-10")


def test_what_is_pending_goes_with_it() -> None:
    group = charged(at(started("plain", on="1-10"), "3-10"), "4-1")
    group = plan_changed(group, BASE, PlanChange("pro", billing=day("5-1"))).group
    group = cancelled(group, BASE, Cancel(day("6-1"))).group
    here = transferred(group, ASKED).arrived.group
    assert here.lead.subscription.ends_on == day("6-1")
    assert [stretch.plan.plan for stretch in billed(here)] == ["plain", "pro"]


def test_who_can_not_be_given_it() -> None:
    with pytest.raises(TransferToItself):
        transferred(started(), replace(ASKED, to=PAYER))
    with pytest.raises(SubscriptionOver):
        transferred(cancelled(started(), BASE, Cancel("immediate")).group, ASKED)
