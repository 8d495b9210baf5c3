"""A signed-in browser without a browser: cookies, the form token, one host."""

from __future__ import annotations

import http.client
import json
import re
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


class WebSession:
    """Speaks HTTP to ``address`` under the host name ``host``, which the machine's resolver need not know."""

    def __init__(self, address: tuple[str, int], host: str) -> None:
        self._address = address
        self.host = f"{host}:{address[1]}"
        self._cookies: dict[str, str] = {}
        self._token = ""

    def request(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, str]:
        """(status, text). Redirects are answers like any other."""
        connection = http.client.HTTPConnection(*self._address, timeout=20)
        sent = {"Host": self.host, "Origin": f"http://{self.host}", **(headers or {})}
        if self._cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
            for line in answer.headers.get_all("Set-Cookie") or []:
                for name, morsel in SimpleCookie(line).items():
                    self._cookies[name] = morsel.value
        finally:
            connection.close()
        found = TOKEN.search(text)
        if found:
            self._token = found[1]
        return answer.status, text

    @property
    def cookie_header(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self._cookies.items())

    def form(self, path: str, fields: dict[str, str]) -> tuple[int, str]:
        body = urlencode({**fields, "csrfmiddlewaretoken": self._token}).encode()
        return self.request("POST", path, body, {"Content-Type": "application/x-www-form-urlencoded"})

    def sign_in(self, user: str, password: str) -> None:
        """Raises AssertionError when the site does not let the user in."""
        self.request("GET", "/sign-in/")
        status, text = self.form("/sign-in/", {"username": user, "password": password, "next": "/"})
        assert status == 302, f"{user} was not let in: {status} {text[:300]}"

    def json(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        headers = {"Content-Type": "application/json", "X-CSRFToken": self._token}
        status, text = self.request(method, path, json.dumps(body).encode() if body is not None else None, headers)
        return status, json.loads(text)
