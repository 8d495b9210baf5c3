"""What market data subscribers are told of the session: TradingSessionStatus (h), SecurityStatus (f) and News (B) of FIX 4.4. Pure.

TradingSessionID (336) is the name of our phase; TradingSessionSubID (625) of an f says which kind of halt it is.
"""

from __future__ import annotations

from typing import Final

from exchanges.api import Phase
from exchanges.fix.message import Field
from exchanges.fix.timestamps import timestamp_to_text
from exchanges.simulator.halt_rules import HaltKind
from exchanges.simulator.halts import HaltStarted
from exchanges.simulator.session_state import MARKET, SessionState

_MARKET_HALTED: Final = b"1"
_SESSION_STATUS: Final = {
    Phase.PRE_OPEN: b"4",
    Phase.OPENING_AUCTION: b"4",
    Phase.CONTINUOUS: b"2",
    Phase.CLOSING_AUCTION: b"5",
    Phase.TRADE_AT_LAST: b"2",
    Phase.CLOSED: b"3",
}
"""TradSesStatus (340)."""

_HALTED: Final = b"2"
_RESUMED: Final = b"3"
_SECURITY_STATUS: Final = {
    Phase.PRE_OPEN: b"21",
    Phase.OPENING_AUCTION: b"21",
    Phase.CONTINUOUS: b"17",
    # 4.4 has no value for a closing call; "price indication" is what it gives.
    Phase.CLOSING_AUCTION: b"5",
    Phase.TRADE_AT_LAST: b"17",
    Phase.CLOSED: b"18",
}
"""SecurityTradingStatus (326) of an instrument that nothing holds back."""
_ADDITIONAL_INFORMATION: Final = b"M"
"""HaltReasonChar (327): the reason is in Text (58)."""

Status = tuple[str, list[Field]]


def session_status(session: SessionState, text: str, request_id: bytes = b"") -> Status:
    """h: the session's phase, or that the whole market is halted. `request_id` answers a request; without it nobody asked."""
    held = session.holds.get(MARKET)
    fields: list[Field] = [(335, request_id)] if request_id else []
    fields += [(336, session.phase.value.encode()), (325, b"N" if request_id else b"Y")]
    fields.append((340, _SESSION_STATUS[session.phase] if held is None else _MARKET_HALTED))
    text = text if held is None else _halt_text(held)
    if text:
        fields.append((58, text.encode()))
    return "h", fields


def security_status(session: SessionState, symbol: str, now: int, *, resumed: bool = False, request_id: bytes = b"") -> Status:
    """f: whether `symbol` trades. `resumed` says that a halt of it is just over."""
    held = session.hold(symbol)
    fields: list[Field] = [(324, request_id)] if request_id else []
    fields += [(55, symbol.encode()), (336, session.phase.value.encode())]
    if held is not None:
        fields.append((625, held.kind.name.encode()))
    fields.append((325, b"N" if request_id else b"Y"))
    if held is not None:
        fields += [(326, _HALTED), (327, _ADDITIONAL_INFORMATION)]
    else:
        fields.append((326, _RESUMED if resumed else _SECURITY_STATUS[session.phase]))
    fields.append((60, timestamp_to_text(now)))
    if held is not None:
        fields.append((58, _halt_text(held).encode()))
    return "f", fields


def news(headline: str, lines: list[str], symbol: str, now: int) -> Status:
    """B: a notice of the exchange, on one instrument when `symbol` is not empty."""
    fields: list[Field] = [(42, timestamp_to_text(now)), (148, headline.encode())]
    if symbol:
        fields += [(146, b"1"), (55, symbol.encode())]
    fields.append((33, b"%d" % len(lines)))
    fields += [(58, line.encode()) for line in lines]
    return "B", fields


def _halt_text(held: HaltStarted) -> str:
    text = f"halt auction: {held.label}" if held.kind is HaltKind.AUCTION else held.label
    if held.until is None:
        return text
    return f"{text}, until {timestamp_to_text(held.until).decode()} UTC"
