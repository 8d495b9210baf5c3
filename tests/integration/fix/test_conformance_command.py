"""Every scenario of the public acceptance suite over a real socket against the conformance command, as acceptor and initiator."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.integration.fix.suite_driver import ROOT, Engine, Mismatch, Peer, Segments
from tests.unit.fix.scenarios import ACCEPTOR_ONLY, BOTH, LOGON, bye, ping

LOGGED_ON = f"{LOGON}\n"
INITIATED = "< 35=A|34=1|98=0|108=30\n> 35=A|34=1|98=0|108=30\n"
#: Of an interval of 6 s in the table 2 s are waited.
TIMED = ("4a_NoDataSentDuringHeartBtInt", "6_SendTestRequest")
AT_THE_START = [name for name in ACCEPTOR_ONLY if name not in TIMED]
SEGMENTS: list[Segments] = ["one each", "few bytes each"]
#: 4.2 has other fields in two of the messages, and no codes for the reasons above 11.
OF_42 = {
    "2r_UnregisteredMsgType": BOTH["2r_UnregisteredMsgType"].replace("|150=0", "|20=0|150=0"),
    "21_RepeatingGroupSpecifierWithValueOfZero": (
        "> 35=d|34=2|320=JCD|322=1034|323=6|55=TBS|22=8|167=OPT|336=ONE_MAIN|58=No products|393=0|146=0\n"
        f"< 35=d|34=2|22=8|55=TBS|58=No products|146=0|167=OPT|320=JCD|322=1034|323=6|336=ONE_MAIN|393=0\n{bye(3, 3)}"
    ),
    "14e_IncorrectEnumValue": re.sub(r"167=CS", "167=FUT", BOTH["14e_IncorrectEnumValue"]),
}  # fmt: skip


def without_connect(dialogue: str) -> str:
    return dialogue.removeprefix("connect\n")


def of_version(name: str, begin_string: str) -> str:
    if begin_string == "FIX.4.2":
        return re.sub(r"\|373=1[2-9]\b", "", OF_42.get(name, BOTH[name]))
    return BOTH[name]


def test_the_table_has_every_scenario() -> None:
    names = {name.partition(",")[0] for name in (*ACCEPTOR_ONLY, *BOTH)} | {"1b_DuplicateIdentity", "AlreadyLoggedOn"}
    assert len({name.partition(",")[0] for name in BOTH}) == 46
    assert len(names) == 59


@pytest.fixture(scope="module")
def acceptor() -> Iterator[Engine]:
    engine = Engine("--listen", "127.0.0.1:0")
    # A runner first looks whether anybody listens.
    engine.connect().close()
    yield engine
    assert engine.terminate() == 0


def timed_run(name: str) -> None:
    engine = Engine("--listen", "127.0.0.1:0")
    try:
        peer = Peer(engine.connect(), interval_scale=1 / 3)
        peer.play(without_connect(ACCEPTOR_ONLY[name]).replace("108=6", "108=2"))
        peer.close()
    finally:
        engine.terminate()


@pytest.fixture(scope="module")
def timed_runs() -> Iterator[dict[str, Future[None]]]:
    """The two slow scenarios run beside the others, on engines of their own."""
    with ThreadPoolExecutor(len(TIMED)) as pool:
        yield {name: pool.submit(timed_run, name) for name in TIMED}


@pytest.mark.parametrize("name", AT_THE_START)
def test_the_acceptor_starts_connections_as_the_scenario_says(
    acceptor: Engine, timed_runs: dict[str, Future[None]], name: str
) -> None:
    peer = Peer(acceptor.connect())
    # With the socket in between, a first message that is broken is known at once, not when the time is up.
    peer.play(without_connect(ACCEPTOR_ONLY[name]).replace("open\nwait 10.4\n", ""))
    peer.close()


@pytest.mark.parametrize("segments", SEGMENTS)
@pytest.mark.parametrize("name", BOTH)
def test_the_acceptor_answers_as_the_scenario_says(acceptor: Engine, name: str, segments: Segments) -> None:
    peer = Peer(acceptor.connect(), segments=segments)
    peer.play(LOGGED_ON + BOTH[name])
    peer.close()


@pytest.mark.parametrize("first_leaves", ["by logout", "without a word"])
def test_a_second_connection_of_the_same_identity_is_closed_and_the_first_lives_on(acceptor: Engine, first_leaves: str) -> None:
    first, second = Peer(acceptor.connect()), Peer(acceptor.connect())
    first.play(LOGON)
    second.play("> 35=A|34=1|98=0|108=30\nclosed")
    first.play(bye(2, 2) if first_leaves == "by logout" else ping(2, 2))
    first.close()
    second.close()
    third = Peer(acceptor.connect())
    third.play(LOGGED_ON + bye(2, 2))
    third.close()


def test_messages_that_come_in_one_segment_with_noise_between_are_all_answered(acceptor: Engine) -> None:
    peer = Peer(acceptor.connect(), segments="all in one")
    peer.play(
        ">> noise\n> 35=A|34=1|98=0|108=30\n>> 8=\x00garbage|\n> 35=1|34=2|112=ONE\n> 35=1|34=3|112=TWO\n"
        f"< 35=A|34=1|98=0|108=30\n< 35=0|34=2|112=ONE\n< 35=0|34=3|112=TWO\n{bye(4, 4)}"
    )
    peer.close()


def test_a_peer_that_vanishes_in_the_middle_of_a_frame_leaves_the_session_free(acceptor: Engine) -> None:
    peer = Peer(acceptor.connect())
    peer.play(LOGON)
    peer.sends(peer.frame_of("35=1|34=2|112=HELLO", outgoing=False)[:40])
    peer.close()
    again = Peer(acceptor.connect())
    again.play(LOGGED_ON + ping(2, 2) + "\n" + bye(3, 3))
    again.close()


@pytest.fixture(scope="module")
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        yield server


@pytest.fixture(scope="module")
def initiator(listening: socket.socket) -> Iterator[Engine]:
    engine = Engine("--connect", f"127.0.0.1:{listening.getsockname()[1]}")
    yield engine
    assert engine.terminate() == 0


@pytest.mark.parametrize("name", BOTH)
def test_the_initiator_answers_as_the_scenario_says(initiator: Engine, listening: socket.socket, name: str) -> None:
    peer = Peer(listening.accept()[0])
    peer.play(INITIATED + BOTH[name])
    peer.close()


@pytest.mark.parametrize(("begin_string", "target"), [("FIX.4.2", "TW42"), ("FIXT.1.1", "TW50SP2")])
def test_other_versions_are_a_matter_of_configuration(begin_string: str, target: str) -> None:
    version = "|1137=9" if begin_string == "FIXT.1.1" else ""
    engine = Engine("--listen", "127.0.0.1:0", "--begin-string", begin_string, "--target", target)
    failed: dict[str, str] = {}
    try:
        for name in BOTH:
            peer = Peer(engine.connect(), begin_string=begin_string, own=target)
            dialogue = of_version(name, begin_string).replace("FIX.4.4|9", f"{begin_string}|9").replace("=TW44", f"={target}")
            try:
                peer.play(LOGON.replace("108=30", f"108=30{version}") + "\n" + dialogue)
            except Mismatch as error:
                failed[name] = str(error)
            peer.close()
        if version:
            peer = Peer(engine.connect(), begin_string=begin_string, own=target)
            peer.play("> 35=A|34=1|98=0|108=30\nclosed")
            peer.close()
    finally:
        engine.terminate()
    assert failed == {}


def test_a_signal_ends_the_command_also_while_a_peer_is_logged_on() -> None:
    engine = Engine("--listen", "127.0.0.1:0")
    peer = Peer(engine.connect())
    peer.play(LOGON)
    engine.process.send_signal(signal.SIGTERM)
    peer.play("< 35=5|34=2\n> 35=5|34=2\nclosed")
    assert engine.ended() == 0


@pytest.mark.parametrize("arguments", [["--listen", "nowhere"], ["--listen", "127.0.0.1:0", "--begin-string", "FIX.9"], []])
def test_wrong_arguments_are_named_and_end_the_command(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "exchanges.fix.conformance", *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 2
    assert "error:" in ended.stderr


@pytest.mark.parametrize("name", TIMED)
def test_the_acceptor_keeps_the_times_of_the_scenario(timed_runs: dict[str, Future[None]], name: str) -> None:
    timed_runs[name].result(timeout=60)
