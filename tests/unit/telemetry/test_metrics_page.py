"""The page of the metrics says what the families say."""

from __future__ import annotations

import pytest

from tradsys.mesh.telemetry.metrics import Metrics
from tradsys.mesh.telemetry.metrics_page import BEGIN, END, PAGE, page_with_table


def test_the_page_is_what_the_families_say_now() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == page_with_table(text), "run: python -m tradsys.mesh.telemetry.metrics_page"
    for name, _, _, _ in Metrics().table():
        assert text.count(f"| `{name}` |") == 1


@pytest.mark.parametrize("text", ["", BEGIN, END, f"{END}{BEGIN}"])
def test_a_page_without_its_marks_is_not_overwritten(text: str) -> None:
    with pytest.raises(ValueError, match="lacks the mark"):
        page_with_table(text)
