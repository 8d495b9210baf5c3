"""``tradsys.v1.ExchangeService``: the exchanges, what holds there now, and their calendars."""

from __future__ import annotations

from bisect import bisect_right
from calendar import monthrange
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from exchanges.api import Phase
from exchanges.calendar import LocalPhase, plan_day, time_zone_on
from exchanges.dated_rules import DatedRule, RuleKind, rules_on
from exchanges.routing.rules import pools_of_rules
from exchanges.settlement import settlement_rule
from trading_workers.grpc_services.reference_facts import CurrentFacts, ExchangeFacts
from trading_workers.snapshot.documents import ExchangeEntry, PhaseInterval, PlatformDocument
from trading_workers.snapshot.held_documents import HeldDocuments
from tradsys.mesh.handlers import HandledService, ServerStream, Unary, code, invalid
from tradsys.mesh.refusals import CallRefusal, CallRefused
from tradsys.mesh.service import ANYBODY, MethodRule, ServiceDependency
from tradsys.v1 import exchanges_pb2 as pb

SECOND = 1_000_000_000
FIRST_YEAR, LAST_YEAR = 2000, 2100


class ExchangeService(HandledService):
    NAME = "tradsys.v1.ExchangeService"
    ABOUT = "The exchanges: names, phases now and next, calendars, with the trust mark of every fact."
    METHODS = (
        MethodRule(name="ListExchanges", about="Every exchange with its phase of now.", roles=ANYBODY),
        MethodRule(name="GetExchangeInfo", about="An exchange, its phase now and next, lines and settlement.", roles=ANYBODY),
        MethodRule(name="GetCalendar", about="The days of a month with their sessions, or why there is none.", roles=ANYBODY),
    )
    DEPENDENCIES = (ServiceDependency(name="postgresql", required=False, kind="resource"),)

    def __init__(self, documents: HeldDocuments, facts: CurrentFacts, now: Callable[[], int]) -> None:
        super().__init__(now)
        self._documents = documents
        self._facts = facts

    def handled(self) -> Mapping[str, Unary | ServerStream]:
        return {
            "ListExchanges": Unary(pb.ListExchangesRequest, self.list_exchanges),
            "GetExchangeInfo": Unary(pb.GetExchangeInfoRequest, self.get_exchange_info),
            "GetCalendar": Unary(pb.GetCalendarRequest, self.get_calendar),
        }

    async def list_exchanges(self, _request: pb.ListExchangesRequest) -> pb.ListExchangesResponse:
        now = self.now()
        facts = (await self._facts.get()).exchanges
        entries = sorted(self._documents.platform(now).exchanges, key=lambda each: each.code)
        return pb.ListExchangesResponse(exchanges=[_summary(each, facts[each.code], now) for each in entries if each.code in facts])

    async def get_exchange_info(self, request: pb.GetExchangeInfoRequest) -> pb.ExchangeInfo:
        now = self.now()
        facts = await self._facts.exchange(request.exchange)
        document = self._documents.platform(now)
        entry = next((each for each in document.exchanges if each.code == request.exchange), None)
        if entry is None:
            raise CallRefused(CallRefusal.NOT_FOUND, exchange=code("exchange", request.exchange))
        zone = ZoneInfo(entry.time_zone)
        running, following = _now_and_next(entry.intervals, now)
        settlement = settlement_rule(facts.rules, _local_day(now, zone))
        return pb.ExchangeInfo(
            summary=_summary(entry, facts, now),
            now=_session_phase(running, facts.rules, zone),
            next=_session_phase(following, facts.rules, zone),
            investor_id_name=entry.investor_id_name,
            asset_types=sorted({each.asset_type for each in document.instruments if each.exchange == entry.code}),
            lines=_lines(document, entry.code),
            killed=document.killed or entry.code in document.killed_exchanges,
            settlement_cycle="" if settlement is None else str(settlement.value["cycle"]),
            settlement_trust="" if settlement is None else settlement.trust.value,
            depository="" if settlement is None else str(settlement.value.get("depository", "")),
            revision=document.revision,
        )

    async def get_calendar(self, request: pb.GetCalendarRequest) -> pb.ExchangeCalendar:
        if not FIRST_YEAR <= request.year <= LAST_YEAR:
            raise invalid("year", f"{FIRST_YEAR} to {LAST_YEAR}", request.year)
        if not 1 <= request.month <= 12:
            raise invalid("month", "1 to 12", request.month)
        facts = await self._facts.exchange(request.exchange)
        days = [date(request.year, request.month, day + 1) for day in range(monthrange(request.year, request.month)[1])]
        return pb.ExchangeCalendar(
            exchange=facts.code,
            time_zone=time_zone_on(facts.rules, days[0]).key,
            days=[_calendar_day(facts, day) for day in days],
        )


def _summary(entry: ExchangeEntry, facts: ExchangeFacts, now: int) -> pb.ExchangeSummary:
    return pb.ExchangeSummary(
        code=entry.code,
        mic=entry.mic,
        name=facts.name,
        name_ar=facts.name_ar,
        country=facts.country,
        currency=entry.currency,
        time_zone=entry.time_zone,
        phase=_now_and_next(entry.intervals, now)[0].phase,
    )


def _now_and_next(intervals: Sequence[PhaseInterval], now: int) -> tuple[PhaseInterval, PhaseInterval]:
    """The phase at `now` and the one after it; gaps between intervals are CLOSED. A 0 is beyond the calendar."""
    place = bisect_right(intervals, now, key=lambda each: each.start) - 1
    before = intervals[place] if place >= 0 else None
    after = intervals[place + 1] if place + 1 < len(intervals) else None
    upcoming = after if after is not None else PhaseInterval(0, 0, "", "")
    if before is None or now >= before.end:
        return PhaseInterval(0 if before is None else before.end, upcoming.start, Phase.CLOSED.value, ""), upcoming
    if after is not None and after.start == before.end:
        return before, after
    return before, PhaseInterval(before.end, upcoming.start, Phase.CLOSED.value, "")


def _session_phase(interval: PhaseInterval, rules: Sequence[DatedRule], zone: ZoneInfo) -> pb.SessionPhase:
    trust = ""
    if interval.label:
        day = _local_day(interval.start, zone)
        trust = _trust(rules, day, interval.phase, interval.label)
    return pb.SessionPhase(phase=interval.phase, begins_at=interval.start, ends_at=interval.end, label=interval.label, trust=trust)


def _trust(rules: Sequence[DatedRule], day: date, phase: str, label: str) -> str:
    """Of the session row that a phase comes from: rows of one label may differ in trust by their part of the day."""
    for rule in rules_on(rules, day, RuleKind.SESSION):
        if rule.label == label and any(each["phase"] == phase for each in rule.value["phases"]):
            return rule.trust.value
    return ""


def _local_day(now: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(now // SECOND, zone).date()


def _lines(document: PlatformDocument, exchange: str) -> list[str]:
    """Order lines of the exchange's pools, each once."""
    pools = document.pools or pools_of_rules(document.routes)
    return list(dict.fromkeys(line for pool in pools if pool.exchange == exchange for line in pool.lines))


def _calendar_day(facts: ExchangeFacts, day: date) -> pb.CalendarDay:
    plan = plan_day(facts.rules, day)
    return pb.CalendarDay(
        date=day.isoformat(),
        phases=[_local_phase(facts.rules, day, each) for each in plan.phases],
        reason="; ".join(dict.fromkeys((plan.reason, *(stop.label for stop in plan.stops)))),
        unverified=[each.label for each in facts.unverified_closures if each.holds_on(day)],
    )


def _local_phase(rules: Sequence[DatedRule], day: date, phase: LocalPhase) -> pb.LocalPhase:
    return pb.LocalPhase(
        phase=phase.phase.value,
        begins=phase.start.strftime("%H:%M"),
        ends="24:00" if phase.end is None else phase.end.strftime("%H:%M"),
        label=phase.label,
        trust=_trust(rules, day, phase.phase.value, phase.label),
    )
