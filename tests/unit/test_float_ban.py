"""The lint rule that keeps binary fractions out of billing, and the proof that it bites."""

from __future__ import annotations

from pathlib import Path

import pytest

import licensing.float_ban as float_ban

LICENSING = Path(float_ban.__file__).parent


def test_billing_holds_no_float() -> None:
    assert [str(finding) for finding in float_ban.findings_below(LICENSING)] == []


@pytest.mark.parametrize(
    "source",
    [
        "rate = 0.1",
        "rate = float('0.1')",
        "def price() -> float: ...",
        "amount = models.FloatField()",
        "seconds = moment.timestamp()",
        "seconds = (end - start).total_seconds()",
        "z = 1j",
    ],
)
def test_each_way_in_is_found(source: str) -> None:
    assert len(list(float_ban.findings_in(source, Path("sample.py")))) == 1


def test_whole_numbers_and_decimal_text_pass() -> None:
    assert list(float_ban.findings_in("price = Decimal('0.10') * 3", Path("sample.py"))) == []


def test_the_command_fails_with_the_place_of_each_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.py").write_text("ok = 1\nrate = 0.5\n")
    assert float_ban.main([str(tmp_path)]) == 1
    assert "bad.py:2: float literal 0.5" in capsys.readouterr().out


def test_the_command_refuses_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert float_ban.main([str(tmp_path / "absent")]) == 2
