"""Stage 9: a line that can carry the order."""

from __future__ import annotations

from exchanges.routing.router import RouteDecision
from exchanges.routing.rules import OrderFacts
from trading_workers.checks.candidate import WorkerState, refuse
from trading_workers.limit_rows import LimitRow
from trading_workers.orders import NewOrder, OrderType, Refusal
from trading_workers.reasons import Reason


def routed(row: LimitRow, tenant: str, order: NewOrder, state: WorkerState, now: int) -> RouteDecision:
    """The router's decision on the order as things are now."""
    timer = state.route_timer
    if not timer.waiting:
        return _decide(row, tenant, order, state, now)
    timer.start()
    decision = _decide(row, tenant, order, state, now)
    timer.stop()
    return decision


def no_route(order: NewOrder, decision: RouteDecision) -> Refusal:
    """Names every target that was considered, and why it could not take the order."""
    considered = "; ".join(str(each) for each in decision.considered)
    return refuse(Reason.NO_ROUTE, exchange=order.exchange, considered=considered)


def _decide(row: LimitRow, tenant: str, order: NewOrder, state: WorkerState, now: int) -> RouteDecision:
    quantity = order.quantity
    price = order.price if order.type is OrderType.LIMIT else row.reference_price
    facts = OrderFacts(tenant=tenant, account=order.account, quantity=quantity, value=quantity * price, now=now)
    return row.routes.decide(facts, state.lines, state.balancing)
