"""What the registry takes and refuses; what is wrong with a plugin is said by its name, and costs only that one."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from exchanges.api import ENTRY_POINT_GROUP, PLUGIN_API_VERSION, AssetType, ExchangePlugin, PluginError
from exchanges.exchange_service import ExchangeConfig, ExchangeService
from exchanges.fix_venue.client import FIX_SETTINGS_SCHEMA, ExchangeClient, fix_client
from exchanges.fix_venue.dialect import FIX44_ORDERS, Term
from exchanges.plugin_settings import read_settings
from exchanges.registry import PluginRegistry, registry
from tradsys.configuration import Address
from tradsys.exchange_entries import exchange_codes, exchange_entries

EGX = registry().get("EGX")
MODULE = "plugins_of_a_test"


def changed(**fields: Any) -> ExchangePlugin:
    """EGX under another name, with other parts."""
    return replace(EGX, **{"id": "OTHER", "mic": "X001", "lines": ("OTHER-1",), **fields})


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> Callable[..., EntryPoint]:
    """`announced("name", plugin)`: an entry point whose loading gives `plugin`, or raises it if it is an exception."""
    module = types.ModuleType(MODULE)

    def raise_or_give(name: str) -> Any:
        found = module.__dict__["found"][name]
        if isinstance(found, BaseException):
            raise found
        return found

    module.__dict__["found"] = {}
    module.__dict__["__getattr__"] = raise_or_give
    monkeypatch.setitem(sys.modules, MODULE, module)

    def announce(name: str, plugin: object) -> EntryPoint:
        module.__dict__["found"][name] = plugin
        return EntryPoint(name=name, value=f"{MODULE}:{name}", group=ENTRY_POINT_GROUP)

    return announce


def test_egx_and_adx_are_known_without_being_installed() -> None:
    assert [plugin.id for plugin in registry()] == ["ADX", "EGX"]
    assert registry().get("EGX").mic == "XCAI"
    assert registry().get("ADX").investor_id_name == "NIN"
    assert registry().refused == {}
    assert registry().sources == {"EGX": "built in", "ADX": "built in"}


def test_the_announced_exchanges_are_known_from_metadata_in_their_order() -> None:
    assert exchange_codes() == ("EGX", "ADX")
    assert [entry.value for entry in exchange_entries()] == ["exchanges.egx.plugin:plugin", "exchanges.adx.plugin:plugin"]


def test_an_unknown_exchange_is_named_with_the_known_ones() -> None:
    with pytest.raises(PluginError, match="no exchange plugin 'XXX'; known: ADX, EGX"):
        registry().get("XXX")


def test_the_registry_is_closed_after_start() -> None:
    with pytest.raises(PluginError, match="exchange plugin OTHER: the registry is closed"):
        registry().register(changed())
    assert "OTHER" not in registry()


def test_a_duplicate_code_or_mic_is_refused_by_name() -> None:
    plugins = PluginRegistry()
    plugins.register(EGX)
    with pytest.raises(PluginError, match="EGX is registered twice"):
        plugins.register(EGX)
    with pytest.raises(PluginError, match="EGX and OTHER both claim MIC XCAI"):
        plugins.register(changed(mic="XCAI"))
    assert [plugin.id for plugin in plugins] == ["EGX"]


@pytest.mark.parametrize("lines", [(), ("OTHER-2",), ("OTHER-1", "OTHER-3"), ("ADX-1",), ("OTHER",)])
def test_lines_that_are_not_numbered_under_the_exchange_are_refused(lines: tuple[str, ...]) -> None:
    plugins = PluginRegistry()
    with pytest.raises(PluginError, match="exchange plugin OTHER: its lines are OTHER-1, OTHER-2 and so on"):
        plugins.register(changed(lines=lines))
    assert "OTHER" not in plugins


@pytest.mark.parametrize("version", [(PLUGIN_API_VERSION[0] + 1, 0), (1, 0), (PLUGIN_API_VERSION[0], PLUGIN_API_VERSION[1] + 1)])
def test_a_plugin_for_another_api_version_is_refused_by_name(version: tuple[int, int]) -> None:
    with pytest.raises(PluginError, match=f"exchange plugin OTHER is written for plugin API {version[0]}.{version[1]}"):
        PluginRegistry().register(changed(api_version=version))


def fails(_config: ExchangeConfig) -> Any:
    raise RuntimeError("no licence file")


def exits(_config: ExchangeConfig) -> Any:
    raise SystemExit(3)


def speaks_for_egx(config: ExchangeConfig) -> ExchangeClient:
    return fix_client(replace(config, exchange="EGX"))


def without_price(config: ExchangeConfig) -> ExchangeClient:
    fields = tuple(field for field in FIX44_ORDERS.new_order if field[1] is not Term.PRICE)
    return fix_client(config, replace(FIX44_ORDERS, new_order=fields))


def old_version(config: ExchangeConfig) -> ExchangeClient:
    return fix_client(config, begin_string="FIX.3.9")


def without_files(tmp_path: Path) -> ExchangePlugin:
    return changed(instruments_path=tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"settings_schema": {"type": "object", "properties": 5}}, "settings_schema is no JSON Schema: properties"),
        ({"settings_schema": {"type": "array"}}, "settings_schema describes an object"),
        ({"default_settings": {"heartbeat_seconds": "ten"}}, "settings are refused: heartbeat_seconds: 'ten' is not of type"),
        ({"default_settings": {}}, "create_client failed: DialectError: setting max_latency_seconds"),
        ({"create_client": fails}, "create_client failed: RuntimeError: no licence file"),
        ({"create_client": exits}, "create_client failed: SystemExit: 3"),
        ({"create_client": lambda config: None}, "create_client made a NoneType, no ExchangeClient"),
        ({"create_client": speaks_for_egx}, "create_client made a client of 'EGX'"),
        ({"create_client": without_price}, "DialectError: new order: no field carries price"),
        ({"create_client": old_version}, "DialectError: begin_string 'FIX.3.9' is none of"),
        ({"rules_path": Path("/no/such/rules.json")}, "rules_path is no file"),
        ({"instruments_path": Path(__file__)}, "OTHER: test_exchange_registry.py: Extra data"),
        (
            {"instruments_path": EGX.rules_path.parents[1] / "data" / "instruments.json"},
            "speaks of ADX, EGX; a plugin brings its own",
        ),
        (
            {"demo_market_path": EGX.rules_path.parents[1] / "data" / "demo_market.json"},
            "speaks of ADX, EGX; a plugin brings its own",
        ),
    ],
)
def test_a_plugin_with_a_missing_or_wrong_piece_is_refused_by_name(fields: dict[str, Any], text: str) -> None:
    plugins = PluginRegistry()
    with pytest.raises(PluginError) as refused:
        plugins.register(changed(**fields))
    assert "exchange plugin OTHER" in str(refused.value)
    assert text in str(refused.value)
    assert "OTHER" not in plugins


def test_whatever_a_plugin_raises_is_noted_by_its_name_and_the_others_load(announced: Callable[..., EntryPoint]) -> None:
    plugins = PluginRegistry()
    plugins.load(
        (
            announced("broken", RuntimeError("cannot be imported")),
            announced("exiting", SystemExit(1)),
            announced("strange", "a text"),
            announced("failing", changed(id="FAILING", create_client=fails)),
            announced("egx", changed()),
            announced("other", changed()),
            EntryPoint(name="missing", value="no_such_package:plugin", group=ENTRY_POINT_GROUP),
            *exchange_entries(),
        )
    )
    assert [plugin.id for plugin in plugins] == ["ADX", "EGX", "OTHER"]
    assert {name.split(" ")[0]: reason.split(":")[0] for name, reason in plugins.refused.items()} == {
        "broken": "RuntimeError",
        "exiting": "SystemExit",
        "strange": "PluginError",
        "failing": "PluginError",
        "egx": "PluginError",
        "missing": "ModuleNotFoundError",
    }
    assert "announced as 'egx', not 'other'" in plugins.refused[f"egx ({MODULE}:egx)"]


@pytest.mark.parametrize(
    "wrong", [{"id": "egx"}, {"mic": "XC"}, {"assets": frozenset()}, {"compliance_level": "some"}, {"create_client": 1}]
)
def test_a_plugin_with_a_malformed_field_cannot_be_made(wrong: dict[str, object]) -> None:
    fields = {name: getattr(EGX, name) for name in ExchangePlugin.__dataclass_fields__}
    with pytest.raises(PluginError):
        ExchangePlugin(**{**fields, **wrong})


@pytest.mark.parametrize(
    ("factory", "text"),
    [
        (fails, "exchange plugin OTHER: create_service failed: RuntimeError: no licence file"),
        (exits, "exchange plugin OTHER: create_service failed: SystemExit: 3"),
        (lambda config: object(), "exchange plugin OTHER: create_service made a object, no ExchangeService"),
    ],
)
def test_a_factory_that_fails_later_is_named_and_every_other_exchange_goes_on(factory: Any, text: str) -> None:
    plugins = PluginRegistry()
    for plugin in (EGX, changed(create_service=factory)):
        plugins.register(plugin)
    nowhere = (Address("127.0.0.1", 1),)
    with pytest.raises(PluginError) as refused:
        plugins.create_service(ExchangeConfig(exchange="OTHER", orders=nowhere))
    assert str(refused.value) == text
    assert isinstance(plugins.create_service(ExchangeConfig(exchange="EGX", orders=nowhere)), ExchangeService)


def test_clients_are_given_for_what_loads_with_the_operators_settings_over_the_plugins_own() -> None:
    clients = registry().clients(("EGX", "GONE", "ADX"), {"EGX": {"heartbeat_seconds": 3}, "ADX": {"heartbeat_seconds": 0}})
    assert set(clients) == {"EGX"}, "one has no plugin, the other's settings are refused"
    assert (clients["EGX"].orders.heartbeat_seconds, clients["EGX"].market_data.heartbeat_seconds) == (3, 30)
    assert registry().client("EGX").orders.heartbeat_seconds == 5


def test_the_file_of_settings_is_an_object_of_objects(tmp_path: Path) -> None:
    assert read_settings(None) == {}
    path = tmp_path / "settings.json"
    path.write_text('{"EGX": {"heartbeat_seconds": 3}}', encoding="utf-8")
    assert read_settings(path) == {"EGX": {"heartbeat_seconds": 3}}
    for text in ("{", "[]", '{"EGX": 3}'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(PluginError, match="settings of exchange plugins"):
            read_settings(path)
    with pytest.raises(PluginError, match="cannot be read"):
        read_settings(tmp_path / "absent.json")


def test_nothing_is_allowed_in_the_settings_of_a_plugin_that_declares_none() -> None:
    fields = {name: getattr(EGX, name) for name in ExchangePlugin.__dataclass_fields__ if "settings" not in name}
    assert ExchangePlugin(**fields).settings_schema == {"type": "object", "additionalProperties": False}
    assert FIX_SETTINGS_SCHEMA["additionalProperties"] is False


def test_every_asset_type_is_known_to_the_two_markets() -> None:
    assert EGX.assets == frozenset(AssetType)
