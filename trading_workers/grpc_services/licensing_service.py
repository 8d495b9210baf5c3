"""``tradsys.v1.LicensingService``: what the caller's tenant is entitled to, and what it has used."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from licensing.catalogue import features
from licensing.metering.events import ItemResult, ReportedUsage
from trading_workers.snapshot.documents import LicenceEntry
from trading_workers.snapshot.held_documents import HeldDocuments
from tradsys.mesh.calls import current_call
from tradsys.mesh.handlers import HandledService, ServerStream, Unary, code, invalid
from tradsys.mesh.refusals import CallRefusal, CallRefused
from tradsys.mesh.server_streams import OutgoingStream
from tradsys.mesh.service import MEMBERS, MethodRule, ServiceDependency, UnifiedService
from tradsys.v1 import licensing_pb2 as pb

SECOND = 1_000_000_000
MOST_EVENTS = 500
LONGEST_WAIT_SECONDS = 3600.0
REPORTERS = frozenset({"web", "services", "market-data", "worker-1"})
"""Services of the platform that may report usage. A tenant's own people never may."""
_MONTH = re.compile(r"20[0-9]{2}-(?:0[1-9]|1[0-2])")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_INSTANT = 4_102_444_800 * SECOND
"""2100-01-01."""
_NO_TIME = datetime.min  # noqa: DTZ901  without a zone it is what the meter refuses as no time


class LicensingService(HandledService):
    NAME = "tradsys.v1.LicensingService"
    ABOUT = "The tenant's licence: validation by feature and by operation, usage against quota, changes as they come."
    METHODS = (
        MethodRule(
            name="ValidateLicense", about="Whether a feature may be used now; counts nothing.", roles=MEMBERS, licensed=False
        ),
        MethodRule(
            name="ValidateOperation",
            about="Whether a method of a service may be called now; counts nothing.",
            roles=MEMBERS,
            licensed=False,
        ),
        MethodRule(name="GetLicense", about="The licence as the platform enforces it.", roles=MEMBERS, licensed=False),
        MethodRule(name="GetUsageMetrics", about="A month's usage by meter and day, and its cost.", roles=MEMBERS, licensed=False),
        MethodRule(
            name="RecordUsage",
            about="Count usage that a service of the platform reports, each event once.",
            services=REPORTERS,
            licensed=False,
            meter="",
        ),
        MethodRule(
            name="SubscribeLicenseUpdates",
            about="The licence, then again at each change of it or of its state.",
            roles=MEMBERS,
            licensed=False,
            streaming=True,
        ),
    )
    DEPENDENCIES = (ServiceDependency(name="postgresql", required=False, kind="resource"),)

    def __init__(
        self,
        documents: HeldDocuments,
        *,
        catalogue: Iterable[type[UnifiedService]],
        usage: Callable[[str, date | None], Awaitable[pb.UsageMetrics]],
        record: Callable[[str, Sequence[ReportedUsage]], Awaitable[list[ItemResult]]],
        now: Callable[[], int],
    ) -> None:
        """`usage` and `record` ask the database for a tenant; they raise CallRefused (DEPENDENCY_UNAVAILABLE) without it."""
        super().__init__(now)
        self._documents = documents
        self._rules = {each.NAME: each.method_rules() for each in catalogue}
        self._usage = usage
        self._record = record

    def handled(self) -> Mapping[str, Unary | ServerStream]:
        return {
            "ValidateLicense": Unary(pb.ValidateFeatureRequest, self.validate_feature),
            "ValidateOperation": Unary(pb.ValidateOperationRequest, self.validate_operation),
            "GetLicense": Unary(pb.GetLicenseRequest, self.get_license),
            "GetUsageMetrics": Unary(pb.GetUsageMetricsRequest, self.get_usage_metrics),
            "RecordUsage": Unary(pb.RecordUsageRequest, self.record_usage),
            "SubscribeLicenseUpdates": ServerStream(pb.SubscribeLicenseUpdatesRequest, self.subscribe_license_updates),
        }

    async def validate_feature(self, request: pb.ValidateFeatureRequest) -> pb.EntitlementAnswer:
        if request.feature not in features():
            raise invalid("feature", "a feature of the catalogue, such as exchange:EGX", request.feature)
        return self._answer((request.feature,))

    async def validate_operation(self, request: pb.ValidateOperationRequest) -> pb.EntitlementAnswer:
        rules = self._rules.get(code("service", request.service, longest=80))
        if rules is None:
            raise CallRefused(CallRefusal.NOT_FOUND, service=request.service)
        rule = rules.get(code("method", request.method, longest=80))
        if rule is None:
            raise CallRefused(CallRefusal.NOT_FOUND, service=request.service, method=request.method)
        if not rule.licensed:
            return pb.EntitlementAnswer(valid=True, code="OK", revision=self._revision(current_call.get().identity.tenant))
        return self._answer(rule.features)

    async def get_license(self, _request: pb.GetLicenseRequest) -> pb.License:
        return self._license(current_call.get().identity.tenant)

    async def get_usage_metrics(self, request: pb.GetUsageMetricsRequest) -> pb.UsageMetrics:
        month = None
        if request.month:
            if _MONTH.fullmatch(request.month) is None:
                raise invalid("month", "YYYY-MM", request.month)
            month = date.fromisoformat(f"{request.month}-01")
        return await self._usage(current_call.get().identity.tenant, month)

    async def record_usage(self, request: pb.RecordUsageRequest) -> pb.RecordUsageResponse:
        if not 0 < len(request.events) <= MOST_EVENTS:
            raise invalid("events", f"1 to {MOST_EVENTS}", len(request.events))
        # The sender's name comes from its certificate, so that no service can use up another's event ids.
        source = f"grpc:{current_call.get().identity.service}"
        results = await self._record(
            code("tenant", request.tenant, longest=63), [_reported(source, each) for each in request.events]
        )
        return pb.RecordUsageResponse(
            answers=[
                pb.UsageAnswer(
                    event_id=each.event_id,
                    status=each.status.value,
                    reason="" if each.reason is None else each.reason.value,
                )
                for each in results
            ]
        )

    async def subscribe_license_updates(self, _request: pb.SubscribeLicenseUpdatesRequest, stream: OutgoingStream) -> None:
        tenant = current_call.get().identity.tenant
        sequence, told = 0, None
        with self._documents.watching(tenant) as changed:
            while True:
                changed.clear()
                held = self._license(tenant)
                if held != told:
                    sequence, told = sequence + 1, held
                    stream.put(pb.LicenseUpdate(sequence=sequence, license=held).SerializeToString())
                try:
                    async with asyncio.timeout(self._seconds_to_boundary(held)):
                        await changed.wait()
                except TimeoutError:
                    continue

    def _seconds_to_boundary(self, held: pb.License) -> float:
        """Until the state may change by the clock alone."""
        now = self.now()
        ahead = [each - now for each in (held.valid_from, held.valid_until) if each > now]
        return min([LONGEST_WAIT_SECONDS, *(each / SECOND for each in ahead)])

    def _answer(self, features: tuple[str, ...]) -> pb.EntitlementAnswer:
        identity = current_call.get().identity
        refusal = self._missing(identity, features)
        return pb.EntitlementAnswer(
            valid=refusal is None,
            code="OK" if refusal is None else refusal.name,
            rule="" if refusal is None else refusal.rule,
            features=features,
            revision=self._revision(identity.tenant),
        )

    def _license(self, tenant: str) -> pb.License:
        document = self._documents.newest_of_tenant(tenant)
        if document is None:
            raise CallRefused(CallRefusal.CONFIGURATION_MISSING, document=tenant)
        entry = document.licence
        answer = pb.License(
            tenant=tenant,
            state=license_state(entry, self.now()),
            revision=document.revision,
            lease_until=document.lease_until,
        )
        if entry is not None:
            answer.plan = entry.plan
            answer.valid_from, answer.valid_until = entry.valid_from, entry.valid_until
            answer.features.extend(sorted(entry.features))
            for name in ("orders_per_day_included", "orders_per_day_cap", "orders_per_second"):
                limit = getattr(entry, name)
                if limit is not None:
                    setattr(answer, name, limit)
        return answer


def license_state(entry: LicenceEntry | None, now: int) -> str:
    """As ``licensing.selectors.licence_state`` says it, of the entry in force; any unknown status counts as suspended."""
    if entry is None:
        return "missing"
    if entry.status != "active":
        return "suspended"
    if now < entry.valid_from:
        return "not_yet_valid"
    return "active" if now < entry.valid_until else "expired"


def _reported(source: str, record: pb.UsageRecord) -> ReportedUsage:
    known = 0 < record.event_time < _LAST_INSTANT
    return ReportedUsage(
        source=source,
        event_id=record.event_id,
        meter=record.meter,
        quantity=record.quantity,
        event_time=_EPOCH + timedelta(microseconds=record.event_time // 1000) if known else _NO_TIME,
        corrects=record.corrects or None,
    )
