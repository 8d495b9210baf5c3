"""The settings of plugins: one JSON file for all exchanges, each part checked against its plugin's schema.

The file (``TRADSYS_EXCHANGE_SETTINGS``) is an object of exchange code → settings. Raises ``PluginError`` naming plugin and setting.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, SchemaError

from exchanges.api import ExchangePlugin, PluginError


def check_schema(plugin: ExchangePlugin) -> None:
    """Refuse a schema that is none, one that lets anything in, and defaults that do not satisfy it."""
    try:
        Draft202012Validator.check_schema(_plain(plugin.settings_schema))
    except SchemaError as error:
        where = error.json_path.removeprefix("$.") or "the schema"
        raise PluginError(f"exchange plugin {plugin.id}: settings_schema is no JSON Schema: {where}: {error.message}") from error
    if plugin.settings_schema.get("type") != "object":
        raise PluginError(f"exchange plugin {plugin.id}: settings_schema describes an object")
    checked_settings(plugin, {})


def checked_settings(plugin: ExchangePlugin, given: Mapping[str, object]) -> dict[str, object]:
    """The plugin's defaults with what is `given` instead of them."""
    settings = {**plugin.default_settings, **given}
    validator = Draft202012Validator(_plain(plugin.settings_schema))
    found = sorted(validator.iter_errors(_plain(settings)), key=lambda error: error.json_path)
    if found:
        texts = "; ".join(f"{each.json_path.removeprefix('$.')}: {each.message}" for each in found)
        raise PluginError(f"exchange plugin {plugin.id}: settings are refused: {texts}")
    return settings


def read_settings(path: Path | None) -> dict[str, dict[str, object]]:
    """Exchange code → settings as given; nothing without a file."""
    if path is None:
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PluginError(f"the settings of exchange plugins cannot be read: {path}: {error}") from error
    if not isinstance(document, dict) or not all(isinstance(each, dict) for each in document.values()):
        raise PluginError(f"the settings of exchange plugins: {path}: an object of exchange code and settings is expected")
    return document


def _plain(value: Any) -> Any:
    """The validator knows dictionaries and lists, plugins may give read-only ones."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
