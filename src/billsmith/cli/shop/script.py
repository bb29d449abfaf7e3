"""How the shop's customers pay: by a share each, drawn from their names, the same in every run. Pure."""

from fractions import Fraction
from hashlib import sha256

from billsmith.actions.money.rehearsing import Rule

SEED = "the shop's year"
GONE = "insufficient_funds"
"""Who never pays: what they owe is written off in the end."""

# Of a thousand customers so many have a payment method that behaves like this; all others one that works.
CUSTOMERS_OF_1000 = (
    ("pending_3d_succeed", 40),
    ("pending_3d_fail", 5),
    ("expired_card", 12),
    ("stolen_card", 4),
    ("authentication_required", 3),
    (GONE, 8),
)
# Of a hundred charges so many end like this, whoever is charged.
CHARGES_OF_100 = (
    ("issuer_unavailable", 3),
    ("lost_reply_after", 1),
    ("lost_reply_before", 1),
)
MONEY_BACK_OF_1000 = 250
"""Customers who get the money itself back for what they return, not credit."""


def token_of(customer: str) -> str:
    """The payment method that a customer comes with."""
    ticket = _ticket(customer, "method") % 1000
    for words, share in CUSTOMERS_OF_1000:
        if ticket < share:
            return _token(words, customer)
        ticket -= share
    return _token("ok", customer)


def new_token_of(customer: str, nth: int) -> str:
    """The working payment method that a customer brings when asked for another, for the nth time."""
    return _token("ok", f"{customer}/{nth}")


def is_gone(customer: str) -> bool:
    """Whether the customer will bring no other method: nothing is to be expected any more."""
    return token_of(customer).startswith(f"tok_{GONE}.")


def wants_money_back(customer: str) -> bool:
    """Whether what the customer returns is refunded."""
    return _ticket(customer, "refund") % 1000 < MONEY_BACK_OF_1000


def rules() -> list[Rule]:
    """What happens to charges whatever their method."""
    return [
        Rule(f"demo-{words}", words, share=Fraction(share, 100), seed=f"{SEED}/{words}")
        for words, share in CHARGES_OF_100
    ]


def _token(words: str, name: str) -> str:
    """A token of its own with that behaviour: a word like n42 makes another."""
    return f"tok_{words}.n{_ticket(name, 'token') % 10**12}"


def _ticket(name: str, purpose: str) -> int:
    return int.from_bytes(sha256(f"{SEED}\n{purpose}\n{name}".encode()).digest()[:8])
