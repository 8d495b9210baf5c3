"""The Abu Dhabi Securities Exchange (ADX) as an exchange plugin; its rules are dated data in ``rules.json``."""

from __future__ import annotations

from pathlib import Path

from exchanges.api import PLUGIN_API_VERSION, AssetType, ComplianceLevel, ExchangePlugin
from exchanges.exchange_service import ExchangeConfig, ExchangeService
from exchanges.fix_venue.client import FIX_DEFAULT_SETTINGS, FIX_SETTINGS_SCHEMA, fix_client
from exchanges.fix_venue.service import FixExchangeService


def create_service(config: ExchangeConfig) -> ExchangeService:
    return FixExchangeService(plugin, fix_client(config), config)


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
    compliance_level=ComplianceLevel.REGULATED,
    lines=("ADX-1", "ADX-2"),
    rules_path=Path(__file__).with_name("rules.json"),
    # The exchange's own dialect is not public: this is plain FIX 4.4, as the venue simulator speaks it.
    create_client=fix_client,
    create_service=create_service,
    settings_schema=FIX_SETTINGS_SCHEMA,
    default_settings=FIX_DEFAULT_SETTINGS,
)
