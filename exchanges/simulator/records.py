"""Payloads of the venue's log (msgspec MessagePack), by record type; times are in the record's header."""

from __future__ import annotations

from typing import Any

import msgspec


class Numbers(msgspec.Struct, frozen=True, array_like=True):
    """A session's sequence numbers. `generation` counts how often they have been reset."""

    generation: int
    next_sender: int
    next_target: int


class HaltRow(msgspec.Struct, frozen=True, array_like=True):
    """A dated row of halts as it held on the day."""

    scope: str
    label: str
    value: dict[str, Any]


class HaltTerms(msgspec.Struct, frozen=True, array_like=True):
    """What halts trading by itself on a day, and what it is measured from."""

    rows: list[HaltRow]
    vwap_window: int
    """Nanoseconds of the moving average, where a row does not say."""
    previous_closes: dict[str, int]
    """Symbol → micros."""


class DayStarted(msgspec.Struct, frozen=True, array_like=True):
    """DAY_STARTED: a day begins with empty books, and goes on with these."""

    exchange: str
    birth: str
    """Marks this log in every id it gives out, so that a venue whose folder was deleted never repeats an id."""
    day: str
    """ISO date at the exchange."""
    order_number: int
    execution_number: int
    trade_number: int
    last_prices: dict[str, int]
    """Symbol → micros."""
    sessions: dict[str, Numbers]
    """By the member's CompID."""
    phase: str = ""
    """Session phase in which the segment begins; empty in a log that knew of no phases: continuous trading then."""
    halts: HaltTerms | None = None
    """What halts trading by itself on this day."""
    drop_copies: dict[str, list[str]] = {}
    """By a drop copy session's CompID: the members whose execution reports it gets; none named means all."""


class Inbound(msgspec.Struct, frozen=True, array_like=True):
    """INBOUND: a member's message, with the verdict of the rules of its time: rules changed later do not change the past."""

    member: str
    generation: int
    number: int
    frame: bytes
    refusal_reason: int
    """FIX OrdRejReason (103), or CxlRejReason (102) for a cancel; -1 when the rules have nothing against it."""
    refusal_text: str


class Outbound(msgspec.Struct, frozen=True, array_like=True):
    """REPORT and SESSION_FRAME. `frame` is last: its place in the file is known from its length."""

    member: str
    number: int
    next_target: int
    """The session's expected number when the frame was kept."""
    frame: bytes


class LineEvent(msgspec.Struct, frozen=True, array_like=True):
    """NUMBERS_RESET and LINE_LOST."""

    member: str


class UncrossTerms(msgspec.Struct, frozen=True, array_like=True):
    """One book's uncross: prices in micros, ticks as (from price, tick)."""

    symbol: str
    reference_price: int
    low: int
    high: int
    ticks: list[tuple[int, int]]


class PhaseEntered(msgspec.Struct, frozen=True, array_like=True):
    """PHASE_ENTERED: first `uncross`, then the phase changes."""

    phase: str
    planned_at: int
    """Events of the day's plan up to this time are done, ns UTC."""
    matches: bool
    """Whether orders that are entered now may trade at once."""
    uncross: list[UncrossTerms]
    closing_prices: dict[str, int]
    """Symbol → micros, when trade at last begins: the closing price of an instrument that has not traded on this day."""
    expires: bool
    """No phase follows on this day: what rests expires."""
    overridden: bool
    """By the admin port; the plan is not followed until it is released."""
    text: str


class HaltStarted(msgspec.Struct, frozen=True, array_like=True):
    """HALT_STARTED, by the admin port. `symbol` is empty for the whole market."""

    symbol: str
    kind: str
    until: int
    """ns UTC; 0: until it is ended."""
    text: str


class HaltsEnded(msgspec.Struct, frozen=True, array_like=True):
    """HALTS_ENDED: those whose time has come; the books in `uncross` collected orders, which trade first.

    `by_hand` ends the halt of `symbol` before its time, or one that the admin port had started.
    """

    uncross: list[UncrossTerms]
    by_hand: bool
    symbol: str


class IndexValue(msgspec.Struct, frozen=True, array_like=True):
    """INDEX_VALUE: the market's index, in millionths of a point, as the admin port told it."""

    value: int
    previous_close: int


class DropCopyBegun(msgspec.Struct, frozen=True, array_like=True):
    """DROP_COPY_BEGUN: from here on `member` gets copies of the execution reports of `of`, or of all members when it is empty."""

    member: str
    of: list[str]


class Switched(msgspec.Struct, frozen=True, array_like=True):
    """SWITCHED: what was asked of the admin port, kept for whoever reads the log; it changes nothing when the log is applied."""

    switch: str
    body: str
    """JSON as it came."""
    peer: str


class DayEnded(msgspec.Struct, frozen=True, array_like=True):
    """DAY_ENDED: orders that still rest expire."""

    day: str


encode = msgspec.msgpack.Encoder().encode
day_started = msgspec.msgpack.Decoder(DayStarted).decode
inbound = msgspec.msgpack.Decoder(Inbound).decode
outbound = msgspec.msgpack.Decoder(Outbound).decode
line_event = msgspec.msgpack.Decoder(LineEvent).decode
day_ended = msgspec.msgpack.Decoder(DayEnded).decode
phase_entered = msgspec.msgpack.Decoder(PhaseEntered).decode
halt_started = msgspec.msgpack.Decoder(HaltStarted).decode
halts_ended = msgspec.msgpack.Decoder(HaltsEnded).decode
index_value = msgspec.msgpack.Decoder(IndexValue).decode
drop_copy_begun = msgspec.msgpack.Decoder(DropCopyBegun).decode
switched = msgspec.msgpack.Decoder(Switched).decode
