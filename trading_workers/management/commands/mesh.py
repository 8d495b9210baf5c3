"""The mesh's configuration and tables: ``manage.py mesh check|show [--file FILE]``, ``manage.py mesh authorization|example``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import yaml
from django.core.management.base import BaseCommand, CommandError, CommandParser

from trading_workers import authorization_page
from trading_workers.service_catalogue import every_method
from tradsys.configuration import Configuration
from tradsys.mesh.config import example
from tradsys.mesh.config.reading import MeshConfigError, load_mesh_config
from tradsys.mesh.config.schema import ServiceMeshConfig
from tradsys.mesh.trust.authorization import AuthorizationTable, TableError


class Command(BaseCommand):
    help = "Checks and shows the service mesh's configuration, and writes the pages that are generated from the code."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parts = parser.add_subparsers(dest="part", required=True)
        for name, about in (("check", "say everything that is wrong in a file"), ("show", "print what is in force, as YAML")):
            part = parts.add_parser(name, help=about)
            part.add_argument("--file", type=Path, default=None, help="default: the file of this platform (TRADSYS_MESH_CONFIG)")
        parts.add_parser("authorization", help="write docs/authorization.md from what the services declare")
        parts.add_parser("example", help="write deploy/mesh.example.yaml from the schema and deploy/mesh.yaml")

    def handle(self, *args: Any, **options: Any) -> str | None:
        match options["part"]:
            case "check":
                path, config = self._config(options)
                return f"ok: {path} (mesh {config.mesh_name}, namespace {config.namespace})"
            case "show":
                _, config = self._config(options)
                content = msgspec.to_builtins(config)
                return str(
                    yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
                ).rstrip()
            case "authorization":
                authorization_page.write()
                return str(authorization_page.PAGE)
        example.write()
        return str(example.EXAMPLE)

    def _config(self, options: dict[str, Any]) -> tuple[Path, ServiceMeshConfig]:
        path = options["file"] or Configuration.from_environment().mesh_config_file
        try:
            config = load_mesh_config(path)
            standard = frozenset(f"{name}/{rule.name}" for name, rules in authorization_page.rules().items() for rule in rules)
            AuthorizationTable.of({}, config.authorization, every_method=every_method() | standard)
        except MeshConfigError as error:
            raise CommandError(str(error)) from error
        except TableError as error:
            raise CommandError(f"{path}: {error}") from error
        return path, config
