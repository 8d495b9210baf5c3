"""``python -m exchanges.simulator.faults --admin HOST:PORT [--token-file FILE] SWITCH …``: the switches of a running venue.

``faults --help`` lists them, ``faults SWITCH --help`` says what one takes. Exit status 0: taken; 1: refused, with the reason.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
from pathlib import Path
from typing import Any

from tradsys.configuration import Address, ConfigurationError

_SECONDS = 10


def main(arguments: list[str] | None = None) -> int:
    parser = command_parser()
    options = parser.parse_args(arguments)
    try:
        admin = Address.parse(options.admin, variable="--admin")
        token = "" if options.switch == "show" else options.token_file.read_text(encoding="ascii").strip()
        method, path, body = request_of(options)
        status, answer = _ask(admin, method, path, body, token)
    except (ConfigurationError, OSError, http.client.HTTPException, ValueError) as error:
        print(f"the venue was not asked: {error}", file=sys.stderr)
        return 1
    if status != 200:
        print(f"refused: {answer.get('code', status)}: {answer.get('error', '')}", file=sys.stderr)
        return 1
    print(json.dumps(answer, indent=1))
    return 0


def request_of(options: argparse.Namespace) -> tuple[str, str, dict[str, Any]]:
    """The HTTP method, path and JSON body of a command."""
    switch = options.switch
    if switch == "show":
        return "GET", "/faults", {}
    if switch == "reset":
        return "DELETE", "/faults", {}
    body = {
        name: value for name, value in vars(options).items() if name not in ("admin", "token_file", "switch") and value is not None
    }
    if switch == "phase":
        body["phase"] = None if options.phase == "timetable" else options.phase
    path = f"/{switch}" if switch in ("halt", "resume", "index", "phase", "news") else f"/faults/{switch}"
    return "POST", path, body


def command_parser() -> argparse.ArgumentParser:
    """The command line of all switches."""
    parser = argparse.ArgumentParser(prog="python -m exchanges.simulator.faults", description=__doc__)
    parser.add_argument("--admin", required=True, help="HOST:PORT of the venue's admin port")
    parser.add_argument(
        "--token-file", type=Path, default=Path("admin-token"), help="the venue's token file: admin-token in the folder of its log"
    )
    switches = parser.add_subparsers(dest="switch", required=True, metavar="SWITCH")
    switches.add_parser("show", help="what is switched on")
    switches.add_parser("reset", help="switch all faults off")
    drop = switches.add_parser("drop-line", help="cut a session's connection")
    drop.add_argument("session")
    drop.add_argument("--for", dest="for_seconds", type=int, metavar="SECONDS", help="leave its Logons without an answer that long")
    delay = switches.add_parser("delay", help="send a session's reports late")
    delay.add_argument("session")
    delay.add_argument("milliseconds", type=int)
    reject = switches.add_parser("reject", help="refuse orders")
    reject.add_argument("text")
    reject.add_argument("--orders", type=int, help="the next so many; without it all")
    reject.add_argument("--symbol", help="of this instrument only")
    reject.add_argument("--session", help="of this session only")
    gap = switches.add_parser("gap", help="leave out a sequence number")
    gap.add_argument("session")
    for name, text in (("duplicate-report", "send reports twice"), ("lost-report", "keep reports, but do not send them")):
        reports = switches.add_parser(name, help=text)
        reports.add_argument("session")
        reports.add_argument("--reports", type=int, help="the next so many (1)")
    halt = switches.add_parser("halt", help="halt an instrument, or the market")
    halt.add_argument("symbol", nargs="?")
    halt.add_argument("--kind", choices=("suspension", "auction"))
    halt.add_argument("--for", dest="for_seconds", type=int, metavar="SECONDS", help="without it until it is resumed")
    halt.add_argument("--text")
    resume = switches.add_parser("resume", help="end a halt")
    resume.add_argument("symbol", nargs="?")
    index = switches.add_parser("index", help="tell the index that may halt the market")
    index.add_argument("value")
    index.add_argument("--previous-close", required=True)
    phase = switches.add_parser("phase", help="go to a phase by hand, or back to the timetable")
    phase.add_argument("phase", help="a phase's name, or: timetable")
    news = switches.add_parser("news", help="send a notice to market data subscribers")
    news.add_argument("headline")
    news.add_argument("lines", nargs="+")
    news.add_argument("--symbol")
    return parser


def _ask(admin: Address, method: str, path: str, body: dict[str, Any], token: str) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(admin.host, admin.port, timeout=_SECONDS)
    try:
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        connection.request(method, path, json.dumps(body) if method == "POST" else None, headers)
        answer = connection.getresponse()
        document = json.loads(answer.read())
        return answer.status, document if isinstance(document, dict) else {}
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
