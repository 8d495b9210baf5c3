"""The Egyptian Exchange (EGX) as an exchange plugin; its rules are dated data in ``rules.json``."""

from __future__ import annotations

from pathlib import Path

from exchanges.api import PLUGIN_API_VERSION, AssetType, ExchangePlugin

plugin = ExchangePlugin(
    id="EGX",
    name="Egyptian Exchange",
    version="1.0.0",
    api_version=PLUGIN_API_VERSION,
    mic="XCAI",
    regions=("EG",),
    assets=frozenset(AssetType),
    investor_id_name="Unified Code",
    licence_requirements=("exchange:EGX",),
    compliance_level="regulated",
    lines=("EGX-1", "EGX-2"),
    rules_path=Path(__file__).with_name("rules.json"),
)
