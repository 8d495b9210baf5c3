"""The peer of the conformance command: speaks bytes over a socket, compares strictly, and knows when an answer may come.

Plays the dialogues of tests/unit/fix/scenarios.py. What the engine sends is taken apart here, without the engine's codec: field by
field in order, with BodyLength and CheckSum recomputed; only the times (52, 122) are compared by form and age.
"""

import re
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from exchanges.fix.tags import HEADER_TAGS
from tests.unit.fix.harness import fields_of, frame, readable

ROOT = Path(__file__).parents[3]
_FRAME = re.compile(rb"8=[^\x01]+\x019=\d+\x01.*?\x0110=\d{3}\x01", re.DOTALL)
_MILLISECONDS = re.compile(r"\d{8}-\d\d:\d\d:\d\d\.\d{3}")
_TIME_TAGS = ("52", "122")
#: An answer is given at once; how late it may be on a busy machine, and how early a timed one (the engine's timers tick).
_AT_ONCE, _EARLY = 5.0, 0.3
_CLOSES_WITHIN = 9.0

Segments = Literal["one each", "few bytes each", "all in one"]


def utc_text(seconds: float = 0, milliseconds: bool = True) -> str:
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    return moment.strftime("%Y%m%d-%H:%M:%S.%f")[:-3] if milliseconds else moment.strftime("%Y%m%d-%H:%M:%S")


class Mismatch(AssertionError):
    """The engine has said something else, or nothing."""


@dataclass
class Peer:
    """One connection with the engine. `interval_scale` shortens a dialogue's waiting times; not its HeartBtInt."""

    connection: socket.socket
    begin_string: str = "FIX.4.4"
    own: str = "TW44"
    other: str = "ISLD"
    segments: Segments = "one each"
    interval_scale: float = 1.0
    _received: bytes = b""
    _unsent: bytes = b""
    _now: str = field(default_factory=utc_text)
    _due: float = 0.0

    def __post_init__(self) -> None:
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._due = time.monotonic()

    def play(self, dialogue: str) -> None:
        lines = dialogue.splitlines()
        for place, line in enumerate(lines):
            if not line.startswith(">"):
                self._flush()
            if line == "closed":
                self.sees_close()
            elif line == "open":
                self.sees_nothing()
            elif line.startswith("wait "):
                self._due += float(line[5:]) * self.interval_scale
            elif line.startswith("< "):
                self.hears(line[2:])
            elif line.startswith(">> "):
                self.sends(self._with_times(line[3:]).replace("|", "\x01").encode())
            else:
                self.sends(self.frame_of(line[2:], outgoing=False))
            if not line.startswith("wait ") and line != "open" and not (place + 1 < len(lines) and lines[place + 1] == "open"):
                self._due = time.monotonic()
        self._flush()

    def frame_of(self, text: str, outgoing: bool) -> bytes:
        """Frame of a line. `outgoing`: as the engine has to write it, 8, 9, 35 and then ascending; otherwise ours."""
        fields = fields_of(self._with_times(text))
        given = dict(fields)
        sender, target = (self.other, self.own) if outgoing else (self.own, self.other)
        standard = {"49": sender, "52": self._now if outgoing else utc_text(), "56": target}
        absent = {tag for tag, value in fields if value == "ABSENT"}
        rest = [(tag, value) for tag, value in fields if tag not in ("8", "35") and tag not in absent]
        header = [(tag, value) for tag, value in standard.items() if tag not in given]
        if outgoing:
            in_header = [each for each in rest if int(each[0]) in HEADER_TAGS]
            body = [each for each in rest if int(each[0]) not in HEADER_TAGS]
            rest = sorted(header + in_header, key=lambda each: int(each[0])) + body
        elif rest and rest[0][0] == "34":
            rest = [rest[0], *header, *rest[1:]]
        return frame([("8", given.get("8", self.begin_string)), ("35", given["35"]), *rest])

    def _with_times(self, text: str) -> str:
        for seconds in (-121, 121, -1, 10):
            # SendingTimes outside the limit stay outside of it while the message is on its way.
            text = text.replace(f"<{seconds:+d}>", utc_text(seconds + (2 if seconds == 121 else 0)))
        return text.replace("<now>", self._now)

    def sends(self, data: bytes) -> None:
        self._unsent += data
        if self.segments != "all in one":
            self._flush()

    def _flush(self) -> None:
        data, self._unsent = self._unsent, b""
        step = 7 if self.segments == "few bytes each" else max(len(data), 1)
        for start in range(0, len(data), step):
            self.connection.sendall(data[start : start + step])

    def hears(self, text: str) -> None:
        """The engine's next frame is this one, field by field, and comes when it is due."""
        expected = [part.partition("=")[::2] for part in readable(self.frame_of(text, outgoing=True)).rstrip("|").split("|")]
        raw = self._next_frame(text)
        early = self._due - _EARLY - time.monotonic()
        if early > 0:
            raise Mismatch(f"{readable(raw)} came {early:.1f} s too early")
        found = [part.partition("=")[::2] for part in readable(raw).rstrip("|").split("|")]
        if [tag for tag, _ in found] != [tag for tag, _ in expected]:
            raise Mismatch(f"fields differ\nexpected {expected}\nfound    {found}")
        for (tag, value), (_, wanted) in zip(found, expected, strict=True):
            if tag in _TIME_TAGS:
                self._check_time(value)
            elif tag not in ("9", "10") and value != wanted:
                raise Mismatch(f"tag {tag} is {value!r}, expected {wanted!r}\nin {readable(raw)}")
        body = raw[raw.index(b"\x0135=") + 1 : -7]
        if found[1] != ("9", str(len(body))) or found[-1] != ("10", f"{sum(raw[:-7]) % 256:03d}"):
            raise Mismatch(f"BodyLength or CheckSum is wrong in {readable(raw)}")

    def _check_time(self, text: str) -> None:
        if not _MILLISECONDS.fullmatch(text):
            raise Mismatch(f"{text!r} is not a time in milliseconds")
        age = datetime.now(UTC) - datetime.strptime(text + "000+0000", "%Y%m%d-%H:%M:%S.%f%z")
        if not timedelta(seconds=-1) < age < timedelta(seconds=30):
            raise Mismatch(f"{text!r} is not a time of now")

    def _next_frame(self, text: str) -> bytes:
        deadline = max(self._due, time.monotonic()) + _AT_ONCE
        while True:
            match = _FRAME.match(self._received)
            if match is not None:
                self._received = self._received[match.end() :]
                return match[0]
            if not self._read(deadline):
                raise Mismatch(f"expected {text}, but the engine closed; before it said {readable(self._received)!r}")

    def _read(self, deadline: float) -> bool:
        """Read what there is; False at the end of the stream. Raises Mismatch when nothing comes until the deadline."""
        self.connection.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            data = self.connection.recv(65_536)
        except TimeoutError:
            raise Mismatch(f"nothing came in time; before it said {readable(self._received)!r}") from None
        except ConnectionResetError:
            return False
        self._received += data
        return bool(data)

    def sees_close(self) -> None:
        """The engine closes, and says nothing before."""
        deadline = max(self._due, time.monotonic()) + _CLOSES_WITHIN
        while self._read(deadline):
            pass
        if self._received:
            raise Mismatch(f"before it closed the engine said {readable(self._received)}")
        early = self._due - _EARLY - time.monotonic()
        if early > 0:
            raise Mismatch(f"the engine closed {early:.1f} s too early")

    def sees_nothing(self) -> None:
        """Up to now, and for a moment more, the engine neither speaks nor closes."""
        self.connection.settimeout(max(self._due - _EARLY - time.monotonic(), 0.05))
        try:
            data = self.connection.recv(65_536)
        except TimeoutError:
            return
        raise Mismatch(f"the engine should have kept still, but said {readable(data)!r}" if data else "the engine has closed")

    def close(self) -> None:
        self.connection.close()


class Engine:
    """The conformance command as a process of its own; `line` is what it printed when it was ready."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "exchanges.fix.conformance", *arguments]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline().decode().strip()
        if not self.line:
            self.process.wait()
            raise RuntimeError(f"{command} did not start")

    @property
    def port(self) -> int:
        return int(self.line.rpartition(":")[2])

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=_AT_ONCE)

    def terminate(self) -> int:
        """SIGTERM; returns the exit status."""
        self.process.terminate()
        return self.ended()

    def ended(self) -> int:
        """The exit status, once it has ended by itself or by a signal that was sent."""
        status = self.process.wait(timeout=10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status
