"""Two members trade with each other at DEMOX through the exchange's service: ``python trade.py HOST:PORT``."""

import asyncio
import json
import sys

from exchanges.api import OrderType, TimeInForce
from exchanges.exchange_service import ExchangeConfig, ExchangeService, Order, Side
from exchanges.registry import registry
from tradsys.configuration import Address


def member(comp_id: str, venue: Address) -> ExchangeService:
    return registry().create_service(ExchangeConfig(exchange="DEMOX", orders=(venue,), sender_comp_id=comp_id))


def order(name: str, side: Side, quantity: int) -> Order:
    return Order(
        client_order_id=name,
        account="DEMO-1",
        symbol="ALFA",
        side=side,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.DAY,
        quantity=quantity,
        price=50_250_000,  # millionths: 50.25
    )


async def trade(venue: Address) -> dict[str, object]:
    buyer, seller = member("TRADSYS-W8", venue), member("TRADSYS-W9", venue)
    await buyer.connect()
    await seller.connect()
    try:
        resting = await buyer.place_order(order("buy-1", Side.BUY, 30))
        sold = await seller.place_order(order("sell-1", Side.SELL, 20))
        bought = await buyer.get_order_status("buy-1")
        rest = await buyer.cancel_order("buy-1")
    finally:
        await buyer.disconnect()
        await seller.disconnect()
    states = {"resting": resting.state, "sold": sold.state, "bought": bought.state, "rest": rest.state}
    return {**states, "filled": bought.cumulative, "average_price": bought.average_price}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(trade(Address.parse(sys.argv[1], variable="HOST:PORT")))))
