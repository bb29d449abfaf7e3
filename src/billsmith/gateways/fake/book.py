"""The fake gateway's book: what it really did, in a file outside our process, written before it answers.

One line of JSON per entry, only ever appended. A line is on the disk before anybody hears of it, and a line torn by a
kill was never heard of: it is cut off by the next writer. Any number of processes may use one book; each keeps what it
has read and goes on from there.
"""

import os
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from billsmith.core.payments.results import OperationKind
from billsmith.gateways.fake.script import behaviour_of

if sys.platform == "win32":
    import msvcrt
    import time

    def _lock(opened: int) -> None:
        while True:
            os.lseek(opened, _FAR_AWAY, os.SEEK_SET)
            try:
                return msvcrt.locking(opened, msvcrt.LK_LOCK, 1)
            except OSError:
                time.sleep(0.01)

    def _unlock(opened: int) -> None:
        os.lseek(opened, _FAR_AWAY, os.SEEK_SET)
        msvcrt.locking(opened, msvcrt.LK_UNLCK, 1)

    _FAR_AWAY = 1 << 30  # beyond what is read and written: Windows' locks keep others from that as well
else:
    import fcntl

    def _lock(opened: int) -> None:
        fcntl.flock(opened, fcntl.LOCK_EX)

    def _unlock(opened: int) -> None:
        fcntl.flock(opened, fcntl.LOCK_UN)


T = TypeVar("T")


class Rule(msgspec.Struct, frozen=True):
    """Behaviour for operations that match, before what their token says; of several rules the first that matches."""

    id: str
    words: str
    kind: OperationKind = OperationKind.CHARGE
    payment_method: str | None = None
    amount_minor: int | None = None
    next: int | None = None
    """Only for so many operations."""
    share: Fraction | None = None
    """Only for this share of them, drawn by `seed`, payment method, amount and how many of these there were before."""
    seed: str = ""


class Operated(msgspec.Struct, frozen=True, tag="operated"):
    """An operation that reached the gateway, with what it moves."""

    account: str
    id: str
    kind: OperationKind
    gateway_id: str
    at: datetime
    fingerprint: str
    words: str
    amount_minor: int
    currency: str
    asked_minor: int
    reference: str
    payment_method: str | None = None
    related_id: str | None = None
    authorize_only: bool = False
    rule: str | None = None
    fee_minor: int = 0


class Turned(msgspec.Struct, frozen=True, tag="turned"):
    """A request without effect: it never arrived, or was turned away."""

    account: str
    id: str
    at: datetime
    words: str
    rule: str | None = None
    payment_method: str | None = None
    asked_minor: int = 0


class Scripted(msgspec.Struct, frozen=True, tag="scripted"):
    """A rule was given, or with `rule` None all rules of the account were taken back."""

    account: str
    rule: Rule | None


class Decided(msgspec.Struct, frozen=True, tag="decided"):
    """A test, or a person at the fake bank, decides what waits: succeed, fail, reverse, dispute, won, lost."""

    account: str
    gateway_id: str
    what: str
    at: datetime


class MethodChanged(msgspec.Struct, frozen=True, tag="method"):
    """A payment method was stored by a set-up, or forgotten."""

    account: str
    token: str
    at: datetime
    setup_id: str | None = None
    forgotten: bool = False


Entry = Operated | Turned | Scripted | Decided | MethodChanged


class Pages:
    """What the entries read so far say, found by what is asked for. Everything is of one account."""

    def __init__(self) -> None:
        self.operations: dict[tuple[str, str], Operated] = {}
        self.by_gateway_id: dict[tuple[str, str], Operated] = {}
        self.following: dict[tuple[str, str], list[Operated]] = defaultdict(list)
        """Captures, cancellations and refunds by the charge they are about, oldest first."""
        self.turned: dict[tuple[str, str], Turned] = {}
        self.decisions: dict[tuple[str, str], list[Decided]] = defaultdict(list)
        self.rules: dict[str, list[Rule]] = defaultdict(list)
        self.uses: dict[tuple[str, str], int] = defaultdict(int)
        self.repeats: dict[tuple[str, str | None, int], int] = defaultdict(int)
        self.setups: dict[tuple[str, str], MethodChanged] = {}
        self.forgotten: dict[tuple[str, str], MethodChanged] = {}
        self.of_account: dict[str, list[Operated]] = defaultdict(list)
        self.quiet_after: dict[tuple[str, str], datetime] = {}
        """From when on nothing more happens to an operation by itself, nor is told."""

    def add(self, entry: Entry) -> None:
        """Take one more entry in."""
        match entry:
            case Operated():
                self._add_operated(entry)
            case Turned():
                self.turned[entry.account, entry.id] = entry
                self._count(entry)
            case Scripted(rule=None):
                self.rules[entry.account].clear()
            case Scripted():
                assert entry.rule is not None
                self.rules[entry.account].append(entry.rule)
            case Decided():
                self.decisions[entry.account, entry.gateway_id].append(entry)
                self._stir(entry.account, entry.gateway_id, entry.at)
            case MethodChanged(forgotten=True):
                self.forgotten[entry.account, entry.token] = entry
            case MethodChanged():
                assert entry.setup_id is not None
                self.setups[entry.account, entry.setup_id] = entry

    def _add_operated(self, entry: Operated) -> None:
        account = entry.account
        self.operations[account, entry.id] = entry
        self.by_gateway_id[account, entry.gateway_id] = entry
        self.of_account[account].append(entry)
        self._stir(account, entry.gateway_id, entry.at)
        self._count(entry)
        if entry.related_id is not None:
            self.following[account, entry.related_id].append(entry)
            self._stir(account, entry.related_id, self.quiet_after[account, entry.gateway_id])

    def _stir(self, account: str, gateway_id: str, at: datetime) -> None:
        """Something happens to an operation at that instant, with all that follows from it."""
        operated = self.by_gateway_id.get((account, gateway_id))
        if operated is not None:
            behaviour = behaviour_of(operated.words, operated.kind.value)
            quiet_after = at + behaviour.lasts(held=operated.authorize_only)
            known = self.quiet_after.get((account, gateway_id), quiet_after)
            self.quiet_after[account, gateway_id] = max(known, quiet_after)

    def _count(self, entry: Operated | Turned) -> None:
        self.repeats[entry.account, entry.payment_method, entry.asked_minor] += 1
        if entry.rule is not None:
            self.uses[entry.account, entry.rule] += 1


class _Wish(Generic[T]):
    """One writer's decision while it waits for its turn, and then what came of it."""

    def __init__(self, decide: Callable[[Pages], tuple[Sequence[Entry], T]]) -> None:
        self.decide = decide
        self.done = False
        self.answer: T
        self.error: BaseException | None = None


class Book:
    """One file of entries, shared by threads and processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pages = Pages()
        self._read_up_to = 0
        self._reading = threading.RLock()
        self._writing = threading.Lock()
        self._queueing = threading.Lock()
        self._waiting: list[_Wish[Any]] = []

    def recall(self, ask: Callable[[Pages], T]) -> T:
        """What `ask` finds in what this process has read so far; for what it has just written."""
        with self._reading:
            return ask(self._pages)

    def look(self, ask: Callable[[Pages], T]) -> T:
        """What `ask` finds in the book as it is now."""
        with self._reading:
            if self.path.exists():
                opened = os.open(self.path, os.O_RDONLY)
                try:
                    self._catch_up(opened)
                finally:
                    os.close(opened)
            return ask(self._pages)

    def write(self, decide: Callable[[Pages], tuple[Sequence[Entry], T]]) -> T:
        """Append what `decide` makes of the book, and give its answer once that is on the disk.

        Nobody writes between what it sees and what it appends. Who waits meanwhile goes to the disk together.
        """
        wish = _Wish(decide)
        with self._queueing:
            self._waiting.append(wish)
        with self._writing:
            if not wish.done:
                with self._queueing:
                    wishes, self._waiting = self._waiting, []
                with self._reading:
                    self._fulfil(wishes)
        if wish.error is not None:
            raise wish.error
        return wish.answer

    def _fulfil(self, wishes: list[_Wish[Any]]) -> None:
        is_new = not self.path.exists()
        opened = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            _lock(opened)
            try:
                self._catch_up(opened)
                os.truncate(opened, self._read_up_to)
                self._append(opened, b"".join([self._decided(wish) for wish in wishes]))
            finally:
                _unlock(opened)
            if is_new:
                _keep_folder(self.path.parent)
        except BaseException as error:  # noqa: BLE001  it is raised where each wish was made
            # Nobody knows what reached the disk: read it all again.
            self._pages, self._read_up_to = Pages(), 0
            for wish in wishes:
                wish.error = wish.error or error
        finally:
            os.close(opened)
            for wish in wishes:
                wish.done = True

    def _decided(self, wish: _Wish[Any]) -> bytes:
        """The lines of one wish; the next wish already sees them."""
        try:
            entries, wish.answer = wish.decide(self._pages)
        except Exception as error:  # noqa: BLE001  it is raised where the wish was made
            wish.error = error
            return b""
        for entry in entries:
            self._pages.add(entry)
        return b"".join([_ENCODER.encode(entry) + b"\n" for entry in entries])

    def _append(self, opened: int, lines: bytes) -> None:
        if not lines:
            return
        written = 0
        while written < len(lines):
            written += os.write(opened, lines[written:])
        os.fsync(opened)
        self._read_up_to += len(lines)

    def _catch_up(self, opened: int) -> None:
        """Take in what others have appended, up to the last whole line."""
        os.lseek(opened, self._read_up_to, os.SEEK_SET)
        chunks = []
        while chunk := os.read(opened, 1 << 20):
            chunks.append(chunk)
        text = b"".join(chunks)
        whole = text[: text.rfind(b"\n") + 1]
        for line in whole.splitlines():
            self._pages.add(_DECODER.decode(line))
        self._read_up_to += len(whole)


def _keep_folder(folder: Path) -> None:
    """A new file's name is on the disk only when its folder is."""
    if sys.platform == "win32":
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _encode(value: object) -> str:
    if isinstance(value, Fraction):
        return str(value)
    raise TypeError(f"{type(value).__name__} can't be written")


def _decode(type_: type, value: Any) -> Any:
    if type_ is Fraction:
        return Fraction(value)
    raise TypeError(f"{type_.__name__} can't be read")


_ENCODER = msgspec.json.Encoder(enc_hook=_encode)
_DECODER = msgspec.json.Decoder(Entry, dec_hook=_decode)
