"""A recorded day of order flow through the matching engine."""

from __future__ import annotations

import pytest

from bench.bench_matching import RECORDED, instructions_of, match


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded order file is not on this machine")
def test_the_recorded_day_twice_gives_the_same_state_hash() -> None:
    instructions = instructions_of(RECORDED)
    (_, first), (_, second) = match(instructions), match(instructions)
    assert first.state_hash() == second.state_hash()
    assert (len(instructions), first.trade_number, len(first.open_orders)) == (49_604, 395, 183)


def test_a_generated_day_twice_gives_the_same_state_hash() -> None:
    instructions = instructions_of(None)[:10_000]
    (_, first), (_, second) = match(instructions), match(instructions)
    assert first.state_hash() == second.state_hash()
    assert first.trade_number > 0
