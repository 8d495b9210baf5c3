"""The Abu Dhabi Securities Exchange (ADX) as an exchange plugin; its rules are dated data in ``rules.json``."""

from __future__ import annotations

from pathlib import Path

from exchanges.api import PLUGIN_API_VERSION, AssetType, ExchangePlugin

plugin = ExchangePlugin(
    id="ADX",
    name="Abu Dhabi Securities Exchange",
    version="1.0.0",
    api_version=PLUGIN_API_VERSION,
    mic="XADS",
    regions=("AE",),
    assets=frozenset(AssetType),
    investor_id_name="NIN",
    licence_requirements=("exchange:ADX",),
    compliance_level="regulated",
    lines=("ADX-1", "ADX-2"),
    rules_path=Path(__file__).with_name("rules.json"),
)
