"""Compares what independent readers say of the same orders: order by order, fill by fill, then cash and shares.

Pure: the readers (the client's own log, the journal, the venue, the database) are turned into
:class:`Ledger` objects by their own adapters; this module only compares.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class OrderFact:
    """One accepted order as a reader saw it. Prices in millionths; ``state`` is a FIX 4.4 name."""

    order_id: int
    account: str
    exchange: str
    symbol: str
    side: str
    quantity: int
    price: int
    state: str
    cumulative: int


@dataclass(frozen=True, slots=True)
class FillFact:
    """One execution: unique by the venue's execution id."""

    exec_id: str
    order_id: int
    quantity: int
    price: int


@dataclass(frozen=True, slots=True)
class DenialFact:
    """One order refused before anything was sent."""

    account: str
    client_order_id: str
    code: str


@dataclass(slots=True)
class Ledger:
    """Everything that one reader saw. ``denials`` is None for a reader that cannot see them (the venue)."""

    reader: str
    orders: dict[int, OrderFact] = field(default_factory=dict)
    fills: dict[tuple[str, int], FillFact] = field(default_factory=dict)
    denials: dict[tuple[str, str], DenialFact] | None = field(default_factory=dict)
    repeated: list[str] = field(default_factory=list)
    """Rows that this reader holds twice: a difference in itself."""

    def add_order(self, fact: OrderFact) -> None:
        if fact.order_id in self.orders:
            self.repeated.append(f"order {fact.order_id}")
        self.orders[fact.order_id] = fact

    def add_fill(self, fact: FillFact) -> None:
        key = (fact.exec_id, fact.order_id)
        if key in self.fills:
            self.repeated.append(f"fill {fact.exec_id} of order {fact.order_id}")
        self.fills[key] = fact

    def add_denial(self, fact: DenialFact) -> None:
        assert self.denials is not None
        key = (fact.account, fact.client_order_id)
        if key in self.denials:
            self.repeated.append(f"denial {fact.client_order_id} of {fact.account}")
        self.denials[key] = fact


@dataclass(frozen=True, slots=True)
class Difference:
    subject: str
    readers: tuple[str, str]
    said: tuple[str, str]

    def __str__(self) -> str:
        return f"{self.subject}: {self.readers[0]} says {self.said[0]}, {self.readers[1]} says {self.said[1]}"


def compare(ledgers: Iterable[Ledger]) -> list[Difference]:
    """All differences of every reader against the first one, which serves as the measure for all."""
    first, *others = list(ledgers)
    differences = [Difference(what, (first.reader, first.reader), ("once", "twice")) for what in first.repeated]
    for other in others:
        differences += [Difference(what, (other.reader, other.reader), ("once", "twice")) for what in other.repeated]
        pair = (first.reader, other.reader)
        differences += _compare_maps("order", first.orders, other.orders, pair)
        differences += _compare_maps("fill", first.fills, other.fills, pair)
        if first.denials is not None and other.denials is not None:
            differences += _compare_maps("denial", first.denials, other.denials, pair)
    return differences


def _compare_maps(kind: str, left: Mapping[K, V], right: Mapping[K, V], readers: tuple[str, str]) -> list[Difference]:
    differences = []
    for key in [*left, *(key for key in right if key not in left)]:
        mine, theirs = left.get(key), right.get(key)
        if mine != theirs:
            said = (str(mine or "nothing"), str(theirs or "nothing"))
            differences.append(Difference(f"{kind} {key}", readers, said))
    return differences


def check_fills_against_orders(ledger: Ledger) -> list[Difference]:
    """The fills of an order add up to its cumulative quantity, within one reader."""
    filled: dict[int, int] = {}
    for fill in ledger.fills.values():
        filled[fill.order_id] = filled.get(fill.order_id, 0) + fill.quantity
    readers = (f"{ledger.reader} orders", f"{ledger.reader} fills")
    return [
        Difference(f"order {order.order_id}", readers, (str(order.cumulative), str(filled.get(order.order_id, 0))))
        for order in ledger.orders.values()
        if order.cumulative != filled.get(order.order_id, 0)
    ]


def expected_holdings(
    ledger: Ledger, cash: Mapping[tuple[str, str], int], shares: Mapping[tuple[str, str], int], currency: Mapping[str, str]
) -> tuple[dict[tuple[str, str], int], dict[tuple[str, str], int]]:
    """Start with ``cash`` by (account, currency) in millionths and ``shares`` by (account, instrument key), apply
    every fill, and return both. ``currency`` maps an instrument key to its currency."""
    cash_after, shares_after = dict(cash), dict(shares)
    for fill in ledger.fills.values():
        order = ledger.orders[fill.order_id]
        instrument = f"{order.exchange}:{order.symbol}"
        sign = 1 if order.side == "BUY" else -1
        money = (order.account, currency[instrument])
        cash_after[money] = cash_after.get(money, 0) - sign * fill.quantity * fill.price
        holding = (order.account, instrument)
        shares_after[holding] = shares_after.get(holding, 0) + sign * fill.quantity
    return cash_after, shares_after


def compare_holdings(
    kind: str, expected: Mapping[tuple[str, str], int], found: Mapping[tuple[str, str], int], readers: tuple[str, str]
) -> list[Difference]:
    """Differences between two maps of (account, what) → amount; an absent entry counts as zero."""
    return [
        Difference(f"{kind} of {key[0]} in {key[1]}", readers, (str(expected.get(key, 0)), str(found.get(key, 0))))
        for key in sorted(expected.keys() | found.keys())
        if expected.get(key, 0) != found.get(key, 0)
    ]
