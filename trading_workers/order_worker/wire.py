"""gRPC messages to the order path's values and back. Pure.

Requests are parsed here from bytes, so that what cannot be parsed, and what has unknown fields, is refused with its code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

from google.protobuf.message import DecodeError, Message

from trading_workers.order_store import Order
from trading_workers.orders import (
    Answer,
    CancelOrder,
    Instruction,
    NewOrder,
    OrderReport,
    OrderState,
    OrderType,
    Refusal,
    Side,
    TimeInForce,
)
from trading_workers.reasons import Reason
from tradsys.v1 import orders_pb2 as pb

M = TypeVar("M", bound=Message)

_SIDES: Final = (Side.UNSPECIFIED, Side.BUY, Side.SELL)
_TYPES: Final = (OrderType.UNSPECIFIED, OrderType.MARKET, OrderType.LIMIT)
_TIMES: Final = (TimeInForce.UNSPECIFIED, TimeInForce.DAY, TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL)
_STATE_NUMBERS: Final[Mapping[OrderState, int]] = {state: pb.OrderState.Value(state.value) for state in OrderState}
_SIDE_NUMBERS: Final[Mapping[Side, int]] = {Side.UNSPECIFIED: 0, Side.BUY: pb.BUY, Side.SELL: pb.SELL}


class WireRefused(Exception):
    """A message cannot be taken as it is; `refusal` says why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason.name)
        self.refusal = refusal


def parse(raw: bytes, kind: type[M]) -> M:
    """The message in `raw`, unknown fields kept. Raises WireRefused (MALFORMED_REQUEST)."""
    try:
        return kind.FromString(raw)
    except DecodeError as error:
        figures = {"message": kind.DESCRIPTOR.name, "problem": str(error)[:120], "bytes": str(len(raw))}
        raise WireRefused(Refusal(Reason.MALFORMED_REQUEST, figures)) from error


def has_unknown_fields(message: Message) -> bool:
    """Whether `message` or anything in it has fields that this version does not know. They are gone afterwards."""
    # Two sizes cost a fraction of a walk through every nested message, and nearly all messages have nothing unknown.
    before = message.ByteSize()
    message.DiscardUnknownFields()
    return message.ByteSize() != before


def parse_known(raw: bytes, kind: type[M]) -> M:
    """The message in `raw`. Raises WireRefused (MALFORMED_REQUEST, UNKNOWN_FIELD)."""
    message = parse(raw, kind)
    if has_unknown_fields(message):
        raise WireRefused(unknown_field(kind.DESCRIPTOR.name))
    return message


def unknown_field(message_name: str) -> Refusal:
    return Refusal(Reason.UNKNOWN_FIELD, {"message": message_name})


def to_order(message: pb.NewOrder) -> NewOrder:
    side, kind, time = message.side, message.type, message.time_in_force
    return NewOrder(
        account=message.account,
        client_order_id=message.client_order_id,
        exchange=message.exchange,
        symbol=message.symbol,
        side=_SIDES[side] if 0 <= side < 3 else Side.UNSPECIFIED,
        type=_TYPES[kind] if 0 <= kind < 3 else OrderType.UNSPECIFIED,
        time_in_force=_TIMES[time] if 0 <= time < 4 else TimeInForce.UNSPECIFIED,
        quantity=message.quantity,
        price=message.price,
    )


def to_cancel(message: pb.CancelRequest) -> CancelOrder:
    return CancelOrder(
        account=message.account,
        client_order_id=message.client_order_id,
        orig_client_order_id=message.orig_client_order_id,
    )


def read_batch(raw: bytes) -> tuple[list[Instruction | Answer], bool]:
    """Each instruction of an OrderBatch, or at its place the answer that refuses it; and whether any was refused here.

    Raises WireRefused for what concerns the whole batch (MALFORMED_REQUEST).
    """
    batch = parse(raw, pb.OrderBatch)
    if has_unknown_fields(batch):
        return _read_with_unknown_fields(raw), True
    entries: list[Instruction | Answer] = []
    empty = False
    for each in batch.instructions:
        which = each.WhichOneof("instruction")
        if which == "place":
            entries.append(to_order(each.place))
        elif which == "cancel":
            entries.append(to_cancel(each.cancel))
        else:
            empty = True
            entries.append(refused_answer("", "", Refusal(Reason.MALFORMED_REQUEST, {"field": "instruction", "found": "nothing"})))
    return entries, empty


def _read_with_unknown_fields(raw: bytes) -> list[Instruction | Answer]:
    entries: list[Instruction | Answer] = []
    batch = parse(raw, pb.OrderBatch)
    concerned = 0
    for each in batch.instructions:
        inner = each.cancel if each.WhichOneof("instruction") == "cancel" else each.place
        account, client_order_id = inner.account, inner.client_order_id
        if has_unknown_fields(each):
            concerned += 1
            entries.append(refused_answer(account, client_order_id, unknown_field(each.DESCRIPTOR.name)))
        else:
            entries.append(to_cancel(each.cancel) if each.WhichOneof("instruction") == "cancel" else to_order(each.place))
    if not concerned:
        # The unknown field is the batch's own, and may change what the batch means: nothing of it is taken.
        refusal = unknown_field("OrderBatch")
        return [refused_answer(each.account, each.client_order_id, refusal) for each in entries]
    return entries


def refused_answer(account: str, client_order_id: str, refusal: Refusal) -> Answer:
    """An answer that no record holds."""
    return Answer(client_order_id=client_order_id, account=account, order_id=0, state=OrderState.DENIED, refusal=refusal)


def to_ack(answer: Answer) -> pb.OrderAck:
    ack = pb.OrderAck(
        client_order_id=answer.client_order_id,
        account=answer.account,
        order_id=answer.order_id,
        state=_STATE_NUMBERS[answer.state],  # type: ignore[arg-type]
        journal_sequence=answer.journal_sequence,
        duplicate=answer.duplicate,
    )
    if answer.refusal is not None:
        ack.refusal.code = answer.refusal.reason.name
        ack.refusal.rule = answer.refusal.reason.rule
        for name, figure in answer.refusal.figures.items():
            ack.refusal.figures[name] = figure
    return ack


def to_view(order: Order) -> pb.OrderView:
    return pb.OrderView(
        order_id=order.order_id,
        order=pb.NewOrder(
            client_order_id=order.client_order_id,
            account=order.account,
            exchange=order.exchange,
            symbol=order.symbol,
            side=_SIDE_NUMBERS[order.side],  # type: ignore[arg-type]
            type=_TYPES.index(order.type),  # type: ignore[arg-type]
            time_in_force=_TIMES.index(order.time_in_force),  # type: ignore[arg-type]
            quantity=order.quantity,
            price=order.price,
        ),
        state=_STATE_NUMBERS[order.state],  # type: ignore[arg-type]
        cumulative_quantity=order.cumulative,
        leaves_quantity=order.leaves,
        venue_order_id=order.venue_order_id,
    )


def to_report(report: OrderReport, journal_sequence: int) -> pb.ExecutionReport:
    return pb.ExecutionReport(
        order_id=report.order_id,
        client_order_id=report.client_order_id,
        account=report.account,
        exchange=report.exchange,
        symbol=report.symbol,
        side=_SIDE_NUMBERS[report.side],  # type: ignore[arg-type]
        state=_STATE_NUMBERS[report.state],  # type: ignore[arg-type]
        exec_id=report.exec_id,
        last_quantity=report.last_quantity,
        last_price=report.last_price,
        cumulative_quantity=report.cumulative,
        leaves_quantity=report.leaves,
        time=report.time,
        venue_order_id=report.venue_order_id,
        text=report.text,
        journal_sequence=journal_sequence,
    )
