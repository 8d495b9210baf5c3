"""The market-data session with one venue: subscribes to everything the venue lists, keeps the books and what the venue says of
trading, asks again after a gap.

Whatever is wrong with a message is named (`FeedDefect`), counted and logged, and costs at most one instrument's book until its next
snapshot.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Final, NamedTuple, Protocol

from exchanges.api import Phase
from exchanges.fix.application import Application, UnsupportedMessageType
from exchanges.fix.clock import Clock
from exchanges.fix.message import Field, FieldError, Message
from exchanges.fix.session import Session
from exchanges.market_data.book import InstrumentBook, TradeTick
from exchanges.market_data.candles import CandleSeries
from exchanges.market_data.defects import FeedBroken, FeedDefect
from exchanges.market_data.status import (
    HaltReason,
    InstrumentStatus,
    Notice,
    NoticeKind,
    SecurityStatus,
    SessionStatus,
    TradingState,
    may_cross,
    notice,
    read_news,
    read_security_status,
    read_session_status,
    status_of,
)
from exchanges.prices import price_to_text
from tradsys.mesh.telemetry.metrics import METRICS

log = logging.getLogger("exchanges.market_data")

NOTICES_KEPT: Final = 200
"""Per exchange, in memory."""
_ASK_AGAIN_NS: Final = 5_000_000_000
_STOPPED: Final = (TradingState.HALTED, TradingState.UNAVAILABLE)


class Listing(NamedTuple):
    """An instrument of the day: reference price and limits in micros, where they are known."""

    symbol: str
    reference_price: int | None = None
    band: tuple[int, int] | None = None


@dataclass(slots=True)
class Instrument:
    """What is known of one instrument, and what of it has not been published."""

    exchange: str
    book: InstrumentBook
    previous: int | None
    """Reference price of the day, micros."""
    candles: CandleSeries = field(default_factory=CandleSeries)
    status: InstrumentStatus = field(default_factory=InstrumentStatus)
    told: SecurityStatus | None = None
    """What the venue last said of this instrument alone."""
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

    def noticed(self, notice: Notice, instruments: Sequence[Instrument]) -> None: ...

    def read_complete(self) -> None:
        """What one read of the line brought has been told."""
        ...


class MarketDataSubscriber(Application):
    """FIX application of one venue's market-data line. With `by_order` each order of a book is asked for."""

    def __init__(self, exchange: str, clock: Clock, *, by_order: bool = False) -> None:
        self.exchange = exchange
        self.by_order = by_order
        self.instruments: dict[str, Instrument] = {}
        self.notices: deque[Notice] = deque(maxlen=NOTICES_KEPT)
        """The newest last."""
        self.notices_changed = False
        self.zone: tzinfo = UTC
        """Of the exchange: its days begin by it."""
        self.session_status: SessionStatus | None = None
        self.gaps_healed = 0
        self.line_up = False
        self.listener: ChangeListener | None = None
        self._clock = clock
        self._requests = 0
        self._by_symbol: dict[bytes, Instrument] = {}
        self._not_given: set[bytes] = set()
        """Types of requests that this venue does not take."""

    def list_instruments(self, listings: Iterable[Listing]) -> None:
        """Take over the instruments of the day; books that are kept go on."""
        for symbol, previous, band in listings:
            instrument = self.instruments.get(symbol)
            if instrument is None:
                instrument = Instrument(self.exchange, InstrumentBook(symbol, by_order=self.by_order, band=band), previous)
                self.instruments[symbol] = self._by_symbol[symbol.encode()] = instrument
            else:
                instrument.previous, instrument.book.band = previous, band
                instrument.book_changed = True

    def adopt_notices(self, earlier: Sequence[Notice]) -> None:
        """Put notices of an earlier life (newest first) before those of this one."""
        known = {each.notice_id for each in self.notices}
        older = [each for each in reversed(earlier) if each.notice_id not in known]
        self.notices = deque([*older, *self.notices], maxlen=NOTICES_KEPT)

    def day_of(self, seconds: int) -> str:
        """The exchange's date at a moment (seconds UTC), ISO 8601."""
        return datetime.fromtimestamp(seconds, self.zone).date().isoformat()

    # ---- FIX application

    def on_logon(self, session: Session) -> None:
        log.info("%s: market data line is up, %d instruments", self.exchange, len(self.instruments))
        self.line_up = True
        self._ask(session, list(self.instruments.values()))
        self._ask_for_statuses(session)

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
        kind = message.values[2]
        if kind == b"X" or kind == b"W":
            self._book_message(session, kind, message)
            return
        try:
            if kind == b"f":
                self._security_status(read_security_status(message, self._clock.now()))
            elif kind == b"h":
                self._session_status(session, read_session_status(message, self._clock.now()))
            elif kind == b"B":
                self._news(message)
            elif kind == b"Y":
                self._defect(FeedDefect.SUBSCRIPTION_REFUSED, message.get_text(58) or "without a reason")
            elif kind == b"j":
                self._refused(message)
            else:
                raise UnsupportedMessageType
        except FieldError as error:
            self._defect(FeedDefect.BAD_FIELD, f"{kind.decode('latin-1')}: {error}")

    def ask_again(self, session: Session) -> None:
        """Repeat requests for snapshots that did not come; call every second."""
        if not session.logged_on:
            return
        due = self._clock.now() - _ASK_AGAIN_NS
        late = [each for each in self.instruments.values() if each.asked_at is not None and each.asked_at < due]
        if late:
            self._ask(session, late)

    # ---- books

    def _book_message(self, session: Session, kind: bytes, message: Message) -> None:
        # In an X the symbol stands in each entry; the venue sends one instrument per message.
        symbol = message.get(55)
        instrument = self._by_symbol.get(symbol or b"")
        if instrument is None:
            if symbol is None:
                self._defect(FeedDefect.BAD_FIELD, f"{kind.decode()}: tag 55: required tag missing")
            else:
                self._defect(FeedDefect.UNKNOWN_INSTRUMENT, f"{symbol.decode('utf-8', 'replace')[:32]} is not listed")
            return
        try:
            if kind == b"W":
                instrument.book.apply_snapshot(message, self._clock.now())
                instrument.asked_at = None
                instrument.book_changed = True
                self._tell(instrument, ())
            else:
                self._increment(instrument, message)
        except (FeedBroken, FieldError) as error:
            self._defect(_defect_of(error), f"{error}; a new snapshot is asked for")
            instrument.book.sequence = None
            self.gaps_healed += 1
            self._tell(instrument, ())
            if kind == b"W":
                # Asking at once would bring the same again, as fast as the line can carry it.
                instrument.asked_at = self._clock.now()
            else:
                self._ask(session, [instrument])
        if instrument.book.refused:
            self._not_believed(instrument)

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

    def _not_believed(self, instrument: Instrument) -> None:
        for defect, tick in instrument.book.refused:
            low, high = instrument.book.band or (0, 0)
            price, limits = price_to_text(tick.price), f"{price_to_text(low)} to {price_to_text(high)}"
            self._defect(defect, f"{instrument.book.symbol}: {tick.quantity} at {price}, the day's limits are {limits}")
        instrument.book.refused.clear()

    # ---- statuses and notices

    def _security_status(self, told: SecurityStatus) -> None:
        instrument = self.instruments.get(told.symbol)
        if instrument is None:
            self._defect(FeedDefect.UNKNOWN_INSTRUMENT, f"{told.symbol[:32]} is not listed")
            return
        if told.corporate_actions:
            headline = ", ".join(told.corporate_actions)
            self._notice(NoticeKind.CORPORATE_ACTION, (told.symbol,), headline=headline, text=told.text, time=told.time)
        if told.state is None and told.phase is None:
            if not told.corporate_actions:
                self._defect(FeedDefect.UNKNOWN_STATUS, f"{told.symbol}: a trading status that nothing follows from")
            return
        instrument.told = told
        before = instrument.status.state
        self._update_status(instrument)
        now = instrument.status.state
        if now in _STOPPED and before not in _STOPPED:
            self._notice(NoticeKind.HALT, (told.symbol,), text=told.text, reason=told.reason, time=told.time)
        elif before in _STOPPED and now not in _STOPPED:
            self._notice(NoticeKind.RESUME, (told.symbol,), text=told.text, reason=told.reason, time=told.time)

    def _session_status(self, session: Session, told: SessionStatus) -> None:
        before, self.session_status = self.session_status, told
        for instrument in self.instruments.values():
            # A new phase of the market ends what was said of one instrument, but not its halt.
            own = instrument.told
            if own is not None and before is not None and before.phase is not told.phase and own.state not in _STOPPED:
                instrument.told = None
            self._update_status(instrument)
        if before is not None and before.phase is Phase.CLOSED and told.phase is not Phase.CLOSED:
            # A new day: what holds an instrument back may have ended while nobody spoke of it.
            self._ask_for_statuses(session)
        if told.halted and not (before and before.halted):
            self._notice(NoticeKind.HALT, (), text=told.text, time=told.time)
        elif before is not None and before.halted and not told.halted:
            self._notice(NoticeKind.RESUME, (), text=told.text, time=told.time)

    def _update_status(self, instrument: Instrument) -> None:
        status = status_of(instrument.told, self.session_status)
        instrument.book.may_cross = may_cross(status)
        if status.state is TradingState.TRADING or status.phase is Phase.CLOSED:
            instrument.book.forget_indication()
        if status != instrument.status:
            instrument.status = status
            instrument.book_changed = True
            self._tell(instrument, ())

    def _news(self, message: Message) -> None:
        news = read_news(message, self._clock.now())
        unknown = [each for each in news.symbols if each not in self.instruments]
        if unknown:
            self._defect(FeedDefect.UNKNOWN_INSTRUMENT, f"news of {unknown[0][:32]}, which is not listed")
        corporate = news.headline.upper().startswith("CORPORATE ACTION")
        kind = NoticeKind.CORPORATE_ACTION if corporate else NoticeKind.NEWS
        self._notice(kind, news.symbols, headline=news.headline, text=news.text, time=news.time)

    def _notice(
        self,
        kind: NoticeKind,
        symbols: Sequence[str],
        *,
        headline: str = "",
        text: str = "",
        reason: HaltReason = HaltReason.NOT_GIVEN,
        time: int,
    ) -> None:
        made = notice(self.exchange, kind, symbols, headline=headline, text=text, reason=reason, time=time)
        if any(each.notice_id == made.notice_id for each in self.notices):
            return
        self.notices.append(made)
        self.notices_changed = True
        log.info("%s: notice %s of %s: %s %s", self.exchange, kind, ", ".join(symbols) or "the market", made.headline, made.text)
        if self.listener is not None:
            concerned = symbols or list(self.instruments)
            self.listener.noticed(made, [self.instruments[each] for each in concerned if each in self.instruments])

    # ---- inner parts

    def _refused(self, message: Message) -> None:
        """A business reject. It is never answered: two sides that reject each other's rejects never stop."""
        kind = message.get(372)
        if kind == b"g" or kind == b"e":
            if kind not in self._not_given:
                log.info("%s: the venue gives no %s", self.exchange, "session status" if kind == b"g" else "security status")
            self._not_given.add(kind)
            return
        self._defect(FeedDefect.SUBSCRIPTION_REFUSED, message.get_text(58) or "without a reason")

    def _defect(self, defect: FeedDefect, text: str) -> None:
        METRICS.feed_defect(self.exchange, defect)
        log.warning("%s: %s: %s", self.exchange, defect, text)

    def _tell(self, instrument: Instrument, trades: Sequence[TradeTick]) -> None:
        if self.listener is not None:
            self.listener.changed(instrument, trades)

    def _ask(self, session: Session, instruments: list[Instrument]) -> None:
        if not instruments:
            return
        self._requests += 1
        fields: list[Field] = [(262, b"%d" % self._requests), (263, b"1"), (264, b"0"), (265, b"1")]
        fields.append((266, b"N" if self.by_order else b"Y"))
        fields += [(267, b"3"), (269, b"0"), (269, b"1"), (269, b"2"), (146, b"%d" % len(instruments))]
        fields += [(55, instrument.book.symbol.encode()) for instrument in instruments]
        session.send("V", fields)
        now = self._clock.now()
        for instrument in instruments:
            instrument.asked_at = now

    def _ask_for_statuses(self, session: Session) -> None:
        """Of the market and of each instrument, now and whenever they change."""
        self._requests += 1
        requests: list[tuple[str, list[Field]]] = [("g", [(335, b"%d" % self._requests), (263, b"1")])]
        for instrument in self.instruments.values():
            self._requests += 1
            requests.append(("e", [(324, b"%d" % self._requests), (55, instrument.book.symbol.encode()), (263, b"1")]))
        session.send_many(requests)


def _defect_of(error: FeedBroken | FieldError) -> FeedDefect:
    return error.defect if isinstance(error, FeedBroken) else FeedDefect.BAD_FIELD
