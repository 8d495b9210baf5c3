"""A process of the mesh with two services behind both doors: start, health, lease, and an end that drains."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from licensing.licence_check import LicenceCheck
from tests.mesh_calls import refused
from tests.mesh_documents import mesh_config
from tests.servers import EmbeddedServers
from tests.unit.mesh.test_interceptor import Licence
from tradsys.configuration import Address, Configuration
from tradsys.embedded.ports import any_free_port
from tradsys.mesh.admission import Admission
from tradsys.mesh.host import CannotListen, ServiceHost
from tradsys.mesh.platform_service import PlatformService
from tradsys.mesh.registry.local_copy import Registry
from tradsys.mesh.service import OPERATOR, SERVING, TRADER, Health, HealthStatus, MethodRule, ServiceDependency, UnifiedService
from tradsys.mesh.standard_services import STANDARD_SERVICES
from tradsys.mesh.start_order import StartOrderError
from tradsys.mesh.tokens import TokenVerifier, issue
from tradsys.mesh.trust.authorization import AuthorizationTable
from tradsys.mesh.trust.certificates import BUNDLE, ensure_certificates
from tradsys.mesh.trust.credentials import ChannelTrust, IdentityFiles
from tradsys.mesh.trust.identity import PeerReader
from tradsys.mesh.usage import UsageRecorder
from tradsys.v1 import platform_pb2 as pb
from tradsys.v1 import platform_pb2_grpc

KEY = Ed25519PrivateKey.generate()
CONFIG = mesh_config(mtls={"enabled": True}, registry={"lease_ms": 600, "renew_ms": 100, "poll_ms": 200})
Events = list[str]


class Part(UnifiedService):
    """Notes what happens to it. `Watch` goes on until it is told to end."""

    ABOUT = "A part of a test."

    def __init__(self, events: Events) -> None:
        self._events = events
        self._ending = asyncio.Event()

    async def initialize(self) -> None:
        self._events.append(f"initialize {self.NAME}")

    async def start(self) -> None:
        self._events.append(f"start {self.NAME}")

    async def stop(self) -> None:
        self._events.append(f"stop {self.NAME}")

    def drain(self) -> None:
        self._events.append(f"drain {self.NAME}")
        self._ending.set()

    def add_to(self, server: Any) -> None:
        async def say(request: bytes, context: Any) -> bytes:
            return request

        async def watch(request: bytes, context: Any) -> AsyncIterator[bytes]:
            yield b"first"
            await self._ending.wait()
            yield b"last"

        handlers = {"Say": grpc.unary_unary_rpc_method_handler(say), "Watch": grpc.unary_stream_rpc_method_handler(watch)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(self.NAME, handlers),))


METHODS = (
    MethodRule(
        name="Say", about="Says it again.", roles=frozenset({TRADER}), services=frozenset({"web"}), features=("exchange:EGX",)
    ),
    MethodRule(name="Watch", about="Goes on.", roles=frozenset({TRADER}), streaming=True),
)


class Base(Part):
    NAME = "tests.v1.Base"
    METHODS = METHODS
    DEPENDENCIES = (ServiceDependency(name="disk", kind="resource"),)


class Upper(Part):
    NAME = "tests.v1.Upper"
    METHODS = METHODS
    DEPENDENCIES = (
        ServiceDependency(name="tests.v1.Base"),
        ServiceDependency(name="tests.v1.Elsewhere", kind="remote", required=False),
    )


class Circular(Part):
    NAME = "tests.v1.Base"
    METHODS = METHODS
    DEPENDENCIES = (ServiceDependency(name="tests.v1.Upper"),)


@dataclass
class Hosted:
    host: ServiceHost
    events: Events
    folder: Path
    disk: list[Health]
    client_door: str
    mesh_door: str

    @asynccontextmanager
    async def channel(self, *, as_service: str = "") -> AsyncIterator[grpc.aio.Channel]:
        """To the client door, or as a service to the mesh door."""
        own = IdentityFiles.of(self.folder, as_service) if as_service else None
        trust = ChannelTrust(self.folder / BUNDLE, own, 100)
        address = self.mesh_door if as_service else self.client_door
        async with grpc.aio.secure_channel(address, trust.credentials()) as channel:
            yield channel


def token(role: str = TRADER) -> tuple[tuple[str, str], ...]:
    text = issue(KEY, subject=f"nile-{role}", tenant="nile", role=role, accounts=["*"], now=time.time_ns())
    return (("authorization", f"Bearer {text}"),)


def new_host(folder: Path, events: Events, disk: list[Health], *parts: UnifiedService, **changes: Any) -> ServiceHost:
    redis_url = Configuration.from_environment().redis_url
    check = LicenceCheck()
    check.apply("nile", Licence(), revision=1, lease_until=2**62)
    methods = {**STANDARD_SERVICES, PlatformService.NAME: PlatformService.METHODS, **{each.NAME: each.METHODS for each in parts}}
    options: dict[str, Any] = {
        "process": "worker-9",
        "instance": f"worker-9-{time.time_ns()}",
        "services": parts,
        "mesh": CONFIG,
        "client_door": Address("127.0.0.1", any_free_port()),
        "mesh_door": Address("127.0.0.1", any_free_port()),
        "identity": IdentityFiles.of(folder, "worker-9"),
        "admission": Admission(
            tokens=TokenVerifier(KEY.public_key()),
            peer_of=PeerReader(CONFIG).peer,
            permits=AuthorizationTable.of(methods, CONFIG.authorization).permits,
            gate=check,
            now=time.time_ns,
        ),
        "gate": check,
        "usage": UsageRecorder(process="worker-9", instance="test", folder=folder, redis_url=redis_url),
        "registry": Registry(),
        "redis_url": redis_url,
        "resources": {"disk": lambda: disk[0]},
    }
    return ServiceHost(**{**options, **changes})


@asynccontextmanager
async def hosting(tmp_path: Path) -> AsyncIterator[Hosted]:
    folder, events, disk = tmp_path / "certificates", [], [SERVING]
    ensure_certificates(folder, CONFIG, ("worker-9", "web", "relay"), time.time_ns())
    host = new_host(folder, events, disk, Upper(events), Base(events))
    await host.start()
    yield Hosted(host, events, folder, disk, str(host._client_door), str(host._mesh_door))
    await host.stop(0.2)


async def until(condition: Callable[[], object], *, seconds: float = 3.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def health_of(channel: grpc.aio.Channel, service: str) -> int:
    answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
    return int(answer.status)


async def test_services_start_in_the_order_of_their_needs_and_stop_the_other_way(servers: EmbeddedServers, tmp_path: Path) -> None:
    async with hosting(tmp_path) as hosted:
        assert hosted.events == [f"{step} tests.v1.{name}" for step in ("initialize", "start") for name in ("Base", "Upper")]
    assert hosted.events[4:] == ["stop tests.v1.Upper", "stop tests.v1.Base"]


async def test_a_circle_or_a_missing_service_stops_the_start_by_name(servers: EmbeddedServers, tmp_path: Path) -> None:
    with pytest.raises(StartOrderError, match=r"tests\.v1\.Upper → tests\.v1\.Base → tests\.v1\.Upper"):
        new_host(tmp_path, [], [SERVING], Upper([]), Circular([]))
    with pytest.raises(StartOrderError, match=r"tests\.v1\.Upper depends on tests\.v1\.Base, which this process does not serve"):
        new_host(tmp_path, [], [SERVING], Upper([]))


async def test_a_taken_address_is_named_and_what_had_started_is_stopped(servers: EmbeddedServers, tmp_path: Path) -> None:
    async with hosting(tmp_path) as hosted:
        events: Events = []
        taken = hosted.host._client_door
        second = new_host(hosted.folder, events, [SERVING], Base(events), client_door=taken)
        with pytest.raises(CannotListen, match=str(taken)):
            await second.start()
        assert events[-1] == "stop tests.v1.Base"


async def test_both_doors_lead_to_the_services_and_ask_for_what_they_need(servers: EmbeddedServers, tmp_path: Path) -> None:
    async with hosting(tmp_path) as hosted:
        async with hosted.channel() as channel:
            say = channel.unary_unary("/tests.v1.Upper/Say")
            assert await say(b"hello", metadata=token(), timeout=5) == b"hello"
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await say(b"hello", timeout=5)
            assert refused(failed.value).code == "UNAUTHENTICATED"
        async with hosted.channel(as_service="web") as channel:
            assert await channel.unary_unary("/tests.v1.Upper/Say")(b"hello", timeout=5) == b"hello"
        async with hosted.channel(as_service="relay") as channel:
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await channel.unary_unary("/tests.v1.Upper/Say")(b"hello", timeout=5)
            assert refused(failed.value).code == "METHOD_NOT_PERMITTED"
        async with grpc.aio.insecure_channel(hosted.client_door) as plain:
            with pytest.raises(grpc.aio.AioRpcError):
                await plain.unary_unary("/tests.v1.Upper/Say")(b"hello", metadata=token(), timeout=1)


async def test_a_service_serves_only_while_what_it_needs_does(servers: EmbeddedServers, tmp_path: Path) -> None:
    async with hosting(tmp_path) as hosted, hosted.channel() as channel:
        serving, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
        assert [await health_of(channel, name) for name in ("", "tests.v1.Base", "tests.v1.Upper")] == [serving] * 3
        hosted.disk[0] = Health(HealthStatus.NOT_SERVING, "the disk is full")
        async with asyncio.timeout(3):
            while await health_of(channel, "tests.v1.Upper") != not_serving:
                await asyncio.sleep(0.02)
        assert await health_of(channel, "") == not_serving
        assert await health_of(channel, PlatformService.NAME) == serving
        platform: Any = platform_pb2_grpc.PlatformServiceStub(channel)
        health = await platform.GetHealth(pb.ServiceRequest(service="tests.v1.Upper"), metadata=token(), timeout=5)
        assert (health.serving, health.reason) == (False, "tests.v1.Base: disk: the disk is full")


async def test_platform_service_answers_for_every_service_of_the_process(servers: EmbeddedServers, tmp_path: Path) -> None:
    async with hosting(tmp_path) as hosted, hosted.channel() as channel:
        platform: Any = platform_pb2_grpc.PlatformServiceStub(channel)

        async def ask(method: str, request: Any) -> Any:
            return await getattr(platform, method)(request, metadata=token(), timeout=5)

        about = pb.ServiceRequest(service="tests.v1.Upper")
        listed = await ask("ListServices", pb.ListServicesRequest())
        assert {each.name for each in listed.services} == {"tests.v1.Upper", "tests.v1.Base", PlatformService.NAME}
        assert (await ask("GetServiceInfo", about)).instance == "worker-9"
        capabilities = await ask("GetCapabilities", about)
        assert [(each.method, each.streaming) for each in capabilities.capabilities] == [("Say", False), ("Watch", True)]
        needs = await ask("GetDependencies", about)
        assert [(each.name, each.kind, each.healthy, each.required) for each in needs.dependencies] == [
            ("tests.v1.Base", "service", True, True),
            ("tests.v1.Elsewhere", "remote", False, False),
        ]
        requirements = await ask("GetLicenseRequirements", about)
        assert [(each.method, list(each.features), each.meter) for each in requirements.requirements] == [
            ("Say", ["exchange:EGX"], "api_calls"),
            ("Watch", [], "api_calls"),
        ]
        valid = await ask("ValidateLicense", pb.ValidateLicenseRequest(service="tests.v1.Upper", method="Say"))
        assert (valid.valid, valid.code) == (True, "OK")
        unknown = await ask("ValidateLicense", pb.ValidateLicenseRequest(service="tests.v1.Upper", method="Nothing"))
        assert (unknown.valid, unknown.code) == (False, "METHOD_NOT_PERMITTED")
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await ask("GetServiceInfo", pb.ServiceRequest(service="tests.v1.Other"))
        assert refused(failed.value).code == "NOT_FOUND"


async def test_reflection_is_open_and_channelz_is_the_operators(servers: EmbeddedServers, tmp_path: Path) -> None:
    async with hosting(tmp_path) as hosted, hosted.channel() as channel:
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        async for answer in reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([asked]), timeout=5):
            names = {each.name for each in answer.list_services_response.service}
            break
        assert {"tests.v1.Base", PlatformService.NAME, "grpc.health.v1.Health"} <= names
        channelz = channelz_pb2_grpc.ChannelzStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await channelz.GetServers(channelz_pb2.GetServersRequest(), metadata=token(), timeout=5)
        assert refused(failed.value).code == "METHOD_NOT_PERMITTED"
        assert (await channelz.GetServers(channelz_pb2.GetServersRequest(), metadata=token(OPERATOR), timeout=5)).server


async def test_the_lease_says_what_is_served_and_ends_with_the_drain(servers: EmbeddedServers, tmp_path: Path) -> None:
    async with hosting(tmp_path) as hosted:
        registry: Registry = hosted.host._registry
        await until(lambda: registry.read and registry.of("tests.v1.Upper"))
        [instance] = registry.of("tests.v1.Upper")
        assert (instance.process, instance.mesh_address, instance.client_address) == (
            "worker-9",
            hosted.mesh_door,
            hosted.client_door,
        )
        await until(lambda: all(each.serves("tests.v1.Upper") for each in registry.of("tests.v1.Upper")))
        await hosted.host.drain()
        await until(lambda: not registry.of("tests.v1.Upper"))


async def test_a_drain_refuses_new_calls_and_lets_streams_say_their_last_word(servers: EmbeddedServers, tmp_path: Path) -> None:
    async with hosting(tmp_path) as hosted, hosted.channel() as channel:
        stream = channel.unary_stream("/tests.v1.Base/Watch")(b"", metadata=token(), timeout=10)
        assert await stream.read() == b"first"
        await hosted.host.drain()
        assert await stream.read() == b"last"
        assert await stream.read() is grpc.aio.EOF
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await channel.unary_unary("/tests.v1.Base/Say")(b"hello", metadata=token(), timeout=5)
        assert refused(failed.value).code == "SERVICE_DRAINING"
        assert await health_of(channel, "") == health_pb2.HealthCheckResponse.NOT_SERVING
        assert hosted.events[-2:] == ["drain tests.v1.Upper", "drain tests.v1.Base"]


async def test_a_stop_ends_within_its_time_whatever_a_stream_does(servers: EmbeddedServers, tmp_path: Path) -> None:
    async with hosting(tmp_path) as hosted, hosted.channel() as channel:
        stream = channel.unary_stream("/tests.v1.Base/Watch")(b"", metadata=token(), timeout=10)
        assert await stream.read() == b"first"
        began = time.monotonic()
        await hosted.host.stop(0.2)
        assert time.monotonic() - began < 2.5
