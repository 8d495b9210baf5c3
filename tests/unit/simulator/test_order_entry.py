"""Replacing, mass cancelling and icebergs, as members see them."""

from __future__ import annotations

from pathlib import Path

import pytest

from exchanges.fix.message import Field
from exchanges.fix.timestamps import timestamp_to_text
from tests.unit.simulator.in_memory_lines import BUY, SELL, HandClock, MemberLine, kinds, open_venue


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


async def test_a_replacement_is_answered_and_the_order_goes_on_under_its_new_name(tmp_path: Path, clock: HandClock) -> None:
    venue = open_venue(tmp_path, clock)
    line, other = MemberLine("TRADSYS-W1", clock), MemberLine("TRADSYS-W2", clock)
    line.join(venue)
    other.join(venue)
    line.order("1", BUY, 100, "138.00")
    line.replace("2", "1", BUY, 150, "138.50")
    report = line.received[-1]
    assert kinds(line.received) == [("1", "0"), ("2", "5")]
    assert [report.get(tag) for tag in (41, 39, 38, 44, 151)] == [b"1", b"0", b"150", b"138.50", b"150"]
    other.order("1", SELL, 60, "138.50")
    line.exchange()
    assert kinds(line.received)[-1] == ("2", "F")
    line.cancel("3", "1", BUY)
    assert line.received[-1].get_text(58) == "the order was replaced, its ClOrdID is now 2"
    line.cancel("4", "2", BUY)
    assert kinds(line.received)[-2:] == [("3", "9/1"), ("4", "4")]
    # What was said of the fill keeps the name of its time.
    assert venue.desk.trades[0].resting_client_order_id == "2"
    assert venue.desk.first_client_order_ids == {1: "1"}


async def test_a_replacement_that_crosses_trades_at_once(tmp_path: Path, clock: HandClock) -> None:
    line = MemberLine("TRADSYS-W1", clock)
    line.join(open_venue(tmp_path, clock))
    line.order("1", SELL, 30, "139.00")
    line.order("2", BUY, 100, "138.00")
    line.replace("3", "2", BUY, 100, "139.00")
    assert kinds(line.received)[2:] == [("3", "5"), ("1", "F"), ("3", "F")]
    assert line.received[-1].get(151) == b"70"


async def test_reports_of_one_read_tell_each_what_was_true_then(tmp_path: Path, clock: HandClock) -> None:
    line = MemberLine("TRADSYS-W1", clock)
    line.join(open_venue(tmp_path, clock))
    order = line.order_fields("1", BUY, 100, "138.00")
    line.session.send_many([("D", order), ("G", line.replace_fields("2", "1", BUY, 80, "138.10"))])
    line.exchange()
    assert [(r.get(11), r.get(38), r.get(44)) for r in line.received] == [
        (b"1", b"100", b"138.00"),
        (b"2", b"80", b"138.10"),
    ]


@pytest.mark.parametrize(
    ("original", "quantity", "price", "more", "reason", "text"),
    [
        ("9", 10, "138.00", {}, "1", "unknown order"),
        ("filled", 10, "138.00", {}, "0", "the order is filled"),
        ("part", 20, "139.00", {}, "0", "the order has filled 20 already"),
        ("1", 10, "300.00", {}, "99", "outside the day's limits"),
        ("1", 10, "138.005", {}, "99", "tick"),
        ("1", 10, "138.00", {"time_in_force": b"3"}, "99", "keeps order type and time in force"),
    ],
)
async def test_a_replacement_that_cannot_be_is_refused_and_the_order_stays(
    tmp_path: Path, clock: HandClock, original: str, quantity: int, price: str, more: dict[str, bytes], reason: str, text: str
) -> None:
    venue = open_venue(tmp_path, clock)
    line = MemberLine("TRADSYS-W1", clock)
    line.join(venue)
    line.order("part", SELL, 50, "139.00")
    line.order("filled", BUY, 20, "139.00")
    line.order("1", BUY, 100, "138.00")
    before = venue.desk.engine.state_hash()
    side = SELL if original == "part" else BUY
    line.replace("2", original, side, quantity, price, **more)
    refusal = line.received[-1]
    assert (refusal.msg_type, refusal.get(434), refusal.get(11)) == ("9", b"2", b"2")
    assert refusal.get_text(102) == reason
    assert text in (refusal.get_text(58) or "")
    assert venue.desk.engine.state_hash() == before
    line.replace("2", "1", BUY, 90, "138.00")
    assert line.received[-1].get_text(58) == "duplicate ClOrdID"


async def test_a_mass_cancel_ends_what_it_names_and_nothing_of_others(tmp_path: Path, clock: HandClock) -> None:
    venue = open_venue(tmp_path, clock)
    line, other = MemberLine("TRADSYS-W1", clock), MemberLine("TRADSYS-W2", clock)
    line.join(venue)
    other.join(venue)
    for number, symbol, side, price in (("1", "COMI", BUY, "138.00"), ("2", "COMI", SELL, "140.00"), ("3", "TMGH", BUY, "78.00")):
        line.order(number, side, 10, price, symbol=symbol)
    other.order("1", BUY, 10, "138.00")
    line.send("q", mass_cancel_fields(clock, "m1", b"1", (55, b"COMI"), (54, SELL)))
    report, cancelled = line.received[-2:]
    assert (report.msg_type, report.get(531), report.get(533), report.get(55)) == ("r", b"1", b"1", b"COMI")
    assert kinds([cancelled]) == [("2", "4")]
    assert cancelled.get_text(58) == "mass cancel m1"
    line.send("q", mass_cancel_fields(clock, "m2", b"7"))
    assert [message.get(533) for message in line.received if message.msg_type == "r"] == [b"1", b"2"]
    assert kinds(line.received)[-2:] == [("1", "4"), ("3", "4")]
    assert [order.member for order in venue.desk.engine.open_orders.values()] == ["TRADSYS-W2"]


async def test_a_mass_cancel_that_cannot_be_is_refused(tmp_path: Path, clock: HandClock) -> None:
    venue = open_venue(tmp_path, clock)
    line = MemberLine("TRADSYS-W1", clock)
    line.join(venue)
    line.order("1", BUY, 10, "138.00")
    line.send("q", mass_cancel_fields(clock, "m1", b"1", (55, b"NOSUCH")))
    line.send("q", mass_cancel_fields(clock, "1", b"7"))
    line.send("q", mass_cancel_fields(clock, "m2", b"1"))
    unknown, duplicate, unscoped = line.received[-3:]
    assert [(m.msg_type, m.get(531), m.get(532)) for m in (unknown, duplicate)] == [("r", b"0", b"1"), ("r", b"0", b"99")]
    assert (unscoped.msg_type, unscoped.get(380)) == ("j", b"5")
    line.send("q", mass_cancel_fields(clock, "m3", b"3"))
    assert line.application.rejects[-1].get(371) == b"530"
    assert len(venue.desk.engine.open_orders) == 1


async def test_an_iceberg_shows_its_slice_only(tmp_path: Path, clock: HandClock) -> None:
    venue = open_venue(tmp_path, clock, exchange="ADX")
    listed = next(iter(venue.rules.reference.instruments.values()))
    line, other = MemberLine("TRADSYS-W1", clock, exchange="ADX"), MemberLine("TRADSYS-W2", clock, exchange="ADX")
    line.join(venue)
    other.join(venue)
    lot, price = listed.lot, f"{listed.reference_price / 1_000_000:.2f}"
    fields = line.order_fields("1", SELL, 100 * lot, price, symbol=listed.symbol)
    line.send("D", [*fields, (111, b"%d" % (10 * lot))])
    assert line.received[-1].get(111) == b"%d" % (10 * lot)
    assert venue.desk.engine.books[listed.symbol].level(-1, listed.reference_price) == (10 * lot, 1)
    other.order("1", BUY, 25 * lot, price, symbol=listed.symbol)
    line.exchange()
    assert sum(message.required_int(32) for message in line.received[1:]) == 25 * lot


async def test_the_venue_recovers_replacements_and_mass_cancels_to_the_same_state(tmp_path: Path, clock: HandClock) -> None:
    venue = open_venue(tmp_path, clock)
    line = MemberLine("TRADSYS-W1", clock)
    line.join(venue)
    for number in range(6):
        line.order(f"{number}", BUY if number % 2 else SELL, 50, f"13{8 if number % 2 else 9}.{number}0")
    line.replace("a", "1", BUY, 70, "138.90")
    line.replace("b", "a", BUY, 60, "139.00")
    line.send("q", mass_cancel_fields(clock, "m", b"1", (55, b"COMI"), (54, SELL)))
    line.replace("c", "b", BUY, 10, "138.00")
    state = venue.desk.state_hash()
    numbers = venue.sessions["TRADSYS-W1"].store.next_sender
    venue.close()
    again = open_venue(tmp_path, clock)
    assert again.desk.state_hash() == state
    assert again.sessions["TRADSYS-W1"].store.next_sender == numbers


def mass_cancel_fields(clock: HandClock, client_order_id: str, kind: bytes, *more: Field) -> list[Field]:
    return [(11, client_order_id.encode()), (530, kind), *more, (60, timestamp_to_text(clock.now()))]
