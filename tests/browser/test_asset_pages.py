"""The list of instruments and the asset sheet in a real browser: figures, pictures, Arabic, dark, a narrow screen, the keyboard."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.browser.test_pages import NAMELESS_CONTROLS, SHOWN_TEXTS, english_texts, in_arabic

VisitorFactory = Callable[..., Visitor]

SHEETS = ("DEMOBOND", "DEMOPAR", "DEMOFUND", "DEMOREIT", "DEMORIGHT", "COMI")


def test_a_bond_is_computed_at_a_typed_price_by_keyboard(visitor: VisitorFactory) -> None:
    trader = visitor()
    trader.sign_in("corniche-trader")
    page = trader.page
    trader.go("corniche", "/instruments")
    expect(page.locator("#instruments tbody tr")).not_to_have_count(0)
    page.select_option("#type", "bond")
    page.get_by_role("button", name="Show").press("Enter")
    trader.picture("instruments")
    page.get_by_role("link", name="DEMOBOND").press("Enter")
    page.fill("#price", "95")
    page.fill("#settlement", "2026-11-30")
    page.press("#price", "Enter")
    expect(page.locator("#figures")).to_contain_text("Yield to maturity")
    expect(page.locator("#figures")).to_contain_text("95.00")
    expect(page.locator("svg rect.due")).to_have_count(9)
    trader.picture("asset-sheet-bond")
    page.fill("#price", "cheap")
    page.press("#price", "Enter")
    expect(page.get_by_role("alert")).to_contain_text("A price is a decimal")
    trader.go("corniche", "/instruments/EGX/DEMOREIT")
    expect(page.locator("svg polyline.value")).to_be_visible()
    trader.picture("asset-sheet-reit")
    assert page.evaluate(NAMELESS_CONTROLS) == []


@pytest.mark.parametrize("symbol", SHEETS)
def test_a_sheet_speaks_arabic_from_right_to_left(visitor: VisitorFactory, symbol: str) -> None:
    reader = visitor()
    reader.sign_in("corniche-trader")
    in_arabic(reader.page)
    reader.go("corniche", f"/instruments/EGX/{symbol}")
    expect(reader.page.locator("html")).to_have_attribute("dir", "rtl")
    assert english_texts().intersection(reader.page.evaluate(SHOWN_TEXTS)) == set()
    reader.picture(f"asset-sheet-{symbol.lower()}-ar")


def test_a_sheet_in_the_dark_and_on_a_narrow_screen_does_not_scroll_sideways(visitor: VisitorFactory) -> None:
    reader = visitor(dark=True, width=420)
    reader.sign_in("corniche-trader")
    for path in ("/instruments", "/instruments/EGX/DEMOSUKUK", "/instruments/EGX/DEMOFUND"):
        reader.go("corniche", path)
        assert reader.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), path
    reader.picture("asset-sheet-dark-narrow")
    wide = visitor(dark=True)
    wide.sign_in("corniche-trader")
    wide.go("corniche", "/instruments/EGX/DEMOSUKUK")
    wide.picture("asset-sheet-dark")
