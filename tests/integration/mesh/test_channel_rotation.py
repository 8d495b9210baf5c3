"""Certificates that change under load cost no call, and a name in a certificate that is not the process's ends every one."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import grpc
import pytest

from tests.integration.mesh.backends import PATH, Backend, backends
from tests.mesh_documents import an_instance, mesh_config
from tests.mesh_trust import certificate_folder
from tradsys.mesh.channels.blocking import BlockingMeshChannels
from tradsys.mesh.channels.channels import MeshChannels
from tradsys.mesh.channels.course import CallNotSent
from tradsys.mesh.refusals import CallRefusal
from tradsys.mesh.registry.local_copy import Registry
from tradsys.mesh.trust.certificates import BUNDLE, renew_certificates
from tradsys.mesh.trust.credentials import ChannelTrust, IdentityFiles, server_credentials

CONFIG = mesh_config(mtls={"reload_ms": 20}, load_balancing={"services": {}})


def server_side(folder: Path, process: str) -> grpc.ServerCredentials:
    files = IdentityFiles.of(folder, process)
    return server_credentials(files, clients_need_certificate=True, reload_ms=CONFIG.mtls.reload_ms)


def client_side(folder: Path) -> ChannelTrust:
    return ChannelTrust(folder / BUNDLE, IdentityFiles.of(folder, "web"), CONFIG.mtls.reload_ms)


def registry_of(found: list[Backend]) -> Registry:
    registry = Registry()
    registry.replace([each.instance for each in found], {}, now=0)
    return registry


async def test_certificates_swapped_under_load_cost_no_call(tmp_path: Path) -> None:
    folder = certificate_folder(tmp_path, "a", "b", "web")
    async with backends("a", "b", credentials=lambda process: server_side(folder, process)) as found:
        for each in found:
            each.delay = 0.01
        registry, stop, answered = registry_of(found), asyncio.Event(), 0
        channels, blocking = (
            MeshChannels(registry, CONFIG, client_side(folder)),
            BlockingMeshChannels(registry, CONFIG, client_side(folder)),
        )

        async def keep_calling() -> None:
            nonlocal answered
            while not stop.is_set():
                await channels.call(PATH, b"", response=bytes)
                answered += 1

        def keep_calling_in_a_thread() -> None:
            nonlocal answered
            while not stop.is_set():
                blocking.call(PATH, b"", response=bytes)
                answered += 1

        callers = [asyncio.create_task(keep_calling()) for _ in range(6)]
        callers += [asyncio.create_task(asyncio.to_thread(keep_calling_in_a_thread)) for _ in range(2)]
        await asyncio.sleep(0.3)
        for _ in range(4):
            renew_certificates(folder, CONFIG, time.time_ns(), everything=True)
            await asyncio.sleep(0.3)
        stop.set()
        await asyncio.gather(*callers)
        assert answered > 200
        assert all(each.door.connections >= 2 * 4 for each in found), "the channels were made anew with each certificate"
        await channels.close()
        await asyncio.to_thread(blocking.close)


async def test_another_service_at_the_address_is_not_talked_to(tmp_path: Path) -> None:
    folder = certificate_folder(tmp_path, "a", "impostor", "web")
    async with backends("impostor", credentials=lambda process: server_side(folder, process)) as [backend]:
        registry = Registry()
        registry.replace([an_instance("a", mesh_address=backend.instance.mesh_address)], {}, now=0)
        channels = MeshChannels(registry, CONFIG, client_side(folder))
        with pytest.raises(CallNotSent) as caught:
            await channels.call(PATH, b"", response=bytes, wait=0.2)
        assert caught.value.refusal is CallRefusal.DEPENDENCY_UNAVAILABLE
        assert backend.calls == 0
        registry.replace([backend.instance], {}, now=0)
        assert await channels.call(PATH, b"", response=bytes, wait=0.2) == b"impostor:"
        await channels.close()
