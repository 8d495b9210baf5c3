"""The same as `migrate_schemas`: a tenant's schema is never left behind the shared one."""

from tenants.management.commands.migrate_schemas import Command

__all__ = ["Command"]
