"""What a returned document takes back: the latest earlier line of the same item and price, never more than it has."""

from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from billsmith.cli.shop.matching import Match, ReturnedDocument, ReturnedLine, SoldDocument, SoldLine, Taken, matched

OPENING = datetime(2010, 12, 1, 8)  # noqa: DTZ001  on the shop's walls
PENNY = Decimal("0.01")


def at(hours: int) -> datetime:
    return OPENING + timedelta(hours=hours)


def sold(id_: str, hours: int, *lines: tuple[str, str, int]) -> SoldDocument:
    made = tuple(SoldLine(nth, item, Decimal(price), amount) for nth, (item, price, amount) in enumerate(lines, 1))
    return SoldDocument(id_, at(hours), sum(line.amount_minor for line in made), made)


def returned(name: str, hours: int, *lines: tuple[str, str, int]) -> ReturnedDocument:
    made = tuple(ReturnedLine(item, Decimal(price), amount) for item, price, amount in lines)
    return ReturnedDocument(name, at(hours), made)


def test_the_latest_earlier_line_of_the_same_item_and_price_is_taken_back_first() -> None:
    first, second, later = (
        sold("first", 1, ("lamp", "2.55", 510)),
        sold("second", 2, ("lamp", "2.5500", 255), ("lamp", "2.10", 210)),
        sold("later", 9, ("lamp", "2.55", 999)),
    )
    assert matched([later, first, second], [returned("C1", 5, ("lamp", "2.55", 600))]) == [
        Match("C1", (Taken("second", 1, 255), Taken("first", 1, 345)), (0,))
    ]


def test_what_finds_no_line_is_the_rest() -> None:
    sales = [sold("S", 1, ("lamp", "2.55", 510), ("tray", "1.00", 300))]
    assert matched(sales, [returned("C1", 5, ("lamp", "2.55", 600), ("lamp", "2.54", 254), ("tray", "1", 100))]) == [
        Match("C1", (Taken("S", 1, 510), Taken("S", 2, 100)), (90, 254, 0))
    ]


def test_what_one_document_took_back_the_next_can_not() -> None:
    sales = [sold("S", 1, ("lamp", "2.55", 510))]
    first, second = returned("C1", 5, ("lamp", "2.55", 255)), returned("C2", 6, ("lamp", "2.55", 510))
    assert matched(sales, [second, first]) == [
        Match("C1", (Taken("S", 1, 255),), (0,)),
        Match("C2", (Taken("S", 1, 255),), (255,)),
    ]


def test_a_line_that_is_returned_twice_in_one_document_is_taken_back_as_one_part() -> None:
    sales = [sold("S", 1, ("lamp", "2.55", 510))]
    assert matched(sales, [returned("C1", 5, ("lamp", "2.55", 255), ("lamp", "2.55", 100))]) == [
        Match("C1", (Taken("S", 1, 355),), (0, 0))
    ]


def test_an_invoice_gives_back_no_more_than_its_total() -> None:
    sales = [sold("S", 1, ("lamp", "5", 500), ("discount", "-3", -300))]
    assert matched(sales, [returned("C1", 5, ("lamp", "5", 500))]) == [Match("C1", (Taken("S", 1, 200),), (300,))]


ITEMS = st.sampled_from(["lamp", "tray", "mug"])
PRICES = st.sampled_from(["1.00", "2.55", "0"])
SALES = st.lists(
    st.tuples(
        st.integers(0, 20),
        st.lists(st.tuples(ITEMS, PRICES, st.integers(-200, 500)), min_size=1, max_size=4),
    ),
    max_size=6,
)
RETURNS = st.lists(
    st.tuples(st.integers(0, 20), st.lists(st.tuples(ITEMS, PRICES, st.integers(-100, 700)), min_size=1, max_size=4)),
    max_size=6,
)


@given(SALES, RETURNS)
def test_never_more_than_what_was_billed_per_line_and_nothing_is_lost(
    sales: list[tuple[int, list[tuple[str, str, int]]]], returns: list[tuple[int, list[tuple[str, str, int]]]]
) -> None:
    documents = [sold(f"S{nth}", hours, *lines) for nth, (hours, lines) in enumerate(sales)]
    documents = [document for document in documents if document.total_minor > 0]
    back = [returned(f"C{nth}", hours, *lines) for nth, (hours, lines) in enumerate(returns)]
    matches = matched(documents, back)
    lines = {(document.id, line.line_no): line for document in documents for line in document.lines}
    sold_at = {document.id: document.sold_at for document in documents}
    of_lines: Counter[tuple[str, int]] = Counter()
    of_documents: Counter[str] = Counter()
    by_name = {document.name: document for document in back}
    for match in matches:
        document = by_name[match.name]
        wanted = sum(line.amount_minor for line in document.lines)
        assert sum(part.amount_minor for part in match.taken) + sum(match.rest_minor) == wanted
        assert all(
            0 <= rest <= line.amount_minor or rest == line.amount_minor
            for rest, line in zip(match.rest_minor, document.lines, strict=True)
        )
        for part in match.taken:
            line = lines[part.invoice_id, part.line_no]
            assert part.amount_minor > 0
            assert sold_at[part.invoice_id] <= document.returned_at
            assert any((one.item, one.unit_price) == (line.item, line.unit_price) for one in document.lines)
            of_lines[part.invoice_id, part.line_no] += part.amount_minor
            of_documents[part.invoice_id] += part.amount_minor
    assert all(amount <= lines[key].amount_minor for key, amount in of_lines.items())
    assert all(of_documents[document.id] <= document.total_minor for document in documents)
