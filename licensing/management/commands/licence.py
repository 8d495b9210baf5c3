"""Shows or changes a tenant's licence: ``manage.py licence nile [--valid-until 2027-01-31] [--suspend | --reinstate]``."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from licensing import services
from licensing.models import LicenceStatus
from licensing.selectors import licence_of, licence_state
from tenants.kernel.entry_points import platform_scope
from tenants.models import Tenant
from tenants.selectors import tenant_by_slug


def instant(text: str) -> datetime:
    """RFC 3339 or a date; without an offset it is UTC."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


class Command(BaseCommand):
    help = "Prints a tenant's licence as JSON, after the changes that are asked for. Workers hear of them within a second."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="the tenant's slug")
        parser.add_argument("--valid-until", type=instant, default=None, help="RFC 3339, UTC where no offset is given")
        state = parser.add_mutually_exclusive_group()
        state.add_argument("--suspend", action="store_true")
        state.add_argument("--reinstate", action="store_true")
        parser.add_argument("--actor", default="command line", help="who is written into the audit log")

    def handle(self, *args: Any, **options: Any) -> str:
        with platform_scope():
            try:
                tenant = tenant_by_slug(slug=options["tenant"])
                self._change(tenant, options)
            except Tenant.DoesNotExist:
                raise CommandError(f"there is no tenant {options['tenant']!r}") from None
            except services.LicensingRefused as refusal:
                raise CommandError(str(refusal)) from refusal
            licence = licence_of(tenant)
            if licence is None:
                raise CommandError(f"{tenant.slug} has no licence")
            return json.dumps(
                {
                    "tenant": tenant.slug,
                    "plan": licence.plan.code,
                    "state": licence_state(licence, at=datetime.now(UTC)),
                    "valid_from": licence.valid_from.isoformat(),
                    "valid_until": licence.valid_until.isoformat(),
                }
            )

    @staticmethod
    def _change(tenant: Tenant, options: dict[str, Any]) -> None:
        status: LicenceStatus | services.Unchanged = services.UNCHANGED
        if options["suspend"]:
            status = LicenceStatus.SUSPENDED
        elif options["reinstate"]:
            status = LicenceStatus.ACTIVE
        until = options["valid_until"] if options["valid_until"] is not None else services.UNCHANGED
        if status is not services.UNCHANGED or until is not services.UNCHANGED:
            services.change_licence(actor=options["actor"], tenant=tenant, status=status, valid_until=until)
