"""asyncio shells: sockets, time and reconnecting around the pure sessions. `Initiator` connects, `Acceptor` listens."""

import asyncio
import logging
import random
import ssl
from collections.abc import Callable, Iterable, Sequence
from typing import cast

from exchanges.fix import tags
from exchanges.fix.application import Application
from exchanges.fix.clock import Clock, SystemClock
from exchanges.fix.message import Field, Message, Parser
from exchanges.fix.session import Session
from exchanges.fix.session_config import SessionConfig
from exchanges.fix.shape import Filled
from exchanges.fix.store import Frame, MessageStore

log = logging.getLogger("exchanges.fix")

TICK_SECONDS = 0.2
_MAX_BYTES_BEFORE_LOGON = 65_536
_SECONDS_BEFORE_LOGON = 10
#: A connection that ends sooner counts as a failure even after a logon, so that two sides cannot spin.
_SHORT_SECONDS = 1.0
#: A peer that reads nothing does not let a connection close in order; it is cut off after so long.
_CLOSE_SECONDS = 1.0


class Line(asyncio.Protocol):
    """One TCP connection; feeds its session, and is its session's `Wire`."""

    def __init__(self, session: Session | None, acceptor: "Acceptor | None" = None) -> None:
        self.session = session
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._acceptor = acceptor
        self._parser = Parser()
        self._received = 0
        self._transport: asyncio.Transport | None = None
        self._writing_paused = False

    # ---- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have all of it without being of the class.
        self._transport = cast(asyncio.Transport, transport)
        if self.closed.done():
            self.cut()
            return
        if self._acceptor is not None:
            self._acceptor.opened(self)
        if self.session is not None:
            session = self.session
            self._guarded(session, "the logon", lambda: session.connected(self))

    def data_received(self, data: bytes) -> None:
        session = self.session
        if session is None:
            self._identify(data)
        else:
            self._guarded(session, "handling of what was received", lambda: session.receive(data))

    def connection_lost(self, exc: Exception | None) -> None:
        if self.closed.done():
            return
        if self._acceptor is not None:
            self._acceptor.lost(self)
        if self.session is not None:
            self._guarded(self.session, "the end of the connection", self.session.disconnected)
        self._transport = None
        if not self.closed.done():
            self.closed.set_result(None)

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        if self.session is not None:
            self._go_on_resending(self.session)

    # ---- Wire

    def write(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(data)
        if self.session is not None and transport.get_write_buffer_size() > self.session.config.max_unsent_bytes:
            log.error("%s does not read: cut off", self.session.config.name)
            transport.abort()

    def close(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.close()
            asyncio.get_running_loop().call_later(_CLOSE_SECONDS, self.cut)

    def abandon(self) -> None:
        """The attempt to connect was given up.

        It may have got as far as a logon all the same, where something held the loop up; uvloop then closes the connection and says
        so to nobody, and what is written to it next raises.
        """
        self.cut()
        self.connection_lost(None)

    # ---- inner parts

    def cut(self) -> None:
        """End the connection now; what is unsent stays in the store."""
        if self._transport is not None:
            self._transport.abort()

    def tick(self) -> None:
        if self.session is not None:
            self._guarded(self.session, "a timer", self.session.tick)

    def _identify(self, data: bytes) -> None:
        """The first message says which session this is; what is not a Logon of a known and free one is closed without a word."""
        self._received += len(data)
        messages = self._parser.feed(data)
        if self._parser.dropped_frames or (not messages and self._received > _MAX_BYTES_BEFORE_LOGON):
            # A first message with a wrong length or checksum is no Logon either, whatever follows it.
            self.close()
            return
        if not messages:
            return
        session = self._acceptor.session_of(messages[0]) if self._acceptor is not None else None
        if session is None or session.is_connected:
            log.warning("connection closed: %r is not a Logon of a free session", messages[0])
            self.close()
            return
        self.session = session
        self._guarded(session, "the logon", lambda: session.connected(self, self._parser))
        self._guarded(session, "the logon", lambda: session.receive_messages(messages))

    def _guarded(self, session: Session, what: str, action: Callable[[], None]) -> None:
        """Give one event to the session. What fails in it ends this line only; the store decides what the next one starts from."""
        try:
            action()
        except Exception:
            log.exception("%s: the line is closed because %s failed", session.config.name, what)
            if self._transport is not None:
                self._transport.abort()
            if session.is_connected:
                session.disconnected(f"{what} failed")
            return
        self._go_on_resending(session)

    def _go_on_resending(self, session: Session) -> None:
        """The next chunk comes after everything else that waits on the loop, and not before the socket takes more."""
        if session.resend_pending and not self._writing_paused and self._transport is not None:
            asyncio.get_running_loop().call_soon(self._next_chunk)

    def _next_chunk(self) -> None:
        session = self.session
        if session is not None and session.resend_pending and not self._writing_paused and self._transport is not None:
            self._guarded(session, "resending", session.continue_resend)


class Initiator:
    """Keeps one session connected: tries the configured hosts in turn, waits longer after each failure, starts over after a
    logon.
    """

    def __init__(
        self,
        config: SessionConfig,
        application: Application,
        store: MessageStore,
        clock: Clock | None = None,
        *,
        may_connect: Callable[[], bool] = lambda: True,
        on_attempt_failed: Callable[[], None] = lambda: None,
    ) -> None:
        """`may_connect` is asked before each attempt; `on_attempt_failed` hears of each that ended without a logon."""
        if not config.hosts:
            raise ValueError(f"{config.name} has no host to connect to")
        self._may_connect = may_connect
        self._on_attempt_failed = on_attempt_failed
        self.config = config
        self.session = Session(config, application, store, clock or SystemClock())
        self._line: Line | None = None
        self._stopping = asyncio.Event()

    @property
    def logged_on(self) -> bool:
        return self.session.logged_on

    def send(self, msg_type: str, fields: Sequence[Field]) -> int:
        return self.session.send(msg_type, fields)

    def send_many(self, messages: Sequence[tuple[str, Sequence[Field]]]) -> list[int]:
        return self.session.send_many(messages)

    def send_filled(self, messages: Sequence[Filled]) -> list[int]:
        return self.session.send_filled(messages)

    def prepare(self, messages: Sequence[tuple[str, Sequence[Field]]]) -> list[Frame]:
        return self.session.prepare(messages)

    def prepare_filled(self, messages: Sequence[Filled]) -> list[Frame]:
        return self.session.prepare_filled(messages)

    def transmit(self, frames: Sequence[Frame]) -> bool:
        return self.session.transmit(frames)

    def give_up(self, reason: str) -> None:
        """Drop the connection, if there is one, and make a new one: the peer does not answer on it."""
        line = self._line
        if line is not None:
            self.session.disconnected(reason)
            line.cut()

    async def run(self) -> None:
        """Connect, and connect again, until `stop` is called or the task is cancelled.

        A host that fails is followed by the next one; a line that was up for a while is tried again at once on the same host.
        """
        loop, hosts = asyncio.get_running_loop(), self.config.hosts
        failures = place = 0
        try:
            while not self._stopping.is_set():
                if failures and await self._stopped_within(self._pause(failures)):
                    break
                while not (self._may_connect() and self.session.in_hours):
                    if await self._stopped_within(TICK_SECONDS):
                        return
                started = loop.time()
                if not await self._connect_once(*hosts[place % len(hosts)]):
                    self._on_attempt_failed()
                    failures += 1
                    place += 1
                elif loop.time() - started < _SHORT_SECONDS:
                    failures += 1
                    place += 1
                else:
                    failures = 1
        finally:
            if self._line is not None:
                self._line.close()

    async def stop(self) -> None:
        """Log out in order, wait for it, and let `run` end."""
        self._stopping.set()
        line = self._line
        if line is not None:
            self.session.logout()
            await line.closed

    async def _connect_once(self, host: str, port: int) -> bool:
        """One connection from start to end; True when it got as far as a logon."""
        loop, tls = asyncio.get_running_loop(), self.config.tls
        name = None if tls is None else self.config.tls_server_name or host
        line, opened = Line(self.session), False
        try:
            async with asyncio.timeout(self.config.logon_timeout_seconds):
                await loop.create_connection(lambda: line, host, port, ssl=tls, server_hostname=name)
            opened = True
        except (OSError, TimeoutError, ssl.SSLError) as error:
            log.warning("%s cannot reach %s:%d: %s", self.config.name, host, port, error or type(error).__name__)
            return False
        finally:
            if not opened:
                line.abandon()
        self._line = line
        was_logged_on = False
        try:
            while not line.closed.done():
                await asyncio.wait([line.closed], timeout=TICK_SECONDS)
                was_logged_on = was_logged_on or self.session.logged_on
                line.tick()
        finally:
            self._line = None
            if not line.closed.done():
                line.close()
        return was_logged_on

    def _pause(self, failures: int) -> float:
        pauses, jitter = self.config.reconnect_seconds, self.config.reconnect_jitter_percent
        return pauses[min(failures, len(pauses)) - 1] * (1 - random.random() * jitter / 100)  # noqa: S311 (spreads reconnects)

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return False
        return True


class Acceptor:
    """One port for many sessions; which one a connection belongs to is read from its Logon (BeginString and both CompIDs)."""

    def __init__(self, host: str, port: int, sessions: Iterable[Session], tls: ssl.SSLContext | None = None) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._sessions: dict[tuple[bytes, bytes, bytes], Session] = {}
        self._lines: dict[Line, float] = {}
        self._server: asyncio.Server | None = None
        self._ticker: asyncio.Task[None] | None = None
        for session in sessions:
            self.add(session)

    def add(self, session: Session) -> None:
        """Accept one more session, also while listening. Raises ValueError for a second one with the same identity."""
        config = session.config
        key = (config.begin_string.encode(), config.target_comp_id.encode(), config.sender_comp_id.encode())
        if config.role != "acceptor":
            raise ValueError(f"{config.name} is not an acceptor's session")
        if key in self._sessions:
            raise ValueError(f"{config.name} is there already")
        self._sessions[key] = session

    @property
    def port(self) -> int:
        """The port that is listened on (of interest when 0 was asked for)."""
        if self._server is None:
            return self._port
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def sessions(self) -> list[Session]:
        return list(self._sessions.values())

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Line(None, self), self._host, self._port, ssl=self._tls)
        self._ticker = asyncio.create_task(self._tick(), name=f"fix acceptor {self._host}:{self.port}")

    async def stop(self) -> None:
        """Log all sessions out, close every connection and stop listening."""
        if self._server is not None:
            self._server.close()
        lines = list(self._lines)
        for line in lines:
            if line.session is not None and line.session.is_connected:
                line.session.logout()
            else:
                line.close()
        if lines:
            await asyncio.wait([line.closed for line in lines], timeout=3)
        for line in lines:
            line.close()
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)

    def session_of(self, message: Message) -> Session | None:
        """The session that a first message belongs to, if it is a Logon."""
        if message.msg_type != tags.LOGON:
            return None
        sender, target = message.get(tags.SENDER_COMP_ID), message.get(tags.TARGET_COMP_ID)
        if sender is None or target is None:
            return None
        return self._sessions.get((message.begin_string, sender, target))

    def opened(self, line: Line) -> None:
        self._lines[line] = asyncio.get_running_loop().time()

    def lost(self, line: Line) -> None:
        self._lines.pop(line, None)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = asyncio.get_running_loop().time()
            for line, opened_at in list(self._lines.items()):
                if line.session is not None:
                    line.tick()
                elif now - opened_at > _SECONDS_BEFORE_LOGON:
                    line.close()
