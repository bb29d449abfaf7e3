"""A shop's year that never was: generated, of the same shape as a real one, with everything odd that real ones have."""

import csv
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
OPENING = datetime(2010, 12, 1, 8, 26)  # noqa: DTZ001  on the shop's walls
DOCUMENTS = 25_900

_DOCUMENTS_EACH = 6
HOME = "United Kingdom"
_COUNTRIES = (HOME,) * 18 + ("Germany", "France", "EIRE", "Spain", "Netherlands", "Japan")
_THINGS = ("LANTERN", "TEA TOWEL", "CAKE STAND", "DOORMAT", "HOT WATER BOTTLE", "LUNCH BOX", "BUNTING", "ALARM CLOCK")
_LOOKS = ("RED RETROSPOT", "WHITE METAL", "VINTAGE", "IVORY KNITTED", "JUMBO", "SET OF 6", "SMALL GLASS")

Line = tuple[str | int, ...]
Thing = tuple[str, str, int]
"""Stock code, description, quantity."""
Sold = dict[str, list[tuple[Thing, str]]]
"""By customer, what was sold lately and at which price."""
_REMEMBERED = 200


class Dice:
    """Numbers that look drawn at random and are the same every time (SplitMix64)."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def below(self, sides: int) -> int:
        """0 to sides − 1."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        mixed = (self._state ^ self._state >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
        return (mixed ^ mixed >> 31) % sides

    def happens(self, percent: int) -> bool:
        """True so often in a hundred times."""
        return self.below(100) < percent


def write_shop(path: Path, documents: int = DOCUMENTS, seed: int = 1) -> None:
    """Write the year of a shop with so many documents as a CSV file, about 21 lines each."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        writer.writerows(shop_lines(documents, seed))


def shop_lines(documents: int, seed: int) -> Iterator[Line]:
    """The lines in the order of the file.

    Among them: credit notes (C…), bad debt (A…, negative), totals of zero, documents without a customer, lines that
    stand twice, customers of two countries, documents that were typed over a minute's end, and one in two blocks.
    """
    dice = Dice(seed)
    sold: Sold = {}
    at, step = OPENING, timedelta(days=373) / max(documents, 1)
    held: list[Line] = []
    for nth in range(documents):
        at += step
        if nth in (documents // 4, documents // 2):
            yield (
                f"A{563_185 + nth}",
                "B",
                "Adjust bad debt",
                1,
                str(at.replace(microsecond=0)),
                "-11062.06",
                "",
                HOME,
            )
            continue
        lines = list(_document(dice, nth, at.replace(microsecond=0), max(documents // _DOCUMENTS_EACH, 1), sold))
        if nth == documents // 3:
            lines, held = lines[: len(lines) // 2 + 1], lines[len(lines) // 2 + 1 :]
        yield from lines
        if nth == documents // 3 + 1:
            yield from held


def _document(dice: Dice, nth: int, at: datetime, customers: int, sold: Sold) -> Iterator[Line]:
    name, sign, priced = str(536365 + nth), 1, True
    if dice.happens(15):
        name, sign = f"C{name}", -1
    elif dice.happens(8):
        priced = False
    customer = 12_346 + dice.below(customers)
    home = _COUNTRIES[customer % len(_COUNTRIES)]
    country = "Germany" if customer % 97 == 0 and dice.happens(50) else home
    buyer = "" if dice.happens(14) else f"{customer}.0"
    count = 1 + dice.below(4) if sign < 0 or not priced else 1 + dice.below(27) + dice.below(27)
    for position in range(count):
        late = timedelta(minutes=1) if position and nth % 600 == 0 else timedelta(0)
        thing, price = _thing(dice, sign, priced), _price(dice, priced)
        earlier = sold.setdefault(buyer, [])
        if sign < 0 and earlier and dice.happens(75):
            thing, price = _returned(dice, earlier)
        elif priced and sign > 0:
            earlier.append((thing, price))
            del earlier[:-_REMEMBERED]
        line = (name, *thing, str(at + late), price, buyer, country)
        yield line
        if dice.happens(1):
            yield line


def _returned(dice: Dice, earlier: list[tuple[Thing, str]]) -> tuple[Thing, str]:
    """Some of what the customer bought, all of it, or one more than that."""
    (code, description, quantity), price = earlier[dice.below(len(earlier))]
    return (code, description, -1 - dice.below(quantity + 1)), price


def _thing(dice: Dice, sign: int, priced: bool) -> Thing:
    """Stock code, description (missing now and then, where nothing is charged), quantity."""
    look, thing = dice.below(len(_LOOKS)), dice.below(len(_THINGS))
    description = f"{_LOOKS[look]} {_THINGS[thing]}" if priced or dice.happens(50) else ""
    return f"{20_000 + 100 * look + thing}", description, sign * (1 + dice.below(12))


def _price(dice: Dice, priced: bool) -> str:
    if not priced:
        return "0.0"
    pence, tenth = dice.below(995) + 5, dice.below(20)
    return f"{pence // 100}.{pence % 100:02d}" + (str(tenth) if 0 < tenth < 10 else "")
