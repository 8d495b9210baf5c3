"""Whatever surrounds a secret, and whatever it is made of, it does not come through; a text without one is not changed."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradsys.mesh.telemetry.redaction import REDACTED, Redactor

NAMES = ("authorization", "password", "token", "secret", "api_key", "cookie", "set-cookie")
REDACTOR = Redactor(NAMES)
SECRET = st.text(st.characters(categories=["Lu", "Ll", "Nd"], max_codepoint=127), min_size=8, max_size=40).map(
    lambda text: f"Zq{text}"
)
FIELD = st.builds(
    lambda before, name, case: case(before + name),
    st.sampled_from(["", "x-", "db_", "client."]),
    st.sampled_from([*NAMES, "apiKey", "Api-Key"]),
    st.sampled_from([str, str.upper, str.title]),
)
AROUND = st.text(st.characters(exclude_characters="'\"\\"), max_size=20).filter(lambda text: "Zq" not in text)


@settings(deadline=None)
@given(name=FIELD, secret=SECRET, before=AROUND, after=AROUND, form=st.sampled_from(["{}={}", "{}: {}", "'{}': '{}'", '"{}":"{}"']))
def test_a_named_secret_in_a_text(name: str, secret: str, before: str, after: str, form: str) -> None:
    text = f"{before} {form.format(name, secret)} {after}"
    assert secret not in REDACTOR.text(text)


@settings(deadline=None)
@given(name=FIELD, secret=SECRET, depth=st.integers(0, 8), in_list=st.booleans())
def test_a_named_secret_in_a_nested_value(name: str, secret: str, depth: int, in_list: bool) -> None:
    value: Any = {name: [secret, {"inner": secret}] if in_list else secret}
    for _ in range(depth):
        value = [{"level": value}] if in_list else {"level": value}
    assert secret not in json.dumps(REDACTOR.value(value))


@settings(deadline=None)
@given(secret=st.text(min_size=3, max_size=30).map(lambda text: "Zq" + quote(text, safe="")), user=st.sampled_from(["", "tradsys"]))
def test_a_password_in_an_address(secret: str, user: str) -> None:
    for scheme in ("redis", "postgresql", "https"):
        shown = REDACTOR.text(f"no answer from {scheme}://{user}:{secret}@127.0.0.1:5432/x")
        assert secret not in shown
        assert shown.endswith("@127.0.0.1:5432/x")


@settings(deadline=None)
@given(secret=SECRET, scheme=st.sampled_from(["Bearer", "bearer", "Api-Key", "Basic"]), around=AROUND)
def test_a_credential_after_its_scheme(secret: str, scheme: str, around: str) -> None:
    assert f"{secret}0123" not in REDACTOR.text(f"{around} {scheme} {secret}0123 {around}")


@settings(deadline=None)
@given(text=st.text())
def test_redacting_twice_is_redacting_once(text: str) -> None:
    once = REDACTOR.text(text)
    assert REDACTOR.text(once) == once


@settings(deadline=None)
@given(words=st.lists(st.sampled_from(["order", "7", "of", "nile", "EGX:COMI", "filled", "127.0.0.1:9101", "at=3", "a: b", "(x)"])))
def test_a_text_without_a_secret_is_not_changed(words: list[str]) -> None:
    text = " ".join(words)
    assert REDACTOR.text(text) == text


@pytest.mark.parametrize("part", ["a_", "a.", "token", "a://", "token=", "'", "Bearer ", "eyJ", "-----BEGIN PRIVATE KEY-----"])
def test_a_long_text_costs_no_more_than_its_length(part: str) -> None:
    begun = time.thread_time()
    REDACTOR.text(part * (20_000 // len(part)))
    assert time.thread_time() - begun < 2.0


def test_no_names_is_no_error() -> None:
    assert Redactor(()).text("password=x") == "password=x"
    assert Redactor(()).text("redis://:x@h") == f"redis://:{REDACTED}@h"
