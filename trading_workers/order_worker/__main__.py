"""``python -m trading_workers.order_worker --name worker-1 [--sync os|group|always]``: one order worker."""

from __future__ import annotations

import argparse
import sys

import uvloop

from exchanges.api import PluginError
from trading_workers.journal.records import UnknownRecord
from trading_workers.journal.segments import JournalError
from trading_workers.journal.writer import SyncPolicy
from trading_workers.mesh_process import CANNOT_HOST
from trading_workers.order_worker.worker import CannotStart, Worker
from tradsys.configuration import Configuration, ConfigurationError
from tradsys.mesh.telemetry.process import telemetry_of


async def serve(name: str, policy: SyncPolicy) -> int:
    configuration = Configuration.from_environment()
    with telemetry_of(name, configuration, serves=True):
        return await Worker(name, configuration, policy=policy).run()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m trading_workers.order_worker", description=__doc__)
    parser.add_argument("--name", required=True, help="as in TRADSYS_ORDER_WORKERS, ending in the worker's number")
    parser.add_argument(
        "--sync",
        choices=[policy.value for policy in SyncPolicy],
        default=SyncPolicy.GROUP.value,
        help="when a record is durable: left to the system, once per group (default), or at every batch",
    )
    options = parser.parse_args()
    try:
        return uvloop.run(serve(options.name, SyncPolicy(options.sync)))
    except (ConfigurationError, CannotStart, PluginError, JournalError, UnknownRecord, *CANNOT_HOST) as error:
        print(f"the order worker {options.name} cannot start: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
