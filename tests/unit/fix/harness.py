"""A counterparty on the other end of a session, with a clock moved by hand; its frames are built without the engine's codec."""

from datetime import UTC, datetime, timedelta

from exchanges.fix.application import Application, UnsupportedMessageType
from exchanges.fix.message import Message
from exchanges.fix.session import Session
from exchanges.fix.session_config import SessionConfig
from exchanges.fix.store import MemoryStore
from exchanges.fix.tags import HEADER_TAGS

START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


class HandClock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> int:
        return int((self.time - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)) * 1000

    def text(self, seconds: float = 0) -> str:
        return (self.time + timedelta(seconds=seconds)).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]


class RecordingWire:
    """Keeps what was written, frame by frame in one buffer."""

    def __init__(self) -> None:
        self.data = b""
        self.writes = 0
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed, "written after close"
        self.data += data
        self.writes += 1

    def close(self) -> None:
        self.closed = True


class EchoApplication(Application):
    """Sends orders (D), security definitions (d) and e-mails (C) back; forgets a possible resend whose ClOrdID it has seen."""

    def __init__(self) -> None:
        self.received: list[Message] = []
        self.events: list[str] = []
        self._seen: set[bytes] = set()

    def on_logon(self, session: Session) -> None:
        self.events.append("logon")

    def on_logout(self, session: Session) -> None:
        self.events.append("logout")

    def on_reject(self, session: Session, message: Message) -> None:
        self.events.append("reject")

    def on_application_message(self, session: Session, message: Message) -> None:
        if message.msg_type not in ("D", "d", "C"):
            raise UnsupportedMessageType
        self.received.append(message)
        if message.msg_type == "D":
            order_id = message.required(11)
            if message.get(97) == b"Y" and order_id in self._seen:
                return
            self._seen.add(order_id)
        body = sorted((tag, value) for tag, value in message.fields if tag not in HEADER_TAGS and tag != 10)
        if message.get(97) is not None:
            body.insert(0, (97, message.required(97)))
        session.send(message.msg_type, body)


def frame(fields: list[tuple[str, str]]) -> bytes:
    """Frame around fields that start with 8 and 35; BodyLength and CheckSum by the definition."""
    head, body = fields[0], b"".join(f"{tag}={value}\x01".encode() for tag, value in fields[1:])
    start = f"{head[0]}={head[1]}\x019={len(body)}\x01".encode() + body
    return start + b"10=%03d\x01" % (sum(start) % 256)


def fields_of(text: str) -> list[tuple[str, str]]:
    return [(tag, value) for tag, _, value in (part.partition("=") for part in text.split("|"))]


class Counterparty:
    """Speaks lines such as `35=D|34=2|11=ID`: CompIDs, time, length and checksum are put in unless the line has them."""

    def __init__(self, session: Session, clock: HandClock, own: str = "TW44", other: str = "ISLD") -> None:
        self.session = session
        self.clock = clock
        self.own, self.other = own, other
        self.wire = RecordingWire()

    def connect(self) -> None:
        self.wire = RecordingWire()
        self.session.connected(self.wire)

    def frame_of(self, text: str, outgoing: bool) -> bytes:
        """Frame of a line. `outgoing`: from the engine, header in ascending order; otherwise ours, 34, 49, 52, 56 first."""
        text = self._with_times(text)
        fields = fields_of(text)
        given = dict(fields)
        begin = given.pop("8", "FIX.4.4")
        sender, target = (self.other, self.own) if outgoing else (self.own, self.other)
        standard = {"49": sender, "52": self.clock.text(), "56": target}
        absent = {tag for tag, value in fields if value == "ABSENT"}
        rest = [(tag, value) for tag, value in fields if tag not in ("8", "35") and tag not in absent]
        header = [(tag, value) for tag, value in standard.items() if tag not in given]
        if outgoing:
            in_header = [field for field in rest if int(field[0]) in HEADER_TAGS]
            body = [field for field in rest if int(field[0]) not in HEADER_TAGS]
            rest = sorted(header + in_header, key=lambda field: int(field[0])) + body
        elif rest and rest[0][0] == "34":
            rest = [rest[0], *header, *rest[1:]]
        return frame([("8", begin), ("35", given["35"]), *rest])

    def _with_times(self, text: str) -> str:
        for seconds in (-121, 121, -1, 10):
            text = text.replace(f"<{seconds:+d}>", self.clock.text(seconds))
        return text.replace("<now>", self.clock.text())

    def says(self, text: str) -> None:
        self.session.receive(self.frame_of(text, outgoing=False))

    def says_raw(self, text: str) -> None:
        self.session.receive(self._with_times(text).replace("|", "\x01").encode())

    def hears(self, text: str) -> None:
        """The engine's next frame is exactly this one."""
        expected = self.frame_of(text, outgoing=True)
        assert readable(self.wire.data[: len(expected)]) == readable(expected)
        self.wire.data = self.wire.data[len(expected) :]

    def hears_nothing(self) -> None:
        assert readable(self.wire.data) == ""

    def wait(self, seconds: float) -> None:
        """Let time pass in steps of 200 ms, as a shell does."""
        for _ in range(round(seconds * 5)):
            self.clock.time += timedelta(milliseconds=200)
            self.session.tick()


def readable(data: bytes) -> str:
    return data.replace(b"\x01", b"|").decode("latin-1")


def new_session(role: str = "acceptor", **settings: object) -> tuple[Session, Counterparty, EchoApplication]:
    """A session of ISLD with TW44 that starts from number 1 at every logon."""
    clock, application = HandClock(), EchoApplication()
    values: dict[str, object] = {"reset_on_logon": role == "acceptor", "role": role, "test_request_id": "TEST", **settings}
    config = SessionConfig(sender_comp_id="ISLD", target_comp_id="TW44", **values)  # type: ignore[arg-type]
    session = Session(config, application, MemoryStore(), clock)
    return session, Counterparty(session, clock), application
