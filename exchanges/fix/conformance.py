"""``python -m exchanges.fix.conformance --listen HOST:PORT`` or ``--connect HOST:PORT``: the engine for the acceptance suite.

Codec, session and store are those of the venue lines; what is particular to the suite is in the configuration below: identities,
numbers that start anew with every connection, and the suite's fixed TestReqID. One line is printed when ready; SIGTERM ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
import tempfile
from pathlib import Path
from typing import Literal

from exchanges.fix.clock import SystemClock
from exchanges.fix.connection import Acceptor, Initiator
from exchanges.fix.dictionary.versions import VERSIONS
from exchanges.fix.echo import EchoApplication
from exchanges.fix.file_store import FileStore
from exchanges.fix.session import Session
from exchanges.fix.session_config import SessionConfig
from exchanges.fix.store import StoreError

_TEST_REQUEST_ID = "TEST"
#: The suite opens its next connection as soon as the last one is closed.
_RECONNECT_SECONDS = (0.05,)


def session_config(
    role: Literal["initiator", "acceptor"],
    begin_string: str,
    sender: str,
    target: str,
    hosts: tuple[tuple[str, int], ...] = (),
) -> SessionConfig:
    """The suite's terms: acceptors reset at Logon, initiators when a connection ends, which asks nothing of the peer's Logon."""
    dictionary, application_version = VERSIONS[begin_string]
    return SessionConfig(
        sender_comp_id=sender,
        target_comp_id=target,
        begin_string=begin_string,
        application_version=application_version,
        role=role,
        dictionary=dictionary,
        hosts=hosts,
        reset_on_logon=role == "acceptor",
        reset_on_disconnect=role == "initiator",
        test_request_id=_TEST_REQUEST_ID,
        reconnect_seconds=_RECONNECT_SECONDS,
        reconnect_jitter_percent=0,
    )


async def listen(config: SessionConfig, address: tuple[str, int], store: FileStore) -> None:
    """Serve connections one after another until a signal comes. Raises OSError when the port is taken."""
    ended = _signalled()
    session = Session(config, _application(config), store, SystemClock())
    acceptor = Acceptor(*address, [session])
    await acceptor.start()
    print(f"{config.name}: listening on {address[0]}:{acceptor.port}", flush=True)
    await ended.wait()
    await acceptor.stop()


async def connect(config: SessionConfig, store: FileStore) -> None:
    """Connect, and connect again, until a signal comes."""
    ended = _signalled()
    initiator = Initiator(config, _application(config), store)
    running = asyncio.create_task(initiator.run(), name=config.name)
    print(f"{config.name}: connecting to {config.hosts[0][0]}:{config.hosts[0][1]}", flush=True)
    await ended.wait()
    await initiator.stop()
    await running


def _application(config: SessionConfig) -> EchoApplication:
    return EchoApplication(VERSIONS[config.begin_string][0])


def _signalled() -> asyncio.Event:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    return ended


def address_of(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`. Raises argparse.ArgumentTypeError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m exchanges.fix.conformance", description=__doc__)
    side = parser.add_mutually_exclusive_group(required=True)
    side.add_argument("--listen", type=address_of, metavar="HOST:PORT", help="be the acceptor (port 0: any)")
    side.add_argument("--connect", type=address_of, metavar="HOST:PORT", help="be the initiator")
    parser.add_argument("--begin-string", default="FIX.4.4", choices=VERSIONS)
    parser.add_argument("--sender", default="ISLD", help="our CompID")
    parser.add_argument("--target", default="TW44", help="the peer's CompID")
    parser.add_argument("--store", type=Path, help="folder of the message store; default: a temporary one")
    parser.add_argument("--verbose", action="store_true", help="say on standard error why messages were rejected and lines closed")
    options = parser.parse_args(arguments)
    level = logging.INFO if options.verbose else logging.CRITICAL
    logging.basicConfig(stream=sys.stderr, level=level, format="%(asctime)s %(levelname)s %(message)s")
    with contextlib.ExitStack() as stack:
        try:
            folder = options.store or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fix-conformance-")))
            folder.mkdir(parents=True, exist_ok=True)
            store = FileStore(folder / "messages")
            stack.callback(store.close)
            names = (options.begin_string, options.sender, options.target)
            if options.listen:
                asyncio.run(listen(session_config("acceptor", *names), options.listen, store))
            else:
                asyncio.run(connect(session_config("initiator", *names, (options.connect,)), store))
        except (ValueError, StoreError, OSError) as error:
            print(f"the conformance engine cannot start: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
