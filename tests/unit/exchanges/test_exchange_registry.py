"""Plugins come and go without the core; what is wrong with one is said by name."""

import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from exchanges.api import ENTRY_POINT_GROUP, PLUGIN_API_VERSION, AssetType, ExchangePlugin, PluginError
from exchanges.registry import BUILT_IN, PluginRegistry, registry

DUMMY_PACKAGE = Path(__file__).parent / "dummy_exchange"


@pytest.fixture
def dummy_package(monkeypatch: pytest.MonkeyPatch) -> EntryPoint:
    """A third exchange as a package of its own, found as an installed one would be."""
    monkeypatch.syspath_prepend(str(DUMMY_PACKAGE))
    for name in [name for name in sys.modules if name.startswith("nile_test_exchange")]:
        monkeypatch.delitem(sys.modules, name)
    from importlib.metadata import entry_points

    (entry,) = [entry for entry in entry_points(group=ENTRY_POINT_GROUP) if entry.name == "nte"]
    return entry


def entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name=name, value=value, group=ENTRY_POINT_GROUP)


def test_egx_and_adx_are_known_without_being_installed() -> None:
    assert [plugin.id for plugin in registry()] == ["ADX", "EGX"]
    assert registry().get("EGX").mic == "XCAI"
    assert registry().get("ADX").investor_id_name == "NIN"


def test_pyproject_declares_the_same_built_in_plugins() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"][ENTRY_POINT_GROUP] == {entry.name: entry.value for entry in BUILT_IN}


def test_a_third_exchange_is_added_by_its_package_alone(dummy_package: EntryPoint) -> None:
    plugins = PluginRegistry()
    plugins.load((*BUILT_IN, dummy_package))
    assert [plugin.id for plugin in plugins] == ["ADX", "EGX", "NTE"]
    assert plugins.refused == {}


def test_an_unknown_exchange_is_named_with_the_known_ones() -> None:
    with pytest.raises(PluginError, match="no exchange plugin 'XXX'; known: ADX, EGX"):
        registry().get("XXX")


def test_the_registry_is_closed_after_start() -> None:
    with pytest.raises(PluginError, match="exchange plugin NEW: the registry is closed"):
        registry().register(replace(registry().get("EGX"), id="NEW", mic="XNEW"))


def test_a_duplicate_code_or_mic_is_refused_by_name() -> None:
    plugins = PluginRegistry()
    plugin = registry().get("EGX")
    plugins.register(plugin)
    with pytest.raises(PluginError, match="EGX is registered twice"):
        plugins.register(plugin)
    with pytest.raises(PluginError, match="EGX and EGX2 both claim MIC XCAI"):
        plugins.register(replace(plugin, id="EGX2"))


@pytest.mark.parametrize("lines", [(), ("EGX-2",), ("EGX-1", "EGX-3"), ("ADX-1",), ("EGX",)])
def test_lines_that_are_not_numbered_under_the_exchange_are_refused(lines: tuple[str, ...]) -> None:
    plugins = PluginRegistry()
    with pytest.raises(PluginError, match="exchange plugin EGX: its lines are EGX-1, EGX-2 and so on"):
        plugins.register(replace(registry().get("EGX"), lines=lines))
    assert "EGX" not in plugins


@pytest.mark.parametrize("version", [(PLUGIN_API_VERSION[0] + 1, 0), (PLUGIN_API_VERSION[0], PLUGIN_API_VERSION[1] + 1)])
def test_a_plugin_for_another_api_version_is_refused_by_name(version: tuple[int, int]) -> None:
    with pytest.raises(PluginError, match="exchange plugin EGX is written for plugin API"):
        PluginRegistry().register(replace(registry().get("EGX"), api_version=version))


def test_a_plugin_that_raises_is_left_out_and_the_others_load(dummy_package: EntryPoint) -> None:
    plugins = PluginRegistry()
    plugins.load(
        (
            entry("broken", "nile_test_exchange.broken:plugin"),
            entry("missing", "no_such_package:plugin"),
            entry("strange", "nile_test_exchange.plugin:__doc__"),
            dummy_package,
        )
    )
    assert [plugin.id for plugin in plugins] == ["NTE"]
    assert {name.split(" ")[0]: reason.split(":")[0] for name, reason in plugins.refused.items()} == {
        "broken": "RuntimeError",
        "missing": "ModuleNotFoundError",
        "strange": "PluginError",
    }


@pytest.mark.parametrize("wrong", [{"id": "egx"}, {"mic": "XC"}, {"assets": frozenset()}])
def test_a_plugin_with_a_malformed_field_cannot_be_made(wrong: dict[str, object]) -> None:
    fields = {name: getattr(registry().get("EGX"), name) for name in ExchangePlugin.__dataclass_fields__}
    with pytest.raises(PluginError):
        ExchangePlugin(**{**fields, **wrong})


def test_every_asset_type_is_known_to_the_two_markets() -> None:
    assert registry().get("EGX").assets == frozenset(AssetType)
