"""The fake gateway: scripted outcomes, and a book outside our process. Its script: docs/guides/fake-gateway.md"""

from billsmith.gateways.fake.book import Book, Rule
from billsmith.gateways.fake.gateway import FakeGateway
from billsmith.gateways.fake.history import Movement
from billsmith.gateways.fake.webhooks import Delivery

__all__ = ["Book", "Delivery", "FakeGateway", "Movement", "Rule"]
