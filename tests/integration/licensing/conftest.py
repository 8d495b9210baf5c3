"""The reference plans, and a tenant on one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from licensing.models import Licence, Plan
    from tenants.models import Tenant

START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(days=365)


@pytest.fixture
def platform(db: None) -> Iterator[None]:
    from tenants.kernel.entry_points import platform_scope

    with platform_scope():
        yield


@pytest.fixture
def plans(platform: None) -> dict[str, Plan]:
    from licensing.models import Plan
    from licensing.services import load_reference_plans

    load_reference_plans(actor="tester")
    return {plan.code: plan for plan in Plan.objects.all()}


@pytest.fixture
def licensed(plans: dict[str, Plan], tenant_a: Tenant) -> Callable[..., Licence]:
    """`licensed("basic")` gives alpha that plan for the year 2026."""
    from licensing.services import grant_licence

    def grant(plan: str = "professional", **options: object) -> Licence:
        return grant_licence(
            actor="tester",
            tenant=tenant_a,
            plan=plans[plan],
            valid_from=START,
            valid_until=END,
            **options,  # type: ignore[arg-type]
        )

    return grant
