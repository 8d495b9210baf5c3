"""Certificates of the mesh: ``manage.py certs init|list|issue NAME|renew|client --tenant T --name N|rotate-authority``."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.kernel.directory import UnknownTenant
from tenants.kernel.entry_points import enter_for_command
from tradsys.configuration import Configuration
from tradsys.embedded.addresses import certified_processes
from tradsys.exchange_entries import exchange_codes
from tradsys.mesh.config.reading import MeshConfigError, load_mesh_config
from tradsys.mesh.config.schema import ServiceMeshConfig
from tradsys.mesh.trust.certificates import (
    BUNDLE,
    announce_authority,
    certificates,
    ensure_certificates,
    issue_client,
    issue_service,
    renew_certificates,
)
from tradsys.mesh.trust.renewal import NS_PER_SECOND, notice_ns
from tradsys.mesh.trust.x509_files import CertificateError


class Command(BaseCommand):
    help = "Makes, renews and lists the certificates of the service mesh. Running processes take over new files by themselves."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parts = parser.add_subparsers(dest="part", required=True)
        parts.add_parser("init", help="make what is missing: the authority and a certificate for every process")
        parts.add_parser("list", help="every certificate with its identity, its end and its state")
        issue = parts.add_parser("issue", help="issue a new certificate for one process")
        issue.add_argument("name", help="name of the process, such as worker-2")
        renew = parts.add_parser("renew", help="issue anew what is due")
        which = renew.add_mutually_exclusive_group()
        which.add_argument("--due", action="store_true", help="only what is due (the default)")
        which.add_argument("--all", action="store_true", help="everything, due or not")
        client = parts.add_parser("client", help="issue a certificate that binds a tenant's tokens to a program's connections")
        client.add_argument("--tenant", required=True, help="the tenant's slug")
        client.add_argument("--name", required=True, help="name of the program")
        parts.add_parser("rotate-authority", help="let everybody trust a new authority; a later renewal lets it issue")

    def handle(self, *args: Any, **options: Any) -> str:
        configuration = Configuration.from_environment()
        try:
            config = load_mesh_config(configuration.mesh_config_file)
            return self._act(configuration.var / config.mtls.folder, config, options, time.time_ns())
        except (MeshConfigError, CertificateError, UnknownTenant, ValueError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"certificates cannot be written: {error}") from error

    def _act(self, folder: Path, config: ServiceMeshConfig, options: dict[str, Any], now: int) -> str:
        match options["part"]:
            case "init":
                return _made(folder, ensure_certificates(folder, config, certified_processes(exchange_codes()), now))
            case "list":
                return _listed(folder, config, now)
            case "issue":
                ensure_certificates(folder, config, (), now)
                return str(issue_service(folder, config, options["name"], now=now))
            case "renew":
                ensure_certificates(folder, config, (), now)
                return _made(folder, renew_certificates(folder, config, now, everything=options["all"]))
            case "client":
                with enter_for_command(options["tenant"]):
                    ensure_certificates(folder, config, (), now)
                    return f"{issue_client(folder, config, options['tenant'], options['name'], now=now)}\n{folder / BUNDLE}"
        if not announce_authority(folder, config, now):
            return "a new authority is on its way already"
        seconds = notice_ns(config.mtls.reload_ms) // NS_PER_SECOND
        return f"everybody trusts a new authority from now on; certs renew lets it issue after {seconds} s"


def _made(folder: Path, written: list[str]) -> str:
    return "\n".join(str(folder / each) for each in written) or f"nothing to do: every certificate in {folder} is valid"


def _listed(folder: Path, config: ServiceMeshConfig, now: int) -> str:
    rows = [("FILE", "SUBJECT", "IDENTITY", "ENDS", "STATE")]
    rows += [(each.file, each.subject, each.uri or "-", _time(each.ends), each.state) for each in certificates(folder, config, now)]
    widths = [max(len(row[number]) for row in rows) for number in range(5)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def _time(ns: int) -> str:
    return datetime.fromtimestamp(ns // NS_PER_SECOND, UTC).isoformat().replace("+00:00", "Z") if ns else "-"
