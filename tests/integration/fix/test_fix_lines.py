"""Initiator and acceptor over real sockets: killed processes, garbage on the port, identities that are taken."""

import asyncio
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import uvloop

from exchanges.fix.clock import SystemClock
from exchanges.fix.connection import Acceptor, Initiator, Line
from exchanges.fix.session import Session
from exchanges.fix.session_config import SessionConfig
from exchanges.fix.store import Frame, MemoryStore
from tests.unit.fix.harness import EchoApplication

ORDER = [(11, b"1"), (40, b"1"), (54, b"1"), (55, b"COMI"), (60, b"20260302-09:30:00")]
ROOT = Path(__file__).parents[3]


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def member(name: str, port: int) -> tuple[Initiator, EchoApplication]:
    application = EchoApplication()
    config = SessionConfig(
        sender_comp_id=name, target_comp_id="EGX", hosts=(("127.0.0.1", 1), ("127.0.0.1", port)), reconnect_seconds=(0,)
    )
    return Initiator(config, application, MemoryStore()), application


@pytest.fixture
async def venue() -> AsyncIterator[Acceptor]:
    configs = [SessionConfig(sender_comp_id="EGX", target_comp_id=f"MEMBER-{n}", role="acceptor") for n in (1, 2)]
    acceptor = Acceptor("127.0.0.1", 0, [Session(config, EchoApplication(), MemoryStore(), SystemClock()) for config in configs])
    await acceptor.start()
    yield acceptor
    await acceptor.stop()


async def test_two_members_on_one_port_get_their_own_answers(venue: Acceptor) -> None:
    lines = [member(f"MEMBER-{n}", venue.port) for n in (1, 2)]
    tasks = [asyncio.create_task(initiator.run()) for initiator, _ in lines]
    await until(lambda: all(initiator.logged_on for initiator, _ in lines))
    for place, (initiator, _) in enumerate(lines):
        initiator.send_many([("d", [(320, b"%d" % place), (322, b"1"), (323, b"6")])] * 3)
    for place, (_, application) in enumerate(lines):
        await until(lambda application=application: len(application.received) >= 3)  # type: ignore[misc]
        assert {message.get(320) for message in application.received} == {b"%d" % place}
    for initiator, _ in lines:
        await initiator.stop()
    await asyncio.gather(*tasks)


async def test_a_first_host_that_refuses_is_passed_over_for_the_second(venue: Acceptor) -> None:
    initiator, application = member("MEMBER-1", venue.port)
    task = asyncio.create_task(initiator.run())
    await until(lambda: initiator.logged_on)
    await initiator.stop()
    await task
    assert application.events == ["logon", "logout"]


async def test_a_second_connection_with_a_taken_identity_is_closed_and_the_first_lives_on(venue: Acceptor) -> None:
    first, application = member("MEMBER-1", venue.port)
    task = asyncio.create_task(first.run())
    await until(lambda: first.logged_on)
    reader, writer = await asyncio.open_connection("127.0.0.1", venue.port)
    intruder = Session(
        SessionConfig(sender_comp_id="MEMBER-1", target_comp_id="EGX"), EchoApplication(), MemoryStore(), SystemClock()
    )
    intruder.connected(writer)  # type: ignore[arg-type]
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()
    assert first.logged_on
    assert application.events == ["logon"]
    await first.stop()
    await task


@pytest.mark.parametrize(
    "noise",
    [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00" * 40, b"8=FIX.4.4\x019=999999999\x01", b"\x00" * 200_000],
    ids=["http", "tls", "endless frame", "zeros"],
)
async def test_garbage_on_the_port_leaves_the_other_lines_alone(venue: Acceptor, noise: bytes) -> None:
    good, _ = member("MEMBER-1", venue.port)
    task = asyncio.create_task(good.run())
    await until(lambda: good.logged_on)
    _, writer = await asyncio.open_connection("127.0.0.1", venue.port)
    writer.write(noise)
    await asyncio.sleep(0.05)
    venue_session = next(session for session in venue.sessions if session.logged_on)
    before = venue_session.store.next_target
    good.send("d", [(320, b"1"), (322, b"1"), (323, b"6")])
    await until(lambda: venue_session.store.next_target > before)
    writer.close()
    assert good.logged_on
    await good.stop()
    await task


async def test_an_application_that_raises_costs_its_line_only_and_the_message_comes_again(venue: Acceptor) -> None:
    session = next(session for session in venue.sessions if session.config.target_comp_id == "MEMBER-1")
    taken: list[bytes] = []

    def fail_once(_session: Session, message: object) -> None:
        taken.append(b"")
        if len(taken) == 1:
            raise RuntimeError("broken once")

    session.application.on_application_message = fail_once  # type: ignore[method-assign]
    initiator, _ = member("MEMBER-1", venue.port)
    task = asyncio.create_task(initiator.run())
    await until(lambda: initiator.logged_on)
    initiator.send("D", ORDER)
    await until(lambda: len(taken) == 2)
    await initiator.stop()
    await task


class Side:
    """A process of peer_process.py that can be killed and started again on the same files."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.integration.fix.peer_process", *self._arguments]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            process.kill()
            raise RuntimeError(f"{self._arguments} did not start")
        return process

    def kill_and_restart(self) -> None:
        self.stop()
        self.process = self._start()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def sides(tmp_path: Path, free_port: int) -> Iterator[tuple[Side, Side, Path]]:
    log = tmp_path / "taken"
    acceptor = Side("acceptor", str(free_port), str(tmp_path / "venue.store"), str(log))
    try:
        initiator = Side("initiator", str(free_port), str(tmp_path / "member.store"), str(log), "3000")
        try:
            yield acceptor, initiator, log
        finally:
            initiator.stop()
    finally:
        acceptor.stop()


@pytest.mark.parametrize("victim", ["acceptor", "initiator"])
def test_killing_either_side_again_and_again_loses_nothing_and_takes_nothing_twice(
    sides: tuple[Side, Side, Path], victim: str
) -> None:
    acceptor, initiator, log = sides
    for _ in range(3):
        time.sleep(0.25)
        (acceptor if victim == "acceptor" else initiator).kill_and_restart()
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline and (not log.exists() or len(log.read_text().split()) < 3000):
        time.sleep(0.1)
    assert log.read_text().split() == [str(number) for number in range(1, 3001)]


async def silent_peer(port: int = 0) -> asyncio.Server:
    """Takes connections and never reads from them."""

    async def ignore(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]

    return await asyncio.start_server(ignore, "127.0.0.1", port)


async def test_a_connection_whose_peer_reads_nothing_is_cut_when_it_is_closed() -> None:
    server = await silent_peer()
    line = Line(None)
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: line, "127.0.0.1", server.sockets[0].getsockname()[1])
    line.write(b"x" * 50_000_000)
    line.close()
    async with asyncio.timeout(3):
        await line.closed
    server.close()


async def test_a_line_that_is_given_up_connects_again_at_once_with_what_it_has_not_delivered(venue: Acceptor) -> None:
    initiator, application = member("MEMBER-1", venue.port)
    task = asyncio.create_task(initiator.run())
    await until(lambda: initiator.logged_on)
    began = asyncio.get_running_loop().time()
    initiator.give_up("it says nothing")
    assert not initiator.logged_on
    number = initiator.send("d", [(320, b"1"), (322, b"1"), (323, b"6")])
    there = next(session for session in venue.sessions if session.config.target_comp_id == "MEMBER-1")
    await until(lambda: there.store.next_target > number)
    assert application.events == ["logon", "logout", "logon"]
    assert asyncio.get_running_loop().time() - began < 2
    await initiator.stop()
    await task


async def test_a_line_comes_back_within_tens_of_milliseconds_and_waits_longer_for_a_host_that_stays_away() -> None:
    acceptor = Acceptor("127.0.0.1", 0, [session_of("MEMBER-1")])
    await acceptor.start()
    port = acceptor.port
    config = SessionConfig(sender_comp_id="MEMBER-1", target_comp_id="EGX", hosts=(("127.0.0.1", port),))
    failures: list[float] = []
    loop = asyncio.get_running_loop()
    initiator = Initiator(config, EchoApplication(), MemoryStore(), on_attempt_failed=lambda: failures.append(loop.time()))
    task = asyncio.create_task(initiator.run())
    await until(lambda: initiator.logged_on)
    await asyncio.sleep(1.05)  # longer than what counts as a failure
    began = loop.time()
    initiator.give_up("cut")
    await until(lambda: initiator.logged_on)
    assert loop.time() - began < 0.5
    await asyncio.sleep(1.05)
    await acceptor.stop()
    await until(lambda: len(failures) >= 6)
    pauses = [b - a for a, b in pairwise(failures)]
    assert all(pause <= longest + 1.0 for pause, longest in zip(pauses, config.reconnect_seconds[1:], strict=False))
    assert pauses[3] > config.reconnect_seconds[4] / 2 - 0.01, "at most half of a pause is taken off"
    await initiator.stop()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def session_of(name: str) -> Session:
    config = SessionConfig(sender_comp_id="EGX", target_comp_id=name, role="acceptor")
    return Session(config, EchoApplication(), MemoryStore(), SystemClock())


class BlockedOnce(MemoryStore):
    """Storing the first message takes longer than a connection may take, as on a disk that is held up."""

    blocked = False

    def append_outgoing(self, frames: Sequence[Frame]) -> None:
        super().append_outgoing(frames)
        if not self.blocked:
            self.blocked = True
            time.sleep(1.2)


async def test_a_line_whose_logon_is_answered_after_the_time_for_connecting_is_closed_in_order(venue: Acceptor) -> None:
    # Two lines connect at once in the worker's own loop, and storing the second one's Logon holds everything up. The first one's is
    # answered meanwhile, by the acceptor in this thread, and then its time is over.
    def initiator(name: str, application: EchoApplication, store: MemoryStore) -> Initiator:
        hosts = (("127.0.0.1", venue.port),)
        config = SessionConfig(sender_comp_id=name, target_comp_id="EGX", hosts=hosts, logon_timeout_seconds=1)
        return Initiator(config, application, store)

    async def orders() -> list[str]:
        application = EchoApplication()
        lines = [
            initiator("MEMBER-1", application, MemoryStore()),
            initiator("MEMBER-2", EchoApplication(), BlockedOnce()),
        ]
        tasks = [asyncio.create_task(line.run()) for line in lines]
        async with asyncio.timeout(15):
            while len(application.received) < 50:
                if lines[0].logged_on:
                    lines[0].send("d", [(320, b"1"), (322, b"1"), (323, b"6")])
                await asyncio.sleep(0)
        for line in lines:
            await line.stop()
        await asyncio.gather(*tasks)
        return application.events

    events = await asyncio.to_thread(uvloop.run, orders())
    assert events == ["logon", "logout"] * (len(events) // 2)
