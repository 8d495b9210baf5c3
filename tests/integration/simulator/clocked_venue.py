"""A venue process whose clock is eight bytes of a file that the test moves; with the exchange's own hours.

``python -m tests.integration.simulator.clocked_venue EXCHANGE FIX-PORT ADMIN-PORT LOG-FOLDER CLOCK-FILE``.
"""

from __future__ import annotations

import asyncio
import mmap
import sys
from pathlib import Path

from exchanges.simulator.__main__ import VenueOptions, reference_loader, serve
from tests.integration.simulator.venue_process import VenueProcess
from tradsys.configuration import Address


class FileClock:
    """Time in nanoseconds UTC, shared by every process that opens the file."""

    def __init__(self, path: Path, now: int | None = None) -> None:
        if now is not None:
            path.write_bytes(now.to_bytes(8))
        self.path = path
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 8)

    def now(self) -> int:
        return int.from_bytes(self._memory[:8])

    def set(self, now: int) -> None:
        self._memory[:8] = now.to_bytes(8)


class ClockedVenueProcess(VenueProcess):
    """As VenueProcess, on the exchange's own hours and the test's clock."""

    def __init__(self, folder: Path, clock: FileClock, exchange: str = "EGX") -> None:
        super().__init__(folder, exchange)
        self.clock = clock

    @property
    def command(self) -> list[str]:
        ports = [str(self.port), str(self.admin_port)]
        module = "tests.integration.simulator.clocked_venue"
        return [sys.executable, "-m", module, self.exchange, *ports, str(self.folder), str(self.clock.path)]


def main() -> int:
    exchange, port, admin_port, folder, clock = sys.argv[1:]
    options = VenueOptions(
        exchange=exchange,
        listen=Address("127.0.0.1", int(port)),
        admin=Address("127.0.0.1", int(admin_port)),
        data=Path(folder),
        token_file=Path(folder) / "admin-token",
        remote_switches=False,
    )
    return asyncio.run(serve(options, FileClock(Path(clock)), reference_loader(exchange, "exchange")))


if __name__ == "__main__":
    sys.exit(main())
