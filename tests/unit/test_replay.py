"""Recorded order flow becomes instructions, and every row is accounted for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trading_workers.replay import (
    COLUMNS,
    Cancel,
    Place,
    Plan,
    ReplayError,
    Skipped,
    Target,
    generated_events,
    read_events,
)

COMI = Target(139_000_000, 111_200_000, 166_800_000, 1, ((0, 1_000), (2_000_000, 10_000)))
RECORDED = Path(
    os.environ.get("TRADSYS_RECORDED_FLOW", Path(__file__).parents[3] / "shared/data/bitstamp-2015-05-01-orders.csv.xz")
)


def write(folder: Path, *rows: str) -> Path:
    path = folder / "flow.csv"
    path.write_text("\n".join([",".join(COLUMNS), *rows]) + "\n", encoding="utf-8")
    return path


def plan(path: Path) -> tuple[list[Place | Cancel], Plan]:
    mapped = Plan(COMI)
    return list(mapped.instructions(read_events(path))), mapped


def test_a_created_row_is_placed_and_its_deletion_cancels_it(tmp_path: Path) -> None:
    sent, mapped = plan(
        write(
            tmp_path,
            "7,1000,1000,236.47,200000000,created,bid",
            "7,2000,2000,236.47,0,deleted,bid",
        )
    )
    assert sent == [Place("7", True, 139_000_000, 200, 1000), Cancel("7", True, 2000)]
    assert mapped.counts() == {"placed": 1, "cancels": 1}


def test_prices_round_away_from_the_market_onto_the_tick(tmp_path: Path) -> None:
    sent, _ = plan(
        write(
            tmp_path,
            "1,1,1,100.00,100000000,created,bid",
            "2,1,1,100.01,100000000,created,bid",
            "3,1,1,100.01,100000000,created,ask",
        )
    )
    assert [step.price for step in sent if isinstance(step, Place)] == [139_000_000, 139_010_000, 139_020_000]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (["9,1,1,100,0,deleted,bid"], Skipped.UNKNOWN_ID),
        (["1,1,1,100,100000000,created,bid", "1,2,2,100,100000000,created,bid"], Skipped.DUPLICATE_ID),
        (["1,1,1,100,100000000,created,bid", "2,2,2,200,100000000,created,ask"], Skipped.OUTSIDE_BAND),
        (["1,1,1,100,100,created,bid"], Skipped.NO_QUANTITY),
        (["1,1,1,100,200000000,created,bid", "1,2,2,100,100000000,changed,bid"], Skipped.FILL_LEFT_TO_VENUE),
        (["1,1,1,100,200000000,created,bid", "1,2,2,101,200000000,changed,bid"], Skipped.AMENDMENT),
        (["1,1,1,100,200000000,created,bid", "1,2,2,100,0,deleted,bid", "1,3,3,100,0,deleted,bid"], Skipped.ORDER_NOT_SENT),
        (["1,1,1,NaN,100000000,created,bid"], Skipped.MALFORMED_ROW),
        (["1,1,1,-5,100000000,created,bid"], Skipped.MALFORMED_ROW),
        (["1,1,1,100,many,created,bid"], Skipped.MALFORMED_ROW),
        (["1,1,1,100,1,eaten,bid"], Skipped.MALFORMED_ROW),
        (["1,1"], Skipped.MALFORMED_ROW),
    ],
)
def test_what_is_not_sent_is_counted_under_its_reason(tmp_path: Path, rows: list[str], reason: Skipped) -> None:
    _, mapped = plan(write(tmp_path, *rows))
    assert mapped.skipped[reason] == 1
    assert mapped.events == len(rows)


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n"])
def test_a_file_without_the_columns_is_refused_with_their_names(tmp_path: Path, content: str) -> None:
    path = tmp_path / "flow.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ReplayError, match="lacks the columns id, timestamp"):
        list(read_events(path))


def test_an_absent_or_damaged_file_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match="does not exist"):
        list(read_events(tmp_path / "nothing.csv"))
    damaged = tmp_path / "damaged.csv.xz"
    damaged.write_bytes(b"\xfd7zXZ\x00garbage that is no archive")
    with pytest.raises(ReplayError, match="cannot be read to its end"):
        list(read_events(damaged))


def test_the_generated_flow_is_the_same_every_time_and_fully_accounted_for() -> None:
    first, second = Plan(COMI), Plan(COMI)
    assert list(first.instructions(generated_events(5_000))) == list(second.instructions(generated_events(5_000)))
    assert first.events == 5_000
    assert first.skipped[Skipped.OUTSIDE_BAND] > 0


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded order file is not on this machine")
def test_the_counts_of_the_recorded_file_are_pinned() -> None:
    mapped = Plan(COMI)
    for _ in mapped.instructions(read_events(RECORDED, 5_000)):
        pass
    assert mapped.counts() == {
        "placed": 2431,
        "cancels": 2329,
        "unknown_id": 107,
        "order_not_sent": 6,
        "outside_band": 3,
        "fill_left_to_venue": 109,
        "amendment": 15,
    }
