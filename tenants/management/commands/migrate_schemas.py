"""Migrates the shared schema and every tenant's."""

from typing import Any

from django_tenants.management.commands.migrate_schemas import MigrateSchemasCommand

from tenants.kernel.entry_points import schema_maintenance


class Command(MigrateSchemasCommand):
    def handle(self, *args: Any, **options: Any) -> None:
        with schema_maintenance():
            super().handle(*args, **options)
