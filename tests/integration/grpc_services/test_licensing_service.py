"""LicensingService over gRPC: entitlements of the caller's own tenant, usage counted once, changes told as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.integration.grpc_services.conftest import NOW, SECOND, World, on_the_tests_connection
from tests.mesh_calls import Refused, ServiceUnderTest, end_of, member, message_of, serving
from trading_workers.grpc_services.licensing_service import LicensingService
from trading_workers.service_catalogue import SERVICES
from tradsys.mesh.calls import CallIdentity
from tradsys.v1 import licensing_pb2 as pb

WEB = CallIdentity(service="web")
BETA = member("beta")


@pytest.fixture
async def licensing(world: World) -> AsyncIterator[ServiceUnderTest]:
    service = LicensingService(
        world.documents, catalogue=SERVICES, usage=world.readers.usage, record=world.readers.record, now=world.clock
    )
    async with serving(service, world.gate) as under_test:
        yield under_test


def event(event_id: str = "e1", quantity: str = "3", **changes: object) -> pb.UsageRecord:
    return pb.UsageRecord(**{"event_id": event_id, "meter": "orders", "quantity": quantity, "event_time": NOW - SECOND, **changes})


async def answer(
    licensing: ServiceUnderTest, method: str, request: pb.ValidateFeatureRequest | pb.ValidateOperationRequest, by: CallIdentity
) -> pb.EntitlementAnswer:
    found = await licensing.called(method, request, pb.EntitlementAnswer, by=by)
    assert isinstance(found, pb.EntitlementAnswer)
    return found


async def test_a_feature_is_valid_for_whoever_has_it(licensing: ServiceUnderTest, world: World) -> None:
    request = pb.ValidateFeatureRequest(feature="exchange:ADX")
    held = await answer(licensing, "ValidateLicense", request, member())
    assert (held.valid, held.code, held.rule, held.revision) == (True, "OK", "", 1)
    missing = await answer(licensing, "ValidateLicense", request, BETA)
    assert (missing.valid, missing.code, list(missing.features)) == (False, "FEATURE_NOT_LICENSED", ["exchange:ADX"])
    world.now = NOW + 101 * 86_400 * SECOND
    world.compiled_again("alpha")
    assert (await answer(licensing, "ValidateLicense", request, member())).code == "LICENSE_EXPIRED"
    nobody = await answer(licensing, "ValidateLicense", request, member("gamma"))
    assert (nobody.code, nobody.revision) == ("CONFIGURATION_MISSING", 0)


async def test_an_operation_needs_what_its_own_rule_says(licensing: ServiceUnderTest) -> None:
    screening = pb.ValidateOperationRequest(service="tradsys.v1.IslamicFinanceService", method="PerformHalalScreening")
    assert (await answer(licensing, "ValidateOperation", screening, member())).code == "OK"
    refused = await answer(licensing, "ValidateOperation", screening, BETA)
    assert (refused.code, list(refused.features)) == ("FEATURE_NOT_LICENSED", ["sharia"])
    free = pb.ValidateOperationRequest(service=LicensingService.NAME, method="GetLicense")
    assert (await answer(licensing, "ValidateOperation", free, member("gamma"))).valid


async def test_what_nobody_knows_is_refused(licensing: ServiceUnderTest) -> None:
    for method, request, code in (
        ("ValidateLicense", pb.ValidateFeatureRequest(feature="magic"), "ARGUMENT_INVALID"),
        ("ValidateLicense", b"\xff", "ARGUMENT_INVALID"),
        ("ValidateOperation", pb.ValidateOperationRequest(service="tradsys.v1.Nothing", method="X"), "NOT_FOUND"),
        ("ValidateOperation", pb.ValidateOperationRequest(service=LicensingService.NAME, method="X"), "NOT_FOUND"),
        ("GetUsageMetrics", pb.GetUsageMetricsRequest(month="2026-13"), "ARGUMENT_INVALID"),
        ("GetUsageMetrics", pb.GetUsageMetricsRequest(month="last"), "ARGUMENT_INVALID"),
    ):
        with pytest.raises(Refused, match=code):
            await licensing.called(method, request, pb.EntitlementAnswer)


async def test_each_tenant_sees_its_own_licence(licensing: ServiceUnderTest) -> None:
    alpha = await licensing.called("GetLicense", pb.GetLicenseRequest(), pb.License, by=member())
    beta = await licensing.called("GetLicense", pb.GetLicenseRequest(), pb.License, by=BETA)
    assert (alpha.tenant, alpha.plan, alpha.state, "sharia" in alpha.features) == ("alpha", "islamic", "active", True)
    assert (beta.tenant, beta.plan, beta.orders_per_day_cap, "sharia" in beta.features) == ("beta", "basic", 100, False)
    assert not alpha.HasField("orders_per_day_cap")
    assert beta.valid_until - beta.valid_from == timedelta(days=110) // timedelta(microseconds=1) * 1000


async def test_usage_is_counted_once_for_the_named_tenant_and_shown_to_it_alone(licensing: ServiceUnderTest) -> None:
    request = pb.RecordUsageRequest(tenant="alpha", events=[event(), event(), event("e2", "1e9999"), event("e3", meter="magic")])
    first = await licensing.called("RecordUsage", request, pb.RecordUsageResponse, by=WEB)
    assert [(each.event_id, each.status, each.reason) for each in first.answers] == [
        ("e1", "accepted", ""),
        ("e1", "duplicate", ""),
        ("e2", "rejected", "QUANTITY_OUT_OF_RANGE"),
        ("e3", "rejected", "METER_UNKNOWN"),
    ]
    again = pb.RecordUsageRequest(tenant="alpha", events=[event(), event(quantity="4"), event("e4", event_time=0)])
    second = await licensing.called("RecordUsage", again, pb.RecordUsageResponse, by=WEB)
    assert [(each.status, each.reason) for each in second.answers] == [
        ("duplicate", ""),
        ("conflict", ""),
        ("rejected", "EVENT_TIME_INVALID"),
    ]
    shown = {}
    for who in (member(), BETA):
        metrics = await licensing.called("GetUsageMetrics", pb.GetUsageMetricsRequest(month="2026-11"), pb.UsageMetrics, by=who)
        orders = next(each for each in metrics.meters if each.meter == "orders")
        shown[metrics.tenant] = (orders.used.partition(".")[0], metrics.currency, metrics.month, len(orders.days))
    assert shown == {"alpha": ("3", "USD", "2026-11", 30), "beta": ("0", "USD", "2026-11", 30)}


async def test_only_services_report_usage_and_only_for_tenants_that_exist(licensing: ServiceUnderTest) -> None:
    from licensing.metering.models import UsageEvent
    from tenants.kernel.entry_points import enter_for_command

    request = pb.RecordUsageRequest(tenant="alpha", events=[event()])
    for who in (member(role="administrator"), member(role="operator"), CallIdentity(service="demo-flow")):
        with pytest.raises(Refused, match="METHOD_NOT_PERMITTED"):
            await licensing.called("RecordUsage", request, pb.RecordUsageResponse, by=who)
    for wrong, code in (
        (pb.RecordUsageRequest(tenant="gamma", events=[event()]), "NOT_FOUND"),
        (pb.RecordUsageRequest(events=[event()]), "ARGUMENT_INVALID"),
        (pb.RecordUsageRequest(tenant="alpha"), "ARGUMENT_INVALID"),
        (pb.RecordUsageRequest(tenant="alpha", events=[event()] * 501), "ARGUMENT_INVALID"),
    ):
        with pytest.raises(Refused, match=code):
            await licensing.called("RecordUsage", wrong, pb.RecordUsageResponse, by=WEB)
    with on_the_tests_connection(), enter_for_command("alpha"):
        assert not UsageEvent.objects.exists()


async def test_a_stream_tells_the_licence_and_each_change_of_it(licensing: ServiceUnderTest, world: World) -> None:
    from licensing.selectors import licence_of
    from licensing.services import suspend_licence
    from tenants.kernel.entry_points import platform_scope
    from tenants.selectors import tenant_by_slug

    stream = licensing.stream("SubscribeLicenseUpdates", pb.SubscribeLicenseUpdatesRequest(), by=member())
    first = await message_of(stream, pb.LicenseUpdate)
    assert (first.sequence, first.license.state) == (1, "active")
    world.compiled_again("beta")
    with on_the_tests_connection(), platform_scope():
        licence = licence_of(tenant_by_slug(slug="alpha"))
        assert licence is not None
        suspend_licence(actor="tester", tenant=tenant_by_slug(slug="alpha"))
    world.compiled_again("alpha")
    second = await message_of(stream, pb.LicenseUpdate)
    assert (second.sequence, second.license.state, second.license.tenant) == (2, "suspended", "alpha")
    stream.cancel()


async def test_a_stream_tells_the_end_of_a_licence_when_its_time_has_come(licensing: ServiceUnderTest, world: World) -> None:
    document = world.documents.newest_of_tenant("alpha")
    assert document is not None and document.licence is not None
    world.now = document.licence.valid_until - 50_000_000
    stream = licensing.stream("SubscribeLicenseUpdates", pb.SubscribeLicenseUpdatesRequest(), by=member())
    assert (await message_of(stream, pb.LicenseUpdate)).license.state == "active"
    world.now = document.licence.valid_until
    assert (await message_of(stream, pb.LicenseUpdate)).license.state == "expired"
    licensing.service.drain()
    assert (await end_of(stream)).code == "SERVICE_DRAINING"


async def test_without_the_database_usage_is_refused_and_the_licence_still_told(
    licensing: ServiceUnderTest, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import OperationalError

    async def away(_question: object) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(world.readers, "_run", away)
    with pytest.raises(Refused) as told:
        await licensing.called("GetUsageMetrics", pb.GetUsageMetricsRequest(), pb.UsageMetrics)
    assert (told.value.code, told.value.figures["dependency"]) == ("DEPENDENCY_UNAVAILABLE", "postgresql")
    assert (await licensing.called("GetLicense", pb.GetLicenseRequest(), pb.License)).state == "active"
