"""Halts, phases, auctions and notices as a venue tells of them."""

from __future__ import annotations

import json

import pytest

from exchanges.market_data.payloads import notices_from_payload, notices_payload, quote_payload
from exchanges.market_data.status import HaltReason, NoticeKind, TradingState
from tests.unit.market_data.feed_messages import Line, change, full, message

CROSSED = full(7, [(269, 0), (270, "140.00"), (271, 100)], [(269, 1), (270, "139.10"), (271, 70)])
HALT = message("f", (55, "COMI"), (326, 2), (327, "P"), (60, "20260923-08:00:00.000"), (58, "10 minutes"))
RESUME = message("f", (55, "COMI"), (326, 3))


def session(phase: str, status: int = 2, *more: tuple[int, str | int]) -> object:
    return message("h", (336, phase), (340, status), *more)


def test_a_halt_of_one_instrument_says_why_and_since_when_and_ends_with_its_resumption() -> None:
    line = Line()
    line.hear(session("CONTINUOUS"), HALT)  # type: ignore[arg-type]
    status = line.comi.status
    assert (status.state, status.reason, status.text) == (TradingState.HALTED, HaltReason.NEWS_PENDING, "10 minutes")
    assert status.since == 1_790_150_400_000_000_000
    assert line.subscriber.instruments["TMGH"].status.state is TradingState.TRADING
    line.hear(session("CLOSING_AUCTION"))  # type: ignore[arg-type]
    assert line.comi.status.state is TradingState.HALTED, "a phase of the market does not end a halt"
    line.hear(RESUME)
    assert line.comi.status.state is TradingState.AUCTION
    assert [each.kind for each in line.subscriber.notices] == [NoticeKind.HALT, NoticeKind.RESUME]


def test_the_same_status_again_is_no_second_notice() -> None:
    line = Line()
    line.hear(HALT, HALT, RESUME, RESUME)
    assert [(each.kind, each.symbols) for each in line.subscriber.notices] == [
        (NoticeKind.HALT, ("COMI",)),
        (NoticeKind.RESUME, ("COMI",)),
    ]


def test_a_halt_of_the_market_halts_everything_until_the_time_that_the_venue_names() -> None:
    line = Line()
    line.hear(session("CONTINUOUS"), session("CONTINUOUS", 1, (342, "20260923-08:30:00.000"), (58, "EGX 100 down 10 %")))  # type: ignore[arg-type]
    assert {each.status.state for each in line.subscriber.instruments.values()} == {TradingState.HALTED}
    assert line.comi.status.until == 1_790_152_200_000_000_000
    line.hear(session("CONTINUOUS"))  # type: ignore[arg-type]
    assert {each.status.state for each in line.subscriber.instruments.values()} == {TradingState.TRADING}
    assert [(each.kind, each.symbols, each.text) for each in line.subscriber.notices] == [
        (NoticeKind.HALT, (), "EGX 100 down 10 %"),
        (NoticeKind.RESUME, (), ""),
    ]


@pytest.mark.parametrize(
    ("phase", "state", "may"),
    [
        ("PRE_OPEN", TradingState.PRE_OPEN, True),
        ("OPENING_AUCTION", TradingState.AUCTION, True),
        ("CONTINUOUS", TradingState.TRADING, False),
        ("CLOSING_AUCTION", TradingState.AUCTION, True),
        ("TRADE_AT_LAST", TradingState.TRADING, False),
        ("CLOSED", TradingState.CLOSED, False),
    ],
)
def test_a_book_may_cross_where_orders_collect_and_nowhere_else(phase: str, state: TradingState, may: bool) -> None:
    line = Line()
    line.hear(session(phase), CROSSED)  # type: ignore[arg-type]
    assert line.comi.status.state is state
    assert (line.comi.book.sequence == 7) is may


def test_a_crossed_book_is_right_while_the_instrument_alone_is_halted_or_in_its_own_auction() -> None:
    for told in (HALT, message("f", (55, "COMI"), (336, "OPENING_AUCTION"))):
        line = Line()
        line.hear(session("CONTINUOUS"), told, CROSSED)  # type: ignore[arg-type]
        assert line.comi.book.sequence == 7
        line.hear(RESUME, change(8, [(279, 0), (269, 0), (270, "120.00"), (271, 1)]))
        assert line.comi.book.sequence is None, "matching again, and still crossed"


def test_an_auction_shows_its_indicative_price_and_forgets_it_when_orders_match() -> None:
    line = Line()
    line.hear(session("OPENING_AUCTION"), CROSSED)  # type: ignore[arg-type]
    line.hear(change(8, [(279, 0), (269, "Q"), (270, "139.50"), (271, 70)]))
    quote = json.loads(quote_payload(line.comi.book, exchange="EGX", previous=None, seq=1, now=2, status=line.comi.status))
    assert (quote["state"], quote["indicative"], quote["indicative_qty"]) == ("AUCTION", "139.50", 70)
    line.hear(change(9, [(279, 2), (269, "Q")]))
    assert line.comi.book.indicative_price == 0
    line.hear(change(10, [(279, 0), (269, "Q"), (270, "139.50"), (271, 70)]), session("CONTINUOUS"))  # type: ignore[arg-type]
    assert line.comi.book.indicative_price == 0


def test_a_corporate_action_is_a_notice_and_leaves_the_status() -> None:
    line = Line()
    line.hear(session("CONTINUOUS"), message("f", (55, "COMI"), (292, "A C"), (58, "EGP 1.50")))  # type: ignore[arg-type]
    [told] = line.subscriber.notices
    assert (told.kind, told.symbols, told.headline, told.text) == (
        NoticeKind.CORPORATE_ACTION,
        ("COMI",),
        "EX_DIVIDEND, EX_RIGHTS",
        "EGP 1.50",
    )
    assert line.comi.status.state is TradingState.TRADING


def test_news_has_its_headline_lines_and_instruments() -> None:
    line = Line()
    news = (
        (148, "Board meets"),
        (42, "20260923-08:00:00.000"),
        (33, 2),
        (58, "On Sunday."),
        (58, "At noon."),
        (146, 1),
        (55, "COMI"),
    )
    line.hear(message("B", *news), message("B", *news))
    [told] = line.subscriber.notices
    assert (told.kind, told.headline, told.text, told.symbols) == (
        NoticeKind.NEWS,
        "Board meets",
        "On Sunday.\nAt noon.",
        ("COMI",),
    )
    line.hear(message("B", (148, "Corporate action: split 2:1"), (33, 1), (58, "x"), (146, 1), (55, "COMI")))
    assert line.subscriber.notices[-1].kind is NoticeKind.CORPORATE_ACTION


def test_notices_survive_their_text_and_an_earlier_life_comes_first() -> None:
    line, later = Line(), Line()
    line.hear(HALT, RESUME)
    stored = notices_payload(list(reversed(line.subscriber.notices)))
    assert notices_from_payload(stored) == list(reversed(line.subscriber.notices))
    later.hear(message("B", (148, "New"), (33, 1), (58, "x")))
    later.subscriber.adopt_notices(notices_from_payload(stored))
    assert [each.kind for each in later.subscriber.notices] == [NoticeKind.HALT, NoticeKind.RESUME, NoticeKind.NEWS]


def test_an_end_that_the_text_names_is_kept() -> None:
    line = Line()
    line.hear(
        message("f", (55, "COMI"), (336, "CONTINUOUS"), (326, 2), (327, "M"), (58, "VWAP 10 %, until 20260923-08:10:00.000 UTC"))
    )
    assert line.comi.status.until == 1_790_151_000_000_000_000
    line.hear(message("f", (55, "TMGH"), (326, 2), (58, "until 20269923-08:10:00 UTC")))
    assert line.subscriber.instruments["TMGH"].status.until is None


def test_an_instrument_that_is_not_available_because_the_market_is_closed_is_not_halted() -> None:
    line = Line()
    line.hear(session("CLOSED", 3), message("f", (55, "COMI"), (336, "CLOSED"), (326, 18)))  # type: ignore[arg-type]
    assert (line.comi.status.state, list(line.subscriber.notices)) == (TradingState.CLOSED, [])
    line.hear(message("f", (55, "COMI"), (326, 18)))
    assert line.comi.status.state is TradingState.UNAVAILABLE


def test_a_new_day_asks_again_for_what_holds_instruments_back() -> None:
    line = Line()
    line.hear(session("CLOSED", 3), session("PRE_OPEN", 4))  # type: ignore[arg-type]
    kinds = [frame.split(b"\x0135=")[1][:1] for frame in line.asked()]
    assert kinds == [b"g", b"e", b"e"]
