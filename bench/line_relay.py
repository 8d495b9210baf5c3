"""A TCP relay before a venue that treats one line badly: ``python -m bench.line_relay --listen HOST:PORT --to HOST:PORT``.

As a process it takes one command a line on standard input, and ends with its input:

* ``open``: everything goes through again, what was held first;
* ``cut``: every connection is reset; new ones are let in;
* ``refuse``: every connection is reset and nobody listens until ``open``;
* ``stall``: connections stay and new ones come about, and nothing is read from them: a black hole until ``open``;
* ``delay MS``: every piece of data is held for so long.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys

from tradsys.configuration import Address

PIECE = 65_536


class LineRelay:
    """Listens on loopback before `behind`; `start` on port 0 takes a free one, which `port` tells and keeps."""

    def __init__(self, behind: Address, port: int = 0) -> None:
        self.port = port
        self.connections = 0
        """Since the start."""
        self._behind = behind
        self._server: asyncio.Server | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._delay = 0.0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> Address:
        return Address("127.0.0.1", self.port)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        await self.refuse()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def open(self) -> None:
        self._delay = 0.0
        self._flowing.set()
        if self._server is None:
            await self.start()

    async def cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def refuse(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        self._flowing.set()
        await self.cut()

    async def stall(self) -> None:
        self._flowing.clear()

    async def delay(self, ms: int) -> None:
        self._delay = ms / 1000

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        behind: asyncio.StreamWriter | None = None
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self._flowing.wait()
            behind_reader, behind = await asyncio.open_connection(self._behind.host, self._behind.port)
            self._writers.add(behind)
            await asyncio.gather(self._pump(reader, behind), self._pump(behind_reader, writer))
        for each in filter(None, (writer, behind)):
            self._writers.discard(each)
            each.transport.abort()
        self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Ends when one side is gone; then the other side is cut too."""
        try:
            while await self._flowing.wait() and (data := await reader.read(PIECE)):
                await self._flowing.wait()
                if self._delay:
                    await asyncio.sleep(self._delay)
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()


async def main(listen: Address, behind: Address) -> None:
    relay = LineRelay(behind, listen.port)
    await relay.start()
    print(f"relay on {relay.address}", flush=True)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    plain = {"open": relay.open, "cut": relay.cut, "refuse": relay.refuse, "stall": relay.stall}
    while line := (await commands.readline()).decode().split():
        if line[0] == "delay":
            await relay.delay(int(line[1]))
        else:
            await plain[line[0]]()
    await relay.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.line_relay", description=__doc__)
    parser.add_argument("--listen", required=True, help="HOST:PORT")
    parser.add_argument("--to", required=True, help="HOST:PORT of the venue")
    options = parser.parse_args()
    asyncio.run(main(Address.parse(options.listen, variable="--listen"), Address.parse(options.to, variable="--to")))
