"""``manage.py load_reference_data``: exchanges, dated rules and instruments from the project's files."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from exchanges.dated_rules import RuleError
from exchanges.loading import load_reference_data
from tenants.kernel.entry_points import platform_scope
from tradsys.audit.services import Actor


class Command(BaseCommand):
    help = "Load exchanges, dated rules and instruments from the plugins' files; rows edited by an operator are kept."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with platform_scope():
                counts = load_reference_data(actor=Actor.COMMAND_LINE)
        except RuleError as error:
            raise CommandError(f"nothing was loaded: {error}") from error
        self.stdout.write(
            f"reference data: {counts.exchanges} exchanges, {counts.rules} rules, {counts.instruments} instruments, "
            f"{counts.routes} routes created or changed; {counts.kept} rows edited here kept"
        )
