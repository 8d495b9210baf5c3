"""One FIX session as a pure state machine: bytes and ticks in, bytes to a `Wire` and callbacks out. No sockets, no sleeping.

What a message means depends on the state; each state is a small file in exchanges/fix/states. This file holds what all states
share:
numbering, storing before sending, the order of writing, timers' marks and the public calls of an application.
"""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from exchanges.fix import tags
from exchanges.fix.application import Application
from exchanges.fix.clock import Clock
from exchanges.fix.encoder import FrameEncoder
from exchanges.fix.message import Field, Message, Parser
from exchanges.fix.rejects import Refusal, business_reject_fields, reject_fields
from exchanges.fix.resending import Resend
from exchanges.fix.session_config import SessionConfig
from exchanges.fix.shape import Filled
from exchanges.fix.states.awaiting_logout import AWAITING_LOGOUT
from exchanges.fix.states.awaiting_resend import AWAITING_RESEND
from exchanges.fix.states.in_session import IN_SESSION
from exchanges.fix.states.latent import LATENT
from exchanges.fix.store import Frame, MessageStore, StoreError
from exchanges.fix.timestamps import TimestampWriter, text_to_timestamp
from exchanges.fix.verification import Verification

if TYPE_CHECKING:
    from exchanges.fix.states.state import State

log = logging.getLogger("exchanges.fix")


class LineDown(Exception):
    """A session that forgets its numbers at each logon cannot take messages while it is logged off."""


class Wire(Protocol):
    """Where a session's bytes go: a socket, or a list in a test."""

    def write(self, data: bytes) -> None: ...

    def close(self) -> None:
        """Close after everything written has gone out."""
        ...


class Session:
    """A session between `config.sender_comp_id` (us) and `config.target_comp_id`. It outlives its connections.

    Application calls: `send`, `send_many`, or `prepare` → own append to the store → `transmit`; `logout`; `logged_on`.
    Shell calls: `connected`, `receive`, `tick`, `continue_resend`, `disconnected`.
    """

    def __init__(self, config: SessionConfig, application: Application, store: MessageStore, clock: Clock) -> None:
        self.config = config
        self.application = application
        self.store = store
        self.clock = clock
        self.encoder = FrameEncoder(config.begin_string, config.sender_comp_id, config.target_comp_id)
        self.verification = Verification(config)
        dictionary = config.dictionary
        reasons = None if dictionary is None else dictionary.fields.get(tags.SESSION_REJECT_REASON)
        self._reject_reasons = frozenset[bytes]() if reasons is None else reasons.values
        self.state: State = LATENT
        self.heartbeat_ns = config.heartbeat_seconds * 1_000_000_000
        #: Times (ns UTC) of the last byte sent and received, and of the entry into the present state.
        self.last_sent = 0
        self.last_received = 0
        self.state_since = 0
        self.test_request_open = False
        #: Messages above the expected number, kept until the gap below them is closed.
        self.queue: dict[int, Message] = {}
        self.gap_end = 0
        self._parser = Parser()
        self._timestamps = TimestampWriter()
        self._wire: Wire | None = None
        self._output: list[bytes] = []
        self._depth = 0
        #: Begin of the schedule's period that this connection belongs to.
        self._period: int | None = None
        #: Number of the last new message that was written on this connection; later ones wait in _held until it is their turn.
        self._written = 0
        self._held: dict[int, bytes] = {}
        self._resend: Resend | None = None

    # ---- calls of the application

    @property
    def logged_on(self) -> bool:
        """Logons exchanged, no Logout under way: what is transmitted now goes to the socket at once."""
        return self.state.logged_on

    def send(self, msg_type: str, fields: Sequence[Field]) -> int:
        """Store and send one message; returns its number. See send_many."""
        return self.send_many([(msg_type, fields)])[0]

    def send_many(self, messages: Sequence[tuple[str, Sequence[Field]]]) -> list[int]:
        """Number, store (one call) and write (one write) a batch of application messages (type, body fields in order); returns
        the numbers.

        While the line is down the messages are stored, and go out by resend after the next logon. Raises UnsendableField for a
        value that
        would break a frame, LineDown on a session with reset_on_logon that is logged off, or whatever the store raises: then
        nothing is sent.
        """
        if self.config.reset_on_logon and not self.logged_on:
            raise LineDown(f"{self.config.name} is not logged on and keeps no messages between logons")
        frames = self.prepare(messages)
        self.store.append_outgoing(frames)
        self.transmit(frames)
        return [number for number, _ in frames]

    def send_filled(self, messages: Sequence[Filled]) -> list[int]:
        """As send_many, for messages of fixed shapes (exchanges.fix.shape), whose values were checked when they were filled."""
        if self.config.reset_on_logon and not self.logged_on:
            raise LineDown(f"{self.config.name} is not logged on and keeps no messages between logons")
        frames = self.prepare_filled(messages)
        self.store.append_outgoing(frames)
        self.transmit(frames)
        return [number for number, _ in frames]

    def prepare_filled(self, messages: Sequence[Filled]) -> list[Frame]:
        """As prepare, for messages of fixed shapes."""
        return self.encoder.filled_frames(self.store.next_sender, self._timestamps.write(self.clock.now()), messages)

    def prepare(self, messages: Sequence[tuple[str, Sequence[Field]]]) -> list[Frame]:
        """Frames with the next numbers, neither stored nor sent. The caller appends them to the store (its journal), then
        calls `transmit`.

        No await between prepare and the append: the numbers are only taken when the store has them. If the append fails, they
        are free again.
        """
        now = self._timestamps.write(self.clock.now())
        frame = self.encoder.frame
        return [
            (number, frame(msg_type, number, now, fields))
            for number, (msg_type, fields) in enumerate(messages, self.store.next_sender)
        ]

    def transmit(self, frames: Sequence[Frame]) -> bool:
        """Write stored frames in one write. False: the line is down, they go out by resend after the next logon.

        Raises StoreError when the store does not have them: an unstored message must not leave. May be called later than the
        append;
        messages numbered in the meantime wait for these.
        """
        if not frames:
            return self.logged_on
        if frames[-1][0] >= self.store.next_sender:
            raise StoreError(f"message {frames[-1][0]} is not in the store of {self.config.name}")
        if not self.logged_on:
            return False
        with_event = self._begin()
        try:
            self._put(frames)
        finally:
            self._end(with_event)
        return True

    def logout(self, text: str = "") -> None:
        """Say Logout and close when it is answered, or after logout_timeout_seconds."""
        event = self._begin()
        try:
            if self.logged_on:
                self.start_logout(text)
            elif self._wire is not None:
                self.close("logged out before the logon was complete")
        finally:
            self._end(event)

    def test_request(self) -> None:
        """Ask the peer for a sign of life now, unless one is asked for already."""
        if self.logged_on and not self.test_request_open:
            self._event(self.send_test_request)

    # ---- calls of the shell

    def connected(self, wire: Wire, parser: Parser | None = None) -> None:
        """A connection exists. An initiator sends its Logon, an acceptor waits for one. `parser` may hold the stream's first
        bytes.
        """
        self._event(lambda: self._connected(wire, parser or Parser()))

    @property
    def is_connected(self) -> bool:
        return self._wire is not None

    def receive(self, data: bytes) -> None:
        """Bytes from the peer."""
        self.receive_messages(self._parser.feed(data))

    def receive_messages(self, messages: Sequence[Message]) -> None:
        """Messages from the peer, already cut (an acceptor cuts the first ones to see whose they are)."""
        if messages:
            self._event(lambda: self._receive(messages))

    def tick(self) -> None:
        """Time has passed: heartbeats, test requests, time-outs, the end of the session's hours. Call a few times a second."""
        self._event(self._tick)

    @property
    def in_hours(self) -> bool:
        """Whether the schedule allows a connection now."""
        schedule = self.config.schedule
        return schedule is None or schedule.period_start(self.clock.now()) is not None

    def continue_resend(self) -> None:
        """Serve the next chunk of a ResendRequest; call while `resend_pending`."""
        self._event(self._serve_resend)

    @property
    def resend_pending(self) -> bool:
        return self._resend is not None

    def disconnected(self, reason: str = "connection lost") -> None:
        """The connection is gone."""
        self._event(lambda: self.close(reason))

    # ---- what the states use

    def enter(self, state: "State") -> None:
        self.state = state
        self.state_since = self.clock.now()

    def send_admin(self, msg_type: str, fields: Sequence[Field] = ()) -> None:
        frames = self.prepare([(msg_type, fields)])
        self.store.append_outgoing(frames)
        if msg_type == tags.LOGON:
            # All lower numbers are in the store only: the peer sees the gap and asks for them.
            self._written = frames[0][0] - 1
            self._held.clear()
        self._put(frames)

    def send_test_request(self) -> None:
        self.test_request_open = True
        request_id = self.config.test_request_id.encode() or b"%d" % self.store.next_sender
        self.send_admin(tags.TEST_REQUEST, [(tags.TEST_REQ_ID, request_id)])

    def enter_session(self, logon: Message, number: int, heartbeat_seconds: int) -> None:
        """Both Logons are exchanged; the peer's has `number`, at or above the expected one."""
        again = self.logged_on
        self.heartbeat_ns = heartbeat_seconds * 1_000_000_000
        self.enter(IN_SESSION)
        if number == self.store.next_target:
            self.advance(number)
        else:
            self.queue[number] = logon
            self.ask_for_gap(number)
        log.info("%s logged on, next out %d, next in %d", self.config.name, self.store.next_sender, self.store.next_target)
        if not again:
            self.application.on_logon(self)

    def enter_in_session(self) -> None:
        """The gap is closed."""
        self.enter(IN_SESSION)

    def ask_for_gap(self, number: int) -> None:
        """Ask for everything from the expected number on; message `number` has shown that something is missing."""
        to_the_end = b"999999" if self.config.begin_string in ("FIX.4.0", "FIX.4.1") else b"0"
        self.gap_end = number - 1
        self.enter(AWAITING_RESEND)
        self.send_admin(tags.RESEND_REQUEST, [(tags.BEGIN_SEQ_NO, b"%d" % self.store.next_target), (tags.END_SEQ_NO, to_the_end)])

    def advance(self, number: int) -> None:
        """The message `number` has been dealt with; `number + 1` is expected."""
        self.store.set_next_target(number + 1)

    def reset_numbers(self) -> None:
        """Both directions start at 1 again."""
        self.store.reset()
        self.queue.clear()
        self._held.clear()
        self._resend = None
        self._written = 0

    def reject(self, message: Message, refusal: Refusal) -> None:
        log.warning("%s rejects %r: %s, tag %s", self.config.name, message, refusal.reason.name, refusal.tag)
        self.send_admin(tags.REJECT, reject_fields(message, refusal, self._reject_reasons))

    def business_reject(self, message: Message, reason: int, text: str, ref_id: bytes = b"") -> None:
        self.send_admin(tags.BUSINESS_MESSAGE_REJECT, business_reject_fields(message, reason, text, ref_id))

    def start_logout(self, text: str = "") -> None:
        """Send Logout and wait for the answer."""
        was_logged_on = self.logged_on
        self.send_admin(tags.LOGOUT, [(tags.TEXT, text.encode())] if text else [])
        self.enter(AWAITING_LOGOUT)
        if was_logged_on:
            self.application.on_logout(self)

    def logout_and_close(self, text: str = "") -> None:
        """Send Logout and close without waiting for an answer."""
        self.send_admin(tags.LOGOUT, [(tags.TEXT, text.encode())] if text else [])
        self.close(text or "logged out", orderly=True)

    def close(self, reason: str, orderly: bool = False) -> None:
        """Drop the connection; what is unsent stays in the store."""
        if self._wire is None:
            return
        was_logged_on, wire = self.logged_on, self._wire
        self._flush()
        self._wire = None
        self.enter(LATENT)
        self.queue.clear()
        self._held.clear()
        self._resend = None
        self.test_request_open = False
        self._parser = Parser()
        wire.close()
        log.info("%s closed: %s", self.config.name, reason)
        if self.config.reset_on_disconnect or (orderly and self.config.reset_on_logout):
            self.store.reset()
        if was_logged_on:
            self.application.on_logout(self)

    def start_resend(self, begin: int, end: int) -> None:
        """Serve a ResendRequest for begin … end; 0 and numbers beyond the last written mean "to the end"."""
        last = self._written if end == 0 else min(end, self._written)
        if begin > last:
            log.warning("%s was asked for messages from %d, the last one written is %d", self.config.name, begin, self._written)
            return
        self._resend = Resend(
            self.store, self.encoder, max(begin, 1), last, lambda message: self.application.may_resend(self, message)
        )
        self._serve_resend()

    # ---- inner parts

    def _connected(self, wire: Wire, parser: Parser) -> None:
        self._wire = wire
        self._parser = parser
        self._output.clear()
        now = self.clock.now()
        self.last_sent = self.last_received = now
        self.test_request_open = False
        if self.config.schedule is not None:
            self._period = self.config.schedule.period_start(now)
            if self._period is None:
                self.close("outside the hours of the session")
                return
            if self._last_use(now) < self._period:
                self.reset_numbers()
        self.state.on_connected(self)

    def _last_use(self, now: int) -> int:
        """When the last stored message was sent, ns UTC; `now` when nothing tells. Both sides say something in every period."""
        last = self.store.next_sender - 1
        for _, raw in self.store.outgoing(last, last):
            for message in Parser(max_body_length=len(raw)).feed(raw):
                return text_to_timestamp(message.required(tags.SENDING_TIME))
        return now

    def _tick(self) -> None:
        now, schedule = self.clock.now(), self.config.schedule
        if schedule is not None and self._wire is not None and schedule.period_start(now) != self._period:
            if self.logged_on:
                self.start_logout("The hours of the session are over")
            elif self.state is not AWAITING_LOGOUT:
                self.close("the hours of the session are over")
        self.state.on_tick(self, now)

    def _receive(self, messages: Sequence[Message]) -> None:
        self.last_received = self.clock.now()
        self.test_request_open = False
        for message in messages:
            if self._wire is None:
                return
            self.state.on_message(self, message)
        if self.logged_on:
            self.application.on_read_complete(self)

    def _serve_resend(self) -> None:
        if self._resend is None:
            return
        self._output += self._resend.chunk(self._timestamps.write(self.clock.now()), self.config.resend_chunk)
        if self._resend.finished:
            self._resend = None
            self._put(())

    def _put(self, frames: Sequence[Frame]) -> None:
        """Queue new frames for writing, in the order of their numbers; behind a resend that is under way."""
        if frames and frames[0][0] == self._written + 1 and self._resend is None and not self._held:
            self._output += [frame for _, frame in frames]
            self._written = frames[-1][0]
            return
        for number, frame in frames:
            if number == self._written + 1 and self._resend is None:
                self._output.append(frame)
                self._written = number
            elif number > self._written:
                self._held[number] = frame
        while self._held and self._resend is None:
            held = self._held.pop(self._written + 1, None)
            if held is None:
                return
            self._output.append(held)
            self._written += 1

    def _begin(self) -> bool:
        """Start of an event; output is written once, at the end of the outermost one."""
        self._depth += 1
        return self._depth == 1

    def _end(self, outermost: bool) -> None:
        self._depth -= 1
        if outermost:
            self.store.commit()
            self._flush()

    def _event(self, action: Callable[[], None]) -> None:
        outermost = self._begin()
        try:
            action()
        finally:
            self._end(outermost)

    def _flush(self) -> None:
        if self._output and self._wire is not None:
            data = b"".join(self._output)
            self._output.clear()
            self.last_sent = self.clock.now()
            self._wire.write(data)
