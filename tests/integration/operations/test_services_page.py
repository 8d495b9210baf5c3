"""The operator's page "Services": who sees it, what it shows of a real registry, and what it says while Redis is away."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest
import redis
from django.test import Client

from tests.integration.doors.test_query_counts import compare, statements
from trading_workers.operations import views
from trading_workers.snapshot.redis_keys import REVISIONS
from tradsys.configuration import Configuration
from tradsys.embedded.servers import EmbeddedServers
from tradsys.mesh.config.reading import load_mesh_config
from tradsys.mesh.registry.instance import Instance, encode_instance
from tradsys.mesh.registry.keys import RegistryKeys

pytestmark = pytest.mark.django_db
PAGE, BOARD = "/admin/services/", "/admin/services/board"
ORDERS = "tradsys.v1.OrderService"


class SeededRegistry:
    """Instances as their processes would register them, with a long lease."""

    def __init__(self, redis_url: str) -> None:
        self.redis = redis.Redis.from_url(redis_url)
        self.keys = RegistryKeys.of(load_mesh_config(Configuration.from_environment().mesh_config_file))

    def clear(self) -> None:
        names = [name.decode() for name in self.redis.zrange(self.keys.index, 0, -1)]
        self.redis.delete(self.keys.index, REVISIONS, *(self.keys.instance(name) for name in names))

    def add(self, process: str, **fields: object) -> None:
        now = time.time_ns()
        name = f"{process}-1-1"
        document = Instance(  # type: ignore[arg-type]
            process=process, instance=name, started_at=now, renewed_at=now, lease_ms=30_000, version="9.9", **fields
        )
        self.put(name, encode_instance(document))

    def put(self, name: str, raw: bytes) -> None:
        self.redis.set(self.keys.instance(name), raw, px=30_000)
        self.redis.zadd(self.keys.index, {name: time.time_ns() // 1_000_000})

    def remove(self, process: str) -> None:
        self.redis.delete(self.keys.instance(f"{process}-1-1"))


@pytest.fixture
def registry(servers: EmbeddedServers) -> Iterator[SeededRegistry]:
    seeded = SeededRegistry(servers.redis.url)
    seeded.clear()
    views.memory().forget()
    yield seeded
    seeded.clear()
    views.memory().forget()


def state_of(page: str, process: str) -> str:
    found = re.search(rf'data-process="{process}" data-state="([a-z_]+)"', page)
    assert found is not None, f"{process} is not on the page"
    return found[1]


def text(client: Client, address: str = PAGE, language: str = "en") -> str:
    answer = client.get(address, headers={"accept-language": language})
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_stranger_is_sent_to_the_sign_in_and_gets_no_fragment(client_on: Callable[..., Client], registry: SeededRegistry) -> None:
    registry.add("worker-1")
    stranger = client_on("localhost")
    answer = stranger.get(PAGE)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")
    fragment = stranger.get(BOARD)
    assert (fragment.status_code, fragment.content, fragment["HX-Refresh"]) == (403, b"", "true")


@pytest.mark.parametrize("role", ["administrator", "trader", "viewer"])
def test_a_member_of_a_tenant_finds_no_such_page(client_on: Callable[..., Client], registry: SeededRegistry, role: str) -> None:
    member = client_on("alpha.localhost", f"alpha-{role}")
    for address in (PAGE, BOARD):
        assert member.get(address).status_code == 404
    elsewhere = client_on("localhost")
    elsewhere.post("/admin/login/", {"username": f"alpha-{role}", "password": f"alpha-{role}-secret"})
    assert elsewhere.get(PAGE).status_code == 302
    assert elsewhere.get(BOARD).status_code == 403


def test_the_admins_first_page_leads_here(operator_client: Client) -> None:
    assert f'href="{PAGE}"' in text(operator_client, "/admin/")


@pytest.mark.parametrize("language", ["en", "ar"])
def test_the_operator_sees_every_figure_of_an_instance(operator_client: Client, registry: SeededRegistry, language: str) -> None:
    registry.redis.hset(REVISIONS, mapping={"nile": 7, "_platform": 3})
    registry.add(
        "worker-1",
        services=(ORDERS,),
        health={ORDERS: "NOT_SERVING: line EGX-1 <is> down"},
        mesh_address="127.0.0.1:50151",
        client_address="127.0.0.1:50051",
        metrics_address="127.0.0.1:9301",
        in_flight=4,
        calls=1234,
        breakers={"exchange:EGX": "open", "exchange:ADX": "closed"},
        revisions={"nile": 5, "_platform": 3},
        lag_ms={"nile": 17, "_platform": 9},
    )
    for address in (PAGE, BOARD):
        page = text(operator_client, address, language)
        assert state_of(page, "worker-1") == "not_serving"
        for shown in ("9.9", "127.0.0.1:50151", "127.0.0.1:50051", "127.0.0.1:9301", "1234", "exchange:EGX", "17 ms"):
            assert shown in page, shown
        assert "line EGX-1 &lt;is&gt; down" in page, "escaped: it comes from outside this process"
        assert ("5, 2 behind" if language == "en" else "5، متأخر بمقدار 2") in page
        assert ("Open: calls are refused" if language == "en" else "مفتوح: تُرفض الطلبات") in page


@pytest.mark.parametrize(("language", "word"), [("en", "Degraded"), ("ar", "تعمل بقدرة أقل")])
def test_the_operator_sees_that_a_line_of_two_is_down(
    operator_client: Client, registry: SeededRegistry, language: str, word: str
) -> None:
    registry.add(
        "worker-1",
        services=(ORDERS,),
        health={ORDERS: "SERVING: lines: down: EGX-2; orders go over the other lines"},
        breakers={"exchange:EGX/EGX-1": "closed", "exchange:EGX/EGX-2": "closed"},
    )
    page = text(operator_client, PAGE, language)
    assert state_of(page, "worker-1") == "degraded"
    assert f"<strong>{word}</strong>" in page
    assert "lines: down: EGX-2; orders go over the other lines" in page
    assert page.count("data-breaker=") == 2


def test_an_instance_that_vanished_is_told_as_gone(operator_client: Client, registry: SeededRegistry) -> None:
    registry.add("worker-1")
    registry.add("web")
    assert state_of(text(operator_client), "worker-1") == "serving"
    registry.remove("worker-1")
    page = text(operator_client, BOARD)
    assert (state_of(page, "worker-1"), state_of(page, "web")) == ("gone", "serving")
    assert "worker-1 (Gone)" in page


def test_the_summary_is_said_again_only_when_it_has_changed(operator_client: Client, registry: SeededRegistry) -> None:
    registry.add("worker-1")
    first = text(operator_client, BOARD)
    assert 'role="status"' in first
    said = re.search(r"said=([0-9a-f]+)", first)
    assert said is not None
    assert 'role="status"' not in text(operator_client, f"{BOARD}?said={said[1]}")
    registry.remove("worker-1")
    assert 'role="status"' in text(operator_client, f"{BOARD}?said={said[1]}")


def test_a_document_that_is_no_instance_is_named_and_hides_no_other(operator_client: Client, registry: SeededRegistry) -> None:
    registry.add("worker-1")
    registry.put("broken-1-1", b'{"process": 7}')
    page = text(operator_client)
    assert state_of(page, "worker-1") == "serving"
    assert "broken-1-1" in page


def test_an_empty_registry_says_what_to_do(operator_client: Client, registry: SeededRegistry) -> None:
    page = text(operator_client)
    assert "No process is registered." in page
    assert "manage.py mesh show" in page


def test_while_redis_is_away_the_last_copy_is_shown_and_the_page_recovers(
    operator_client: Client, registry: SeededRegistry, servers: EmbeddedServers
) -> None:
    registry.add("worker-1")
    assert state_of(text(operator_client), "worker-1") == "serving"
    servers.stop_redis()
    try:
        begun = time.monotonic()
        page = text(operator_client, BOARD)
        assert time.monotonic() - begun < 2
        assert state_of(page, "worker-1") == "unknown"
        assert "Redis does not answer" in page
        assert "this is the last known state" in page
        views.memory().forget()
        assert "has not been read since" in text(operator_client)
    finally:
        servers.start_redis()
    registry.add("worker-1")
    assert state_of(text(operator_client, BOARD), "worker-1") == "serving"


def test_the_page_takes_as_many_statements_for_many_instances_as_for_one(operator_client: Client, registry: SeededRegistry) -> None:
    registry.add("worker-1", revisions={"nile": 1})
    pages = {"operator: services": PAGE, "operator: services, every two seconds": BOARD}
    few = {name: statements(operator_client, address) for name, address in pages.items()}
    for number in range(2, 21):
        registry.add(f"worker-{number}", revisions={"nile": 1})
    assert {name: statements(operator_client, address) for name, address in pages.items()} == few
    compare(few)
