"""What the admin port may change: fault switches, halts, the session's phase, the index, news.

Each switch has a body of its own, checked whole before anything happens; each is written into the venue's log before it acts.
A switch that cannot be taken raises SwitchRefused, and nothing has changed.
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import msgspec

from exchanges.api import Phase
from exchanges.fix.session import Session
from exchanges.fix.tags import HEARTBEAT
from exchanges.prices import PriceError, text_to_price
from exchanges.simulator import records
from exchanges.simulator.fault_switches import Rejection
from exchanges.simulator.halt_rules import HaltKind
from exchanges.simulator.venue import Venue

_SECOND: Final = 1_000_000_000
_TOKEN_BYTES: Final = 32


class SwitchError(StrEnum):
    """Why a switch is not taken."""

    SWITCHES_OFF = "SWITCHES_OFF"
    TOKEN_REFUSED = "TOKEN_REFUSED"  # noqa: S105 - a reason, no secret
    UNKNOWN_SWITCH = "UNKNOWN_SWITCH"
    BAD_BODY = "BAD_BODY"
    UNKNOWN_SESSION = "UNKNOWN_SESSION"
    NOT_ON_LINE = "NOT_ON_LINE"
    UNKNOWN_SYMBOL = "UNKNOWN_SYMBOL"
    NOT_HALTED = "NOT_HALTED"
    NOT_CONTINUOUS = "NOT_CONTINUOUS"
    NO_MARKET_HALT = "NO_MARKET_HALT"


class AdminTokenError(Exception):
    """The token file holds none that can be used."""


class SwitchRefused(Exception):
    """`status` is the HTTP status of the answer, `code` the reason, the text says what to do."""

    def __init__(self, status: int, code: SwitchError, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A switch's body; fields that it does not know are refused."""


_Seconds: Final = msgspec.Meta(ge=0, le=86_400)
_Text: Final = msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")
_Count: Final = msgspec.Meta(ge=1, le=1_000_000)


class DropLine(_Body, frozen=True):
    session: str
    for_seconds: Annotated[int, _Seconds] = 0
    """How long a new Logon is left without an answer."""


class Delay(_Body, frozen=True):
    session: str
    milliseconds: Annotated[int, msgspec.Meta(ge=0, le=60_000)]
    """0 sends at once again."""


class Reject(_Body, frozen=True):
    text: Annotated[str, _Text]
    orders: Annotated[int, _Count] | None = None
    """How many; without it all, until the switch is reset."""
    symbol: str = ""
    session: str = ""


class Gap(_Body, frozen=True):
    session: str


class Reports(_Body, frozen=True):
    """Of duplicate-report and lost-report."""

    session: str
    reports: Annotated[int, _Count] = 1


class Halt(_Body, frozen=True):
    symbol: str = ""
    """Empty: the whole market."""
    kind: HaltKind = HaltKind.SUSPENSION
    for_seconds: Annotated[int, _Seconds] = 0
    """0: until it is resumed."""
    text: Annotated[str, _Text] = "halted by the operator"


class Resume(_Body, frozen=True):
    symbol: str = ""


class Index(_Body, frozen=True):
    """Points as decimal texts."""

    value: str
    previous_close: str


class PhaseChange(_Body, frozen=True):
    phase: Phase | None
    """null goes back to the timetable."""


class News(_Body, frozen=True):
    headline: Annotated[str, _Text]
    lines: Annotated[list[Annotated[str, _Text]], msgspec.Meta(min_length=1, max_length=50)]
    symbol: str = ""


class _Switch(NamedTuple):
    body: type[_Body]
    act: Callable[[Any], None]


class Switches:
    """The switches of one venue, for whoever has its token."""

    def __init__(self, venue: Venue, token: str) -> None:
        self._venue = venue
        self._token = token.encode()
        self._switches: dict[str, _Switch] = {
            "/faults/drop-line": _Switch(DropLine, self._drop_line),
            "/faults/delay": _Switch(Delay, self._delay),
            "/faults/reject": _Switch(Reject, self._reject),
            "/faults/gap": _Switch(Gap, self._gap),
            "/faults/duplicate-report": _Switch(Reports, self._duplicate_report),
            "/faults/lost-report": _Switch(Reports, self._lost_report),
            "/halt": _Switch(Halt, self._halt),
            "/resume": _Switch(Resume, self._resume),
            "/index": _Switch(Index, self._index),
            "/phase": _Switch(PhaseChange, self._phase),
            "/news": _Switch(News, self._news),
        }

    @property
    def bodies(self) -> dict[str, type[msgspec.Struct]]:
        """What each switch's body is, by path."""
        return {path: switch.body for path, switch in self._switches.items()}

    def authorize(self, authorization: str) -> None:
        """Check an Authorization header. Raises SwitchRefused unless it is Bearer with the venue's token."""
        kind, _, given = authorization.partition(" ")
        if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self._token):
            text = "send the venue's admin token as Authorization: Bearer; it is in the token file that the venue was started with"
            raise SwitchRefused(401, SwitchError.TOKEN_REFUSED, text)

    def post(self, path: str, body: bytes, peer: str) -> None:
        """Take the switch `path`, asked by `peer`. Raises SwitchRefused."""
        switch = self._switches.get(path)
        if switch is None:
            known = ", ".join(self._switches)
            raise SwitchRefused(400, SwitchError.UNKNOWN_SWITCH, f"{path[:60]!r} is no switch; there are {known}")
        try:
            asked = msgspec.json.decode(body, type=switch.body)
        except msgspec.DecodeError as error:
            raise SwitchRefused(400, SwitchError.BAD_BODY, f"the body of {path}: {error}") from error
        self._check(asked)
        self._note(path, body, peer)
        switch.act(asked)

    def reset(self, peer: str) -> None:
        """Switch all faults off; halts and phases are no faults and stay."""
        self._note("reset /faults", b"{}", peer)
        self._venue.faults.reset()

    def _note(self, switch: str, body: bytes, peer: str) -> None:
        self._venue.note_switch(records.Switched(switch, body.decode(), peer))

    # ---- checks, before anything is done

    def _check(self, asked: _Body) -> None:
        session = getattr(asked, "session", "")
        if session and session not in self._venue.sessions:
            known = ", ".join(self._venue.sessions)
            raise SwitchRefused(400, SwitchError.UNKNOWN_SESSION, f"{session!r} is no session; there are {known}")
        if isinstance(asked, Delay | Reports) and asked.session not in self._venue.reported_to:
            known = ", ".join(self._venue.reported_to)
            raise SwitchRefused(400, SwitchError.UNKNOWN_SESSION, f"{asked.session} gets no reports; these do: {known}")
        symbol = getattr(asked, "symbol", "")
        if symbol and symbol not in self._venue.desk.engine.books:
            raise SwitchRefused(400, SwitchError.UNKNOWN_SYMBOL, f"{symbol!r} is not listed on {self._venue.exchange}")
        if isinstance(asked, Gap | DropLine) and not self._session(asked.session).is_connected:
            if isinstance(asked, Gap) or not asked.for_seconds:
                raise SwitchRefused(400, SwitchError.NOT_ON_LINE, f"{asked.session} has no connection")
        elif isinstance(asked, Resume) and asked.symbol not in self._venue.desk.session.holds:
            raise SwitchRefused(400, SwitchError.NOT_HALTED, f"{asked.symbol or 'the market'} is not halted")
        elif isinstance(asked, Halt) and asked.kind is HaltKind.AUCTION:
            self._check_auction(asked)
        elif isinstance(asked, Index):
            self._points(asked)

    def _check_auction(self, asked: Halt) -> None:
        if not asked.symbol:
            raise SwitchRefused(400, SwitchError.BAD_BODY, "a halt auction is of one symbol")
        phase = self._venue.desk.session.phase
        if phase is not Phase.CONTINUOUS:
            raise SwitchRefused(
                400, SwitchError.NOT_CONTINUOUS, f"a halt auction interrupts continuous trading; the phase is {phase}"
            )

    def _points(self, asked: Index) -> records.IndexValue:
        session = self._venue.desk.session
        if session.market_index is None:
            text = "no dated row of this day halts the whole market by an index (none does in the demonstration's session)"
            raise SwitchRefused(400, SwitchError.NO_MARKET_HALT, text)
        try:
            index = records.IndexValue(text_to_price(asked.value), text_to_price(asked.previous_close))
        except PriceError as error:
            raise SwitchRefused(400, SwitchError.BAD_BODY, f"points are decimal texts: {error}") from error
        if index.value < 0 or index.previous_close <= 0:
            raise SwitchRefused(400, SwitchError.BAD_BODY, "an index is not negative, and its previous close is positive")
        if session.index is not None and session.index.previous_close != index.previous_close:
            raise SwitchRefused(400, SwitchError.BAD_BODY, "the previous close of the index is the first one told on this day")
        return index

    # ---- acts

    def _session(self, comp_id: str) -> Session:
        return self._venue.sessions[comp_id]

    def _drop_line(self, asked: DropLine) -> None:
        venue = self._venue
        if asked.for_seconds:
            venue.faults.refused_until[asked.session] = venue.clock.now() + asked.for_seconds * _SECOND
        self._session(asked.session).disconnected("dropped by a fault switch")

    def _delay(self, asked: Delay) -> None:
        delays = self._venue.faults.delays
        if asked.milliseconds:
            delays[asked.session] = asked.milliseconds
        else:
            delays.pop(asked.session, None)

    def _reject(self, asked: Reject) -> None:
        self._venue.faults.rejections.append(Rejection(asked.text, asked.session, asked.symbol, asked.orders))

    def _gap(self, asked: Gap) -> None:
        # A number that carries nothing: when it is asked for, a GapFill answers.
        session = self._session(asked.session)
        frames = session.prepare([(HEARTBEAT, [])])
        session.store.append_outgoing(frames)
        session.transmit([(number, b"") for number, _ in frames])

    def _duplicate_report(self, asked: Reports) -> None:
        self._venue.faults.doubled[asked.session] = asked.reports

    def _lost_report(self, asked: Reports) -> None:
        self._venue.faults.lost[asked.session] = asked.reports

    def _halt(self, asked: Halt) -> None:
        now = self._venue.clock.now()
        until = now + asked.for_seconds * _SECOND if asked.for_seconds else 0
        self._venue.start_halt(records.HaltStarted(asked.symbol, asked.kind.value, until, asked.text), now)

    def _resume(self, asked: Resume) -> None:
        now = self._venue.clock.now()
        self._venue.end_halts(self._venue.course.resumption(asked.symbol, now), now)

    def _index(self, asked: Index) -> None:
        self._venue.note_index(self._points(asked), self._venue.clock.now())

    def _phase(self, asked: PhaseChange) -> None:
        now, course = self._venue.clock.now(), self._venue.course
        self._venue.enter_phase(course.release(now) if asked.phase is None else course.override(asked.phase, now), now)

    def _news(self, asked: News) -> None:
        self._venue.tell_news(asked.headline, asked.lines, asked.symbol)


def admin_token(path: Path) -> str:
    """The token in `path`, which is made with a new one, for its owner only, when it is not there.

    Raises OSError, or AdminTokenError for a file without a token of some length.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        token = path.read_bytes().decode("ascii", "replace").strip()
        if len(token) < _TOKEN_BYTES:
            raise AdminTokenError(f"{path}: an admin token has at least {_TOKEN_BYTES} characters") from None
        return token
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        file.write(token + "\n")
    return token
