"""Takes changes of books to open streams as they come: one update per instrument and read of the line, encoded once for all.

Runs on the event loop that feeds the books; nothing here waits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final, Protocol

from exchanges.market_data.book import TradeTick
from exchanges.market_data.book_side import Level
from exchanges.market_data.status import InstrumentStatus, Notice, NoticeKind, TradingState
from exchanges.market_data.subscriber import Instrument
from tradsys.v1 import market_data_pb2 as pb

DEPTH: Final = 10

_STATES: Final = {
    state: pb.TRADING_STATE_UNSPECIFIED if state is TradingState.UNKNOWN else pb.TradingState.Value(f"TRADING_STATE_{state}")
    for state in TradingState
}
_KINDS: Final = {kind: pb.NoticeKind.Value(f"NOTICE_KIND_{kind}") for kind in NoticeKind}


class Reader(Protocol):
    def put(self, raw: bytes) -> None: ...


class LiveUpdates:
    """The `ChangeListener` of every line. `now` gives nanoseconds UTC."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._readers: dict[str, set[Reader]] = {}
        """Instrument key → who is told."""
        self._changed: dict[str, tuple[Instrument, list[TradeTick]]] = {}
        self._notices: dict[str, list[Notice]] = {}
        self._sequences: dict[str, int] = {}

    def subscribe(self, reader: Reader, instruments: Collection[Instrument]) -> None:
        """Give `reader` a snapshot of each, and from then on every update."""
        self.read_complete()  # what has changed up to here is in the snapshots
        for instrument in instruments:
            self._readers.setdefault(instrument.key, set()).add(reader)
            reader.put(self._update(instrument, (), (), snapshot=True))

    def unsubscribe(self, reader: Reader, instruments: Collection[Instrument]) -> None:
        for instrument in instruments:
            readers = self._readers.get(instrument.key, set())
            readers.discard(reader)
            if not readers:
                self._readers.pop(instrument.key, None)

    def changed(self, instrument: Instrument, trades: Sequence[TradeTick]) -> None:
        if instrument.key in self._readers:
            self._changed.setdefault(instrument.key, (instrument, []))[1].extend(trades)

    def noticed(self, notice: Notice, instruments: Sequence[Instrument]) -> None:
        for instrument in instruments:
            if instrument.key in self._readers:
                self._notices.setdefault(instrument.key, []).append(notice)
                self.changed(instrument, ())

    def read_complete(self) -> None:
        if not self._changed:
            return
        changed, self._changed = self._changed, {}
        notices, self._notices = self._notices, {}
        for key, (instrument, trades) in changed.items():
            readers = self._readers.get(key)
            if readers:
                self._sequences[key] = self._sequences.get(key, 0) + 1
                raw = self._update(instrument, trades, notices.get(key, ()), snapshot=False)
                for reader in readers:
                    reader.put(raw)

    def _update(self, instrument: Instrument, trades: Sequence[TradeTick], notices: Sequence[Notice], *, snapshot: bool) -> bytes:
        book = instrument.book
        bids, asks = book.levels(DEPTH)
        return pb.MarketDataUpdate(
            exchange=instrument.exchange,
            symbol=book.symbol,
            sequence=self._sequences.get(instrument.key, 0),
            snapshot=snapshot,
            bids=levels(bids),
            asks=levels(asks),
            last_price=book.last_price,
            last_quantity=book.last_quantity,
            volume=book.volume,
            trades=[pb.Trade(price=tick.price, quantity=tick.quantity, time=tick.time) for tick in trades],
            time=self._now(),
            stale=book.sequence is None,
            status=status_message(instrument.status),
            indicative=indicative_message(instrument),
            notices=[notice_message(each) for each in notices],
        ).SerializeToString()


def levels(rows: Sequence[Level]) -> list[pb.BookLevel]:
    return [pb.BookLevel(price=price, quantity=quantity, orders=orders) for price, quantity, orders in rows]


def status_message(status: InstrumentStatus) -> pb.TradingStatus:
    return pb.TradingStatus(
        state=_STATES[status.state],
        phase=status.phase or "",
        reason=status.reason,
        text=status.text,
        since=status.since,
        until=status.until or 0,
    )


def indicative_message(instrument: Instrument) -> pb.Indicative:
    return pb.Indicative(price=instrument.book.indicative_price, quantity=instrument.book.indicative_quantity)


def notice_message(notice: Notice) -> pb.Notice:
    return pb.Notice(
        notice_id=notice.notice_id,
        exchange=notice.exchange,
        kind=_KINDS[notice.kind],
        symbols=notice.symbols,
        headline=notice.headline,
        text=notice.text,
        reason=notice.reason,
        time=notice.time,
    )
