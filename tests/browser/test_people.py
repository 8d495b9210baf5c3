"""What people do on the pages, in a real browser against the whole platform."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor
from tests.smoke.platform import Platform

VisitorFactory = Callable[..., Visitor]


def choose(page: Page, key: str) -> None:
    page.locator(f'tr[data-key="{key}"]').click()
    expect(page.locator("#id_instrument")).to_have_value(key)


def best(page: Page, key: str, side: str) -> str:
    """The live best price of the quote board, once there is one."""
    cell = page.locator(f'tr[data-key="{key}"] [data-cell="{side}"]')
    expect(cell).to_have_text(re.compile(r"^[0-9.]+$"))
    return cell.inner_text()


def send(page: Page, *, side: str, price: str, quantity: str = "10") -> None:
    page.locator(f'.sides input[value="{side}"]').check(force=True)
    page.fill("#id_quantity", quantity)
    page.fill("#id_price", price)
    page.press("#id_price", "Enter")


def test_a_trader_sees_live_prices_and_his_order_filled_without_loading_the_page_again(visitor: VisitorFactory) -> None:
    trader = visitor()
    trader.sign_in("corniche-trader")
    page = trader.page
    expect(page.locator("#live-text")).to_have_text("Live")
    choose(page, "ADX:FAB")
    expect(page.locator("#ladder-rows tr.bid").first).to_be_visible()
    expect(page.locator("#ladder-rows tr.ask").first).to_be_visible()
    expect(page.locator("#price-chart canvas").first).to_be_visible()
    best(page, "ADX:FAB", "ask")
    page.evaluate("window.stillTheSamePage = true")
    # Well through the offered price, so that a moving market cannot leave the order behind.
    page.select_option("#id_order_type", "MARKET")
    page.locator('.sides input[value="BUY"]').check(force=True)
    page.fill("#id_quantity", "10")
    page.press("#id_quantity", "Enter")
    expect(page.locator("#ticket-result .notice.good")).to_be_visible()
    expect(page.locator("#blotter-rows tbody tr").first.locator("[data-state]")).to_have_attribute("data-state", "FILLED")
    assert page.evaluate("window.stillTheSamePage === true")
    trader.picture("trading-filled")


def test_a_refusal_says_its_code_its_rule_and_the_figures(visitor: VisitorFactory) -> None:
    trader = visitor()
    trader.sign_in("corniche-trader")
    page = trader.page
    choose(page, "EGX:COMI")
    send(page, side="BUY", price="139.003")
    refusal = page.locator("#ticket-result .notice.bad")
    expect(refusal).to_contain_text("PRICE_OFF_TICK")
    expect(refusal).to_contain_text("multiple of the instrument's tick")
    expect(refusal.locator("dd").first).to_be_visible()
    expect(page.locator("#blotter-rows")).to_contain_text("PRICE_OFF_TICK")
    trader.picture("trading-refused")


def test_an_open_order_is_cancelled_from_the_blotter(visitor: VisitorFactory) -> None:
    trader = visitor()
    trader.sign_in("corniche-trader")
    page = trader.page
    choose(page, "EGX:COMI")
    send(page, side="BUY", price="113.00")
    row = page.locator("#blotter-rows tbody tr").first
    expect(row.locator("[data-state]")).to_have_attribute("data-state", "NEW")
    row.get_by_role("button", name="Cancel").click()
    expect(row.locator("[data-state]")).to_have_attribute("data-state", "CANCELED")


def test_the_board_of_an_islamic_broker_stops_what_it_holds_to_be_unlawful(visitor: VisitorFactory) -> None:
    trader = visitor()
    trader.sign_in("amana-trader")
    page = trader.page
    expect(page.locator('tr[data-key="EGX:COMI"] [data-cell="sharia"] .badge')).to_contain_text("Not compliant")
    expect(page.locator('tr[data-key="EGX:TMGH"] [data-cell="sharia"] .badge')).to_contain_text("Compliant")
    choose(page, "EGX:COMI")
    send(page, side="BUY", price="139.00")
    expect(page.locator("#ticket-result")).to_contain_text("NOT_SHARIA_COMPLIANT")
    trader.picture("trading-islamic")


def test_the_usage_page_draws_the_days_against_the_quota_and_the_cost(visitor: VisitorFactory, platform: Platform) -> None:
    who = ("--tenant", "corniche", "--user", "corniche-trader", "--account", "COR-001")
    order = ("--exchange", "EGX", "--symbol", "TMGH", "--side", "BUY", "--quantity", "10", "--price", "70.00")
    platform.manage_json("place_order", *who, *order)
    viewer = visitor()
    viewer.sign_in("corniche-viewer")
    page = viewer.page
    page.wait_for_url(re.compile("/usage$"))
    for _attempt in range(20):
        if int(page.locator("#orders-today").inner_text()) > 0:
            break
        page.wait_for_timeout(250)
        page.reload()
    assert int(page.locator("#orders-today").inner_text()) > 0
    expect(page.locator("#usage-chart canvas").first).to_be_visible()
    expect(page.locator("tfoot")).to_contain_text("999.00 USD")
    viewer.go("corniche", "/trade")
    expect(page.locator(".ticket")).to_contain_text("You may look, not trade")
    viewer.go("corniche", "/usage")
    viewer.picture("usage")


def test_the_operator_suspends_a_licence_and_the_trader_feels_it_at_once(visitor: VisitorFactory) -> None:
    operator, trader = visitor(), visitor()
    trader.sign_in("nile-trader")
    choose(trader.page, "EGX:TMGH")
    operator.go("", "/admin/login/")
    operator.page.fill("#id_username", "operator")
    operator.page.fill("#id_password", "operator-demo")
    operator.page.press("#id_password", "Enter")
    operator.go("", "/admin/licensing/licence/")
    operator.page.locator("#result_list tbody tr", has_text=re.compile("nile", re.I)).locator("th a").click()
    expect(operator.page.locator("#id_status")).to_be_visible()
    operator.picture("operator-licence")

    def set_status(value: str) -> None:
        operator.page.select_option("#id_status", value)
        operator.page.click("input[name=_continue]")
        expect(operator.page.locator(".messagelist .success")).to_be_visible()

    set_status("suspended")
    try:
        for _attempt in range(20):
            send(trader.page, side="BUY", price="70.00")
            result = trader.page.locator("#ticket-result .notice")
            expect(result).to_be_visible()
            if "LICENSE_SUSPENDED" in result.inner_text():
                break
            trader.page.wait_for_timeout(200)
        expect(trader.page.locator("#ticket-result")).to_contain_text("LICENSE_SUSPENDED")
    finally:
        set_status("active")
    for _attempt in range(20):
        send(trader.page, side="BUY", price="70.00")
        trader.page.wait_for_timeout(200)
        if trader.page.locator("#ticket-result .notice.good").count():
            break
    expect(trader.page.locator("#ticket-result .notice.good")).to_be_visible()


def test_an_administrator_lowers_a_limit_and_the_next_order_meets_it(visitor: VisitorFactory) -> None:
    administrator, trader = visitor(), visitor()
    administrator.sign_in("corniche-admin")
    page = administrator.page
    page.wait_for_url(re.compile("/accounts$"))
    row = page.locator('tr[data-account="COR-002"]')
    before = row.locator("[name=max_order_quantity]").input_value()

    def limit(quantity: str) -> None:
        row.locator("[name=max_order_quantity]").fill(quantity)
        row.get_by_role("button", name="Save").click()
        expect(page.locator(".notice.good")).to_be_visible()

    limit("5")
    administrator.picture("accounts")
    trader.sign_in("corniche-trader")
    choose(trader.page, "EGX:TMGH")
    trader.page.select_option("#id_account", "COR-002")
    for _attempt in range(20):
        send(trader.page, side="BUY", price="70.00", quantity="6")
        trader.page.wait_for_timeout(200)
        if "ORDER_QUANTITY_LIMIT" in trader.page.locator("#ticket-result").inner_text():
            break
    expect(trader.page.locator("#ticket-result")).to_contain_text("ORDER_QUANTITY_LIMIT")
    limit(before)


def test_the_trading_page_reads_from_right_to_left_in_arabic(visitor: VisitorFactory) -> None:
    trader = visitor()
    trader.sign_in("amana-trader")
    page = trader.page
    page.get_by_role("button", name="العربية").click()
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    expect(page.locator("html")).to_have_attribute("lang", "ar")
    for english in ("Quotes", "Order ticket", "Depth", "Send order", "Orders"):
        expect(page.get_by_text(english, exact=True)).to_have_count(0)
    best(page, "EGX:TMGH", "bid")
    trader.picture("trading-ar")
    trader.go("amana", "/usage")
    expect(page.get_by_text("Cost so far", exact=True)).to_have_count(0)
    trader.picture("usage-ar")


@pytest.mark.parametrize(("name", "dark", "width"), [("dark", True, 1400), ("narrow", False, 700)])
def test_no_page_runs_out_of_the_window(visitor: VisitorFactory, name: str, dark: bool, width: int) -> None:
    trader = visitor(dark=dark, width=width)
    trader.sign_in("corniche-trader")
    for path in ("/trade", "/usage"):
        trader.go("corniche", path)
        trader.page.wait_for_timeout(500)
        overflow = trader.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{path} is {overflow} px too wide"
        trader.picture(f"{path.strip('/')}-{name}")


def test_the_ticket_is_reached_and_sent_by_keyboard_alone(visitor: VisitorFactory) -> None:
    trader = visitor()
    trader.sign_in("corniche-trader")
    page = trader.page
    page.locator('tr[data-key="EGX:COMI"] button').focus()
    page.keyboard.press("Enter")
    expect(page.locator("#id_instrument")).to_have_value("EGX:COMI")
    page.locator("#id_quantity").focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("10")
    page.keyboard.press("Tab")
    page.keyboard.press("Control+a")
    page.keyboard.type("113.00")
    page.keyboard.press("Enter")
    expect(page.locator("#ticket-result .notice.good")).to_be_visible()


def test_a_wrong_password_and_another_brokers_member_get_the_same_answer(visitor: VisitorFactory) -> None:
    stranger = visitor()
    answers = []
    for user, password in (("corniche-trader", "wrong"), ("nile-trader", "nile-trader-demo")):
        stranger.go("corniche", "/sign-in/")
        stranger.page.fill("input[name=username]", user)
        stranger.page.fill("input[name=password]", password)
        stranger.page.press("input[name=password]", "Enter")
        answers.append(stranger.page.get_by_role("alert").inner_text())
    assert answers[0] == answers[1] != ""
