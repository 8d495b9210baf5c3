"""Payloads of the venue's log (msgspec MessagePack), by record type; times are in the record's header."""

from __future__ import annotations

import msgspec


class Numbers(msgspec.Struct, frozen=True, array_like=True):
    """A session's sequence numbers. `generation` counts how often they have been reset."""

    generation: int
    next_sender: int
    next_target: int


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


class DayEnded(msgspec.Struct, frozen=True, array_like=True):
    """DAY_ENDED: orders that still rest expire."""

    day: str


encode = msgspec.msgpack.Encoder().encode
day_started = msgspec.msgpack.Decoder(DayStarted).decode
inbound = msgspec.msgpack.Decoder(Inbound).decode
outbound = msgspec.msgpack.Decoder(Outbound).decode
line_event = msgspec.msgpack.Decoder(LineEvent).decode
day_ended = msgspec.msgpack.Decoder(DayEnded).decode
