"""Which FIX lines a worker has: by name, with the identity that the venue knows and the hosts to try. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tradsys.configuration import Address, ConfigurationError


class LinePlan(NamedTuple):
    name: str
    """``EGX-1``: the exchange's code and the line's number in the pool."""
    exchange: str
    sender_comp_id: str
    hosts: tuple[Address, ...]
    """Tried in turn."""


def line_name(exchange: str, number: int) -> str:
    """The name by which routing rules know a line to an exchange."""
    return f"{exchange}-{number}"


def exchange_of(line: str) -> str:
    """The exchange that a line leads to; also the name of its pool."""
    return line.rpartition("-")[0]


def planned_lines(
    comp_id: str, venues: Mapping[str, Address], lines_per_exchange: int, hosts: Mapping[str, Sequence[Address]]
) -> list[LinePlan]:
    """The pool of each exchange in `venues`. `hosts` has the addresses of lines that do not lead to their exchange's usual one.

    The first line's identity is `comp_id` itself, so that a journal of a single line goes on in it. Raises ConfigurationError for
    `hosts` of a line that is not opened.
    """
    plans = [
        LinePlan(
            name := line_name(exchange, number),
            exchange,
            comp_id if number == 1 else f"{comp_id}-{number}",
            tuple(hosts.get(name, (address,))),
        )
        for exchange, address in venues.items()
        for number in range(1, lines_per_exchange + 1)
    ]
    unknown = sorted(hosts.keys() - {plan.name for plan in plans})
    if unknown:
        opened = ", ".join(plan.name for plan in plans) or "none"
        raise ConfigurationError(
            f"TRADSYS_LINES names {', '.join(unknown)}, which no worker opens; TRADSYS_VENUES and lines_per_exchange make: {opened}"
        )
    return plans
