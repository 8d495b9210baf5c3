"""``make images``: the pictures of the documentation, taken from a running platform with its demonstration."""

from __future__ import annotations

import sys
import time

from playwright.sync_api import expect, sync_playwright

from tests.browser.conftest import ARGUMENTS, CHROMIUM, Visitor
from tests.smoke.platform import running_platform
from tradsys.configuration import REPOSITORY

TARGET = REPOSITORY / "docs" / "images"
LIVELY_SECONDS = 75
"""How long the demonstration runs first, so that books, charts and order lists have something to show."""


def main() -> int:
    if CHROMIUM is None:
        print("Chromium is needed for pictures: install Debian's package chromium", file=sys.stderr)
        return 1
    TARGET.mkdir(exist_ok=True)
    with running_platform(without="") as platform, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        print(f"the platform is up; letting it run for {LIVELY_SECONDS} s", flush=True)
        time.sleep(LIVELY_SECONDS)
        for user, name, language, dark in (
            ("corniche-trader", "trading-page", "en", False),
            ("amana-trader", "trading-page-ar", "ar", True),
        ):
            visitor = Visitor(browser, platform, dark=dark, width=1440)
            visitor.sign_in(user)
            if language == "ar":
                visitor.page.get_by_role("button", name="العربية").click()
            visitor.page.locator('tr[data-key="ADX:ADIB"]').click()
            expect(visitor.page.locator("#head-symbol")).to_have_text("ADIB")
            expect(visitor.page.locator("#ladder-rows tr.bid").first).to_be_visible()
            visitor.page.wait_for_timeout(4_000)
            visitor.page.screenshot(path=TARGET / f"{name}.png")
            if visitor.complaints:
                print("\n".join(visitor.complaints), file=sys.stderr)
                return 1
        visitor = Visitor(browser, platform, width=1440)
        visitor.sign_in("corniche-viewer")
        visitor.page.wait_for_timeout(1_500)
        visitor.page.screenshot(path=TARGET / "usage-page.png")
        visitor = Visitor(browser, platform, width=1440)
        visitor.go("", "/admin/login/")
        visitor.page.fill("#id_username", "operator")
        visitor.page.fill("#id_password", "operator-demo")
        visitor.page.press("#id_password", "Enter")
        expect(visitor.page.locator("#user-tools")).to_be_visible()
        visitor.go("", "/admin/services/")
        visitor.page.wait_for_timeout(5_000)
        visitor.page.screenshot(path=TARGET / "services-page.png")
        browser.close()
    for picture in sorted(TARGET.glob("*.png")):
        print(picture.relative_to(REPOSITORY), picture.stat().st_size)
    return 0


if __name__ == "__main__":
    sys.exit(main())
