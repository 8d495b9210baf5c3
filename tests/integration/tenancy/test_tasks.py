"""A task runs for whom its header names, and not at all without one; through a real worker and a real broker."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from celery.contrib.testing.worker import start_worker
from celery.result import AsyncResult

from tenants.kernel.context import TenantNotSet
from tenants.kernel.directory import UnknownTenant
from tenants.kernel.entry_points import enter_for_command, platform_scope, schema_maintenance
from tenants.kernel.tasks import PLATFORM, SCOPE_HEADER, ScopeHeaderMissing
from tenants.models import Tenant
from tests.integration.tenancy.support import SLUGS, codes, mark_both_tenants
from tradsys.celery_app import app
from tradsys.mesh.telemetry.metrics import METRICS

pytestmark = pytest.mark.django_db(transaction=True)

runs: list[list[str]] = []


@app.task(name="tests.read_codes")
def read_codes() -> list[str]:
    runs.append(codes())
    return runs[-1]


@app.task(name="tests.count_tenants")
def count_tenants() -> int:
    return Tenant.objects.count()


@app.task(name="tests.fail_once", bind=True, max_retries=1)
def fail_once(self: object) -> list[str]:
    if self.request.retries == 0:  # type: ignore[attr-defined]
        raise self.retry(countdown=0)  # type: ignore[attr-defined]
    return codes()


@pytest.fixture
def worker(db: None) -> Iterator[None]:
    runs.clear()
    with start_worker(app, pool="threads", concurrency=2, perform_ping_check=False, shutdown_timeout=20):
        yield


def test_a_worker_runs_each_task_in_the_tenant_that_sent_it(worker: None) -> None:
    mark_both_tenants()
    sent: list[tuple[str, AsyncResult]] = []
    for slug in SLUGS * 4:
        with enter_for_command(slug):
            sent.append((slug, read_codes.delay()))
    for slug, result in sent:
        assert result.get(timeout=30) == [slug.upper()]


def test_a_retry_stays_in_its_tenant(worker: None) -> None:
    mark_both_tenants()
    with enter_for_command("beta"):
        result = fail_once.delay()
    assert result.get(timeout=30) == ["BETA"]


def test_a_task_without_the_header_is_refused_by_the_worker_and_does_not_run(worker: None) -> None:
    mark_both_tenants()
    # Past our own base class, as a program that knows only the broker would send it.
    result = app.send_task("tests.read_codes")
    with pytest.raises(ScopeHeaderMissing):
        result.get(timeout=30)
    assert runs == []


def test_a_task_for_an_unknown_tenant_does_not_run(worker: None) -> None:
    result = app.send_task("tests.read_codes", headers={SCOPE_HEADER: "gamma"})
    with pytest.raises(UnknownTenant):
        result.get(timeout=30)
    assert runs == []


def test_the_platforms_task_sees_shared_tables_only(worker: None) -> None:
    assert app.send_task("tests.count_tenants", headers={SCOPE_HEADER: PLATFORM}).get(timeout=30) == 2
    with platform_scope():
        result = read_codes.delay()
    with pytest.raises(Exception, match="does not exist"):
        result.get(timeout=30)


def test_sending_a_task_outside_every_scope_raises() -> None:
    with pytest.raises(TenantNotSet):
        read_codes.delay()
    with pytest.raises(TypeError), schema_maintenance():
        read_codes.delay()


def test_every_periodic_task_exists_and_carries_a_scope_and_has_nothing_left_when_it_runs_again() -> None:
    app.loader.import_default_modules()
    for name, entry in app.conf.beat_schedule.items():
        assert entry["task"] in app.tasks, name
        assert entry["options"]["headers"][SCOPE_HEADER], name
        task = app.tasks[entry["task"]]
        # The first run takes in whatever the tests before this one have counted in the shared Redis.
        assert task.apply(headers=entry["options"]["headers"]).get() >= 0, name
        assert task.apply(headers=entry["options"]["headers"]).get() == 0, name


def test_a_task_is_counted_and_timed_under_its_name_and_its_end(worker: None) -> None:
    def seen(state: str) -> float:
        labels = {"service": "celery", "method": "tests.count_tenants", "code": state}
        return METRICS.registry.get_sample_value("tradsys_requests_total", labels) or 0

    before = seen("SUCCESS"), seen("FAILURE")
    with platform_scope():
        count_tenants.delay().get(timeout=30)
    with pytest.raises(ScopeHeaderMissing):
        app.send_task("tests.count_tenants").get(timeout=30)
    deadline = time.monotonic() + 5
    while (seen("SUCCESS"), seen("FAILURE")) != (before[0] + 1, before[1] + 1):
        assert time.monotonic() < deadline, "the worker did not count both"
        time.sleep(0.02)
    assert METRICS.registry.get_sample_value("tradsys_requests_in_flight", {"service": "celery"}) == 0
