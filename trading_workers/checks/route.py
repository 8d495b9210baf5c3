"""Stage 9: a line that can carry the order."""

from __future__ import annotations

from exchanges.routing.router import RouteDecision
from exchanges.routing.rules import OrderFacts
from trading_workers.checks.candidate import Candidate, refuse
from trading_workers.orders import OrderType, Refusal
from trading_workers.reasons import Reason


def routed(candidate: Candidate) -> RouteDecision:
    """The router's decision on the order as things are now."""
    timer = candidate.state.route_timer
    if not timer.waiting:
        return _decide(candidate)
    timer.start()
    decision = _decide(candidate)
    timer.stop()
    return decision


def no_route(candidate: Candidate, decision: RouteDecision) -> Refusal:
    """Names every target that was considered, and why it could not take the order."""
    considered = "; ".join(str(each) for each in decision.considered)
    return refuse(Reason.NO_ROUTE, exchange=candidate.order.exchange, considered=considered)


def _decide(candidate: Candidate) -> RouteDecision:
    order, instrument, state = candidate.order, candidate.instrument, candidate.state
    price = order.price if order.type is OrderType.LIMIT else instrument.reference_price
    facts = OrderFacts(
        tenant=candidate.caller.tenant,
        account=order.account,
        quantity=order.quantity,
        value=None if price is None else order.quantity * price,
        now=candidate.now,
    )
    return instrument.routes.decide(facts, state.lines, state.balancing)
