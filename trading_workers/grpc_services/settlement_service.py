"""``tradsys.v1.SettlementService``: settlement dates, and the tenant's executions that are not yet due."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from exchanges.calendar import time_zone_on
from exchanges.prices import price_to_text
from exchanges.settlement import (
    NoSettlementDate,
    first_unsettled_day,
    is_trading_day,
    settlement_date,
    settlement_rule,
)
from trading_workers.grpc_services.reference_facts import CurrentFacts, ExchangeFacts
from tradsys.mesh.calls import current_call
from tradsys.mesh.handlers import HandledService, ServerStream, Unary, code, invalid
from tradsys.mesh.pages import page_size
from tradsys.mesh.refusals import CallRefusal, CallRefused
from tradsys.mesh.service import MEMBERS, MethodRule, ServiceDependency
from tradsys.v1 import settlement_pb2 as pb

SECOND = 1_000_000_000
KNOWN_AHEAD = timedelta(days=31)
"""Holidays further ahead are not known well enough to count days with."""
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TOKEN = re.compile(r"[1-9][0-9]{0,17}")


class ExecutionRow(msgspec.Struct, frozen=True, kw_only=True):
    row_id: int
    order_id: int
    exec_id: str
    client_order_id: str
    account: str
    exchange: str
    symbol: str
    side: str
    quantity: int
    price: int
    currency: str
    executed_at: int


class ExecutionQuery(msgspec.Struct, frozen=True, kw_only=True):
    tenant: str
    accounts: frozenset[str] | None
    """None: every account of the tenant."""
    since: Mapping[str, int]
    """Exchange → the earliest time, ns UTC. No other exchange is asked for."""
    before_row: int | None
    limit: int


class SettlementService(HandledService):
    NAME = "tradsys.v1.SettlementService"
    ABOUT = "Settlement dates by the dated cycles and calendars, and the executions that are not yet due."
    METHODS = (
        MethodRule(name="GetSettlementDate", about="The day on which a trade of a day settles.", roles=MEMBERS),
        MethodRule(name="ListUnsettledTrades", about="Executions whose settlement date has not passed, in pages.", roles=MEMBERS),
    )
    DEPENDENCIES = (ServiceDependency(name="postgresql", required=True, kind="resource"),)

    def __init__(
        self,
        facts: CurrentFacts,
        executions: Callable[[ExecutionQuery], Awaitable[list[ExecutionRow]]],
        now: Callable[[], int],
    ) -> None:
        """`executions` gives rows by falling `row_id`, and raises CallRefused (DEPENDENCY_UNAVAILABLE) without the database."""
        super().__init__(now)
        self._facts = facts
        self._executions = executions

    def handled(self) -> Mapping[str, Unary | ServerStream]:
        return {
            "GetSettlementDate": Unary(pb.GetSettlementDateRequest, self.get_settlement_date),
            "ListUnsettledTrades": Unary(pb.ListUnsettledTradesRequest, self.list_unsettled_trades),
        }

    async def get_settlement_date(self, request: pb.GetSettlementDateRequest) -> pb.SettlementDate:
        facts = await self._facts.exchange(request.exchange)
        today = self._today(facts)
        day = _day(request.trade_date) if request.trade_date else today
        if day > today + KNOWN_AHEAD:
            raise invalid("trade_date", f"at most {KNOWN_AHEAD.days} days ahead: later holidays are not known", day)
        settles = _settles(facts, day)
        rule = settlement_rule(facts.rules, day)
        assert rule is not None, "a settlement date comes from a rule"
        between = [day + timedelta(days=number) for number in range(1, (settles - day).days + 1)]
        return pb.SettlementDate(
            exchange=facts.code,
            trade_date=day.isoformat(),
            settlement_date=settles.isoformat(),
            cycle=str(rule.value["cycle"]),
            trust=rule.trust.value,
            depository=str(rule.value.get("depository", "")),
            unverified=[each.label for each in facts.unverified_closures if any(each.holds_on(one) for one in between)],
            trading_day=is_trading_day(facts.rules, day),
        )

    async def list_unsettled_trades(self, request: pb.ListUnsettledTradesRequest) -> pb.ListUnsettledTradesResponse:
        identity = current_call.get().identity
        accounts = identity.accounts
        if request.account:
            if not identity.may_use(code("account", request.account)):
                raise CallRefused(CallRefusal.NOT_FOUND, account=request.account)
            accounts = frozenset({request.account})
        if request.page_token and _TOKEN.fullmatch(request.page_token) is None:
            raise invalid("page_token", "a token that this method gave", request.page_token)
        size = page_size(request.page_size)
        exchanges = await self._asked_exchanges(request.exchange)
        rows = await self._executions(
            ExecutionQuery(
                tenant=identity.tenant,
                accounts=accounts,
                since={name: self._unsettled_since(facts) for name, facts in exchanges.items()},
                before_row=int(request.page_token) if request.page_token else None,
                limit=size + 1,
            )
        )
        page = rows[:size]
        return pb.ListUnsettledTradesResponse(
            trades=[_trade(each, exchanges[each.exchange]) for each in page],
            next_page_token=str(page[-1].row_id) if len(rows) > size else "",
        )

    async def _asked_exchanges(self, exchange: str) -> Mapping[str, ExchangeFacts]:
        if not exchange:
            return (await self._facts.get()).exchanges
        return {exchange: await self._facts.exchange(exchange)}

    def _today(self, facts: ExchangeFacts) -> date:
        moment = self.now() // SECOND
        zone = time_zone_on(facts.rules, datetime.fromtimestamp(moment, ZoneInfo("UTC")).date())
        return datetime.fromtimestamp(moment, zone).date()

    def _unsettled_since(self, facts: ExchangeFacts) -> int:
        try:
            first = first_unsettled_day(facts.rules, self._today(facts))
        except NoSettlementDate as error:
            raise CallRefused(CallRefusal.NOT_FOUND, exchange=facts.code, problem=str(error)) from error
        return int(datetime.combine(first, time(), time_zone_on(facts.rules, first)).timestamp()) * SECOND


def _settles(facts: ExchangeFacts, day: date) -> date:
    try:
        return settlement_date(facts.rules, day)
    except NoSettlementDate as error:
        raise CallRefused(CallRefusal.NOT_FOUND, exchange=facts.code, problem=str(error)) from error


def _day(text: str) -> date:
    try:
        if _DATE.fullmatch(text) is None:
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError as error:
        raise invalid("trade_date", "YYYY-MM-DD", text) from error


def _trade(row: ExecutionRow, facts: ExchangeFacts) -> pb.UnsettledTrade:
    moment = datetime.fromtimestamp(row.executed_at // SECOND, ZoneInfo("UTC"))
    day = moment.astimezone(time_zone_on(facts.rules, moment.date())).date()
    return pb.UnsettledTrade(
        order_id=row.order_id,
        exec_id=row.exec_id,
        client_order_id=row.client_order_id,
        account=row.account,
        exchange=row.exchange,
        symbol=row.symbol,
        side=row.side,
        quantity=row.quantity,
        price=row.price,
        currency=row.currency,
        value=price_to_text(row.quantity * row.price),
        executed_at=row.executed_at,
        trade_date=day.isoformat(),
        settlement_date=_settles(facts, day).isoformat(),
    )
