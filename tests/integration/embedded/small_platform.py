"""The launcher with a short table of children, for its tests: both servers, two HTTP servers, and one that may fail.

``python -m tests.integration.embedded.small_platform [--failing MODE] LAUNCHER-OPTIONS``; MODE is ``exits`` or ``never-ready``.
"""

import sys
from functools import partial
from pathlib import Path

from tradsys.configuration import Configuration
from tradsys.embedded.children import DEMONSTRATION, PUBLISHERS, WORKERS, Child, children
from tradsys.embedded.launch import Launch, parse, run
from tradsys.embedded.postgres import Postgres
from tradsys.embedded.readiness import answers_http
from tradsys.embedded.redis_server import RedisServer

_FAILING = {
    "exits": "print('the ledger is missing'); raise SystemExit(3)",
    "never-ready": "import time; print('still thinking', flush=True); time.sleep(600)",
}


def table(failing: str, configuration: Configuration, postgres: Postgres, redis: RedisServer, logs: Path) -> list[Child]:
    """The servers of the real table, then ``first`` and ``second``, then ``failing`` when asked for."""
    own = [child for child in children(configuration, postgres, redis, logs) if child.name in ("postgres", "redis")]
    environment = {"TRADSYS_VAR": str(configuration.var)}
    for name, stage, address in [
        ("first", PUBLISHERS, configuration.web_address),
        ("second", WORKERS, configuration.order_workers["worker-1"]),
    ]:
        command = (sys.executable, "-m", "http.server", "--bind", address.host, "--directory", str(logs), str(address.port))
        own.append(Child(name, stage, command, answers_http(address, "/"), f"{name} on {address}", environment))
    if failing:
        command = (sys.executable, "-c", _FAILING[failing])
        own.append(Child("failing", DEMONSTRATION, command, lambda: False, "failing", environment, start_seconds=2))
    return own


if __name__ == "__main__":
    failing = ""
    if sys.argv[1] == "--failing":
        failing = sys.argv[2]
        del sys.argv[1:3]
    sys.exit(run(Launch(parse(), table=partial(table, failing), preparations={})))
