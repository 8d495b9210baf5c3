"""The venue's own view of itself as HTTP/1.1 JSON, for operators and for reconciliation, and its switches.

``GET`` is for anyone who reaches the port. ``/health``, ``/state``, ``/session`` and ``/faults``: one object. ``/orders`` and
``/fills``: one JSON object per line, streamed, of the present trading day (``?after=N&limit=M`` pages by order number or trade
number; ``?member=…`` filters). ``/book/SYMBOL``: one object. Prices are in micros with their text beside them, times ns UTC.
``POST`` of a switch with its JSON body, and ``DELETE /faults``, need the token in an Authorization header; see ``switches``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import msgspec

from exchanges.prices import price_to_text
from exchanges.simulator.market_index import EqualWeightIndex
from exchanges.simulator.matching import BUY, SELL, Order
from exchanges.simulator.order_desk import Trade, side_name
from exchanges.simulator.switches import SwitchError, Switches, SwitchRefused
from exchanges.simulator.venue import Venue

log = logging.getLogger("exchanges.simulator")

_ROWS_PER_CHUNK = 500
_MAX_HEAD = 16_384
_MAX_BODY = 16_384
_READ_SECONDS = 10

_encode = msgspec.json.Encoder().encode


class BadQuery(ValueError):
    """A query parameter cannot be used."""


class AdminServer:
    """Serves the pages of one venue; one request per connection."""

    def __init__(self, venue: Venue, host: str, port: int, switches: Switches | None = None) -> None:
        """Without ``switches`` nothing can be changed here."""
        self._venue = venue
        self._switches = switches
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        self._server = await asyncio.start_server(self._serve, self._host, self._port, limit=_MAX_HEAD)

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_READ_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                request = _request(head)
                if request is not None and 0 < request.length <= _MAX_BODY:
                    request = request._replace(body=await reader.readexactly(request.length))
            await self._answer(request, writer)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ConnectionError) as error:
            log.debug("admin request dropped: %r", error)
        finally:
            writer.close()

    async def _answer(self, request: _Request | None, writer: asyncio.StreamWriter) -> None:
        if request is None:
            await _respond(writer, 400, {"error": "this is not an HTTP/1 request"})
            return
        if request.length > _MAX_BODY:
            await _respond(writer, 413, {"error": f"a body has at most {_MAX_BODY} bytes"})
            return
        target = urlsplit(request.target)
        if request.method in ("POST", "DELETE"):
            await self._switch(request, target.path, writer)
            return
        if request.method != "GET":
            await _respond(writer, 405, {"error": "only GET, POST and DELETE are served"})
            return
        query = {name: values[-1] for name, values in parse_qs(target.query).items()}
        try:
            await self._route(target.path, query, writer)
        except BadQuery as error:
            await _respond(writer, 400, {"error": str(error)})

    async def _switch(self, request: _Request, path: str, writer: asyncio.StreamWriter) -> None:
        try:
            if self._switches is None:
                text = "this port is not on the loopback: start the venue with --remote-switches to switch from elsewhere"
                raise SwitchRefused(403, SwitchError.SWITCHES_OFF, text)
            self._switches.authorize(request.headers.get("authorization", ""))
            peer = str(writer.get_extra_info("peername"))
            if request.method == "POST":
                self._switches.post(path, request.body, peer)
            elif path == "/faults":
                self._switches.reset(peer)
            else:
                raise SwitchRefused(400, SwitchError.UNKNOWN_SWITCH, f"{path[:60]!r} cannot be deleted; /faults can")
        except SwitchRefused as refused:
            await _respond(writer, refused.status, {"code": refused.code, "error": str(refused)})
            return
        await _respond(writer, 200, self._faults())

    async def _route(self, path: str, query: dict[str, str], writer: asyncio.StreamWriter) -> None:
        venue = self._venue
        if path == "/health":
            sessions = {name: session.logged_on for name, session in venue.sessions.items()}
            body = {"ok": True, "exchange": venue.exchange, "phase": venue.desk.session.phase, "sessions": sessions}
            await _respond(writer, 200, body)
        elif path == "/state":
            await _respond(writer, 200, self._state())
        elif path == "/session":
            await _respond(writer, 200, self._session())
        elif path == "/faults":
            await _respond(writer, 200, self._faults())
        elif path == "/orders":
            await _stream(writer, self._orders(query))
        elif path == "/fills":
            await _stream(writer, self._fills(query))
        elif path.startswith("/book/"):
            symbol = path.removeprefix("/book/")
            if symbol in venue.desk.engine.books:
                await _respond(writer, 200, self._book(symbol))
            else:
                await _respond(writer, 404, {"error": f"{symbol} has no book"})
        else:
            await _respond(writer, 404, {"error": "pages: /health /state /session /faults /orders /fills /book/SYMBOL"})

    def _state(self) -> dict[str, Any]:
        venue, engine = self._venue, self._venue.desk.engine
        return {
            "exchange": venue.exchange,
            "day": venue.day.isoformat(),
            "hash": venue.desk.state_hash(),
            "orders": len(venue.desk.orders),
            "open_orders": len(engine.open_orders),
            "fills": len(venue.desk.trades),
            "log_sequence": venue.log.next_sequence - 1,
        }

    def _session(self) -> dict[str, Any]:
        session, course = self._venue.desk.session, self._venue.course
        return {
            "phase": session.phase,
            "overridden": session.overridden,
            "halts": [
                {"symbol": halt.symbol, "kind": halt.kind.value, "until": halt.until, "text": halt.label}
                for _, halt in sorted(session.holds.items())
            ],
            "market_index": session.market_index,
            "index": None if session.index is None else session.index.value,
            "listed_index": self._listed_index(),
            "timetable": [
                {"at": event.at, "step": event.step.value, "phase": event.phase, "label": event.label} for event in course.events
            ],
        }

    def _listed_index(self) -> int | None:
        """The equal-weight index of what is listed: no exchange's index, but something to tell where that one is not known."""
        closes = {symbol: listed.reference_price for symbol, listed in self._venue.rules.reference.instruments.items()}
        if not closes:
            return None
        index = EqualWeightIndex(closes)
        for symbol, book in self._venue.desk.engine.books.items():
            if book.volume and symbol in closes:
                index.on_trade(symbol, book.last_price)
        return index.value

    def _faults(self) -> dict[str, Any]:
        return self._venue.faults.document(self._venue.clock.now())

    def _orders(self, query: dict[str, str]) -> Iterator[dict[str, Any]]:
        after, member = _number(query, "after", 0), query.get("member")
        found = (
            self._order(order) for order in self._venue.desk.orders if order.order_id > after and member in (None, order.member)
        )
        return islice(found, _number(query, "limit", -1, none=True))

    def _order(self, order: Order) -> dict[str, Any]:
        return {
            "number": order.order_id,
            "order_id": self._venue.desk.reports.order_id(order),
            "member": order.member,
            "client_order_id": order.client_order_id,
            "first_client_order_id": self._venue.desk.first_client_order_ids.get(order.order_id, order.client_order_id),
            "account": order.account,
            "symbol": order.symbol,
            "side": side_name(order.side),
            "type": order.type,
            "time_in_force": order.time_in_force,
            "price": order.price,
            "price_text": price_to_text(order.price),
            "quantity": order.quantity,
            "state": order.state.name,
            "cumulative": order.cumulative,
            "leaves": order.leaves,
            "notional": order.notional,
            "text": order.text,
            "entered_at": order.entered_at,
            "changed_at": order.changed_at,
        }

    def _fills(self, query: dict[str, str]) -> Iterator[dict[str, Any]]:
        after, member = _number(query, "after", 0), query.get("member")
        found = (
            self._fill(trade)
            for trade in self._venue.desk.trades
            if trade.number > after and member in (None, trade.resting.member, trade.aggressor.member)
        )
        return islice(found, _number(query, "limit", -1, none=True))

    def _fill(self, trade: Trade) -> dict[str, Any]:
        buyer_first = trade.resting.side == BUY
        resting = self._party(trade.resting, trade.resting_client_order_id, trade.resting_execution)
        aggressor = self._party(trade.aggressor, trade.aggressor_client_order_id, trade.aggressor_execution)
        return {
            "number": trade.number,
            "time": trade.time,
            "symbol": trade.resting.symbol,
            "price": trade.price,
            "price_text": price_to_text(trade.price),
            "quantity": trade.quantity,
            "aggressor": None if trade.auction else side_name(trade.aggressor.side),
            "buy": resting if buyer_first else aggressor,
            "sell": aggressor if buyer_first else resting,
        }

    def _party(self, order: Order, client_order_id: str, execution: int) -> dict[str, str]:
        reports = self._venue.desk.reports
        return {
            "exec_id": reports.exec_id(execution),
            "order_id": reports.order_id(order),
            "member": order.member,
            "client_order_id": client_order_id,
            "account": order.account,
        }

    def _book(self, symbol: str) -> dict[str, Any]:
        book = self._venue.desk.engine.books[symbol]
        return {
            "symbol": symbol,
            "last": book.last_price,
            "volume": book.volume,
            "bids": [[price, quantity, orders] for price, quantity, orders in book.levels(BUY)],
            "asks": [[price, quantity, orders] for price, quantity, orders in book.levels(SELL)],
        }


def _number(query: dict[str, str], name: str, default: int, *, none: bool = False) -> Any:
    text = query.get(name)
    if text is None:
        return None if none else default
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise BadQuery(f"{name} is a whole number, not {text[:20]!r}")
    return int(text)


class _Request(NamedTuple):
    method: str
    target: str
    headers: dict[str, str]
    """By name in lower case."""
    length: int
    body: bytes = b""


def _request(head: bytes) -> _Request | None:
    """The request of an HTTP/1 head; None when it is none."""
    first, *lines = head.decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        return None
    fields = (line.partition(":") for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in fields}
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or len(length) > 9 or "transfer-encoding" in headers:
        return None
    return _Request(parts[0], parts[1], headers, int(length))


_REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
}


async def _respond(writer: asyncio.StreamWriter, status: int, body: dict[str, Any]) -> None:
    payload = _encode(body) + b"\n"
    head = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\nContent-Length: {len(payload)}\r\n"
    writer.write(head.encode() + b"Connection: close\r\n\r\n" + payload)
    await writer.drain()


async def _stream(writer: asyncio.StreamWriter, rows: Iterator[dict[str, Any]]) -> None:
    """JSON lines in chunks; the venue goes on working in between."""
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    while rows_now := list(islice(rows, _ROWS_PER_CHUNK)):
        chunk = b"".join([_encode(row) + b"\n" for row in rows_now])
        writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        await writer.drain()
        await asyncio.sleep(0)
    writer.write(b"0\r\n\r\n")
    await writer.drain()
