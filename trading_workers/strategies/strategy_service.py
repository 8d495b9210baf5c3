"""``tradsys.v1.StrategyService``: starts, stops and shows strategies that place orders in their caller's name."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from contextvars import Context

from trading_workers.snapshot.held_documents import HeldDocuments
from trading_workers.strategies.strategy_run import Place, StrategyRun
from trading_workers.strategies.twap import Slice, twap_slices
from tradsys.mesh.calls import CallIdentity, current_call
from tradsys.mesh.handlers import HandledService, ServerStream, Unary, code, current_authorization, invalid
from tradsys.mesh.pages import page_of
from tradsys.mesh.refusals import CallRefusal, CallRefused
from tradsys.mesh.service import MEMBERS, TRADER, MethodRule, ServiceDependency
from tradsys.v1 import strategies_pb2 as pb

log = logging.getLogger("trading_workers.strategies")

NS = 1_000_000_000
NS_PER_MS = 1_000_000
MOST_SLICES = 100
SHORTEST_INTERVAL_MS, LONGEST_INTERVAL_MS = 200, 60_000
TOKEN_MARGIN = NS
"""Between the last slice and the end of the token it is placed with."""
MOST_RUNNING = 20
"""Strategies of one tenant at a time."""
KEPT_ENDED = 200
"""Ended strategies of one tenant that can still be looked at."""
_STRATEGY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,23}")
_SIDES = (1, 2)

Key = tuple[str, str]
"""(account, strategy id) within a tenant."""


class StrategyService(HandledService):
    NAME = "tradsys.v1.StrategyService"
    ABOUT = "Strategies that place orders in the caller's name: an order in even slices over time (TWAP)."
    METHODS = (
        MethodRule(name="StartTwap", about="Split an order into slices over time.", roles=frozenset({TRADER}), idempotent=False),
        MethodRule(name="StopStrategy", about="Place no further slice; open orders stay.", roles=frozenset({TRADER})),
        MethodRule(name="GetStrategy", about="A strategy with its slices.", roles=MEMBERS),
        MethodRule(name="ListStrategies", about="The strategies of the caller's accounts, in pages.", roles=MEMBERS),
    )
    DEPENDENCIES = (ServiceDependency(name="tradsys.v1.OrderService", required=False, kind="remote"),)

    def __init__(self, documents: HeldDocuments, place: Place, now: Callable[[], int]) -> None:
        super().__init__(now)
        self._documents = documents
        self._place = place
        self._runs: dict[str, dict[Key, StrategyRun]] = {}
        """Tenant → its strategies, oldest first."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False

    def handled(self) -> Mapping[str, Unary | ServerStream]:
        return {
            "StartTwap": Unary(pb.StartTwapRequest, self.start_twap, acts_for_caller=True),
            "StopStrategy": Unary(pb.StrategyRequest, self.stop_strategy),
            "GetStrategy": Unary(pb.StrategyRequest, self.get_strategy),
            "ListStrategies": Unary(pb.ListStrategiesRequest, self.list_strategies),
        }

    def drain(self) -> None:
        """A strategy does not move to another process: it ends here, and says why while the process still answers."""
        super().drain()
        self._draining = True
        for runs in self._runs.values():
            for each in runs.values():
                each.stop("the process is stopping")

    async def stop(self) -> None:
        self.drain()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=1)
            for task in late:
                task.cancel()

    async def start_twap(self, request: pb.StartTwapRequest) -> pb.Strategy:
        identity = current_call.get().identity
        self._check(request, identity)
        runs = self._runs.setdefault(identity.tenant, {})
        key = (request.account, request.strategy_id)
        known = runs.get(key)
        if known is not None:
            if known.request != request:
                raise invalid("strategy_id", "an id that this account has not used for something else", request.strategy_id)
            return known.describe()
        slices = self._slices(request, identity)
        if self._draining:
            raise CallRefused(CallRefusal.SERVICE_DRAINING)
        self._make_room(runs)
        run = runs[key] = StrategyRun(
            request,
            slices,
            tenant=identity.tenant,
            started_by=identity.subject,
            authorization=current_authorization.get(),
            place=self._place,
            now=self.now,
        )
        # In a context of its own: the deadline and the span of the call that starts it are not the strategy's.
        task = asyncio.create_task(run.run(), name=f"strategy {identity.tenant} {request.strategy_id}", context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return run.describe()

    async def stop_strategy(self, request: pb.StrategyRequest) -> pb.Strategy:
        run = self._run(request)
        run.stop(f"stopped by {current_call.get().identity.subject}")
        return run.describe()

    async def get_strategy(self, request: pb.StrategyRequest) -> pb.Strategy:
        return self._run(request).describe()

    async def list_strategies(self, request: pb.ListStrategiesRequest) -> pb.ListStrategiesResponse:
        identity = current_call.get().identity
        if request.account and not identity.may_use(code("account", request.account)):
            raise CallRefused(CallRefusal.NOT_FOUND, account=request.account)
        mine = [
            (f"{account}/{strategy_id}", run)
            for (account, strategy_id), run in self._runs.get(identity.tenant, {}).items()
            if identity.may_use(account) and request.account in ("", account)
        ]
        page, token = page_of(mine, lambda each: each[0], size=request.page_size, token=request.page_token)
        return pb.ListStrategiesResponse(strategies=[run.describe(with_slices=False) for _, run in page], next_page_token=token)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("%s failed", task.get_name(), exc_info=task.exception())

    def _run(self, request: pb.StrategyRequest) -> StrategyRun:
        identity = current_call.get().identity
        run = self._runs.get(identity.tenant, {}).get((request.account, request.strategy_id))
        if run is None or not identity.may_use(request.account):
            raise CallRefused(CallRefusal.NOT_FOUND, account=request.account[:32], strategy_id=request.strategy_id[:32])
        return run

    def _check(self, request: pb.StartTwapRequest, identity: CallIdentity) -> None:
        if _STRATEGY_ID.fullmatch(request.strategy_id) is None:
            raise invalid("strategy_id", "1 to 24 letters, digits and hyphens", request.strategy_id)
        if not identity.may_use(code("account", request.account)):
            raise CallRefused(CallRefusal.NOT_FOUND, account=request.account)
        if request.side not in _SIDES:
            raise invalid("side", "BUY or SELL", request.side)
        if request.price <= 0:
            raise invalid("price", "a limit above 0", request.price)
        if not 1 <= request.slices <= MOST_SLICES:
            raise invalid("slices", f"1 to {MOST_SLICES}", request.slices)
        if not SHORTEST_INTERVAL_MS <= request.interval_ms <= LONGEST_INTERVAL_MS:
            raise invalid("interval_ms", f"{SHORTEST_INTERVAL_MS} to {LONGEST_INTERVAL_MS}", request.interval_ms)

    def _slices(self, request: pb.StartTwapRequest, identity: CallIdentity) -> tuple[Slice, ...]:
        now = self.now()
        document = self._documents.platform(now)
        key = f"{code('exchange', request.exchange)}:{code('symbol', request.symbol)}"
        instrument = next((each for each in document.instruments if each.key == key), None)
        if instrument is None:
            raise CallRefused(CallRefusal.NOT_FOUND, instrument=key)
        self.require(f"exchange:{request.exchange}")
        self.require(f"asset:{instrument.asset_type}")
        interval = request.interval_ms * NS_PER_MS
        last = now + (request.slices - 1) * interval
        if last + TOKEN_MARGIN > identity.expires_at:
            raise invalid(
                "interval_ms",
                "a last slice at least 1 s before the caller's token ends",
                f"{(last - identity.expires_at) // NS_PER_MS} ms after its end",
            )
        try:
            return twap_slices(
                quantity=request.quantity, lot=instrument.lot, slices=request.slices, begins_at=now, interval=interval
            )
        except ValueError as error:
            raise invalid("quantity", str(error), request.quantity) from error

    def _make_room(self, runs: dict[Key, StrategyRun]) -> None:
        running = sum(each.running for each in runs.values())
        if running >= MOST_RUNNING:
            raise CallRefused(CallRefusal.POOL_EXHAUSTED, strategies=str(running), limit=str(MOST_RUNNING))
        ended = [key for key, each in runs.items() if not each.running]
        for key in ended[: max(len(ended) - KEPT_ENDED + 1, 0)]:
            del runs[key]
