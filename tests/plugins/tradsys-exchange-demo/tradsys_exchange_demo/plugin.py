"""DEMOX, an invented exchange, as a plugin. X000 is no market identifier that ISO 10383 would give, XTS its currency for tests."""

from pathlib import Path

from exchanges.api import AssetType, ComplianceLevel, ExchangePlugin
from exchanges.exchange_service import ExchangeConfig, ExchangeService
from exchanges.fix_venue.client import FIX_DEFAULT_SETTINGS, FIX_SETTINGS_SCHEMA, ExchangeClient, fix_client
from exchanges.fix_venue.service import FixExchangeService
from tradsys_exchange_demo.dialect import DEMOX_ORDERS

FOLDER = Path(__file__).parent


def create_client(config: ExchangeConfig) -> ExchangeClient:
    return fix_client(config, DEMOX_ORDERS)


def create_service(config: ExchangeConfig) -> ExchangeService:
    return FixExchangeService(plugin, create_client(config), config)


plugin = ExchangePlugin(
    id="DEMOX",
    name="Demo Exchange",
    version="1.0.0",
    api_version=(2, 0),
    mic="X000",
    regions=("ZZ",),
    assets=frozenset({AssetType.EQUITY, AssetType.SUKUK}),
    investor_id_name="Demo Number",
    licence_requirements=("exchange:DEMOX",),
    compliance_level=ComplianceLevel.NONE,
    lines=("DEMOX-1", "DEMOX-2"),
    rules_path=FOLDER / "rules.json",
    instruments_path=FOLDER / "instruments.json",
    demo_market_path=FOLDER / "demo_market.json",
    create_client=create_client,
    create_service=create_service,
    settings_schema=FIX_SETTINGS_SCHEMA,
    default_settings={**FIX_DEFAULT_SETTINGS, "heartbeat_seconds": 3},
)
