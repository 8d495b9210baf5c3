"""What holds for every page: language, theme, keyboard, names of controls, pages of errors."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable

import pytest
from babel.messages.pofile import read_po
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor
from tests.smoke.platform import Platform
from tradsys.translations import catalogue

VisitorFactory = Callable[..., Visitor]

# Every text that a reader sees or hears: text nodes, labels and hints outside of what says itself that it is English.
SHOWN_TEXTS = """() => {
  const shown = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const owner = walker.currentNode.parentElement;
    if (!owner.closest("script, style, [lang=en]:not(html)")) { shown.push(walker.currentNode.textContent.trim()); }
  }
  for (const named of document.querySelectorAll("[aria-label], [title]")) {
    shown.push(named.getAttribute("aria-label") || "", named.getAttribute("title") || "");
  }
  return [...new Set(shown.filter(Boolean))];
}"""

# Form controls and buttons that say nothing of themselves to a screen reader.
NAMELESS_CONTROLS = """() => [...document.querySelectorAll("input:not([type=hidden]), select, textarea, button, a[href]")]
  .filter((each) => !each.closest("[hidden]") && !each.hidden)
  .filter((each) => !(each.labels && each.labels.length) && !each.getAttribute("aria-label") && !each.innerText.trim())
  .map((each) => each.outerHTML.slice(0, 120))"""


def english_texts() -> set[str]:
    with catalogue("ar").open("rb") as stream:
        return {str(message.id) for message in read_po(stream) if message.id and "%" not in str(message.id)}


def in_arabic(page: Page) -> None:
    page.get_by_role("button", name="العربية").click()
    expect(page.locator("html")).to_have_attribute("dir", "rtl")


def sign_in_as_operator(visitor: Visitor) -> None:
    visitor.go("", "/admin/login/")
    visitor.page.fill("#id_username", "operator")
    visitor.page.fill("#id_password", "operator-demo")
    visitor.page.press("#id_password", "Enter")
    expect(visitor.page.locator("#user-tools")).to_be_visible()


def test_the_quote_board_moves_by_itself(visitor: VisitorFactory) -> None:
    trader = visitor()
    trader.sign_in("corniche-trader")
    page = trader.page
    # Locators wait from outside the page: its content policy refuses the evaluation that `wait_for_function` repeats.
    quotes = page.locator(".board [data-cell=bid], .board [data-cell=ask]")
    expect(quotes.filter(has_text=re.compile("[0-9]")).first).to_be_visible()
    before = quotes.all_text_contents()
    expect(quotes).not_to_have_text(before, timeout=20_000)


@pytest.mark.parametrize(
    ("user", "paths"),
    [
        ("corniche-trader", ["/trade", "/usage", "/market-rules", "/accounts", "/nothing"]),
        ("amana-admin", ["/accounts", "/usage", "/trade"]),
    ],
)
def test_no_text_of_a_page_stays_english_in_arabic(visitor: VisitorFactory, user: str, paths: list[str]) -> None:
    reader = visitor()
    tenant = user.partition("-")[0]
    reader.go(tenant, "/sign-in/")
    in_arabic(reader.page)
    english = english_texts()
    assert english.intersection(reader.page.evaluate(SHOWN_TEXTS)) == set()
    reader.picture("sign-in-ar")
    reader.sign_in(user)
    for path in paths:
        reader.go(tenant, path)
        expect(reader.page.locator("html")).to_have_attribute("dir", "rtl")
        if path == "/trade":
            expect(reader.page.locator("#live-text")).to_have_text("مباشر")
        assert english.intersection(reader.page.evaluate(SHOWN_TEXTS)) == set(), path


def test_a_refusal_is_told_in_arabic_with_its_code(visitor: VisitorFactory) -> None:
    trader = visitor()
    trader.sign_in("amana-trader")
    page = trader.page
    in_arabic(page)
    page.locator('tr[data-key="EGX:COMI"]').click()
    page.fill("#id_price", "139.00")
    page.press("#id_price", "Enter")
    refusal = page.locator("#ticket-result .notice.bad")
    expect(refusal).to_contain_text("NOT_SHARIA_COMPLIANT")
    expect(refusal).to_contain_text("الهيئة الشرعية")
    assert english_texts().intersection(page.evaluate(SHOWN_TEXTS)) == set()
    trader.picture("refusal-ar")


def test_the_operators_pages_are_marked_as_a_demonstration_and_speak_arabic(visitor: VisitorFactory) -> None:
    operator = visitor()
    sign_in_as_operator(operator)
    page = operator.page
    expect(page.locator(".demo-mark")).to_have_text("DEMO")
    operator.picture("operator")
    in_arabic(page)
    english = english_texts()
    for path in ("/admin/", "/admin/licensing/licence/", "/admin/tenants/tenant/", "/admin/exchanges/instrument/"):
        operator.go("", path)
        expect(page.locator(".demo-mark")).to_have_text("تجريبي")
        headings = page.evaluate(
            "Array.from(document.querySelectorAll('h1, .module caption, thead th'), (each) => each.innerText.trim())"
        )
        assert english.intersection(each.strip() for each in headings) == set(), path
    operator.picture("operator-ar")


def test_pages_of_errors_say_what_is_wrong_in_the_readers_language(visitor: VisitorFactory) -> None:
    trader = visitor()
    trader.sign_in("corniche-trader")
    page = trader.page
    trader.go("corniche", "/nothing")
    expect(page.get_by_role("heading", name="No such page")).to_be_visible()
    trader.go("corniche", "/accounts")
    expect(page.get_by_role("heading", name="Not allowed")).to_be_visible()
    trader.picture("not-allowed")
    in_arabic(page)
    expect(page.get_by_role("heading", name="غير مسموح")).to_be_visible()
    trader.go("nobody", "/")
    expect(page.get_by_role("heading", name="No one answers here")).to_be_visible()
    expect(page.get_by_role("heading", name="لا أحد على هذا العنوان")).to_be_visible()
    trader.picture("unknown-host")


def test_a_form_that_lost_its_cookie_asks_to_be_sent_again(visitor: VisitorFactory) -> None:
    stranger = visitor()
    stranger.go("corniche", "/sign-in/")
    stranger.page.fill("input[name=username]", "corniche-trader")
    stranger.page.fill("input[name=password]", "corniche-trader-demo")
    stranger.context.clear_cookies()
    stranger.page.press("input[name=password]", "Enter")
    expect(stranger.page.get_by_role("heading", name="Send the form again")).to_be_visible()


def test_the_sign_in_page_says_whose_it_is_and_what_went_wrong(visitor: VisitorFactory) -> None:
    stranger = visitor()
    stranger.go("nile", "/sign-in/")
    page = stranger.page
    expect(page.locator(".where")).to_contain_text("Nile")
    expect(page.locator(".where")).to_contain_text("nile.localhost")
    assert page.get_by_label("Username").get_attribute("autocomplete") == "username"
    assert page.get_by_label("Password").get_attribute("autocomplete") == "current-password"
    page.get_by_label("Username").fill("nile-trader")
    page.get_by_label("Password").fill("not this")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("do not match")
    stranger.picture("sign-in-refused")


def test_the_chosen_theme_stays(visitor: VisitorFactory) -> None:
    trader = visitor()
    trader.sign_in("corniche-trader")
    page = trader.page
    page.get_by_role("button", name="Switch between dark and light").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    trader.go("corniche", "/usage")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.body.parentElement).backgroundColor") == "rgb(13, 18, 25)"


def test_every_control_has_a_name(visitor: VisitorFactory) -> None:
    trader, administrator = visitor(), visitor()
    trader.go("corniche", "/sign-in/")
    assert trader.page.evaluate(NAMELESS_CONTROLS) == []
    trader.sign_in("corniche-trader")
    expect(trader.page.locator("#ladder-rows tr.bid").first).to_be_visible()
    assert trader.page.evaluate(NAMELESS_CONTROLS) == []
    assert trader.page.locator("#ticket-result").get_attribute("aria-live") == "polite"
    administrator.sign_in("corniche-admin")
    assert administrator.page.evaluate(NAMELESS_CONTROLS) == []


def test_tab_leads_past_the_board_into_the_ticket_in_the_order_of_its_fields(visitor: VisitorFactory) -> None:
    trader = visitor()
    trader.sign_in("corniche-trader")
    page = trader.page
    expect(page.locator("#id_price")).not_to_have_value("")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the order ticket")).to_be_focused()
    page.keyboard.press("Enter")
    visited = []
    for _step in range(7):
        page.keyboard.press("Tab")
        visited.append(page.evaluate("document.activeElement.name || document.activeElement.type"))
    assert visited == ["side", "account", "order_type", "quantity", "price", "time_in_force", "submit"]
    expect(page.get_by_role("button", name="Send order")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#ticket-result .notice")).to_be_visible()


def test_no_page_of_an_administrator_runs_out_of_the_window_of_a_telephone(visitor: VisitorFactory) -> None:
    administrator = visitor(width=390)
    administrator.go("corniche", "/sign-in/")
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert administrator.page.evaluate(overflow) <= 0
    administrator.sign_in("corniche-admin")
    for path in ("/accounts", "/usage", "/trade", "/market-rules"):
        administrator.go("corniche", path)
        assert administrator.page.evaluate(overflow) <= 0, path
        administrator.picture(f"{path.strip('/')}-telephone")


def test_the_operator_watches_the_services_without_loading_the_page_again(visitor: VisitorFactory, platform: Platform) -> None:
    operator = visitor()
    sign_in_as_operator(operator)
    page = operator.page
    page.get_by_role("link", name="Services", exact=True).click()
    worker = page.locator('tr[data-process="worker-1"]')
    expect(worker).to_have_attribute("data-state", "serving")
    expect(worker.locator("meter")).to_have_attribute("aria-label", "Time left of the lease")
    page.evaluate("window.stillTheSamePage = true")
    page.focus("#tile-projector")
    projector = platform.addresses["processes"]["projector"]
    os.kill(projector, signal.SIGSTOP)
    try:
        expect(page.locator('tr[data-process="projector"]')).to_have_attribute("data-state", "gone")
        expect(page.locator("#summary")).to_contain_text("projector (Gone)")
        expect(page.locator("#tile-projector")).to_be_focused()
        operator.picture("services-gone")
    finally:
        os.kill(projector, signal.SIGCONT)
    expect(page.locator('tr[data-process="projector"]')).to_have_attribute("data-state", "serving")
    assert page.evaluate("window.stillTheSamePage === true")
    assert page.evaluate(NAMELESS_CONTROLS) == []


def test_the_services_fit_a_telephone_and_speak_arabic_in_the_dark(visitor: VisitorFactory) -> None:
    operator = visitor(width=390, dark=True)
    sign_in_as_operator(operator)
    page = operator.page
    in_arabic(page)
    operator.go("", "/admin/services/")
    expect(page.locator('tr[data-process="worker-1"]')).to_have_attribute("data-state", "serving")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    # The user's own name, and a process's.
    assert english_texts().intersection(page.evaluate(SHOWN_TEXTS)) <= {"operator", "services"}
    operator.picture("services-ar-telephone")


def test_the_operator_asks_by_keyboard_where_an_order_would_go(visitor: VisitorFactory) -> None:
    operator = visitor()
    sign_in_as_operator(operator)
    page = operator.page
    page.get_by_role("link", name="Order routing", exact=True).click()
    expect(page.locator("ol.steps > li")).to_have_count(3)
    page.select_option("#id_exchange", "EGX")
    page.fill("#id_symbol", "COMI")
    page.select_option("#id_tenant", "amana")
    page.fill("#id_account", "AMA-1")
    page.uncheck("input[name=down][value='EGX-1']")
    page.check("input[name=down][value='EGX-2']")
    page.press("#id_account", "Enter")
    expect(page.locator("#answer")).to_contain_text("It goes by rule")
    expect(page.locator("#answer .chosen-line")).to_have_text("EGX-1")
    page.focus("input[name=down][value='EGX-1']")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_contain_text("NO_ROUTE")
    expect(page.locator('li[data-rule="default"]')).to_have_attribute("data-verdict", "no_line_up")
    operator.picture("routing-refused")
    assert page.evaluate(NAMELESS_CONTROLS) == []


def test_order_routing_fits_a_telephone_and_speaks_arabic_in_the_dark(visitor: VisitorFactory) -> None:
    operator = visitor(width=390, dark=True)
    sign_in_as_operator(operator)
    page = operator.page
    in_arabic(page)
    operator.go("", "/admin/routing/?ask=1&exchange=EGX&symbol=COMI&tenant=amana&account=AMA-1&side=BUY&quantity=100&price=")
    expect(page.locator("#answer")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    assert english_texts().intersection(page.evaluate(SHOWN_TEXTS)) <= {"operator"}
    operator.picture("routing-ar-telephone")
