"""Any interleaving of orders, cancels, venue reports, journal failures and restarts keeps the books right."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.order_path_setup import (
    MICROS,
    NOW,
    MemoryJournal,
    account,
    caller,
    cancel,
    cancel_reject,
    fill,
    new_path,
    order,
    report,
    tenant,
)
from trading_workers.orders import (
    CancelOrder,
    ExecutionKind,
    NewOrder,
    OrderState,
    OrderType,
    Side,
    TimeInForce,
    VenueCancelReject,
    VenueReport,
)
from trading_workers.snapshot.documents import TenantDocument

CASH, SHARES = 3_000 * MICROS, 30
ACCOUNTS = ("ACC-1", "ACC-2")
SYMBOLS = ("COMI", "SWDY")


def setup_tenant() -> TenantDocument:
    shares = {f"EGX:{symbol}": SHARES for symbol in SYMBOLS}
    return tenant(accounts=tuple(account(code, cash={"EGP": CASH}, shares=shares) for code in ACCOUNTS))


orders = st.builds(
    lambda number, **changes: order(f"o{number}", **changes),
    st.integers(1, 40),
    account=st.sampled_from(ACCOUNTS),
    symbol=st.sampled_from(SYMBOLS),
    side=st.sampled_from([Side.BUY, Side.SELL]),
    quantity=st.integers(0, 12),
    price=st.sampled_from([0, 90 * MICROS, 100 * MICROS, 110 * MICROS, 100_005_000]),
    type=st.sampled_from([OrderType.LIMIT, OrderType.LIMIT, OrderType.MARKET]),
    time_in_force=st.sampled_from([TimeInForce.DAY, TimeInForce.IMMEDIATE_OR_CANCEL]),
)
cancels = st.builds(
    lambda number, target, code: cancel(f"o{target}", f"c{number}", code),
    st.integers(1, 60),
    st.integers(1, 40),
    st.sampled_from(ACCOUNTS),
)
instructions = st.lists(st.one_of(orders, orders, cancels), min_size=1, max_size=6)


class OrderPathLife(RuleBasedStateMachine):
    """The venue speaks the truth here: a fill is never beyond the order, nor at a price worse than its limit."""

    def __init__(self) -> None:
        super().__init__()
        self.executions = 0
        self.money_moved: dict[str, int] = dict.fromkeys(ACCOUNTS, 0)
        self.shares_moved: dict[tuple[str, str], int] = {}

    @initialize()
    def start(self) -> None:
        self.journal = MemoryJournal(new_path(None, setup_tenant()))  # type: ignore[arg-type]

    @rule(batch=instructions)
    def send(self, batch: list[NewOrder | CancelOrder]) -> None:
        prepared = self.journal.place(*batch)
        assert len(prepared.answers) == len(batch)
        for answer in prepared.answers:
            assert (answer.refusal is None) == (answer.state is not OrderState.DENIED)
            assert 1 <= answer.journal_sequence <= len(self.journal.records)
        sent = [answer for answer in prepared.answers if answer.refusal is None and not answer.duplicate]
        assert len(prepared.intents) == len(sent)

    @rule(batch=instructions)
    def send_while_the_disk_is_full(self, batch: list[NewOrder | CancelOrder]) -> None:
        before = self.journal.path.state_hash()
        prepared = self.journal.path.handle_batch(caller(), batch, NOW)
        self.journal.path.rollback(prepared, "no space left")
        assert self.journal.path.state_hash() == before

    @rule(data=st.data(), written=st.booleans())
    def venue_reports(self, data: st.DataObject, written: bool) -> None:
        path = self.journal.path
        found = list(path.open_orders(caller()))
        if not found:
            return
        target = data.draw(st.sampled_from(found))
        self.executions += 1
        exec_id = f"e{self.executions}"
        kinds = ["fill", "CANCELED", "EXPIRED"]
        if target.remembered is OrderState.PENDING_NEW:
            kinds += ["NEW", "REJECTED"]
        if target.state is OrderState.PENDING_CANCEL:
            kinds.append("cancel reject")
        kind = data.draw(st.sampled_from(kinds))
        message: VenueReport | VenueCancelReject
        quantity = price = 0
        if kind == "fill":
            quantity = data.draw(st.integers(1, target.leaves))
            worst = target.price or (120 if target.side is Side.BUY else 80) * MICROS
            better = data.draw(st.sampled_from([0, 10_000, 5 * MICROS]))
            price = worst - better if target.side is Side.BUY else worst + better
            message = fill(target.order_id, quantity, price, target.cumulative + quantity, exec_id)
        elif kind == "cancel reject":
            message = cancel_reject(target.order_id, target.cancel_id)
        else:
            message = report(target.order_id, ExecutionKind(kind), exec_id, cumulative=target.cumulative)
        before = path.state_hash()
        code, side, instrument = target.account, target.side, (target.account, target.instrument)
        prepared = path.handle_venue([message], NOW)
        assert (prepared.anomalies, len(prepared.records), prepared.repeated) == ([], 1, 0)
        if not written:
            path.rollback(prepared, "no space left")
            assert path.state_hash() == before
            return
        self.journal.keep(prepared)
        sign = 1 if side is Side.BUY else -1
        self.money_moved[code] -= sign * quantity * price
        self.shares_moved[instrument] = self.shares_moved.get(instrument, 0) + sign * quantity
        if kind == "fill":
            again = path.handle_venue([message], NOW)
            self.journal.keep(again)
            assert again.repeated == 1

    @rule()
    def restart(self) -> None:
        before = self.journal.path.state_hash()
        path = new_path(None, setup_tenant())
        for record in self.journal.records:
            path.replay(record)
        assert path.state_hash() == before
        self.journal.path = path

    @invariant()
    def nothing_is_spent_twice(self) -> None:
        if not hasattr(self, "journal"):
            return
        state = self.journal.path.state
        for code in ACCOUNTS:
            book = state.ledger.book("nile", code)
            open_orders = list(state.store.open_of_account("nile", code))
            assert book.buying_power("EGP", CASH) >= 0
            assert book.cash_moved.get("EGP", 0) == self.money_moved[code]
            assert book.cash_reserved.get("EGP", 0) == sum(
                found.leaves * found.reserve_price for found in open_orders if found.side is Side.BUY
            )
            for symbol in SYMBOLS:
                key = f"EGX:{symbol}"
                assert book.available_shares(key, SHARES) >= 0
                assert book.shares_moved.get(key, 0) == self.shares_moved.get((code, key), 0)
                assert book.shares_reserved.get(key, 0) == sum(
                    found.leaves for found in open_orders if found.side is Side.SELL and found.symbol == symbol
                )

    @invariant()
    def no_account_has_orders_that_would_meet(self) -> None:
        if not hasattr(self, "journal"):
            return
        for code in ACCOUNTS:
            found = list(self.journal.path.state.store.open_of_account("nile", code))
            for symbol in SYMBOLS:
                buys = [o.meeting_price for o in found if o.symbol == symbol and o.side is Side.BUY]
                sells = [o.meeting_price for o in found if o.symbol == symbol and o.side is Side.SELL]
                assert not buys or not sells or max(buys) < min(sells)


TestOrderPathLife = OrderPathLife.TestCase
TestOrderPathLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
