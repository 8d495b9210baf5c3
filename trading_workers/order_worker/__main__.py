"""``python -m trading_workers.order_worker --name worker-1 [--sync os|group|always]``: one order worker."""

from __future__ import annotations

import argparse
import logging
import sys

import uvloop

from trading_workers.journal.records import UnknownRecord
from trading_workers.journal.segments import JournalError
from trading_workers.journal.writer import SyncPolicy
from trading_workers.order_worker.worker import CannotStart, Worker
from tradsys.configuration import Configuration, ConfigurationError
from tradsys.mesh.tokens import KeyUnreadable


async def serve(name: str, policy: SyncPolicy) -> int:
    return await Worker(name, Configuration.from_environment(), policy=policy).run()


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
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        return uvloop.run(serve(options.name, SyncPolicy(options.sync)))
    except (ConfigurationError, CannotStart, KeyUnreadable, JournalError, UnknownRecord, OSError) as error:
        print(f"the order worker {options.name} cannot start: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
