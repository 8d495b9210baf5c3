"""Where an operator sees which exchange plugins are loaded and which were refused: the page of the exchanges, and a command."""

from __future__ import annotations

import dataclasses
import io
import json
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client

from exchanges import admin
from exchanges.registry import PluginRegistry
from tradsys.exchange_entries import exchange_entries


@pytest.fixture
def with_a_refused_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process as it is after a start at which one announced package was missing."""
    plugins = PluginRegistry()
    plugins.load((*exchange_entries(), EntryPoint(name="gone", value="no_such_package:plugin", group="tradsys.exchanges")))
    plugins.close()
    for module in (admin, __import__("exchanges.management.commands.exchange_plugins", fromlist=["registry"])):
        monkeypatch.setattr(module, "registry", lambda: plugins)


def listed(*arguments: str) -> str:
    output = io.StringIO()
    call_command("exchange_plugins", *arguments, stdout=output)
    return output.getvalue()


@pytest.mark.django_db
@pytest.mark.usefixtures("reference_data")
@pytest.mark.parametrize(
    ("language", "shown"),
    [
        ("en", ("Exchange plugins", "the platform", "EGX-1, EGX-2", "No plugin was refused")),
        ("ar", ("إضافات البورصات", "المنصة", "EGX-1, EGX-2", "لم تُرفض أي إضافة")),
    ],
)
def test_the_page_of_the_exchanges_shows_the_plugins(operator_client: Client, language: str, shown: tuple[str, ...]) -> None:
    page = operator_client.get("/admin/exchanges/exchange/", headers={"accept-language": language}).content.decode()
    assert [text for text in shown if text not in page] == []


@pytest.mark.django_db
@pytest.mark.usefixtures("reference_data", "with_a_refused_one")
def test_the_page_names_a_plugin_that_was_refused_and_why(operator_client: Client) -> None:
    page = operator_client.get("/admin/exchanges/exchange/").content.decode()
    assert "gone (no_such_package:plugin)" in page
    assert "ModuleNotFoundError: No module named &#x27;no_such_package&#x27;" in page
    assert "No plugin was refused" not in page


def test_the_command_lists_the_plugins_with_their_settings() -> None:
    text = listed()
    assert "EGX  Egyptian Exchange 1.0.0 (built in)" in text
    assert "needs exchange:ADX; lines ADX-1, ADX-2" in text
    assert '"heartbeat_seconds": 5' in text
    assert json.loads(listed("--schema", "EGX"))["properties"]["answer_ms"]["minimum"] == 50
    with pytest.raises(CommandError, match="no exchange plugin 'NOPE'; known: ADX, EGX"):
        listed("--schema", "NOPE")


@pytest.mark.usefixtures("with_a_refused_one")
def test_the_command_ends_with_an_error_that_names_what_was_refused() -> None:
    with pytest.raises(CommandError, match=r"refused: gone \(no_such_package:plugin\): ModuleNotFoundError"):
        listed()


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (
            {"EGX": {"heartbeat_seconds": 0}},
            "refused: settings of EGX: exchange plugin EGX: settings are refused: heartbeat_seconds",
        ),
        ({"GONE": {}}, "refused: settings of GONE: no plugin of this code is loaded"),
        ([], "an object of exchange code and settings is expected"),
    ],
)
def test_the_command_checks_the_operators_settings(
    given: Any, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(given), encoding="utf-8")
    configuration = dataclasses.replace(settings.CONFIGURATION, exchange_settings_file=path)
    monkeypatch.setattr(settings, "CONFIGURATION", configuration)
    with pytest.raises(CommandError) as refused:
        listed()
    assert complaint in str(refused.value)
