"""Who gets through a real gRPC server's doors, and what a swapped certificate does to calls that are running."""

from __future__ import annotations

import asyncio
import logging
import shutil
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from cryptography import x509

from tests.mesh_trust import MESH, WHO, ask, certificate_folder, channel_to, client_of_tenant, who_am_i, who_server
from tradsys.mesh.trust.certificates import (
    BUNDLE,
    announce_authority,
    ensure_certificates,
    issue_service,
    renew_certificates,
    service_file,
)
from tradsys.mesh.trust.credentials import ChannelTrust, IdentityFiles, channel_options, server_credentials
from tradsys.mesh.trust.x509_files import CertificateError, read_key_pair

RELOAD_MS = MESH.mtls.reload_ms
DAY = 24 * 3_600 * 1_000_000_000


def trust(folder: Path, process: str | None = "web", *, ca: Path | None = None) -> ChannelTrust:
    return ChannelTrust(ca or folder / BUNDLE, None if process is None else IdentityFiles.of(folder, process), RELOAD_MS)


async def refused(address: str, process: str, trust: ChannelTrust) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await who_am_i(address, process, trust)
    assert error.value.code() is grpc.StatusCode.UNAVAILABLE


async def until_served(address: str, serial: int) -> None:
    """Wait until new connections to `address` are shown the certificate with this serial number."""
    host, port = address.split(":")
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if await asyncio.to_thread(_served_serial, host, int(port)) == serial:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the new certificate was never served")


def _served_serial(host: str, port: int) -> int:
    return x509.load_pem_x509_certificate(ssl.get_server_certificate((host, port)).encode()).serial_number


async def test_a_service_is_known_by_its_certificate(tmp_path: Path) -> None:
    folder = certificate_folder(tmp_path, "worker-1", "web")
    async with who_server(folder, "worker-1") as address:
        assert await who_am_i(address, "worker-1", trust(folder)) == "web||"
        assert await who_am_i(address, "worker-1", trust(folder, "worker-1")) == "worker-1||"


async def test_a_tenants_program_is_known_by_its_tenant_and_is_no_service(tmp_path: Path) -> None:
    folder = certificate_folder(tmp_path, "worker-1")
    program = ChannelTrust(folder / BUNDLE, client_of_tenant(folder, "nile", "web"), RELOAD_MS)
    async with who_server(folder, "worker-1") as address:
        assert await who_am_i(address, "worker-1", program) == "|nile|web"


async def test_without_a_certificate_nobody_passes_the_mesh_door(tmp_path: Path) -> None:
    folder = certificate_folder(tmp_path, "worker-1")
    async with who_server(folder, "worker-1") as address:
        await refused(address, "worker-1", trust(folder, None))
        async with grpc.aio.insecure_channel(address) as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await ask(channel)


async def test_the_client_door_has_tls_and_names_nobody(tmp_path: Path) -> None:
    folder = certificate_folder(tmp_path, "worker-1", "web")
    async with who_server(folder, "worker-1", clients_need_certificate=False) as address:
        assert await who_am_i(address, "worker-1", trust(folder, None)) == "||"
        assert await who_am_i(address, "worker-1", trust(folder, "web")) == "||"


async def test_a_certificate_of_another_authority_is_refused_on_either_side(tmp_path: Path) -> None:
    ours = certificate_folder(tmp_path / "ours", "worker-1", "web")
    theirs = certificate_folder(tmp_path / "theirs", "worker-1", "web")
    async with who_server(ours, "worker-1") as address:
        await refused(address, "worker-1", trust(theirs, "web", ca=ours / BUNDLE))
        await refused(address, "worker-1", trust(ours, "web", ca=theirs / BUNDLE))


async def test_an_expired_certificate_is_refused_on_either_side(tmp_path: Path) -> None:
    folder = certificate_folder(tmp_path, "worker-1", "web", now=time.time_ns() - 30 * DAY)
    issue_service(folder, MESH, "worker-1", now=time.time_ns())
    async with who_server(folder, "worker-1") as address:
        await refused(address, "worker-1", trust(folder, "web"))
        assert await who_am_i(address, "worker-1", trust(folder, "worker-1")) == "worker-1||"
    issue_service(folder, MESH, "web", now=time.time_ns())
    issue_service(folder, MESH, "worker-1", now=time.time_ns() - 2 * DAY)
    async with who_server(folder, "worker-1") as address:
        await refused(address, "worker-1", trust(folder, "web"))


async def test_another_service_of_the_same_mesh_cannot_stand_in_for_the_one_called(tmp_path: Path) -> None:
    folder = certificate_folder(tmp_path, "worker-1", "web")
    async with who_server(folder, "web") as address:
        await refused(address, "worker-1", trust(folder))


async def test_a_tenants_program_cannot_serve_in_a_services_name(tmp_path: Path) -> None:
    folder = certificate_folder(tmp_path, "web")
    client_of_tenant(folder, "nile", "algo")
    shutil.copy(folder / "clients" / "nile" / "algo.pem", service_file(folder, "worker-1"))
    async with who_server(folder, "worker-1") as address:
        await refused(address, "worker-1", trust(folder))


async def test_certificates_are_swapped_under_load_without_a_failed_call(tmp_path: Path) -> None:
    folder = certificate_folder(tmp_path, "worker-1", "web")
    mine = trust(folder)
    stop, answers = asyncio.Event(), []

    async def call(address: str) -> None:
        version, channel = mine.version(), channel_to(address, "worker-1", mine)
        while not stop.is_set():
            if mine.version() != version:
                await channel.close()
                version, channel = mine.version(), channel_to(address, "worker-1", mine)
            answers.append(await ask(channel))
        await channel.close()

    async with who_server(folder, "worker-1") as address:
        callers = [asyncio.create_task(call(address)) for _ in range(4)]
        async with channel_to(address, "worker-1", mine) as kept:
            await ask(kept)
            for _ in range(3):
                assert renew_certificates(folder, MESH, time.time_ns(), everything=True) == ["web.pem", "worker-1.pem"]
                await until_served(address, read_key_pair(service_file(folder, "worker-1")).certificate.serial_number)
            assert await ask(kept) == "web||", "a connection that stands goes on"
        stop.set()
        await asyncio.gather(*callers)
    assert mine.version() > 1
    assert len(answers) > 5
    assert set(answers) == {"web||"}


async def test_the_authority_changes_without_anybody_being_refused(tmp_path: Path) -> None:
    folder = certificate_folder(tmp_path, "worker-1", "web")
    mine, now = trust(folder), time.time_ns()
    async with who_server(folder, "worker-1") as address:
        old = read_key_pair(service_file(folder, "worker-1")).certificate
        assert announce_authority(folder, MESH, now)
        while mine.version() == 1:
            await asyncio.sleep(0.005)
        written = renew_certificates(folder, MESH, now + 61 * 1_000_000_000)
        assert {"ca.key.pem", "web.pem", "worker-1.pem"} <= set(written)
        new = read_key_pair(service_file(folder, "worker-1")).certificate
        assert new.issuer != old.issuer
        await until_served(address, new.serial_number)
        # Before and after its own reload: the old certificate is still trusted, and so is the new one.
        assert await who_am_i(address, "worker-1", trust(folder)) == "web||"


async def test_a_damaged_file_leaves_the_certificate_in_use_and_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = certificate_folder(tmp_path, "worker-1", "web")
    mine = trust(folder)
    async with who_server(folder, "worker-1") as address:
        good = service_file(folder, "web").read_bytes()
        service_file(folder, "web").write_bytes(good[:200])
        service_file(folder, "worker-1").write_bytes(b"")
        await asyncio.sleep(RELOAD_MS * 2 / 1000)
        with caplog.at_level(logging.ERROR):
            assert await who_am_i(address, "worker-1", mine) == "web||"
        assert mine.version() == 1
        assert any("web.pem" in record.message for record in caplog.records)
        ensure_certificates(folder, MESH, ["web", "worker-1"], time.time_ns())
        await asyncio.sleep(RELOAD_MS * 2 / 1000)
        assert mine.version() == 2
        assert await who_am_i(address, "worker-1", mine) == "web||"


def test_a_start_without_certificates_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match=r"manage\.py certs init"):
        server_credentials(IdentityFiles.of(tmp_path, "web"), clients_need_certificate=True, reload_ms=RELOAD_MS)
    with pytest.raises(CertificateError, match=r"manage\.py certs init"):
        ChannelTrust(tmp_path / BUNDLE, None, RELOAD_MS)


def test_blocking_servers_and_channels_use_the_same_credentials(tmp_path: Path) -> None:
    folder = certificate_folder(tmp_path, "services", "web")
    handler = grpc.method_handlers_generic_handler(
        "tests.Echo", {"Who": grpc.unary_unary_rpc_method_handler(lambda request, context: context.auth_context()["peer_uri"][0])}
    )
    server = grpc.server(ThreadPoolExecutor(1), handlers=(handler,))
    credentials = server_credentials(IdentityFiles.of(folder, "services"), clients_need_certificate=True, reload_ms=RELOAD_MS)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    options = channel_options("services", MESH)
    with grpc.secure_channel(f"127.0.0.1:{port}", trust(folder).credentials(), options=options) as channel:
        assert channel.unary_unary(WHO)(b"", timeout=5) == b"spiffe://tradsys.internal/ns/default/service/web"
    server.stop(None)
