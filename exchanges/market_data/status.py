"""What a venue says of trading besides prices: SecurityStatus (35=f), TradingSessionStatus (35=h) and News (35=B). Pure.

FIX 4.4 volume 3 names the messages; which SecurityTradingStatus (326) means what here stands in `_TOLD`. A TradingSessionID (336)
is the name of a session phase of ours.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from exchanges.api import PHASE_RULES, Phase
from exchanges.fix.message import FieldFormat, Message
from exchanges.fix.timestamps import text_to_timestamp

_LONGEST_TEXT: Final = 2_000


class TradingState(StrEnum):
    """Whether an instrument trades now. Closed; the names are those of ``tradsys.v1.TradingState``."""

    UNKNOWN = "UNKNOWN"
    """The venue has said nothing yet."""
    TRADING = "TRADING"
    HALTED = "HALTED"
    UNAVAILABLE = "UNAVAILABLE"
    AUCTION = "AUCTION"
    """Orders collect; they trade at one price when the call ends."""
    PRE_OPEN = "PRE_OPEN"
    CLOSED = "CLOSED"


class HaltReason(StrEnum):
    """HaltReasonChar (327)."""

    ORDER_IMBALANCE = "ORDER_IMBALANCE"
    EQUIPMENT_CHANGEOVER = "EQUIPMENT_CHANGEOVER"
    NEWS_PENDING = "NEWS_PENDING"
    NEWS_DISSEMINATION = "NEWS_DISSEMINATION"
    ORDER_INFLUX = "ORDER_INFLUX"
    ADDITIONAL_INFORMATION = "ADDITIONAL_INFORMATION"
    NOT_GIVEN = "NOT_GIVEN"


class NoticeKind(StrEnum):
    """Closed; the names are those of ``tradsys.v1.NoticeKind``."""

    HALT = "HALT"
    RESUME = "RESUME"
    CORPORATE_ACTION = "CORPORATE_ACTION"
    NEWS = "NEWS"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something people should read. `symbols` is empty for the whole market; `time` is ns UTC; `notice_id` names it for ever."""

    notice_id: str
    exchange: str
    kind: NoticeKind
    symbols: tuple[str, ...]
    headline: str
    text: str
    reason: HaltReason
    time: int


@dataclass(frozen=True, slots=True)
class SecurityStatus:
    """An f: `state` is None where nothing follows from its 326. `phase` is the instrument's own, such as its auction."""

    symbol: str
    state: TradingState | None
    phase: Phase | None
    reason: HaltReason
    text: str
    corporate_actions: tuple[str, ...]
    """CorporateAction (292) by name, such as ``EX_DIVIDEND``."""
    time: int
    until: int | None = None
    """Where the text names the end of a halt, ns UTC: FIX 4.4 has no field for it."""


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """An h: the phase of the whole market, and whether it is halted; `resumes_at` is TradSesOpenTime (342) or the end that the text
    names, ns UTC or None."""

    phase: Phase
    halted: bool
    resumes_at: int | None
    text: str
    time: int


@dataclass(frozen=True, slots=True)
class News:
    """A B: headline, lines of text, and the instruments it is about."""

    headline: str
    text: str
    symbols: tuple[str, ...]
    time: int


@dataclass(frozen=True, slots=True)
class InstrumentStatus:
    """What is in force for an instrument. Times are ns UTC; `until` is None where the venue names no end."""

    state: TradingState = TradingState.UNKNOWN
    phase: Phase | None = None
    reason: HaltReason = HaltReason.NOT_GIVEN
    text: str = ""
    since: int = 0
    until: int | None = None


_TOLD: Final[Mapping[int, TradingState]] = {
    1: TradingState.HALTED,  # opening delay
    2: TradingState.HALTED,
    3: TradingState.TRADING,  # resume
    17: TradingState.TRADING,  # ready to trade
    18: TradingState.UNAVAILABLE,
    21: TradingState.PRE_OPEN,
}
_REASONS: Final[Mapping[bytes, HaltReason]] = {
    b"I": HaltReason.ORDER_IMBALANCE,
    b"X": HaltReason.EQUIPMENT_CHANGEOVER,
    b"P": HaltReason.NEWS_PENDING,
    b"D": HaltReason.NEWS_DISSEMINATION,
    b"E": HaltReason.ORDER_INFLUX,
    b"M": HaltReason.ADDITIONAL_INFORMATION,
}
_CORPORATE_ACTIONS: Final[Mapping[bytes, str]] = {
    b"A": "EX_DIVIDEND",
    b"B": "EX_DISTRIBUTION",
    b"C": "EX_RIGHTS",
    b"D": "NEW",
    b"E": "EX_INTEREST",
}
_UNTIL: Final = re.compile(r"\buntil ([0-9]{8}-[0-9:]{8}(?:\.[0-9]{3})?) UTC\Z", re.ASCII)
_SESSION_HALTED: Final = 1
"""Of TradSesStatus (340)."""


def read_security_status(message: Message, now: int) -> SecurityStatus:
    """Raises FieldError."""
    trading = message.get_int(326)
    phase = _phase(message) if 336 in message else None
    state = None if trading is None else _TOLD.get(trading)
    if state is TradingState.UNAVAILABLE and phase is Phase.CLOSED:
        state = TradingState.CLOSED
    text = (message.get_text(58) or "")[:_LONGEST_TEXT]
    reason = message.get(327)
    actions = (message.get(292) or b"").split()
    if unknown := [each for each in actions if each not in _CORPORATE_ACTIONS]:
        raise FieldFormat(292, unknown[0])
    if reason is not None and reason not in _REASONS:
        raise FieldFormat(327, reason)
    return SecurityStatus(
        symbol=message.required_text(55),
        state=state,
        phase=phase,
        reason=HaltReason.NOT_GIVEN if reason is None else _REASONS[reason],
        text=text,
        corporate_actions=tuple(_CORPORATE_ACTIONS[each] for each in actions),
        time=_time(message, 60, now),
        until=_end_in(text),
    )


def read_session_status(message: Message, now: int) -> SessionStatus:
    """Raises FieldError, also for a session that is no phase of ours."""
    text = (message.get_text(58) or "")[:_LONGEST_TEXT]
    return SessionStatus(
        phase=_phase(message),
        halted=message.required_int(340) == _SESSION_HALTED,
        resumes_at=_time(message, 342, 0) or _end_in(text),
        text=text,
        time=now,
    )


def read_news(message: Message, now: int) -> News:
    """Raises FieldError."""
    headline = message.required_text(148)
    lines = [_text(line.get(58, b"")) for line in message.group(33)]
    symbols = dict.fromkeys(_text(entry[55]) for entry in message.group(146) if 55 in entry)
    return News(headline[:_LONGEST_TEXT], "\n".join(lines)[:_LONGEST_TEXT], tuple(symbols), _time(message, 42, now))


def notice(
    exchange: str,
    kind: NoticeKind,
    symbols: Sequence[str],
    *,
    headline: str = "",
    text: str = "",
    reason: HaltReason = HaltReason.NOT_GIVEN,
    time: int,
) -> Notice:
    """A notice with the id that the same content of the same second always has, so that hearing it twice keeps it once."""
    content = "\x1f".join((exchange, kind, ",".join(symbols), headline, text, reason, str(time // 1_000_000_000)))
    return Notice(hashlib.sha256(content.encode()).hexdigest()[:32], exchange, kind, tuple(symbols), headline, text, reason, time)


def status_of(own: SecurityStatus | None, session: SessionStatus | None) -> InstrumentStatus:
    """What holds for an instrument: what the venue last said of itself goes before what it said of the market, but a market that
    is halted or closed trades nothing."""
    if session is not None and session.halted:
        return InstrumentStatus(
            TradingState.HALTED, session.phase, HaltReason.NOT_GIVEN, session.text, session.time, session.resumes_at
        )
    if own is not None and own.state in (TradingState.HALTED, TradingState.UNAVAILABLE):
        phase = session.phase if session else own.phase
        return InstrumentStatus(own.state, phase, own.reason, own.text, own.time, own.until)
    if own is not None and (own.phase is not None or own.state is TradingState.PRE_OPEN):
        phase = own.phase or Phase.PRE_OPEN
        return InstrumentStatus(_state_in(phase), phase, own.reason, own.text, own.time)
    if session is not None:
        return InstrumentStatus(_state_in(session.phase), session.phase, text=session.text, since=session.time)
    if own is not None and own.state is not None:
        return InstrumentStatus(own.state, None, own.reason, own.text, own.time)
    return InstrumentStatus()


def may_cross(status: InstrumentStatus) -> bool:
    """Whether bids above offers are what one expects: orders collect and do not match."""
    if status.state in (TradingState.HALTED, TradingState.UNAVAILABLE):
        return True
    return status.phase is not None and status.phase is not Phase.CLOSED and not PHASE_RULES[status.phase].matches


def _state_in(phase: Phase) -> TradingState:
    if phase is Phase.CLOSED:
        return TradingState.CLOSED
    if phase is Phase.PRE_OPEN:
        return TradingState.PRE_OPEN
    return TradingState.TRADING if PHASE_RULES[phase].matches else TradingState.AUCTION


def _phase(message: Message) -> Phase:
    value = message.required(336)
    try:
        return Phase(value.decode("ascii"))
    except (ValueError, UnicodeDecodeError):
        raise FieldFormat(336, value) from None


def _time(message: Message, tag: int, otherwise: int) -> int:
    value = message.get(tag)
    if value is None:
        return otherwise
    try:
        return text_to_timestamp(value)
    except ValueError:
        raise FieldFormat(tag, value) from None


def _end_in(text: str) -> int | None:
    found = _UNTIL.search(text)
    if found is None:
        return None
    try:
        return text_to_timestamp(found[1].encode())
    except ValueError:
        return None


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise FieldFormat(58, value) from None
