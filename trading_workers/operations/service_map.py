"""The picture on top of the page "Services": every process as a tile, in the lane where the traffic meets it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from trading_workers.operations.service_board import Line, State, worst


class Lane(StrEnum):
    """In the order in which an order passes them; the last one stands beside."""

    DOORS = "doors"
    WORKERS = "workers"
    EXCHANGES = "exchanges"
    BACKGROUND = "background"


_LANES = {
    "web": Lane.DOORS,
    "services": Lane.DOORS,
    "demo-flow": Lane.DOORS,
    "demo-liquidity": Lane.EXCHANGES,
    "worker": Lane.WORKERS,
    "market-data": Lane.EXCHANGES,
    "venue": Lane.EXCHANGES,
}


@dataclass(frozen=True, slots=True)
class Tile:
    """One process, whatever the number of its instances: its worst state and all its calls."""

    process: str
    state: State
    anchor: str
    instances: int
    rate: float | None
    in_flight: int


@dataclass(frozen=True, slots=True)
class LaneOfTiles:
    lane: Lane
    tiles: tuple[Tile, ...]


def lane_of(process: str) -> Lane:
    """By the process's name, or by what stands before its last hyphen: ``worker-2`` as ``worker``."""
    return _LANES.get(process) or _LANES.get(process.rpartition("-")[0]) or Lane.BACKGROUND


def traffic_map(lines: Sequence[Line]) -> tuple[LaneOfTiles, ...]:
    """Lanes that have a process, in the order of the traffic."""
    processes = dict.fromkeys(line.process for line in lines)
    tiles: dict[Lane, list[Tile]] = {lane: [] for lane in Lane}
    for process in processes:
        own = [line for line in lines if line.process == process]
        rates = [line.rate for line in own if line.rate is not None]
        tiles[lane_of(process)].append(
            Tile(
                process=process,
                state=worst(line.state for line in own),
                anchor=own[0].anchor,
                instances=sum(line.instance is not None and line.state is not State.GONE for line in own),
                rate=sum(rates) if rates else None,
                in_flight=sum(line.instance.in_flight for line in own if line.instance is not None),
            )
        )
    return tuple(LaneOfTiles(lane, tuple(found)) for lane, found in tiles.items() if found)
