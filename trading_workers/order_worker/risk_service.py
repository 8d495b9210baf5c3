"""``tradsys.v1.RiskService``: limits, buying power and positions of an account, and the check of an order that is not sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from exchanges.prices import price_to_text
from trading_workers.checks.decision import Accepted
from trading_workers.configuration_view import ConfigurationView
from trading_workers.order_identities import FirstAnswer
from trading_workers.order_path import OrderPath
from trading_workers.order_worker import wire
from trading_workers.orders import Caller, Refusal, Side
from trading_workers.snapshot.documents import AccountEntry
from tradsys.mesh.calls import current_call
from tradsys.mesh.handlers import HandledService, ServerStream, Unary, code
from tradsys.mesh.refusals import CallRefusal, CallRefused
from tradsys.mesh.service import MEMBERS, TRADER, MethodRule, ServiceDependency
from tradsys.v1 import orders_pb2
from tradsys.v1 import risk_pb2 as pb


class RiskService(HandledService):
    NAME = "tradsys.v1.RiskService"
    ABOUT = "What an account may do now: limits, buying power, positions, and the check of an order that is not sent."
    METHODS = (
        MethodRule(name="GetLimits", about="Limits and kill switches of an account.", roles=MEMBERS),
        MethodRule(name="GetBuyingPower", about="Cash of an account, with what open orders reserve.", roles=MEMBERS),
        MethodRule(name="GetPositions", about="Shares of an account, with what open orders reserve.", roles=MEMBERS),
        MethodRule(name="CheckOrder", about="What would become of an order; nothing is sent.", roles=frozenset({TRADER})),
    )
    DEPENDENCIES = (ServiceDependency(name="journal", required=True, kind="resource"),)

    def __init__(self, path: OrderPath, now: Callable[[], int]) -> None:
        super().__init__(now)
        self._path = path

    def handled(self) -> Mapping[str, Unary | ServerStream]:
        return {
            "GetLimits": Unary(pb.GetLimitsRequest, self.get_limits),
            "GetBuyingPower": Unary(pb.GetBuyingPowerRequest, self.get_buying_power),
            "GetPositions": Unary(pb.GetPositionsRequest, self.get_positions),
            "CheckOrder": Unary(orders_pb2.NewOrder, self.check_order),
        }

    async def get_limits(self, request: pb.GetLimitsRequest) -> pb.RiskLimits:
        view, account = self._account(request.account)
        answer = pb.RiskLimits(
            account=account.code,
            status=account.status,
            max_order_quantity=account.max_order_quantity,
            max_order_value=price_to_text(account.max_order_value),
            sharia_board=account.sharia_board or "",
            kill_switches=_kill_switches(view, account),
            revision=view.tenant.revision,
        )
        licence = view.tenant.licence
        if licence.orders_per_second is not None:
            answer.orders_per_second = licence.orders_per_second
        if licence.orders_per_day_cap is not None:
            answer.orders_per_day_cap = licence.orders_per_day_cap
        return answer

    async def get_buying_power(self, request: pb.GetBuyingPowerRequest) -> pb.BuyingPower:
        view, account = self._account(request.account)
        book = self._path.state.ledger.book(view.tenant.tenant, account.code)
        currencies = sorted(account.cash.keys() | book.cash_moved.keys() | book.cash_reserved.keys())
        return pb.BuyingPower(
            account=account.code,
            currencies=[
                pb.CashPower(
                    currency=each,
                    deposited=price_to_text(account.cash.get(each, 0)),
                    moved_by_fills=price_to_text(book.cash_moved.get(each, 0)),
                    reserved=price_to_text(book.cash_reserved.get(each, 0)),
                    available=price_to_text(book.buying_power(each, account.cash.get(each, 0))),
                )
                for each in currencies
            ],
        )

    async def get_positions(self, request: pb.GetPositionsRequest) -> pb.Positions:
        view, account = self._account(request.account)
        book = self._path.state.ledger.book(view.tenant.tenant, account.code)
        instruments = sorted(account.shares.keys() | book.shares_moved.keys() | book.shares_reserved.keys())
        return pb.Positions(
            account=account.code,
            positions=[
                pb.SharePosition(
                    exchange=each.partition(":")[0],
                    symbol=each.partition(":")[2],
                    deposited=account.shares.get(each, 0),
                    moved_by_fills=book.shares_moved.get(each, 0),
                    reserved=book.shares_reserved.get(each, 0),
                    available=book.available_shares(each, account.shares.get(each, 0)),
                )
                for each in instruments
            ],
        )

    async def check_order(self, request: orders_pb2.NewOrder) -> pb.OrderCheck:
        call = current_call.get()
        identity = call.identity
        caller = Caller(
            tenant=identity.tenant,
            user=identity.subject,
            role=identity.role,
            accounts=identity.accounts,
            door=call.door,
            trace_id="",
        )
        order = wire.to_order(request)
        found = self._path.check(caller, order, self.now())
        if isinstance(found, Refusal):
            return pb.OrderCheck(refusal=_refusal(found))
        if isinstance(found, FirstAnswer):
            if found.refusal is not None:
                return pb.OrderCheck(refusal=_refusal(found.refusal), duplicate=True)
            return pb.OrderCheck(accepted=True, duplicate=True)
        return _accepted(found, quantity=order.quantity, buys=order.side is Side.BUY)

    def _account(self, asked: str) -> tuple[ConfigurationView, AccountEntry]:
        """One answer for an account that does not exist and for one that is not open to the caller."""
        identity = current_call.get().identity
        view = self._path.view(identity.tenant)
        if view is None:
            raise CallRefused(CallRefusal.CONFIGURATION_MISSING, tenant=identity.tenant)
        account = view.tenant.account(code("account", asked))
        if not account.code or not identity.may_use(asked):
            raise CallRefused(CallRefusal.NOT_FOUND, account=asked)
        return view, account


def _kill_switches(view: ConfigurationView, account: AccountEntry) -> list[str]:
    switches = {
        "platform": view.platform.killed,
        **{f"exchange {each.code}": each.killed for each in view.platform.exchanges.values()},
        "tenant": view.tenant.killed,
        "account": account.killed,
    }
    return [name for name, on in switches.items() if on]


def _accepted(found: Accepted, *, quantity: int, buys: bool) -> pb.OrderCheck:
    return pb.OrderCheck(
        accepted=True,
        line=found.line,
        reserved_cash=price_to_text(quantity * found.reserve_price) if buys else "",
        currency=found.currency,
        reserved_shares=0 if buys else quantity,
        verdict_id=found.verdict_id,
    )


def _refusal(refusal: Refusal) -> orders_pb2.Refusal:
    return orders_pb2.Refusal(code=refusal.reason.name, rule=refusal.reason.rule, figures=dict(refusal.figures))
