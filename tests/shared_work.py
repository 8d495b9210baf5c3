"""How two processes share the test suite (``pytest -n 2``): a file stays whole, and whole platforms run one after another.

Each process has a PostgreSQL, a Redis and ports of its own (`tests.servers`). What a file started serves all its tests. Tests that
start a whole platform would take each other's processor time, so one process does them all, first.
"""

from __future__ import annotations

import os

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

PLATFORMS = ("tests/browser/", "tests/integration/embedded/")
ONE_PLATFORM = ("tests/integration/order_worker/test_order_service", "tests/integration/order_worker/test_rules_reach_workers")
"""Files whose tests share one running platform."""


class FilesTogether(LoadFileScheduling):
    """Scope of a test: its file, `PLATFORMS`, or `ONE_PLATFORM`."""

    def __init__(self, config: pytest.Config, log: Producer | None) -> None:
        super().__init__(config, log)
        # In the order of collection; by default the files with the most tests come first, whatever they take.
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(ONE_PLATFORM):
            return "one platform"
        return "platforms" if nodeid.startswith(PLATFORMS) else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FilesTogether:
    return FilesTogether(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """The processes inherit this one's environment, and Django would read its settings there before they have their own."""
    del os.environ["DJANGO_SETTINGS_MODULE"]
