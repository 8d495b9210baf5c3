"""The exchanges this process knows: filled once at start from plugins, then closed.

Plugins come from the entry-point group ``tradsys.exchanges``. EGX and ADX are also listed in
``BUILT_IN``, because the project runs from its own folder without being installed as a package.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from exchanges.api import ENTRY_POINT_GROUP, PLUGIN_API_VERSION, ExchangePlugin, PluginError

BUILT_IN = (
    EntryPoint(name="egx", value="exchanges.egx.plugin:plugin", group=ENTRY_POINT_GROUP),
    EntryPoint(name="adx", value="exchanges.adx.plugin:plugin", group=ENTRY_POINT_GROUP),
)
"""The same entries as ``[project.entry-points."tradsys.exchanges"]`` in pyproject.toml."""

log = logging.getLogger(__name__)


class PluginRegistry:
    """Exchange code → plugin. ``refused`` keeps, per entry-point name, why a plugin was left out."""

    def __init__(self) -> None:
        self._plugins: dict[str, ExchangePlugin] = {}
        self._closed = False
        self.refused: dict[str, str] = {}

    def register(self, plugin: ExchangePlugin) -> None:
        """Add a plugin. Raises ``PluginError`` when closed, of another API version, not unique, or with lines of another name."""
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
                self.register(plugin)
            except Exception as error:  # noqa: BLE001  a foreign package may raise anything, and must not stop the start
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

    def __iter__(self) -> Iterator[ExchangePlugin]:
        return iter(sorted(self._plugins.values(), key=lambda plugin: plugin.id))

    def __contains__(self, exchange: object) -> bool:
        return exchange in self._plugins


@cache
def registry() -> PluginRegistry:
    """Return this process's registry, filled and closed at the first call."""
    plugins = PluginRegistry()
    plugins.load((*BUILT_IN, *entry_points(group=ENTRY_POINT_GROUP)))
    plugins.close()
    return plugins
