"""The order path of one worker, without I/O and without a clock: instructions in, records, answers and messages out.

How the shell around it works, in one thread and without a pause between the first and the third step:

    prepared = path.handle_batch(caller, instructions, now)     # or handle_venue(reports, now)
    frames = [session.prepare(...) for intent in prepared.intents]
    try:
        first = writer.append([*prepared.records, *fix_sent_records], prepared.now)
    except JournalUnavailable as error:
        path.rollback(prepared, str(error))                     # nothing remains reserved; the answers say so
    else:
        path.commit(prepared, first)
    # after the sync, if the policy asks for one: transmit the frames, then give out answers and reports

A batch without records (only repetitions) is committed with any sequence. After a restart every record of the journal
goes through ``replay``, which leads to the same ``state_hash``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from exchanges.fix.timestamps import TimestampWriter
from exchanges.fix_venue.client import ExchangeClient
from exchanges.fix_venue.dialect import NEW_ORDER_SINGLE, ORDER_CANCEL_REQUEST
from exchanges.fix_venue.order_messages import OrderMessages
from exchanges.routing.balancers import BalancerMemory
from trading_workers.checks.candidate import WorkerState, refuse
from trading_workers.checks.decision import Accepted, check_caller, decide, passed_rate_check
from trading_workers.configuration_view import ConfigurationView, PlatformView, TenantView
from trading_workers.journal import records
from trading_workers.journal.framing import Record
from trading_workers.line_states import LineStates
from trading_workers.order_booking import OrderBooking
from trading_workers.order_identities import FirstAnswer, day_of, fingerprint
from trading_workers.order_messages import new_order_single, order_cancel_request
from trading_workers.order_store import Order
from trading_workers.orders import (
    MAX_BATCH,
    Answer,
    Caller,
    CancelOrder,
    FixIntent,
    Instruction,
    NewOrder,
    OrderState,
    Refusal,
    Side,
    VenueCancelReject,
    VenueReport,
)
from trading_workers.prepared_batch import PreparedBatch
from trading_workers.rates import RateLimits
from trading_workers.reasons import Reason
from trading_workers.route_timer import RouteTimer
from trading_workers.snapshot.documents import PlatformDocument, TenantDocument

ORDERS_PER_WORKER = 10**12
EPOCH_STEP = 100_000
"""Order numbers start at the next multiple of this in each epoch: numbers of a tail that was lost are not used again."""
LONGEST_KEPT_TEXT = 64


class OrderPath:
    """All orders of one worker. ``worker_number`` (1 to 9000) begins the order numbers: 1_000_000_000_001 and so on.

    ``clients`` say how to speak to each exchange; an exchange without one gets no message. ``steady`` gives nanoseconds of a
    clock that never steps, for ``RouteTimer``.
    """

    def __init__(
        self, worker: str, worker_number: int, clients: Mapping[str, ExchangeClient], steady: Callable[[], int] | None = None
    ) -> None:
        if not 1 <= worker_number <= 9000:
            raise ValueError("a worker's number is 1 to 9000")
        self.worker = worker
        self._base = worker_number * ORDERS_PER_WORKER
        self.booking = booking = OrderBooking(self._base + 1)
        self.state = WorkerState(
            booking.ledger, booking.store, RateLimits(), booking.counts, LineStates(), BalancerMemory(), RouteTimer(steady)
        )
        self._platform: PlatformView | None = None
        self._tenants: dict[str, TenantView] = {}
        self._views: dict[str, ConfigurationView] = {}
        self.clients = clients
        self._messages = {exchange: OrderMessages(client.dialect, client.mic) for exchange, client in clients.items()}
        self._pending: PreparedBatch | None = None
        self._timestamps = TimestampWriter()

    # Configuration and lines

    def configure_platform(self, document: PlatformDocument) -> None:
        """Raises ``ConfigurationError``; the view in use stays then."""
        platform = PlatformView(document)
        self._platform = platform
        self._views = {name: ConfigurationView(platform, tenant) for name, tenant in self._tenants.items()}

    def configure_tenant(self, document: TenantDocument) -> None:
        tenant = TenantView(document)
        self._tenants[tenant.tenant] = tenant
        if self._platform is not None:
            self._views[tenant.tenant] = ConfigurationView(self._platform, tenant)

    def view(self, tenant: str) -> ConfigurationView | None:
        return self._views.get(tenant)

    def set_line(self, line: str, *, up: bool) -> None:
        """A line that is not up takes no new orders."""
        self.state.lines.set_up(line, up)

    # Instructions

    def start_epoch(self) -> tuple[int, bytes]:
        """The record that the journal must get before any other of this run; call once, after the replay."""
        used = self.booking.last_id - self._base
        self.booking.last_id = self._base + -(-used // EPOCH_STEP) * EPOCH_STEP
        return records.encode(records.EpochStarted(worker=self.worker, first_order_id=self.booking.last_id + 1))

    def handle_batch(self, caller: Caller, instructions: Sequence[Instruction], now: int) -> PreparedBatch:
        """Decide a batch, in order; an order counts with the reservations of those before it.

        The result must be committed or rolled back before the next call.
        """
        prepared = self._begin(now)
        if len(instructions) > MAX_BATCH:
            too_large = refuse(Reason.BATCH_TOO_LARGE, instructions=str(len(instructions)), limit=str(MAX_BATCH))
            prepared.answers = [
                Answer(
                    client_order_id=instruction.client_order_id,
                    account=instruction.account,
                    order_id=0,
                    state=OrderState.DENIED,
                    refusal=too_large,
                )
                for instruction in instructions
            ]
            return prepared
        day = day_of(now)
        transact_time = self._timestamps.write(now)
        view = self._views.get(caller.tenant)
        prepared.on_rollback(self.booking.set_last_id, self.booking.last_id)
        self.state.route_timer.begin_batch()
        for instruction in instructions:
            if type(instruction) is NewOrder:
                self._place(prepared, caller, view, instruction, day, transact_time)
            elif type(instruction) is CancelOrder:
                self._cancel(prepared, caller, instruction, day, transact_time)
        return prepared

    def handle_venue(self, reports: Sequence[VenueReport | VenueCancelReject], now: int) -> PreparedBatch:
        """Apply what a venue reports, in order. The result must be committed or rolled back before the next call.

        A report that changes nothing leaves no record and shows in ``anomalies`` or ``repeated``; the shell keeps the
        message itself as FIX_RECEIVED.
        """
        prepared = self._begin(now)
        for report in reports:
            if isinstance(report, VenueReport):
                self.booking.events.report(prepared, report)
            else:
                self.booking.events.cancel_reject(prepared, report)
        return prepared

    def commit(self, prepared: PreparedBatch, first_sequence: int) -> None:
        """The batch is in the journal, its first record under ``first_sequence``."""
        self._end(prepared)
        prepared.written(first_sequence)
        if prepared.records:
            self.booking.forget_old(prepared.now)

    def rollback(self, prepared: PreparedBatch, cause: str) -> None:
        """The batch is not in the journal: forget it, and refuse in its answers whatever was new."""
        self._end(prepared)
        prepared.not_written(cause)

    # Reading

    def order(self, tenant: str, account: str, client_order_id: str, now: int) -> Order | None:
        """The open order with this id, or the latest ended one of today and yesterday."""
        order = self.state.store.open_by_client_id(tenant, account, client_order_id)
        if order is not None:
            return order
        answer = self.booking.identities.latest_answer(day_of(now), tenant, account, client_order_id)
        if answer is None or answer.is_cancel or not answer.order_id:
            return None
        ended = self.state.store.find(answer.order_id)
        return ended if ended is not None and ended.client_order_id == client_order_id else None

    def open_orders(self, caller: Caller, account: str = "") -> Iterator[Order]:
        """Open orders of ``account``, or of every account that is open to the caller."""
        if account:
            found = self.state.store.open_of_account(caller.tenant, account) if caller.may_use(account) else iter(())
        else:
            found = (order for order in self.state.store.open_of_tenant(caller.tenant) if caller.may_use(order.account))
        return found

    def check(self, caller: Caller, order: NewOrder, now: int) -> Accepted | Refusal | FirstAnswer:
        """What ``handle_batch`` would decide about `order` at `now`; no record, no reservation, no number and no rate is used.

        A FirstAnswer: this very order was sent before, and sending it again gives that answer.
        """
        refusal = check_caller(caller, order)
        if refusal is not None:
            return refusal
        first = self.booking.identities.first_answer(day_of(now), caller.tenant, order.account, order.client_order_id)
        if first is not None:
            same = first.fingerprint == _order_fingerprint(caller.tenant, order) and not first.is_cancel
            return first if same else _conflict(order, first.order_id)
        still_open = self.state.store.open_by_client_id(caller.tenant, order.account, order.client_order_id)
        if still_open is not None:
            return _conflict(order, still_open.order_id)
        return self._decide(caller, order, now)

    # Replay

    def replay(self, record: Record) -> None:
        """Do again what a journal record says was done.

        Raises ``UnknownRecord``, and ``ReplayMismatch`` when the record cannot follow the ones before it.
        """
        self.booking.replay(record)

    def state_hash(self) -> str:
        """Equal before a stop and after the replay of the journal; configuration, lines and rates are not in it."""
        return self.booking.state_hash()

    # Within

    def _begin(self, now: int) -> PreparedBatch:
        if self._pending is not None:
            raise RuntimeError("the batch before this one was neither committed nor rolled back")
        self._pending = PreparedBatch(now)
        return self._pending

    def _end(self, prepared: PreparedBatch) -> None:
        if prepared is not self._pending:
            raise RuntimeError("only the batch that was prepared last can be committed or rolled back, once")
        self._pending = None

    def _place(
        self,
        prepared: PreparedBatch,
        caller: Caller,
        view: ConfigurationView | None,
        order: NewOrder,
        day: int,
        transact_time: bytes,
    ) -> None:
        refusal = check_caller(caller, order)
        if refusal is not None:
            self._deny(prepared, caller, view, order, refusal, content=None, day=day)
            return
        content = _order_fingerprint(caller.tenant, order)
        first = self.booking.identities.first_answer(day, caller.tenant, order.account, order.client_order_id)
        if first is not None:
            if first.fingerprint == content and not first.is_cancel:
                prepared.add_answer(_first_answer_again(order, first))
                return
            refusal = _conflict(order, first.order_id)
            self._deny(prepared, caller, view, order, refusal, content=None, day=day)
            return
        still_open = self.state.store.open_by_client_id(caller.tenant, order.account, order.client_order_id)
        if still_open is not None:
            # An order of an earlier day: its id is not free again before it ends.
            refusal = _conflict(order, still_open.order_id)
            self._deny(prepared, caller, view, order, refusal, content=None, day=day)
            return
        decision = self._decide(caller, order, prepared.now)
        per_second = None if view is None else view.tenant.licence.orders_per_second
        if per_second is not None and (isinstance(decision, Accepted) or passed_rate_check(decision)):
            self.state.rates.take(caller.tenant, per_second, prepared.now)
        if isinstance(decision, Refusal):
            self._deny(prepared, caller, view, order, decision, content=content, day=day)
            return
        assert view is not None
        self._accept(prepared, caller, view, order, decision, content=content, day=day, transact_time=transact_time)

    def _decide(self, caller: Caller, order: NewOrder, now: int) -> Accepted | Refusal:
        decision = decide(caller, self._views.get(caller.tenant), self.state, order, now)
        return decision if isinstance(decision, Refusal) else self._unsayable(order) or decision

    def _unsayable(self, order: NewOrder) -> Refusal | None:
        """Why the venue cannot be told of this order at all."""
        messages = self._messages.get(order.exchange)
        if messages is None:
            return refuse(Reason.NO_ROUTE, exchange=order.exchange)
        if not messages.takes(order.type, order.time_in_force):
            return refuse(Reason.ORDER_TYPE_NOT_ALLOWED, type=order.type.value, time_in_force=order.time_in_force.value)
        return None

    def _accept(
        self,
        prepared: PreparedBatch,
        caller: Caller,
        view: ConfigurationView,
        order: NewOrder,
        decision: Accepted,
        *,
        content: int,
        day: int,
        transact_time: bytes,
    ) -> None:
        booking, place, route = self.booking, len(prepared.records), decision.route
        if route.pool is not None:
            self.state.balancing.took(route.pool, decision.line, self.state.lines, prepared.now)
        prepared.routes.append(route)
        quantity, buys = order.quantity, order.side is Side.BUY
        payload = records.OrderAccepted(
            tenant=caller.tenant,
            account=order.account,
            client_order_id=order.client_order_id,
            order_id=booking.next_id(),
            exchange=order.exchange,
            symbol=order.symbol,
            side=order.side,
            type=order.type,
            time_in_force=order.time_in_force,
            quantity=quantity,
            price=order.price,
            line=decision.line,
            user=caller.user,
            door=caller.door,
            trace_id=caller.trace_id,
            platform_revision=view.platform.revision,
            tenant_revision=view.tenant.revision,
            verdict_id=decision.verdict_id,
            currency=decision.currency,
            reserve_price=decision.reserve_price,
            reserved_cash=quantity * decision.reserve_price if buys else 0,
            reserved_shares=0 if buys else quantity,
            trading_day=decision.trading_day,
            route_rule=0 if route.rule is None else route.rule.id,
            route_fallback=route.fallback_used,
        )
        accepted, row = booking.accept(payload, content=content, day=day, time=prepared.now, sequence=-1 - place)
        prepared.on_rollback(booking.take_back_accepted, accepted, day, decision.trading_day)
        prepared.on_commit(booking.accepted_is_written, accepted, day, row, place=place)
        prepared.records.append(records.encode(payload))
        fields = new_order_single(self._messages[order.exchange], accepted, transact_time)
        prepared.intents.append(FixIntent(decision.line, NEW_ORDER_SINGLE, fields, accepted.order_id))
        prepared.add_answer(
            Answer(
                client_order_id=order.client_order_id,
                account=order.account,
                order_id=accepted.order_id,
                state=OrderState.PENDING_NEW,
                journal_sequence=-1 - place,
            )
        )

    def _deny(
        self,
        prepared: PreparedBatch,
        caller: Caller,
        view: ConfigurationView | None,
        order: NewOrder,
        refusal: Refusal,
        *,
        content: int | None,
        day: int,
    ) -> None:
        """Write the refusal down. With ``content`` it becomes the first answer to the client order id."""
        payload = records.OrderDenied(
            tenant=caller.tenant,
            account=order.account[:LONGEST_KEPT_TEXT],
            client_order_id=order.client_order_id[:LONGEST_KEPT_TEXT],
            exchange=order.exchange[:LONGEST_KEPT_TEXT],
            symbol=order.symbol[:LONGEST_KEPT_TEXT],
            side=order.side,
            type=order.type,
            time_in_force=order.time_in_force,
            quantity=order.quantity,
            price=order.price,
            code=refusal.reason.name,
            rule=refusal.reason.rule,
            figures=dict(refusal.figures),
            user=caller.user,
            door=caller.door,
            trace_id=caller.trace_id,
            platform_revision=0 if view is None else view.platform.revision,
            tenant_revision=0 if view is None else view.tenant.revision,
            takes_id=content is not None,
        )
        self._refuse(prepared, caller.tenant, order, refusal, payload, content=content, day=day)

    def _refuse(
        self,
        prepared: PreparedBatch,
        tenant: str,
        instruction: Instruction,
        refusal: Refusal,
        payload: records.OrderDenied | records.CancelDenied,
        *,
        content: int | None,
        day: int,
    ) -> None:
        booking, place = self.booking, len(prepared.records)
        account, client_order_id = instruction.account, instruction.client_order_id
        if content is not None:
            answer = FirstAnswer(content, type(instruction) is CancelOrder, 0, -1 - place, refusal)
            row = booking.identities.remember(day, tenant, account, client_order_id, answer)
            prepared.on_rollback(booking.identities.forget_last, day, tenant, account, client_order_id)
            prepared.on_commit(booking.identities.written, day, row, place=place)
        prepared.records.append(records.encode(payload))
        prepared.add_answer(
            Answer(
                client_order_id=client_order_id,
                account=account,
                order_id=0,
                state=OrderState.DENIED,
                refusal=refusal,
                journal_sequence=-1 - place,
            )
        )

    def _cancel(self, prepared: PreparedBatch, caller: Caller, cancel: CancelOrder, day: int, transact_time: bytes) -> None:
        """No licence, kill switch or stale configuration keeps an order from being taken back."""
        refusal = check_caller(caller, cancel)
        if refusal is not None:
            self._deny_cancel(prepared, caller, cancel, refusal, content=None, day=day)
            return
        tenant, account = caller.tenant, cancel.account
        content = fingerprint(tenant, account, cancel.client_order_id, cancel.orig_client_order_id)
        first = self.booking.identities.first_answer(day, tenant, account, cancel.client_order_id)
        if first is not None:
            if first.fingerprint == content and first.is_cancel:
                prepared.add_answer(_first_answer_again(cancel, first))
                return
            self._deny_cancel(prepared, caller, cancel, _conflict(cancel, first.order_id), content=None, day=day)
            return
        order = _cancellable(cancel, self.order(tenant, account, cancel.orig_client_order_id, prepared.now))
        if isinstance(order, Order) and order.exchange not in self._messages:
            # Its plugin was removed while it was open: nobody here can tell the venue.
            order = refuse(Reason.NO_ROUTE, exchange=order.exchange)
        if isinstance(order, Refusal):
            self._deny_cancel(prepared, caller, cancel, order, content=content, day=day)
            return
        booking, place = self.booking, len(prepared.records)
        payload = records.CancelRequested(
            tenant=tenant,
            account=account,
            client_order_id=cancel.client_order_id,
            orig_client_order_id=cancel.orig_client_order_id,
            order_id=order.order_id,
            cancel_id=booking.next_id(),
            line=order.line,
            user=caller.user,
            door=caller.door,
            trace_id=caller.trace_id,
        )
        prepared.on_rollback(booking.events.restore_cancel, order, order.standing, order.cancel_id)
        row = booking.request_cancel(payload, order, content=content, day=day, sequence=-1 - place)
        prepared.on_rollback(booking.identities.forget_last, day, tenant, account, cancel.client_order_id)
        prepared.on_commit(booking.identities.written, day, row, place=place)
        prepared.records.append(records.encode(payload))
        fields = order_cancel_request(self._messages[order.exchange], order, payload.cancel_id, transact_time)
        prepared.intents.append(FixIntent(order.line, ORDER_CANCEL_REQUEST, fields, order.order_id))
        prepared.add_answer(
            Answer(
                client_order_id=cancel.client_order_id,
                account=account,
                order_id=order.order_id,
                state=OrderState.PENDING_CANCEL,
                journal_sequence=-1 - place,
            )
        )

    def _deny_cancel(
        self,
        prepared: PreparedBatch,
        caller: Caller,
        cancel: CancelOrder,
        refusal: Refusal,
        *,
        content: int | None,
        day: int,
    ) -> None:
        payload = records.CancelDenied(
            tenant=caller.tenant,
            account=cancel.account[:LONGEST_KEPT_TEXT],
            client_order_id=cancel.client_order_id[:LONGEST_KEPT_TEXT],
            orig_client_order_id=cancel.orig_client_order_id[:LONGEST_KEPT_TEXT],
            code=refusal.reason.name,
            rule=refusal.reason.rule,
            figures=dict(refusal.figures),
            user=caller.user,
            door=caller.door,
            trace_id=caller.trace_id,
            takes_id=content is not None,
        )
        self._refuse(prepared, caller.tenant, cancel, refusal, payload, content=content, day=day)


def _order_fingerprint(tenant: str, order: NewOrder) -> int:
    """As ``order_booking.order_content`` makes it from the record."""
    return fingerprint(
        tenant, order.account, order.client_order_id, order.exchange, order.symbol, order.side, order.type,
        order.time_in_force, order.quantity, order.price,
    )  # fmt: skip


def _first_answer_again(instruction: Instruction, first: FirstAnswer) -> Answer:
    accepted = OrderState.PENDING_CANCEL if first.is_cancel else OrderState.PENDING_NEW
    return Answer(
        client_order_id=instruction.client_order_id,
        account=instruction.account,
        order_id=first.order_id,
        state=accepted if first.refusal is None else OrderState.DENIED,
        refusal=first.refusal,
        journal_sequence=first.sequence,
        duplicate=True,
    )


def _conflict(instruction: Instruction, order_id: int) -> Refusal:
    figures = {"client_order_id": instruction.client_order_id}
    if order_id:
        figures["order_id"] = str(order_id)
    return Refusal(Reason.DUPLICATE_ORDER_CONFLICT, figures)


def _cancellable(cancel: CancelOrder, order: Order | None) -> Order | Refusal:
    if order is None:
        return refuse(Reason.ORDER_UNKNOWN, orig_client_order_id=cancel.orig_client_order_id)
    if order.state is OrderState.PENDING_CANCEL:
        return refuse(Reason.CANCEL_PENDING, order_id=str(order.order_id))
    if not order.standing.is_open:
        return refuse(Reason.ORDER_NOT_OPEN, order_id=str(order.order_id), state=order.state.value)
    return order
