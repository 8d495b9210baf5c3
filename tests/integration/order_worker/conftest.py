"""One running platform for the tests of this folder that need one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.order_platform import WITHOUT_PAGES
from tests.smoke.platform import Platform, running_platform


@pytest.fixture(scope="package")
def platform() -> Iterator[Platform]:
    """Servers, venues, relay, worker and projector with the demo's tenants, on ports of its own."""
    with running_platform(without=WITHOUT_PAGES) as found:
        yield found
