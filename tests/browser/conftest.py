"""One real platform and one real browser for all browser tests."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Cookie, Page, sync_playwright

from tests.smoke.platform import Platform, running_platform
from tradsys.configuration import REPOSITORY

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SCREENSHOTS = REPOSITORY / "var" / "screenshots"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP *.localhost 127.0.0.1",
]

_sessions: dict[tuple[int, str], Cookie] = {}


# Both end with this folder's tests: Playwright keeps an event loop in the main thread, in which no other test could run its own,
# and a whole platform beside the tests of the launcher would take their processor time.
@pytest.fixture(scope="package")
def platform() -> Iterator[Platform]:
    with running_platform(without="demo-flow") as running:
        yield running


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: install Debian's package chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


class Visitor:
    """A person at a browser of his own. What the pages complain of in the console is kept."""

    def __init__(self, browser: Browser, platform: Platform, *, dark: bool = False, width: int = 1400) -> None:
        self.port = platform.web[1]
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", reduced_motion="reduce"
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self._complain(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("response", lambda answer: self._asset(answer.status, answer.url))

    def _complain(self, kind: str, text: str) -> None:
        # A refused form is an answer with status 4xx; the browser calls that an error of the network.
        if kind == "error" and "Failed to load resource" not in text:
            self.complaints.append(text)

    def _asset(self, status: int, url: str) -> None:
        if "/static/" in url and status >= 400:
            self.complaints.append(f"{status} for {url}")

    def go(self, tenant: str, path: str) -> None:
        host = f"{tenant}.localhost" if tenant else "localhost"
        self.page.goto(f"http://{host}:{self.port}{path}")

    def sign_in(self, user: str) -> None:
        """Through the form the first time; afterwards the session of that time is taken up again, and nothing else of it."""
        tenant = user.partition("-")[0]
        remembered = _sessions.get((self.port, user))
        if remembered is not None:
            self.context.add_cookies([remembered])
            self.go(tenant, "/")
            return
        self.go(tenant, "/sign-in/")
        self.page.fill("input[name=username]", user)
        self.page.fill("input[name=password]", f"{user}-demo")
        self.page.press("input[name=password]", "Enter")
        self.page.wait_for_url(lambda url: "sign-in" not in url)
        _sessions[self.port, user] = self._session_cookie()

    def _session_cookie(self) -> Cookie:
        return next(each for each in self.context.cookies() if each["name"] == "tradsys_session")

    def picture(self, name: str) -> Path:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path


@pytest.fixture
def visitor(browser: Browser, platform: Platform) -> Iterator[Callable[..., Visitor]]:
    made: list[Visitor] = []

    def make(**options: object) -> Visitor:
        made.append(Visitor(browser, platform, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    complaints = [complaint for each in made for complaint in each.complaints]
    for each in made:
        each.context.close()
    assert complaints == []
