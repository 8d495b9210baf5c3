"""From the log on disk to the venue as it was: books, ids, session numbers, and the reports that it still owes."""

from __future__ import annotations

import gc
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from exchanges.api import Phase
from exchanges.fix.message import Parser
from exchanges.simulator import records
from exchanges.simulator.event_log import EventLog, LogDamaged, Record, RecordType
from exchanges.simulator.order_desk import OrderDesk
from exchanges.simulator.order_entry import decode_request
from exchanges.simulator.reports import Report
from exchanges.simulator.session_state import SessionState
from exchanges.simulator.session_store import LoggedStore

log = logging.getLogger("exchanges.simulator")

SEGMENTS_KEPT = 3
"""Trading days whose frames can still be sent again; older segments are deleted."""


@dataclass
class Recovered:
    """The venue at the end of its log."""

    desk: OrderDesk
    day: records.DayStarted
    day_ended: bool = False
    events: int = 0
    owed: dict[str, deque[Report]] = field(default_factory=dict)
    """By member: reports that follow from the log and were not kept in it yet."""


def new_desk(day: records.DayStarted, symbols: tuple[str, ...]) -> OrderDesk:
    """The desk as ``day`` begins: empty books, the numbering of the days before, their last prices."""
    session = SessionState(day.halts, Phase(day.phase) if day.phase else Phase.CONTINUOUS)
    desk = OrderDesk(symbols, f"{day.exchange}-{day.birth}", session)
    desk.drop_copies.restore(day.drop_copies)
    engine = desk.engine
    engine.order_number, engine.execution_number, engine.trade_number = (
        day.order_number,
        day.execution_number,
        day.trade_number,
    )
    for symbol, price in day.last_prices.items():
        engine.open_book(symbol)
        engine.books[symbol].last_price = price
    return desk


def birth_mark(now: int) -> str:
    """Seconds since 2020 in base 36: marks the ids of a log that begins at ``now`` (ns UTC)."""
    number, text = max(now // 1_000_000_000 - 1_577_836_800, 0), ""
    while number or not text:
        number, digit = divmod(number, 36)
        text = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + text
    return text


def recover(log_: EventLog, *, exchange: str, symbols: tuple[str, ...], store_of: Callable[[str], LoggedStore]) -> Recovered | None:
    """Read the log; None when it is new. ``store_of`` gives a member's store, also of a member that is no longer configured.

    Raises LogDamaged when the log cannot be what this venue has written.
    """
    started = time.monotonic()
    torn = log_.recover()
    if torn is not None:
        log.warning("the log of %s ended in the middle of a record; the torn bytes are in %s", exchange, torn.name)
    segments = log_.segments()
    if not segments:
        return None
    for segment in segments[:-1]:
        for record in log_.records(segment):
            _place_frame(record, segment, store_of)
    # Everything made here stays: looking for garbage among it would take half of the time.
    gc.disable()
    try:
        recovered = _replay(log_, segments[-1], exchange, symbols, store_of)
    finally:
        gc.freeze()
        gc.enable()
    log.info("%s: %d events replayed in %.2f s", exchange, recovered.events, time.monotonic() - started)
    return recovered


def _place_frame(record: Record, segment: int, store_of: Callable[[str], LoggedStore]) -> records.Outbound | None:
    """Session numbers and frames' places, which days that are over still have for resending."""
    kind = record.type
    if kind in (RecordType.REPORT, RecordType.SESSION_FRAME):
        frame = records.outbound(record.payload)
        store = store_of(frame.member)
        store.place(frame.number, segment, record.offset + len(record.payload), len(frame.frame))
        store.next_target = max(store.next_target, frame.next_target)
        return frame
    if kind is RecordType.NUMBERS_RESET:
        store_of(records.line_event(record.payload).member).forget()
    elif kind is RecordType.DAY_STARTED:
        _continue_sessions(records.day_started(record.payload).sessions, store_of)
    return None


def _continue_sessions(sessions: Mapping[str, records.Numbers], store_of: Callable[[str], LoggedStore]) -> None:
    for member, numbers in sessions.items():
        store_of(member).continue_from(numbers)


def _replay(
    log_: EventLog, segment: int, exchange: str, symbols: tuple[str, ...], store_of: Callable[[str], LoggedStore]
) -> Recovered:
    parser = Parser()
    recovered: Recovered | None = None
    name = log_.path(segment).name
    for record in log_.records(segment, verified=True):
        if recovered is None:
            if record.type is not RecordType.DAY_STARTED:
                raise LogDamaged(f"{log_.path(segment)}: the first record is not the start of a day")
            day = records.day_started(record.payload)
            if day.exchange != exchange:
                raise LogDamaged(f"{log_.path(segment)}: the log of {day.exchange}, not of {exchange}")
            _place_frame(record, segment, store_of)
            recovered = Recovered(new_desk(day, symbols), day)
            continue
        recovered.events += 1
        frame = _place_frame(record, segment, store_of)
        if record.type is RecordType.REPORT and frame is not None:
            _settle(recovered, frame, record, name)
        elif record.type is RecordType.NUMBERS_RESET:
            # The peer has asked to forget: what it was owed it does not want any more.
            recovered.owed.pop(records.line_event(record.payload).member, None)
        else:
            reports = _apply(recovered, record, parser, store_of)
            for report in recovered.desk.drop_copies.expand(reports):
                recovered.owed.setdefault(report.member, deque()).append(report)
    if recovered is None:
        raise LogDamaged(f"{log_.path(segment)}: the segment has no record")
    return recovered


def _apply(recovered: Recovered, record: Record, parser: Parser, store_of: Callable[[str], LoggedStore]) -> list[Report]:
    desk = recovered.desk
    if record.type is RecordType.INBOUND:
        inbound = records.inbound(record.payload)
        store = store_of(inbound.member)
        if inbound.generation == store.generation:
            store.next_target = max(store.next_target, inbound.number + 1)
        request = decode_request(parser.feed(inbound.frame)[0])
        assert request is not None
        return desk.handle(inbound.member, request, (inbound.refusal_reason, inbound.refusal_text), record.time)
    if record.type is RecordType.LINE_LOST:
        return desk.line_lost(records.line_event(record.payload).member, record.time)
    if record.type is RecordType.DAY_ENDED:
        recovered.day_ended = True
        return desk.day_ended(record.time)
    if record.type is RecordType.PHASE_ENTERED:
        return desk.enter_phase(records.phase_entered(record.payload), record.time)
    if record.type is RecordType.HALTS_ENDED:
        return desk.end_halts(records.halts_ended(record.payload), record.time)
    if record.type is RecordType.HALT_STARTED:
        desk.session.halt(records.halt_started(record.payload))
    elif record.type is RecordType.INDEX_VALUE:
        desk.session.on_index(records.index_value(record.payload), record.time)
    elif record.type is RecordType.DROP_COPY_BEGUN:
        begun = records.drop_copy_begun(record.payload)
        desk.drop_copies.begin(begun.member, begun.of)
    return []


def _settle(recovered: Recovered, frame: records.Outbound, record: Record, name: str) -> None:
    """The log has the next report that its member was owed; raises LogDamaged when it is a different one."""
    owed = recovered.owed.get(frame.member)
    report = owed.popleft() if owed else None
    if report is None or (report.exec_id and b"\x0117=%b\x01" % report.exec_id not in frame.frame):
        raise LogDamaged(f"{name}, record {record.sequence}: a report to {frame.member} that does not follow from the events")
