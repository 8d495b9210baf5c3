"""The trading page when an instrument is halted: the banner, the badge, the notices, and the chart's ranges and table."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import redis
from playwright.sync_api import Page, expect

from exchanges.fix.dictionary.fix44 import FIX44
from exchanges.fix.session import Session
from exchanges.fix.session_config import SessionConfig
from exchanges.fix.store import MemoryStore
from exchanges.market_data.payloads import notices_payload, quote_payload
from exchanges.market_data.subscriber import Listing, MarketDataSubscriber
from tests.browser.conftest import Visitor
from tests.browser.test_pages import NAMELESS_CONTROLS, SHOWN_TEXTS, english_texts, in_arabic
from tests.smoke.platform import Platform
from tests.unit.market_data.feed_messages import Clock, change, full, message
from tradsys.configuration import Configuration

VisitorFactory = Callable[..., Visitor]


@contextmanager
def halted(platform: Platform) -> Iterator[None]:
    """COMI is halted and news has come, as the market-data worker would publish it; the worker itself stands still meanwhile."""
    worker = platform.addresses["processes"]["market-data"]
    client = redis.Redis.from_url(Configuration.from_environment({"TRADSYS_VAR": str(platform.var)}).redis_url)
    clock = Clock(time.time_ns())
    line = MarketDataSubscriber("EGX", clock)
    line.list_instruments([Listing("COMI", 139_000_000)])
    config = SessionConfig(sender_comp_id="TRADSYS-MD", target_comp_id="EGX", dictionary=FIX44)
    session = Session(config, line, MemoryStore(), clock)
    until = time.strftime("%Y%m%d-%H:%M:%S.000", time.gmtime(time.time() + 600))
    for each in (
        full(7, [(269, 0), (270, "138.90"), (271, 100)], [(269, 1), (270, "139.10"), (271, 70)]),
        change(8, [(279, 0), (269, 2), (270, "139.00"), (271, 4)], [(279, 0), (269, "Q"), (270, "139.05"), (271, 70)]),
        message("f", (55, "COMI"), (326, 2), (327, "P"), (58, f"Moving VWAP 10 % from the close, until {until} UTC")),
        message("f", (55, "COMI"), (292, "A"), (58, "EGP 1.50 a share")),
        message("B", (148, "The session of Thursday ends at 13:00"), (33, 1), (58, "By decision of the exchange.")),
    ):
        line.on_application_message(session, each)
    instrument = line.instruments["COMI"]
    os.kill(worker, signal.SIGSTOP)
    try:
        quote = quote_payload(
            instrument.book, exchange="EGX", previous=139_000_000, seq=1, now=clock.time, status=instrument.status
        )
        notices = notices_payload(list(reversed(line.notices)))
        for name, payload in (("md:quotes:EGX:COMI", quote), ("md:notices:EGX", notices)):
            client.set(name, payload)
            client.publish(name, payload)
        yield
    finally:
        over = quote_payload(instrument.book, exchange="EGX", previous=139_000_000, seq=2, now=clock.time)
        client.set("md:quotes:EGX:COMI", over)
        client.publish("md:quotes:EGX:COMI", over)
        client.delete("md:notices:EGX")
        os.kill(worker, signal.SIGCONT)
        client.close()


def choose_comi(page: Page) -> None:
    page.locator('tr[data-key="EGX:COMI"] button.select').click()
    expect(page.locator("#head-symbol")).to_have_text("COMI")


@pytest.mark.parametrize(
    ("name", "dark", "arabic"), [("en", False, False), ("dark", True, False), ("ar", False, True), ("ar-dark", True, True)]
)
def test_a_halted_instrument_says_so_with_the_reason(
    visitor: VisitorFactory, platform: Platform, name: str, dark: bool, arabic: bool
) -> None:
    trader = visitor(dark=dark)
    trader.sign_in("corniche-trader")
    page = trader.page
    trader.go("corniche", "/trade")
    if arabic:
        in_arabic(page)
    choose_comi(page)
    expect(page.locator("#halt-banner")).to_be_hidden()
    expect(page.locator("#no-notices")).to_be_visible()
    with halted(platform):
        banner = page.locator("#halt-banner")
        expect(banner).to_be_visible()
        expect(banner).to_have_role("alert")
        expect(banner).to_contain_text("أخبار مرتقبة" if arabic else "news is pending")
        expect(banner).to_contain_text("متوقع حتى" if arabic else "expected until")
        expect(page.locator('tr[data-key="EGX:COMI"] [data-cell=state]')).to_have_text("موقوف" if arabic else "Halted")
        expect(page.locator("#head-indicative-price")).to_have_text("139.05")
        expect(page.locator("#notice-list li")).to_have_count(3)
        expect(page.locator("#notice-list")).to_contain_text("بدون حق التوزيع النقدي" if arabic else "ex dividend")
        expect(page.locator("#no-notices")).to_be_hidden()
        expect(page.locator('tr[data-key="EGX:EAST"] [data-cell=state]')).to_be_hidden()
        trader.picture(f"halted-{name}")
        page.locator(".notices").scroll_into_view_if_needed()
        trader.picture(f"notices-{name}")
        if arabic:
            assert english_texts().intersection(page.evaluate(SHOWN_TEXTS)) == set()
        assert page.evaluate(NAMELESS_CONTROLS) == []
    expect(page.locator("#halt-banner")).to_be_hidden()


def test_the_chart_has_ranges_for_the_keyboard_and_a_table_for_those_who_cannot_see_it(
    visitor: VisitorFactory, platform: Platform
) -> None:
    trader = visitor()
    trader.sign_in("corniche-trader")
    page = trader.page
    trader.go("corniche", "/trade")
    choose_comi(page)
    first = page.locator('[data-range-choice="1D"]')
    expect(first).to_have_attribute("aria-pressed", "true")
    first.focus()
    with page.expect_response(lambda answer: "range=1W" in answer.url) as asked:
        page.keyboard.press("ArrowRight")
    assert asked.value.status == 200
    expect(page.locator('[data-range-choice="1W"]')).to_be_focused()
    expect(page.locator('[data-range-choice="1W"]')).to_have_attribute("aria-pressed", "true")
    expect(first).to_have_attribute("aria-pressed", "false")
    with page.expect_response(lambda answer: "range=1Y" in answer.url):
        page.keyboard.press("End")
    with page.expect_response(lambda answer: "range=1D" in answer.url):
        page.keyboard.press("Home")
    page.locator("#candle-table summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#candle-rows tr").first.or_(page.locator("#no-candles"))).to_be_visible()
    trader.picture("chart-table")
