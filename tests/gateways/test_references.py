"""References to payment methods: id, path or full URL of the gateway's own host become one token; nothing else does."""

import pytest

from billsmith.gateways.fake import FakeGateway
from billsmith.gateways.port import GatewayAccount
from billsmith.gateways.references import ReferenceRefused

GOOD = [
    "tok_ok",
    " tok_ok ",
    "/v1/payment_methods/tok_ok",
    "payment_methods/tok_ok/",
    "https://fake-gateway.example/v1/payment_methods/tok_ok",
    "HTTPS://API.FAKE-GATEWAY.EXAMPLE:443/v1/payment_methods/tok_ok/",
    "https://fake-gateway.example./payment_methods/tok_ok",
]
BAD = [
    "",
    " ",
    "tok_",
    "card_1",
    "tok_ok\n",
    "tok_ok\x00",
    "tok_OK",
    "tok_ök",
    "/v1/customers/tok_ok",
    "/v1/payment_methods/../tok_ok",
    "../payment_methods/tok_ok",
    "http://fake-gateway.example/payment_methods/tok_ok",
    "ftp://fake-gateway.example/payment_methods/tok_ok",
    "https://evil.example/payment_methods/tok_ok",
    "https://fake-gateway.example.evil.example/payment_methods/tok_ok",
    "https://evil.example/fake-gateway.example/payment_methods/tok_ok",
    "https://fake-gateway.example@evil.example/payment_methods/tok_ok",
    "https://user@fake-gateway.example/payment_methods/tok_ok",
    "https://:secret@fake-gateway.example/payment_methods/tok_ok",
    "https://fake-gateway.example:8443/payment_methods/tok_ok",
    "https://fake-gateway.example:x/payment_methods/tok_ok",
    "https://[fake-gateway.example/payment_methods/tok_ok",
    "https://127.0.0.1/payment_methods/tok_ok",
    "https:///payment_methods/tok_ok",
    "https://fake-gateway.example/payment_methods/tok_ok?expand=1",
    "https://fake-gateway.example/payment_methods/tok_ok?",
    "https://fake-gateway.example/payment_methods/tok_ok#x",
    "https://fake-gateway.example\\@evil.example/payment_methods/tok_ok",
    "//evil.example/payment_methods/tok_ok/x",
    "tok_" + "a" * 3000,
]


@pytest.mark.parametrize("reference", GOOD)
def test_every_way_of_naming_a_method_gives_its_token(
    gateway: FakeGateway, account: GatewayAccount, reference: str
) -> None:
    assert gateway.method_token(account, reference) == "tok_ok"


@pytest.mark.parametrize("reference", BAD)
def test_what_names_no_method_of_this_gateway_is_refused(
    gateway: FakeGateway, account: GatewayAccount, reference: str
) -> None:
    with pytest.raises(ReferenceRefused) as raised:
        gateway.method_token(account, reference)
    assert raised.value.errors[0].pointer == "/payment_method"
