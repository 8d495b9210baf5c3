"""Messages of a feed as a venue sends them, and a subscriber on a line in memory."""

from __future__ import annotations

from collections.abc import Sequence

from exchanges.fix.dictionary.fix44 import FIX44
from exchanges.fix.message import Field, Message, Parser, encode
from exchanges.fix.session import Session
from exchanges.fix.session_config import SessionConfig
from exchanges.fix.store import MemoryStore
from exchanges.market_data.subscriber import Instrument, Listing, MarketDataSubscriber

BAND = (110_000_000, 166_000_000)

Entry = Sequence[tuple[int, str | int]]


def message(msg_type: str, *fields: tuple[int, str | int]) -> Message:
    made: list[Field] = [(35, msg_type.encode()), (34, b"2")]
    made += [(tag, str(value).encode()) for tag, value in fields]
    return Parser().feed(encode(b"FIX.4.4", made))[0]


def full(sequence: int, *entries: Entry, symbol: str = "COMI") -> Message:
    """A W."""
    return message("W", (55, symbol), (83, sequence), (268, len(entries)), *[field for entry in entries for field in entry])


def change(sequence: int, *entries: Entry, symbol: str = "COMI") -> Message:
    """An X; each entry begins with its action and gets the symbol."""
    fields = [field for first, *rest in entries for field in (first, (55, symbol), *rest)]
    return message("X", (83, sequence), (268, len(entries)), *fields)


class Clock:
    def __init__(self, now: int = 1_790_000_000_000_000_000) -> None:
        self.time = now

    def now(self) -> int:
        return self.time


class Line:
    """A subscriber that is logged on to nobody; what it asks for is in the session's store."""

    def __init__(self, *, by_order: bool = False) -> None:
        self.clock = Clock()
        self.subscriber = MarketDataSubscriber("EGX", self.clock, by_order=by_order)
        self.subscriber.list_instruments([Listing("COMI", 139_000_000, BAND), Listing("TMGH", None, None)])
        config = SessionConfig(sender_comp_id="TRADSYS-MD", target_comp_id="EGX", dictionary=FIX44)
        self.session = Session(config, self.subscriber, MemoryStore(), self.clock)

    @property
    def comi(self) -> Instrument:
        return self.subscriber.instruments["COMI"]

    def hear(self, *messages: Message) -> None:
        for each in messages:
            self.subscriber.on_application_message(self.session, each)
        self.subscriber.on_read_complete(self.session)

    def asked(self) -> list[bytes]:
        """The requests that went out, as frames."""
        return [frame for _, frame in self.session.store.outgoing(1, 10_000)]
