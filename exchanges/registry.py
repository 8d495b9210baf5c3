"""The exchanges this process knows: filled once at start from plugins, then closed.

Plugins come from the entry-point group ``tradsys.exchanges``. What is wrong with one is said by its name, and costs only that one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint

from exchanges.api import PLUGIN_API_VERSION, ExchangePlugin, PluginError
from exchanges.dated_rules import RuleError
from exchanges.exchange_service import ExchangeConfig, ExchangeService
from exchanges.fix_venue.client import ExchangeClient
from exchanges.plugin_settings import check_schema, checked_settings
from exchanges.reference import check_files
from tradsys.exchange_entries import exchange_entries

BUILT_IN = "built in"
"""The source of the project's own plugins."""

log = logging.getLogger(__name__)


class PluginRegistry:
    """Exchange code → plugin. ``refused`` keeps, per entry-point name, why a plugin was left out; ``sources``, per exchange code,
    where it came from.
    """

    def __init__(self) -> None:
        self._plugins: dict[str, ExchangePlugin] = {}
        self._closed = False
        self.refused: dict[str, str] = {}
        self.sources: dict[str, str] = {}

    def register(self, plugin: ExchangePlugin) -> None:
        """Add a plugin that is complete: its files can be read, its schema is one, its defaults satisfy it, its client can be made.

        Raises ``PluginError`` when that is not so, when closed, of another API version, or not unique.
        """
        if self._closed:
            raise PluginError(f"exchange plugin {plugin.id}: the registry is closed after start")
        major, minor = plugin.api_version
        if major != PLUGIN_API_VERSION[0] or minor > PLUGIN_API_VERSION[1]:
            raise PluginError(
                f"exchange plugin {plugin.id} is written for plugin API {major}.{minor}, "
                f"this platform has {PLUGIN_API_VERSION[0]}.{PLUGIN_API_VERSION[1]}"
            )
        if plugin.id in self._plugins:
            raise PluginError(f"exchange plugin {plugin.id} is registered twice")
        same_mic = next((other.id for other in self if other.mic == plugin.mic), None)
        if same_mic is not None:
            raise PluginError(f"exchange plugins {same_mic} and {plugin.id} both claim MIC {plugin.mic}")
        named = tuple(f"{plugin.id}-{number}" for number in range(1, len(plugin.lines) + 1))
        if not plugin.lines or plugin.lines != named:
            # Everything else finds the exchange of a line by the line's name.
            raise PluginError(
                f"exchange plugin {plugin.id}: its lines are {plugin.id}-1, {plugin.id}-2 and so on, not {plugin.lines}"
            )
        for name in ("rules_path", "instruments_path", "demo_market_path"):
            path = getattr(plugin, name)
            if path is not None and not path.is_file():
                raise PluginError(f"exchange plugin {plugin.id}: {name} is no file: {path}")
        try:
            check_files(plugin)
        except RuleError as error:
            raise PluginError(f"exchange plugin {plugin.id}: {error}") from error
        check_schema(plugin)
        _client(plugin, checked_settings(plugin, {}))
        self._plugins[plugin.id] = plugin

    def load(self, entries: Iterable[EntryPoint]) -> None:
        """Register every entry point. One that fails is logged and noted in ``refused``, by its name;
        the others still load."""
        seen: set[str] = set()
        for entry in entries:
            if entry.value in seen:
                continue
            seen.add(entry.value)
            try:
                plugin = entry.load()
                if not isinstance(plugin, ExchangePlugin):
                    raise PluginError(f"{entry.value} is a {type(plugin).__name__}, not an ExchangePlugin")
                if entry.name != plugin.id.lower():
                    # Whoever starts venues knows the entry's name only.
                    raise PluginError(f"exchange plugin {plugin.id} is announced as {entry.name!r}, not {plugin.id.lower()!r}")
                self.register(plugin)
                self.sources[plugin.id] = _source(entry)
            except (Exception, SystemExit) as error:  # noqa: BLE001  a foreign package may raise anything, and must not stop the start
                self.refused[f"{entry.name} ({entry.value})"] = f"{type(error).__name__}: {error}"
                log.error("exchange plugin %s (%s) refused: %s", entry.name, entry.value, error)

    def close(self) -> None:
        """Refuse every later ``register``: what is known at start stays known."""
        self._closed = True

    def get(self, exchange: str) -> ExchangePlugin:
        """Return the plugin of an exchange code. Raises ``PluginError`` when there is none."""
        try:
            return self._plugins[exchange]
        except KeyError:
            known = ", ".join(sorted(self._plugins)) or "none"
            raise PluginError(f"no exchange plugin {exchange!r}; known: {known}") from None

    def client(self, exchange: str, settings: Mapping[str, object] | None = None) -> ExchangeClient:
        """How to speak to the venue of `exchange`. Raises ``PluginError``."""
        plugin = self.get(exchange)
        return _client(plugin, checked_settings(plugin, settings or {}))

    def clients(
        self, exchanges: Iterable[str], settings: Mapping[str, Mapping[str, object]] | None = None
    ) -> dict[str, ExchangeClient]:
        """The client of each exchange whose plugin gives one; the others are logged by name and left out."""
        found: dict[str, ExchangeClient] = {}
        for exchange in exchanges:
            try:
                found[exchange] = self.client(exchange, (settings or {}).get(exchange))
            except PluginError as error:
                log.error("%s has no line: %s", exchange, error)
        return found

    def create_service(self, config: ExchangeConfig) -> ExchangeService:
        """The exchange as a service, not yet connected; the settings in `config` are as an operator gave them.

        Raises ``PluginError`` for an unknown exchange, settings against the schema, and whatever the plugin's factory raises.
        """
        plugin = self.get(config.exchange)
        checked = replace(config, mic=plugin.mic, settings=checked_settings(plugin, config.settings))
        service = _made(plugin, "create_service", checked)
        if not isinstance(service, ExchangeService):
            raise PluginError(f"exchange plugin {plugin.id}: create_service made a {type(service).__name__}, no ExchangeService")
        return service

    def __iter__(self) -> Iterator[ExchangePlugin]:
        return iter(sorted(self._plugins.values(), key=lambda plugin: plugin.id))

    def __contains__(self, exchange: object) -> bool:
        return exchange in self._plugins


@cache
def registry() -> PluginRegistry:
    """Return this process's registry, filled and closed at the first call."""
    plugins = PluginRegistry()
    plugins.load(exchange_entries())
    plugins.close()
    return plugins


def _client(plugin: ExchangePlugin, settings: Mapping[str, object]) -> ExchangeClient:
    client = _made(plugin, "create_client", ExchangeConfig(exchange=plugin.id, mic=plugin.mic, settings=settings))
    if not isinstance(client, ExchangeClient):
        raise PluginError(f"exchange plugin {plugin.id}: create_client made a {type(client).__name__}, no ExchangeClient")
    if (client.exchange, client.mic) != (plugin.id, plugin.mic):
        raise PluginError(f"exchange plugin {plugin.id}: create_client made a client of {client.exchange!r}, MIC {client.mic!r}")
    return client


def _made(plugin: ExchangePlugin, factory: str, config: ExchangeConfig) -> object:
    try:
        made: object = getattr(plugin, factory)(config)
    except (Exception, SystemExit) as error:
        raise PluginError(f"exchange plugin {plugin.id}: {factory} failed: {type(error).__name__}: {error}") from error
    return made


def _source(entry: EntryPoint) -> str:
    """The package that announced it, with its version; the project itself for the built-in ones."""
    return BUILT_IN if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"
