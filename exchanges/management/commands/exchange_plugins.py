"""``manage.py exchange_plugins``: which exchange plugins are loaded, where they come from, and which were refused and why."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from exchanges.api import PluginError
from exchanges.plugin_settings import checked_settings, read_settings
from exchanges.registry import registry


class Command(BaseCommand):
    help = "List the exchange plugins, loaded and refused, with their settings in force. Ends with 1 if anything is refused."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--schema", metavar="EXCHANGE", help="print the JSON Schema of a plugin's settings instead")

    def handle(self, *args: Any, **options: Any) -> None:
        plugins = registry()
        if options["schema"]:
            try:
                self.stdout.write(json.dumps(dict(plugins.get(options["schema"]).settings_schema), indent=2))
            except PluginError as error:
                raise CommandError(str(error)) from error
            return
        try:
            given = read_settings(settings.CONFIGURATION.exchange_settings_file)
        except PluginError as error:
            raise CommandError(str(error)) from error
        refused = dict(plugins.refused)
        for plugin in plugins:
            self.stdout.write(f"{plugin.id}  {plugin.name} {plugin.version} ({plugins.sources[plugin.id]})")
            self.stdout.write(f"    MIC {plugin.mic}; regions {', '.join(plugin.regions)}; {plugin.compliance_level}")
            self.stdout.write(f"    assets {', '.join(sorted(plugin.assets))}")
            self.stdout.write(f"    needs {', '.join(plugin.licence_requirements)}; lines {', '.join(plugin.lines)}")
            try:
                self.stdout.write(f"    settings {json.dumps(checked_settings(plugin, given.pop(plugin.id, {})))}")
            except PluginError as error:
                refused[f"settings of {plugin.id}"] = str(error)
        refused |= {f"settings of {code}": "no plugin of this code is loaded" for code in given}
        if refused:
            raise CommandError("\n".join(f"refused: {name}: {reason}" for name, reason in refused.items()))
