"""What the services ask of the database, each in its scope, in a thread: the only part of them that knows Django."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime
from typing import TypeVar

from django.db import Error as DatabaseError
from django.db import close_old_connections
from django.db.models import Q

from compliance.selectors import ruling_of
from exchanges.assets.records import AssetListing, AssetRecord
from exchanges.assets.selectors import asset_listings, asset_record
from exchanges.dated_rules import RuleKind
from exchanges.models import Exchange, RuleRow
from exchanges.selectors import acting_rules_by_exchange, dated_rule, instruments_for_display
from licensing.metering.events import ItemResult, ReportedUsage
from licensing.metering.services import record_usage
from licensing.selectors import usage_dashboard
from tenants.kernel.directory import UnknownTenant
from tenants.kernel.entry_points import enter_for_worker, platform_scope
from trading_workers.blotter.selectors import executions
from trading_workers.grpc_services.islamic_finance_service import Ruling
from trading_workers.grpc_services.reference_facts import ExchangeFacts, InstrumentFacts, ReferenceFacts
from trading_workers.grpc_services.settlement_service import ExecutionQuery, ExecutionRow
from tradsys.mesh.refusals import CallRefusal, CallRefused
from tradsys.mesh.service import SERVING, Health, HealthStatus
from tradsys.v1 import licensing_pb2

T = TypeVar("T")

PING_SECONDS = 2.0


class DatabaseReaders:
    """`run` calls a blocking function beside the event loop. Every method raises CallRefused without the database."""

    def __init__(self, run: Callable[[Callable[[], T]], Awaitable[T]] | None = None, *, now: Callable[[], int]) -> None:
        self._run = run if run is not None else in_a_thread
        self._now = now

    async def ping(self) -> None:
        """Whether the database answers."""
        await self._asked(_ping)

    async def reference_facts(self) -> ReferenceFacts:
        return await self._asked(_reference_facts)

    async def asset(self, exchange: str, symbol: str, today: date) -> AssetRecord | None:
        return await self._asked(lambda: _asset(exchange, symbol, today))

    async def asset_listings(self) -> list[AssetListing]:
        return await self._asked(_asset_listings)

    async def ruling(self, verdict_id: str) -> Ruling | None:
        return await self._asked(lambda: _ruling(verdict_id))

    async def executions(self, query: ExecutionQuery) -> list[ExecutionRow]:
        return await self._asked(lambda: _executions(query))

    async def usage(self, tenant: str, month: date | None) -> licensing_pb2.UsageMetrics:
        return await self._asked(lambda: _usage(tenant, month, self._moment()))

    async def record(self, tenant: str, events: Sequence[ReportedUsage]) -> list[ItemResult]:
        return await self._asked(lambda: _record(tenant, events, self._moment()))

    def _moment(self) -> datetime:
        return datetime.fromtimestamp(self._now() // 1_000_000_000, UTC)

    async def _asked(self, question: Callable[[], T]) -> T:
        try:
            return await self._run(question)  # type: ignore[arg-type]
        except UnknownTenant as error:
            raise CallRefused(CallRefusal.NOT_FOUND, problem=str(error)) from error
        except DatabaseError as error:
            raise CallRefused(CallRefusal.DEPENDENCY_UNAVAILABLE, dependency="postgresql", problem=type(error).__name__) from error


class DatabaseHealth:
    """The resource ``postgresql``: asked every few seconds, so that the answer is there when somebody wants it."""

    def __init__(self, readers: DatabaseReaders) -> None:
        self._readers = readers
        self._found = Health(HealthStatus.NOT_SERVING, "not asked yet")

    def health(self) -> Health:
        return self._found

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(PING_SECONDS)

    async def look(self) -> None:
        """Ask once."""
        try:
            async with asyncio.timeout(PING_SECONDS):
                await self._readers.ping()
            self._found = SERVING
        except (CallRefused, TimeoutError):
            self._found = Health(HealthStatus.NOT_SERVING, "PostgreSQL does not answer")


async def in_a_thread(question: Callable[[], T]) -> T:
    def asked() -> T:
        try:
            return question()
        finally:
            # The thread may not be needed for a long time: its connection goes back to the pool.
            close_old_connections()

    return await asyncio.to_thread(asked)


def _ping() -> None:
    with platform_scope():
        Exchange.objects.exists()


def _reference_facts() -> ReferenceFacts:
    with platform_scope():
        rules = acting_rules_by_exchange()
        doubtful = RuleRow.objects.filter(active=False, kind=RuleKind.CLOSURE.value)
        closures: dict[int, list[RuleRow]] = {}
        for row in doubtful.order_by("valid_from", "pk"):
            closures.setdefault(row.exchange_id, []).append(row)
        exchanges = {
            each.code: ExchangeFacts(
                code=each.code,
                name=each.name,
                name_ar=each.name_ar,
                country=each.country,
                rules=tuple(rules[each.pk]),
                unverified_closures=tuple(dated_rule(row) for row in closures.get(each.pk, ())),
            )
            for each in Exchange.objects.all()
        }
        instruments = {
            f"{each.exchange.code}:{each.symbol}": InstrumentFacts(
                isin_status=each.isin_status,
                sector=each.sector,
                board=each.board,
                tick_table=each.tick_table,
                sources=tuple(each.sources),
                note=each.note,
            )
            for each in instruments_for_display()
            if each.symbol
        }
    return ReferenceFacts(exchanges=exchanges, instruments=instruments)


def _asset(exchange: str, symbol: str, today: date) -> AssetRecord | None:
    with platform_scope():
        return asset_record(exchange=exchange, symbol=symbol, today=today)


def _asset_listings() -> list[AssetListing]:
    with platform_scope():
        return asset_listings()


def _ruling(verdict_id: str) -> Ruling | None:
    with platform_scope():
        found = ruling_of(verdict_id)
    if found is None:
        return None
    return Ruling(
        reason=found.reason,
        reason_ar=found.reason_ar,
        as_of=found.as_of.isoformat(),
        rule_set=found.rule_set,
        demonstration=found.demonstration,
    )


def _executions(query: ExecutionQuery) -> list[ExecutionRow]:
    wanted = Q()
    for exchange, since in query.since.items():
        wanted |= Q(order__exchange=exchange, executed_at__gte=since)
    if not wanted:
        return []
    with enter_for_worker(query.tenant):
        found = executions(accounts=query.accounts).filter(wanted)
        if query.before_row is not None:
            found = found.filter(pk__lt=query.before_row)
        return [
            ExecutionRow(
                row_id=each.pk,
                order_id=each.order.order_id,
                exec_id=each.exec_id,
                client_order_id=each.order.client_order_id,
                account=each.order.account,
                exchange=each.order.exchange,
                symbol=each.order.symbol,
                side=each.order.side,
                quantity=each.quantity,
                price=each.price,
                currency=each.order.currency,
                executed_at=each.executed_at,
            )
            for each in found[: query.limit]
        ]


def _usage(tenant: str, month: date | None, now: datetime) -> licensing_pb2.UsageMetrics:
    with enter_for_worker(tenant) as scope:
        shown = usage_dashboard(scope, month, now=now)
    return licensing_pb2.UsageMetrics(
        tenant=shown.tenant,
        month=f"{shown.month:%Y-%m}",
        time_zone=shown.time_zone,
        state=shown.state,
        currency=shown.currency,
        cost_so_far=f"{shown.total:f}",
        meters=[
            licensing_pb2.MeterUsage(
                meter=each.meter.value,
                period=each.period.value,
                included="" if each.included is None else f"{each.included:f}",
                cap="" if each.cap is None else f"{each.cap:f}",
                used=f"{each.used:f}",
                used_today="" if each.used_today is None else f"{each.used_today:f}",
                beyond=f"{each.beyond:f}",
                days=[licensing_pb2.DayUsage(date=day.isoformat(), quantity=f"{used:f}") for day, used in each.by_day],
            )
            for each in shown.meters
        ],
    )


def _record(tenant: str, events: Sequence[ReportedUsage], now: datetime) -> list[ItemResult]:
    with enter_for_worker(tenant):
        return record_usage(events=events, now=now)
