"""The market-data session with one venue: subscribes to everything the venue lists, keeps the books, asks again after a gap."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from exchanges.fix.application import Application, UnsupportedMessageType
from exchanges.fix.clock import Clock
from exchanges.fix.message import Field, FieldError, Message
from exchanges.fix.session import Session
from exchanges.market_data.book import FeedBroken, InstrumentBook, TradeTick
from exchanges.market_data.candles import CandleSeries

log = logging.getLogger("exchanges.market_data")

_ASK_AGAIN_NS: Final = 5_000_000_000


@dataclass(slots=True)
class Instrument:
    """What is known of one instrument, and what of it has not been published."""

    exchange: str
    book: InstrumentBook
    previous: int | None
    """Reference price of the day, micros."""
    candles: CandleSeries = field(default_factory=CandleSeries)
    book_changed: bool = False
    last_trade: TradeTick | None = None
    trade_changed: bool = False
    asked_at: int | None = None
    """When a snapshot was asked for that has not come yet, ns UTC."""

    @property
    def key(self) -> str:
        return f"{self.exchange}:{self.book.symbol}"


class ChangeListener(Protocol):
    """Hears of every change at once, where the publisher comes by ten times a second."""

    def changed(self, instrument: Instrument, trades: Sequence[TradeTick]) -> None: ...

    def read_complete(self) -> None:
        """What one read of the line brought has been told."""
        ...


class MarketDataSubscriber(Application):
    """FIX application of one venue's market-data line."""

    def __init__(self, exchange: str, clock: Clock) -> None:
        self.exchange = exchange
        self.instruments: dict[str, Instrument] = {}
        self.gaps_healed = 0
        self.line_up = False
        self.listener: ChangeListener | None = None
        self._clock = clock
        self._requests = 0

    def list_instruments(self, references: Iterable[tuple[str, int | None]]) -> None:
        """Take over (symbol, reference price in micros) of the day; books that are kept go on."""
        for symbol, previous in references:
            instrument = self.instruments.get(symbol)
            if instrument is None:
                self.instruments[symbol] = Instrument(self.exchange, InstrumentBook(symbol), previous)
            else:
                instrument.previous = previous
                instrument.book_changed = True

    # ---- FIX application

    def on_logon(self, session: Session) -> None:
        log.info("%s: market data line is up, %d instruments", self.exchange, len(self.instruments))
        self.line_up = True
        self._ask(session, list(self.instruments.values()))

    def on_logout(self, session: Session) -> None:
        log.warning("%s: market data line is down; the books stand still", self.exchange)
        for instrument in self.instruments.values():
            instrument.book.sequence = None
            instrument.asked_at = None
            self._tell(instrument, ())
        self.line_up = False
        self.on_read_complete(session)

    def on_read_complete(self, session: Session) -> None:
        if self.listener is not None:
            self.listener.read_complete()

    def on_reject(self, session: Session, message: Message) -> None:
        log.error("%s: the venue rejects %r", self.exchange, message)

    def on_application_message(self, session: Session, message: Message) -> None:
        msg_type = message.msg_type
        if msg_type == "Y":
            log.error("%s: subscription refused: %s", self.exchange, message.get_text(58))
            return
        if msg_type not in ("W", "X"):
            raise UnsupportedMessageType
        instrument = self.instruments.get(self._symbol(message))
        if instrument is None:
            log.warning("%s: market data of an instrument that is not listed: %r", self.exchange, message)
            return
        try:
            if msg_type == "W":
                self._snapshot(instrument, message)
            else:
                self._increment(instrument, message)
        except (FeedBroken, FieldError) as error:
            log.warning("%s: %s; a new snapshot is asked for", self.exchange, error)
            instrument.book.sequence = None
            self.gaps_healed += 1
            self._tell(instrument, ())
            self._ask(session, [instrument])

    def ask_again(self, session: Session) -> None:
        """Repeat requests for snapshots that did not come; call every second."""
        if not session.logged_on:
            return
        due = self._clock.now() - _ASK_AGAIN_NS
        late = [each for each in self.instruments.values() if each.asked_at is not None and each.asked_at < due]
        if late:
            self._ask(session, late)

    # ---- inner parts

    def _snapshot(self, instrument: Instrument, message: Message) -> None:
        instrument.book.apply_snapshot(message)
        instrument.asked_at = None
        instrument.book_changed = True
        self._tell(instrument, ())

    def _increment(self, instrument: Instrument, message: Message) -> None:
        if instrument.book.sequence is None:
            return  # a snapshot is on its way and holds this too
        trades = instrument.book.apply_increment(message, self._clock.now())
        for tick in trades:
            instrument.candles.add(tick)
            instrument.last_trade = tick
            instrument.trade_changed = True
        instrument.book_changed = True
        self._tell(instrument, trades)

    def _tell(self, instrument: Instrument, trades: Sequence[TradeTick]) -> None:
        if self.listener is not None:
            self.listener.changed(instrument, trades)

    def _ask(self, session: Session, instruments: list[Instrument]) -> None:
        if not instruments:
            return
        self._requests += 1
        fields: list[Field] = [(262, b"%d" % self._requests), (263, b"1"), (264, b"0"), (265, b"1")]
        fields += [(267, b"3"), (269, b"0"), (269, b"1"), (269, b"2"), (146, b"%d" % len(instruments))]
        fields += [(55, instrument.book.symbol.encode()) for instrument in instruments]
        session.send("V", fields)
        now = self._clock.now()
        for instrument in instruments:
            instrument.asked_at = now

    @staticmethod
    def _symbol(message: Message) -> str:
        # In an X the symbol stands in each entry; the venue sends one instrument per message.
        return message.required_text(55)
