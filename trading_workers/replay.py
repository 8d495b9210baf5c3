"""Replay of recorded order flow onto one instrument.

Input: CSV (optionally ``.xz``) with the columns ``id, timestamp, exchange.timestamp, price, volume,
action, direction``: times in milliseconds, volume in 10⁻⁸ units, action created | changed | deleted,
direction bid | ask. A created row becomes a new limit order, a deleted row the cancel of that order;
fills are left to the venue's own matching, which is why a changed row sends nothing.

Every row ends either as an instruction or under one :class:`Skipped` reason, so the counts add up to the
number of rows. Mapping a row needs no answer of the system, and the counts are the same on every run.
"""

from __future__ import annotations

import csv
import lzma
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import Enum
from pathlib import Path
from typing import IO

COLUMNS = ("id", "timestamp", "exchange.timestamp", "price", "volume", "action", "direction")
VOLUME_UNIT = 10**8
SHARES_PER_UNIT = 100


class ReplayError(ValueError):
    """The file cannot be replayed at all; the text says why and what to do."""


class Skipped(Enum):
    """Why a row sent nothing."""

    UNKNOWN_ID = "unknown_id"
    """A change or a deletion of an order that was created before the file begins."""
    ORDER_NOT_SENT = "order_not_sent"
    """A change or a deletion of an order whose creation was itself skipped."""
    DUPLICATE_ID = "duplicate_id"
    OUTSIDE_BAND = "outside_band"
    NO_QUANTITY = "no_quantity"
    """Less than one lot after scaling."""
    FILL_LEFT_TO_VENUE = "fill_left_to_venue"
    """A smaller volume at the same price is a partial fill: the venue decides its own."""
    AMENDMENT = "amendment"
    """A new price or a larger volume: there is no replace instruction."""
    MALFORMED_ROW = "malformed_row"


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """One row, typed. ``price`` in the file's own currency; ``volume`` in 10⁻⁸ units; ``time_ms`` since 1970."""

    order: str
    time_ms: int
    price: Decimal
    volume: int
    action: str
    is_bid: bool


@dataclass(frozen=True, slots=True)
class Target:
    """The instrument that takes the flow. Prices and ticks in millionths; ``anchor`` is where the first price lands."""

    anchor: int
    band_low: int
    band_high: int
    lot: int
    ticks: tuple[tuple[int, int], ...]
    """(from price, tick), ascending."""

    def tick_at(self, price: int) -> int:
        tick = self.ticks[0][1]
        for start, step in self.ticks:
            if price >= start:
                tick = step
        return tick


@dataclass(frozen=True, slots=True)
class Place:
    key: str
    is_bid: bool
    price: int
    quantity: int
    time_ms: int


@dataclass(frozen=True, slots=True)
class Cancel:
    key: str
    is_bid: bool
    time_ms: int


@dataclass(slots=True)
class Plan:
    """Turns events into instructions, in order, and counts the rest."""

    target: Target
    skipped: Counter[Skipped] = field(default_factory=Counter)
    placed: int = 0
    cancelled: int = 0
    _scale_from: Decimal | None = None
    _known: dict[str, tuple[bool, bool, Decimal, int]] = field(default_factory=dict)

    @property
    def events(self) -> int:
        return self.placed + self.cancelled + sum(self.skipped.values())

    def counts(self) -> dict[str, int]:
        """``placed``, ``cancels`` and each named reason, for people and for the pinned test."""
        counts = {"placed": self.placed, "cancels": self.cancelled}
        counts.update({reason.value: self.skipped[reason] for reason in Skipped if self.skipped[reason]})
        return counts

    def instructions(self, events: Iterable[RecordedEvent | None]) -> Iterator[Place | Cancel]:
        """Yield what is to be sent. ``None`` stands for a row that could not be read."""
        for event in events:
            step = self._step(event)
            if isinstance(step, Skipped):
                self.skipped[step] += 1
                continue
            if isinstance(step, Place):
                self.placed += 1
            else:
                self.cancelled += 1
            yield step

    def _step(self, event: RecordedEvent | None) -> Place | Cancel | Skipped:
        if event is None:
            return Skipped.MALFORMED_ROW
        if event.action == "created":
            return self._place(event)
        known = self._known.get(event.order)
        if known is None:
            return Skipped.UNKNOWN_ID
        sent, is_bid, price, volume = known
        if not sent:
            return Skipped.ORDER_NOT_SENT
        if event.action == "changed":
            smaller = event.price == price and event.volume < volume
            self._known[event.order] = (sent, is_bid, event.price, event.volume)
            return Skipped.FILL_LEFT_TO_VENUE if smaller else Skipped.AMENDMENT
        # The entry stays, marked as not sent: a second deletion of the same id must not cancel twice.
        self._known[event.order] = (False, is_bid, price, volume)
        return Cancel(event.order, is_bid, event.time_ms)

    def _place(self, event: RecordedEvent) -> Place | Skipped:
        if event.order in self._known:
            return Skipped.DUPLICATE_ID
        if self._scale_from is None:
            self._scale_from = event.price
        price = self._scaled_price(event)
        quantity = event.volume * SHARES_PER_UNIT // VOLUME_UNIT
        quantity -= quantity % self.target.lot
        reason = None
        if not self.target.band_low <= price <= self.target.band_high:
            reason = Skipped.OUTSIDE_BAND
        elif quantity <= 0:
            reason = Skipped.NO_QUANTITY
        self._known[event.order] = (reason is None, event.is_bid, event.price, event.volume)
        if reason is not None:
            return reason
        return Place(event.order, event.is_bid, price, quantity, event.time_ms)

    def _scaled_price(self, event: RecordedEvent) -> int:
        """Scale to the anchor, then round away from the market so that no order becomes more aggressive."""
        assert self._scale_from is not None
        price = int(event.price * self.target.anchor / self._scale_from)
        tick = self.target.tick_at(price)
        down = price - price % tick
        return down if event.is_bid or down == price else down + tick


def read_events(path: Path, limit: int | None = None) -> Iterator[RecordedEvent | None]:
    """Rows of ``path`` in file order, at most ``limit``; ``None`` for a row that cannot be read.

    Raises :class:`ReplayError` when the file is absent, is not the documented CSV, or is damaged.
    """
    try:
        with _open(path) as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise ReplayError(f"{path.name} lacks the columns {', '.join(missing)}; expected: {', '.join(COLUMNS)}")
            for number, row in enumerate(reader):
                if limit is not None and number >= limit:
                    return
                yield _typed(row)
    except FileNotFoundError:
        raise ReplayError(f"{path} does not exist; give the path of a recorded order file") from None
    except (OSError, EOFError, UnicodeDecodeError, lzma.LZMAError, csv.Error) as error:
        raise ReplayError(f"{path} cannot be read to its end: {error}") from error


def _open(path: Path) -> IO[str]:
    if path.suffix == ".xz":
        return lzma.open(path, "rt", encoding="utf-8", newline="")
    return path.open("rt", encoding="utf-8", newline="")


def _typed(row: dict[str, str]) -> RecordedEvent | None:
    action, direction = row.get("action"), row.get("direction")
    if action not in ("created", "changed", "deleted") or direction not in ("bid", "ask"):
        return None
    try:
        price, volume, time_ms = Decimal(row["price"]), int(row["volume"]), int(row["timestamp"])
    except (InvalidOperation, ValueError, TypeError):
        return None
    if not price.is_finite() or price <= 0 or volume < 0:
        return None
    return RecordedEvent(row["id"], time_ms, price, volume, action, direction == "bid")


def generated_events(count: int, seed: int = 20150501) -> Iterator[RecordedEvent]:
    """A flow of the documented shape for machines without a recorded file: the same seed gives the same flow."""
    source = random.Random(seed)  # noqa: S311 - a demonstration, no secret
    open_orders: list[RecordedEvent] = []
    time_ms, middle = 1_430_438_400_000, Decimal("236.00")
    for number in range(count):
        time_ms += source.randrange(1, 400)
        middle += Decimal(source.randrange(-3, 4)) / 100
        if open_orders and source.random() < 0.49:
            gone = open_orders.pop(source.randrange(len(open_orders)))
            yield RecordedEvent(gone.order, time_ms, gone.price, 0, "deleted", gone.is_bid)
            continue
        is_bid = source.random() < 0.6
        # One in fifty lies far outside any daily limit, as stub quotes do in recorded flow.
        distance = Decimal(source.randrange(-8, 300)) / 100 if source.random() < 0.98 else Decimal(120)
        price = middle - distance if is_bid else middle + distance
        volume = source.randrange(5, 2_000) * VOLUME_UNIT // 100
        created = RecordedEvent(f"g{number}", time_ms, price, volume, "created", is_bid)
        open_orders.append(created)
        yield created
