"""``python -m exchanges.simulator.faults``: what it asks of the admin port, as the guide has it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import msgspec
import pytest

from exchanges.simulator.faults import command_parser, main, request_of
from exchanges.simulator.switches import Switches
from tests.unit.simulator.in_memory_lines import HandClock, open_venue

GUIDE = Path(__file__).parents[3] / "docs" / "venue.md"
EXAMPLES = re.findall(r"^\| `venue (.+?)` \| `(/\S+) (\{.*\})` \|", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)


def asked(command: str) -> tuple[str, str, dict[str, object]]:
    return request_of(command_parser().parse_args(["--admin", "127.0.0.1:1", *shlex.split(command)]))


def test_the_guide_has_an_example_of_every_switch(tmp_path: Path) -> None:
    venue = open_venue(tmp_path, HandClock())
    known = set(Switches(venue, "t" * 40).bodies)
    venue.close()
    assert {path for _, path, _ in EXAMPLES} == known


@pytest.mark.parametrize(("command", "path", "body"), EXAMPLES, ids=[command for command, _, _ in EXAMPLES])
def test_each_example_of_the_guide_asks_what_stands_beside_it(command: str, path: str, body: str, tmp_path: Path) -> None:
    method, asked_path, asked_body = asked(command)
    expected = json.loads(body)
    if path.endswith("-report"):
        expected.pop("reports")
    assert (method, asked_path, asked_body) == ("POST", path, expected)
    venue = open_venue(tmp_path, HandClock())
    expected_body = Switches(venue, "t" * 40).bodies[path]
    venue.close()
    assert msgspec.json.decode(body.encode(), type=expected_body) == msgspec.json.decode(json.dumps(asked_body), type=expected_body)


def test_what_is_on_is_shown_and_reset() -> None:
    assert asked("show") == ("GET", "/faults", {})
    assert asked("reset") == ("DELETE", "/faults", {})


def test_a_venue_that_is_not_there_or_a_token_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--admin", "127.0.0.1:1", "show"]) == 1
    assert main(["--admin", "127.0.0.1:1", "--token-file", str(tmp_path / "none"), "gap", "TRADSYS-W1"]) == 1
    assert main(["--admin", "nonsense", "show"]) == 1
    assert capsys.readouterr().err.count("the venue was not asked") == 3
