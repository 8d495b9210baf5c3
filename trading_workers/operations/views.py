"""The operator's page "Services": what runs, how it is, and what holds which configuration. Live, read-only."""

from __future__ import annotations

import hashlib
import time
from functools import cache
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from trading_workers.operations.registry_reading import REDIS_AWAY, Reading, read_registry, registry_client
from trading_workers.operations.service_board import GONE_NS, NS, Board, BoardMemory, BreakerState, Line, State
from trading_workers.operations.service_map import Lane, traffic_map
from tradsys.configuration import Configuration
from tradsys.mesh.config.reading import load_mesh_config
from tradsys.mesh.config.schema import ServiceMeshConfig
from tradsys.mesh.registry.keys import RegistryKeys

STATE_NAMES = {
    State.SERVING: lambda: _("Serving"),
    State.BEHIND: lambda: _("Configuration behind"),
    State.DEGRADED: lambda: _("Degraded"),
    State.BREAKER_OPEN: lambda: _("Breaker not closed"),
    State.NOT_SERVING: lambda: _("Not serving"),
    State.GONE: lambda: _("Gone"),
    State.MISSING: lambda: _("Not registered"),
    State.UNKNOWN: lambda: _("Not known"),
}
BREAKER_NAMES = {
    BreakerState.CLOSED: lambda: _("Closed"),
    BreakerState.HALF_OPEN: lambda: _("Half open: one trial at a time"),
    BreakerState.OPEN: lambda: _("Open: calls are refused"),
}
LANE_NAMES = {
    Lane.DOORS: lambda: _("Doors"),
    Lane.WORKERS: lambda: _("Order workers"),
    Lane.EXCHANGES: lambda: _("Exchanges and market data"),
    Lane.BACKGROUND: lambda: _("Background"),
}
SIGNS = {"good": "✓", "warn": "!", "bad": "✕", "quiet": "?"}
"""Beside each colour: who cannot tell colours apart sees the same."""


@require_GET
def services(request: HttpRequest) -> HttpResponse:
    """The whole page. Guarded in ``operations.urls``."""
    context = {**admin.site.each_context(request), "title": _("Services"), "is_nav_sidebar_enabled": False}
    return render(request, "operations/services.html", {**context, **_board_context("")})


@require_GET
@never_cache
def services_board(request: HttpRequest) -> HttpResponse:
    """The part that is read again every two seconds."""
    if not admin.site.has_permission(request):
        # The session has ended: the browser loads the page anew and comes to the sign-in, not to a sign-in inside the page.
        return HttpResponse(status=403, headers={"HX-Refresh": "true"})
    return render(request, "operations/board.html", {**_board_context(request.GET.get("said", "")), "live": True})


@cache
def memory() -> BoardMemory:
    """What this process of the web remembers of the registry."""
    return BoardMemory(expected=tuple(Configuration.from_environment().metrics))


@cache
def _config() -> ServiceMeshConfig:
    return load_mesh_config(Configuration.from_environment().mesh_config_file)


@cache
def _client(redis_url: str) -> Any:
    return registry_client(redis_url)


def read_now() -> Reading | None:
    keys = RegistryKeys.of(_config())
    try:
        return read_registry(_client(Configuration.from_environment().redis_url), keys, now=time.time_ns())
    except REDIS_AWAY:
        return None


def _board_context(said: str) -> dict[str, object]:
    board, config = memory().board(read_now(), now=time.time_ns()), _config()
    summary = _summary(board)
    mark = hashlib.sha256(summary.encode()).hexdigest()[:12]
    return {
        "board": board,
        "summary": summary,
        "summary_tone": _summary_tone(board),
        "mark": mark,
        # Said again only when it has changed: a screen reader would otherwise speak every two seconds.
        "say": mark != said,
        "lanes": [
            {
                "name": LANE_NAMES[each.lane](),
                "lane": each.lane.value,
                "tiles": [{"tile": tile, **_state(tile.state), "rate": _rate(tile.rate)} for tile in each.tiles],
            }
            for each in traffic_map(board.lines)
        ],
        "lines": [_line(line) for line in board.lines],
        "breakers": [
            {
                "breaker": each,
                "name": BREAKER_NAMES[BreakerState(each.state)]() if each.state in BREAKER_NAMES else each.state,
                "tone": each.tone,
                "sign": SIGNS[each.tone],
            }
            for each in board.breakers
        ],
        "documents": [
            {
                "name": row.name,
                "newest": row.newest,
                "held": [(line.process, each) for line, each in zip(board.holders, row.held, strict=True)],
            }
            for row in board.documents
        ],
        "age": duration(board.age_s),
        "gone_for": duration(GONE_NS // NS),
        "config": config,
        "most_calls": config.connection_pool.max_calls_per_instance * config.connection_pool.channels_per_instance,
    }


def _summary(board: Board) -> str:
    if not board.ever_read:
        return _("Redis is away and the registry has not been read yet.")
    if board.redis_away:
        return _("Redis is away: this is the last known state.")
    troubled = board.troubled
    if not troubled:
        count = sum(line.instance is not None for line in board.lines)
        return _("Everything runs and serves. Instances: %(count)s") % {"count": count}
    told = ", ".join(f"{line.process} ({STATE_NAMES[line.state]()})" for line in troubled)
    return _("Needs attention: %(processes)s") % {"processes": told}


def _summary_tone(board: Board) -> str:
    if board.redis_away or any(line.state.tone == "bad" for line in board.lines):
        return "bad"
    return "warn" if board.troubled else "good"


def _state(state: State) -> dict[str, str]:
    return {"state_name": STATE_NAMES[state](), "tone": state.tone, "sign": SIGNS[state.tone]}


def _line(line: Line) -> dict[str, object]:
    instance = line.instance
    addresses = []
    if instance is not None:
        named = (
            (_("mesh"), instance.mesh_address),
            (_("clients"), instance.client_address),
            (_("metrics"), instance.metrics_address),
        )
        addresses = [(name, address) for name, address in named if address]
    return {
        "line": line,
        **_state(line.state),
        "addresses": addresses,
        "uptime": duration(line.uptime_s),
        "gone": duration(line.gone_s),
        "rate": _rate(line.rate),
        "lease_left": _seconds(line.lease_left_ms),
        "lease": _seconds(instance.lease_ms) if instance else "",
        "lease_low": instance.lease_ms // 4 if instance else 0,
        "lease_high": instance.lease_ms // 2 if instance else 0,
        "breakers_not_closed": sum(state != BreakerState.CLOSED for state in instance.breakers.values()) if instance else 0,
    }


def _rate(rate: float | None) -> str:
    if rate is None:
        return ""
    return f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}"


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds // 1000}.{milliseconds % 1000 // 100}"


def duration(seconds: int) -> str:
    """``42 s``, ``5 min``, ``3 h 12 min``, ``2 d 4 h`` in the reader's language."""
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if days:
        return _("%(days)s d %(hours)s h") % {"days": days, "hours": hours % 24}
    if hours:
        return _("%(hours)s h %(minutes)s min") % {"hours": hours, "minutes": minutes % 60}
    if minutes:
        return _("%(minutes)s min") % {"minutes": minutes}
    return _("%(seconds)s s") % {"seconds": seconds}
