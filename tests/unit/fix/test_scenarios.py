"""The engine against every scenario of the public acceptance suite, as acceptor and, where it applies, as initiator."""

import pytest

from tests.unit.fix.harness import Counterparty, new_session
from tests.unit.fix.scenarios import ACCEPTOR_ONLY, BOTH


def play(counterparty: Counterparty, dialogue: str) -> None:
    lines = dialogue.splitlines()
    for place, line in enumerate(lines):
        if line == "connect":
            counterparty.connect()
        elif line == "closed":
            assert counterparty.wire.closed, "the engine should have closed"
            counterparty.hears_nothing()
        elif line == "open":
            assert not counterparty.wire.closed, "the engine should not have closed"
        elif line.startswith("wait "):
            counterparty.wait(float(line[5:]))
        elif line.startswith("< "):
            counterparty.hears(line[2:])
        elif line.startswith(">> "):
            counterparty.says_raw(line[3:])
        else:
            counterparty.says(line[2:])
        answered_next = place + 1 < len(lines) and lines[place + 1].startswith("< ")
        if not answered_next:
            counterparty.hears_nothing()


@pytest.mark.parametrize("name", ACCEPTOR_ONLY)
def test_an_acceptor_answers_as_the_scenario_says(name: str) -> None:
    _, counterparty, _ = new_session()
    play(counterparty, ACCEPTOR_ONLY[name])


@pytest.mark.parametrize("name", BOTH)
def test_a_logged_on_acceptor_answers_as_the_scenario_says(name: str) -> None:
    _, counterparty, _ = new_session()
    play(counterparty, "connect\n> 35=A|34=1|98=0|108=30\n< 35=A|34=1|98=0|108=30\n" + BOTH[name])


@pytest.mark.parametrize("name", BOTH)
def test_a_logged_on_initiator_answers_as_the_scenario_says(name: str) -> None:
    _, counterparty, _ = new_session("initiator")
    counterparty.connect()
    play(counterparty, "< 35=A|34=1|98=0|108=30\n> 35=A|34=1|98=0|108=30\n" + BOTH[name])
