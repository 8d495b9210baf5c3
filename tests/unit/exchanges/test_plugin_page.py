"""The page for authors of plugins shows the files of the package that the tests install, and messages that exist."""

from __future__ import annotations

import json
import re

import pytest

from exchanges.api import PLUGIN_API_VERSION
from tests.plugins.demo_exchange import PACKAGE
from tradsys.configuration import REPOSITORY

PAGE = (REPOSITORY / "docs" / "exchange-plugins.md").read_text(encoding="utf-8")
FILES = re.findall(r"^`([a-z_/]+\.(?:py|toml))`:\n\n```[a-z]+\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL)
ROWS = re.findall(r"```json\n(\{\"(?:kind|exchange)\".*)\n```", PAGE)


def test_the_page_shows_every_source_file_of_the_package() -> None:
    sources = {str(path.relative_to(PACKAGE)) for path in [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.toml")] if path.read_text()}
    assert {name for name, _ in FILES} == sources


@pytest.mark.parametrize(("name", "shown"), FILES)
def test_a_file_on_the_page_is_the_file_of_the_package(name: str, shown: str) -> None:
    assert shown == (PACKAGE / name).read_text(encoding="utf-8").rstrip()


def test_the_rows_on_the_page_are_rows_of_the_packages_files() -> None:
    rows = []
    for path in (PACKAGE / "tradsys_exchange_demo").glob("*.json"):
        document = json.loads(path.read_text(encoding="utf-8"))
        rows += [*document.get("rows", ()), *document.get("instruments", ()), *document.get("rules", ())]
    assert len(ROWS) == 3
    assert all(json.loads(row) in rows for row in ROWS)


def test_the_page_is_written_for_the_present_version_and_is_found_from_the_read_me() -> None:
    major, minor = PLUGIN_API_VERSION
    assert f"api_version=({major}, {minor})" in PAGE
    assert "(docs/exchange-plugins.md)" in (REPOSITORY / "README.md").read_text(encoding="utf-8")


def test_every_message_on_the_page_stands_in_the_code() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "exchanges").rglob("*.py"))
    known = {
        "announced as 'x', not 'demox'": "is announced as",
        "is written for plugin API 1.0": "is written for plugin API",
        "both claim MIC X000": "both claim MIC",
        "its lines are DEMOX-1, DEMOX-2 and so on": "its lines are",
        "rules_path is no file": "is no file:",
        "speaks of EGX; a plugin brings its own rows only": "a plugin brings its own rows only",
        "settings_schema is no JSON Schema": "settings_schema is no JSON Schema",
        "settings are refused: …": "settings are refused:",
        "new order: no field carries price": "no field carries",
        "create_client failed: …": " failed: ",
    }
    shown = re.findall(r"^\| `([^`]+)` \|", PAGE.partition("## When it is refused")[2], re.MULTILINE)
    assert set(shown) == set(known)
    assert all(text in code for text in known.values())
