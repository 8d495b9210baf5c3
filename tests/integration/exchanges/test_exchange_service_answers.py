"""Every answer that a venue may give, from an acceptor of the test's own: replaces, refusals, silence, other dialects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace

import pytest

from exchanges.api import ExchangePlugin, OrderType, TimeInForce
from exchanges.exchange_service import ExchangeConfig, ExchangeError, ExchangeRefusal, Order, OrderState, Side
from exchanges.fix.application import Application, BusinessReject, UnsupportedMessageType
from exchanges.fix.clock import SystemClock
from exchanges.fix.connection import Acceptor
from exchanges.fix.dictionary.versions import VERSIONS
from exchanges.fix.message import Field, FieldFormat, Message
from exchanges.fix.session import Session
from exchanges.fix.session_config import SessionConfig
from exchanges.fix.store import MemoryStore
from exchanges.fix_venue.client import fix_client
from exchanges.fix_venue.dialect import FIX44_ORDERS, FIX44_REPORTS, OrderDialect, ReportKind, Term
from exchanges.fix_venue.service import FixExchangeService
from exchanges.registry import registry
from tradsys.configuration import Address

MICROS = 1_000_000
Answer = Callable[[Session, Message], None]


class ScriptedVenue(Application):
    """Answers each type of message by the function that the test sets; without one it stays silent."""

    def __init__(self) -> None:
        self.heard: list[Message] = []
        self.answers: dict[str, Answer] = {"D": new}

    def on_application_message(self, session: Session, message: Message) -> None:
        self.heard.append(message)
        answer = self.answers.get(message.msg_type)
        if answer is not None:
            answer(session, message)


def report(message: Message, kind: bytes, state: bytes, *, exec_id: bytes = b"", **changes: bytes) -> list[Field]:
    """An execution report about the order in `message`; `changes` are more fields, as ``t58=b"text"``."""
    fields: list[Field] = [(37, b"V-1"), (11, message.required(11))]
    if 41 in message:
        fields.append((41, message.required(41)))
    fields += [(17, exec_id or b"E-" + message.required(11) + kind), (150, kind), (39, state)]
    fields += [(tag, message.required(tag)) for tag in (55, 54)]
    figures = {38: message.get(38) or b"0", 151: message.get(38) or b"0", 14: b"0", 6: b"0"}
    figures |= {int(name[1:]): value for name, value in changes.items()}
    return [*fields, *figures.items()]


def new(session: Session, message: Message) -> None:
    session.send("8", report(message, b"0", b"0"))


def says(kind: bytes, state: bytes, **changes: bytes) -> Answer:
    return lambda session, message: session.send("8", report(message, kind, state, **changes)) and None


def refuses_cancel(reason: bytes, response_to: bytes) -> Answer:
    def answer(session: Session, message: Message) -> None:
        identity = [(37, b"V-1"), (11, message.required(11)), (41, message.required(41)), (39, b"0")]
        session.send("9", [*identity, (434, response_to), (102, reason), (58, b"no")])

    return answer


def raises(error: Exception) -> Answer:
    def answer(session: Session, message: Message) -> None:
        raise error

    return answer


class Stand:
    """A scripted venue and a service that is connected to it."""

    def __init__(
        self, dialect: OrderDialect = FIX44_ORDERS, version: str = "FIX.4.4", settings: Mapping[str, object] | None = None
    ):
        self.venue = ScriptedVenue()
        dictionary, _ = VERSIONS[version]
        config = SessionConfig(
            sender_comp_id="EGX", target_comp_id="TRADSYS-W1", role="acceptor", begin_string=version, dictionary=dictionary
        )
        self.session = Session(config, self.venue, MemoryStore(), SystemClock())
        self.acceptor = Acceptor("127.0.0.1", 0, [self.session])
        self._dialect, self._version, self._settings = dialect, version, settings or {}

    async def start(self) -> None:
        await self.acceptor.start()
        plugin: ExchangePlugin = registry().get("EGX")
        settings = {**plugin.default_settings, "answer_ms": 2_000, **self._settings}
        orders = (Address("127.0.0.1", self.acceptor.port),)
        config = ExchangeConfig(exchange="EGX", mic=plugin.mic, orders=orders, settings=settings)
        self.service = FixExchangeService(plugin, fix_client(config, self._dialect, self._version), config)
        await self.service.connect()

    async def stop(self) -> None:
        await self.service.disconnect()
        await self.acceptor.stop()


@pytest.fixture
async def stand() -> AsyncIterator[Stand]:
    stand = Stand(settings={"answer_ms": 300})
    await stand.start()
    yield stand
    await stand.stop()


def order(name: str, price: int = 139 * MICROS) -> Order:
    return Order(
        client_order_id=name, account="ACC-1", symbol="COMI", side=Side.BUY, type=OrderType.LIMIT, time_in_force=TimeInForce.DAY,
        quantity=10, price=price,
    )  # fmt: skip


async def refusal(operation: object) -> ExchangeError:
    with pytest.raises(ExchangeError) as refused:
        await operation  # type: ignore[misc]
    return refused.value


async def test_a_replace_changes_the_order_and_goes_on_under_a_new_id(stand: Stand) -> None:
    await stand.service.place_order(order("b1"))
    stand.venue.answers["G"] = says(b"5", b"0", t151=b"25", t58=b"as asked")
    replaced = await stand.service.replace_order("b1", quantity=25, price=140 * MICROS)
    sent = stand.venue.heard[-1]
    assert (sent.msg_type, sent.get(41), sent.get(38), sent.get(44), sent.get(207)) == ("G", b"b1", b"25", b"140.00", b"XCAI")
    assert (replaced.client_order_id, replaced.state, replaced.leaves) == (sent.required_text(11), OrderState.NEW, 25)
    assert replaced.client_order_id != "b1"
    # A second change, and the question for its status, go out under the new id, whichever id the caller uses.
    again = await stand.service.replace_order("b1", quantity=30, price=140 * MICROS)
    assert stand.venue.heard[-1].required_text(41) == replaced.client_order_id
    stand.venue.answers["H"] = says(b"I", b"0", t151=b"30")
    status = await stand.service.get_order_status(again.client_order_id)
    assert (status.quantity, status.price, status.leaves) == (30, 140 * MICROS, 30)
    assert stand.venue.heard[-1].required_text(11) == again.client_order_id


@pytest.mark.parametrize(
    ("answer", "code", "figures"),
    [
        (refuses_cancel(b"0", b"2"), ExchangeRefusal.TOO_LATE, {"reason": "0", "text": "no"}),
        (refuses_cancel(b"1", b"2"), ExchangeRefusal.UNKNOWN_ORDER, {"reason": "1"}),
        (refuses_cancel(b"99", b"2"), ExchangeRefusal.REPLACE_REJECTED, {"reason": "99"}),
        (raises(UnsupportedMessageType()), ExchangeRefusal.NOT_SUPPORTED, {"msg_type": "G", "text": "Unsupported Message Type"}),
        (raises(BusinessReject(1, "never heard of it")), ExchangeRefusal.UNKNOWN_ORDER, {"text": "never heard of it"}),
        (raises(BusinessReject(6, "not for you")), ExchangeRefusal.MESSAGE_REJECTED, {"text": "not for you"}),
        (raises(FieldFormat(44, b"140.00")), ExchangeRefusal.MESSAGE_REJECTED, {"tag": "44"}),
    ],
)
async def test_a_replace_that_the_venue_refuses_leaves_the_order_as_it_was(
    stand: Stand, answer: Answer, code: ExchangeRefusal, figures: dict[str, str]
) -> None:
    await stand.service.place_order(order("b1"))
    stand.venue.answers["G"] = answer
    refused = await refusal(stand.service.replace_order("b1", quantity=25, price=140 * MICROS))
    assert refused.code is code
    assert figures.items() <= refused.figures.items(), refused
    stand.venue.answers["F"] = says(b"4", b"4", t151=b"0")
    assert (await stand.service.cancel_order("b1")).state is OrderState.CANCELED
    assert stand.venue.heard[-1].get(38) == b"10"


async def test_a_replace_is_checked_like_an_order_before_it_goes_out(stand: Stand) -> None:
    await stand.service.place_order(order("b1"))
    for quantity, price in ((0, 140 * MICROS), (10, 140_001_000), (10, 500 * MICROS)):
        assert (
            await refusal(stand.service.replace_order("b1", quantity=quantity, price=price))
        ).code is ExchangeRefusal.INVALID_ORDER
    assert [each.msg_type for each in stand.venue.heard] == ["D"]


async def test_a_venue_without_replace_and_status_is_not_asked(stand: Stand) -> None:
    poor = Stand(replace(FIX44_ORDERS, replace=(), status=()))
    await poor.start()
    try:
        await poor.service.place_order(order("b1"))
        assert (
            await refusal(poor.service.replace_order("b1", quantity=5, price=139 * MICROS))
        ).code is ExchangeRefusal.NOT_SUPPORTED
        assert (await refusal(poor.service.get_order_status("b1"))).code is ExchangeRefusal.NOT_SUPPORTED
        assert [each.msg_type for each in poor.venue.heard] == ["D"]
    finally:
        await poor.stop()


@pytest.mark.parametrize(
    ("answer", "code", "figures"),
    [
        (says(b"8", b"8", t103=b"2", t58=b"closed"), ExchangeRefusal.ORDER_REJECTED, {"reason": "2", "text": "closed"}),
        (says(b"8", b"8", t103=b"6"), ExchangeRefusal.DUPLICATE_ORDER, {"reason": "6"}),
        (raises(BusinessReject(4, "not now")), ExchangeRefusal.MESSAGE_REJECTED, {"msg_type": "D", "text": "not now"}),
        (raises(FieldFormat(207, b"XCAI")), ExchangeRefusal.MESSAGE_REJECTED, {"tag": "207"}),
    ],
)
async def test_an_order_that_the_venue_refuses_is_over(
    stand: Stand, answer: Answer, code: ExchangeRefusal, figures: dict[str, str]
) -> None:
    stand.venue.answers["D"] = answer
    refused = await refusal(stand.service.place_order(order("b1")))
    assert refused.code is code
    assert figures.items() <= refused.figures.items(), refused
    expected = ExchangeRefusal.UNKNOWN_ORDER if code is ExchangeRefusal.DUPLICATE_ORDER else ExchangeRefusal.TOO_LATE
    assert (await refusal(stand.service.cancel_order("b1"))).code is expected


async def test_silence_ends_at_the_deadline_and_the_status_tells_what_became_of_it(stand: Stand) -> None:
    del stand.venue.answers["D"]
    refused = await refusal(stand.service.place_order(order("b1")))
    assert (refused.code, refused.figures) == (ExchangeRefusal.ANSWER_LATE, {"client_order_id": "b1", "waited_ms": "300"})
    stand.venue.answers["H"] = says(b"I", b"2", t14=b"10", t151=b"0", t6=b"139.00")
    status = await stand.service.get_order_status("b1")
    assert (status.state, status.cumulative, status.average_price) == (OrderState.FILLED, 10, 139 * MICROS)
    stand.venue.answers["H"] = says(b"I", b"8", t103=b"5")
    assert (await refusal(stand.service.get_order_status("b1"))).code is ExchangeRefusal.UNKNOWN_ORDER


async def test_an_answer_that_comes_after_the_deadline_still_counts(stand: Stand) -> None:
    later: list[Callable[[], None]] = []
    stand.venue.answers["D"] = lambda session, message: later.append(lambda: new(session, message))
    assert (await refusal(stand.service.place_order(order("b1")))).code is ExchangeRefusal.ANSWER_LATE
    later[0]()
    stand.venue.answers["F"] = says(b"4", b"4", t151=b"0")
    assert (await stand.service.cancel_order("b1")).venue_order_id == "V-1"


async def test_a_line_that_breaks_ends_the_waiting_and_the_order_is_never_sent_again(stand: Stand) -> None:
    stand.venue.answers["D"] = lambda session, message: session.disconnected("cut by the test")
    refused = await refusal(stand.service.place_order(order("b1")))
    assert (refused.code, refused.figures) == (ExchangeRefusal.LINE_LOST, {"client_order_id": "b1"})
    stand.venue.answers["D"] = new
    async with asyncio.timeout(5):
        while not stand.service.health().serving:
            await asyncio.sleep(0.02)
    assert (await stand.service.place_order(order("b2"))).state is OrderState.NEW
    assert [each.required_text(11) for each in stand.venue.heard] == ["b1", "b2"]


async def test_what_the_venue_asks_for_again_is_sent_again_only_while_somebody_waits_for_it(stand: Stand) -> None:
    del stand.venue.answers["D"]
    placing = asyncio.create_task(stand.service.place_order(order("b1")))
    async with asyncio.timeout(2):
        while not stand.venue.heard:
            await asyncio.sleep(0.01)
    ours, [sent] = stand.service._orders, stand.venue.heard
    assert ours.may_resend(ours.initiator.session, sent)
    assert (await refusal(placing)).code is ExchangeRefusal.ANSWER_LATE
    assert not ours.may_resend(ours.initiator.session, sent)


async def test_a_report_that_comes_twice_counts_once_and_one_of_a_stranger_not_at_all(stand: Stand) -> None:
    def fills(session: Session, message: Message) -> None:
        new(session, message)
        fill = report(message, b"F", b"1", exec_id=b"X-1", t14=b"4", t151=b"6", t32=b"4", t31=b"139.00", t6=b"139.00")
        session.send("8", fill)
        session.send("8", report(message, b"F", b"2", exec_id=b"X-2", t14=b"10", t151=b"0", t32=b"6", t31=b"139.00", t6=b"139.00"))
        session.send("8", fill)
        session.send("8", [(tag, b"other" if tag == 11 else value) for tag, value in fill])

    stand.venue.answers["D"] = fills
    result = await stand.service.place_order(order("b1"))
    assert (result.state, result.cumulative, result.leaves) == (OrderState.FILLED, 10, 0)


async def test_a_venue_of_fix_4_2_with_its_own_tags_and_codes_is_spoken_to_in_its_dialect() -> None:
    dialect = OrderDialect(
        new_order=(
            (11, Term.CLIENT_ORDER_ID), (109, Term.ACCOUNT), (21, b"2"), (55, Term.SYMBOL), (54, Term.SIDE),
            (60, Term.TRANSACT_TIME), (38, Term.QUANTITY), (40, Term.ORDER_TYPE), (44, Term.PRICE), (47, b"A"),
        ),
        cancel=(
            (41, Term.ORIGINAL_CLIENT_ORDER_ID), (11, Term.CLIENT_ORDER_ID), (55, Term.SYMBOL), (54, Term.SIDE),
            (60, Term.TRANSACT_TIME), (38, Term.QUANTITY),
        ),
        order_types={OrderType.LIMIT: b"2"},
        times_in_force={TimeInForce.DAY: b""},
        reports=replace(
            FIX44_REPORTS, kinds={**FIX44_REPORTS.kinds, b"1": ReportKind.TRADE, b"2": ReportKind.TRADE}, venue_order_id=198
        ),
    )  # fmt: skip
    stand = Stand(dialect, "FIX.4.2")

    def fill(session: Session, message: Message) -> None:
        fields = report(message, b"2", b"2", t14=b"10", t151=b"0", t32=b"10", t31=b"139.00", t6=b"139.00")
        session.send("8", [*fields, (20, b"0"), (198, b"SECOND-ID")])

    stand.venue.answers["D"] = fill
    await stand.start()
    try:
        result = await stand.service.place_order(order("b1"))
        assert (result.state, result.cumulative, result.venue_order_id) == (OrderState.FILLED, 10, "SECOND-ID")
        [heard] = stand.venue.heard
        assert heard.begin_string == b"FIX.4.2"
        assert (heard.get(109), heard.get(21), heard.get(47), heard.get(59), heard.get(1)) == (b"ACC-1", b"2", b"A", None, None)
        market = replace(order("b2", 0), type=OrderType.MARKET)
        refused = await refusal(stand.service.place_order(market))
        assert (refused.code, refused.figures["type"]) == (ExchangeRefusal.NOT_SUPPORTED, "MARKET")
        assert len(stand.venue.heard) == 1
    finally:
        await stand.stop()
