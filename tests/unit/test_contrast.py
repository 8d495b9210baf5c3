"""Text can be told from its ground in both themes: at least 4.5 to 1, as WCAG 2.2 asks for normal text (criterion 1.4.3)."""

from __future__ import annotations

import re

import pytest

from tradsys.configuration import REPOSITORY

BASE = (REPOSITORY / "tradsys" / "static" / "tradsys" / "base.css").read_text(encoding="utf-8")
ADMIN = (REPOSITORY / "tradsys" / "static" / "tradsys" / "admin.css").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?P<selector>[^{}]*:root[^{}]*|html\[data-theme=\"dark\"\])\s*\{(?P<body>[^}]*)\}")
TOKEN = re.compile(r"--(?P<name>[a-z0-9-]+):\s*(?P<colour>#[0-9a-f]{6});")

GROUNDS = ("page", "panel", "raised")
ON_GROUND = [(ink, ground) for ink in ("text", "muted", "accent", "buy", "sell") for ground in GROUNDS]
ON_SOFT = [("buy", "buy-soft"), ("sell", "sell-soft"), ("warn", "warn-soft"), ("text", "buy-soft"), ("text", "sell-soft")]
PAIRS = [*ON_GROUND, *ON_SOFT, ("accent-text", "accent")]
ADMIN_PAIRS = [
    ("body-fg", "body-bg"),
    ("body-fg", "darkened-bg"),
    ("body-quiet-color", "body-bg"),
    ("link-fg", "body-bg"),
    ("link-fg", "darkened-bg"),
    ("link-fg", "selected-row"),
    ("header-color", "header-bg"),
    ("breadcrumbs-link-fg", "breadcrumbs-bg"),
    ("breadcrumbs-fg", "breadcrumbs-bg"),
    ("demo-fg", "demo-bg"),
    *((tone, ground) for tone in ("good", "bad", "warn") for ground in (f"{tone}-soft", "body-bg", "darkened-bg")),
    ("body-fg", "good-soft"),
    ("body-fg", "bad-soft"),
    ("body-fg", "warn-soft"),
    ("body-quiet-color", "darkened-bg"),
]


def themes(sheet: str) -> dict[str, dict[str, str]]:
    """Colour tokens of the light theme, of the dark one as the system asks for it, and as the reader chose it."""
    blocks = [(match["selector"], dict(TOKEN.findall(match["body"]))) for match in BLOCK.finditer(sheet)]
    light = next(tokens for selector, tokens in blocks if "dark" not in selector and ":not" not in selector)
    asked = next(tokens for selector, tokens in blocks if ":not" in selector)
    chosen = next(tokens for selector, tokens in blocks if '[data-theme="dark"]' in selector)
    return {"light": light, "dark by the system": {**light, **asked}, "dark by choice": {**light, **chosen}}


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb``, WCAG 2.2."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_computed_as_the_standard_says() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark by the system", "dark by choice"])
@pytest.mark.parametrize(("sheet", "pairs"), [(BASE, PAIRS), (ADMIN, ADMIN_PAIRS)], ids=["pages", "operator's pages"])
def test_every_ink_can_be_read_on_its_ground(sheet: str, pairs: list[tuple[str, str]], theme: str) -> None:
    colours = themes(sheet)[theme]
    weak = {pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2) for pair in pairs}
    assert {pair: ratio for pair, ratio in weak.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("sheet", [BASE, ADMIN], ids=["pages", "operator's pages"])
def test_the_dark_theme_is_the_same_whoever_chose_it(sheet: str) -> None:
    found = themes(sheet)
    assert found["dark by the system"] == found["dark by choice"]
