"""A third exchange, as an outsider would write it: nothing but `exchanges.api` and a rule file."""

from pathlib import Path

from exchanges.api import PLUGIN_API_VERSION, AssetType, ExchangePlugin

plugin = ExchangePlugin(
    id="NTE",
    name="Nile Test Exchange",
    version="1.0",
    api_version=PLUGIN_API_VERSION,
    mic="XNTE",
    regions=("EG",),
    assets=frozenset({AssetType.EQUITY}),
    investor_id_name="Test Code",
    licence_requirements=("exchange:NTE",),
    compliance_level="none",
    lines=("NTE-1",),
    rules_path=Path(__file__).with_name("rules.json"),
)
