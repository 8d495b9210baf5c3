"""The mesh's client of a process that blocks, made with its first call: one registry, one set of channels for all threads."""

from __future__ import annotations

import os
import threading

from tradsys.configuration import Configuration
from tradsys.mesh.channels.blocking import BlockingMeshChannels
from tradsys.mesh.config.reading import load_mesh_config
from tradsys.mesh.config.schema import ServiceMeshConfig
from tradsys.mesh.registry.shared import shared_registry
from tradsys.mesh.trust.certificates import BUNDLE
from tradsys.mesh.trust.credentials import ChannelTrust, IdentityFiles

_lock = threading.Lock()
_made: dict[tuple[object, ...], BlockingMeshChannels] = {}


def channel_trust(configuration: Configuration, mesh: ServiceMeshConfig, process: str | None) -> ChannelTrust | None:
    """Whom channels of `process` trust, and its own certificate; without a process the side of a program, which has a token only.

    None where the mesh has TLS switched off. Raises CertificateError.
    """
    if not mesh.mtls.enabled:
        return None
    folder = configuration.var / mesh.mtls.folder
    own = None if process is None else IdentityFiles.of(folder, process)
    return ChannelTrust(folder / BUNDLE, own, mesh.mtls.reload_ms)


def process_channels(process: str, configuration: Configuration) -> BlockingMeshChannels:
    """Of this process, which shows the certificate of `process`; the same at every call. Raises MeshConfigError, CertificateError.

    A process that was forked gets its own: gRPC does not live through a fork.
    """
    addresses = tuple(sorted(configuration.mesh.items()))
    key = (os.getpid(), process, configuration.var, configuration.redis_url, configuration.mesh_config_file, addresses)
    with _lock:
        found = _made.get(key)
        if found is None:
            mesh = load_mesh_config(configuration.mesh_config_file)
            trust = channel_trust(configuration, mesh, process)
            found = _made[key] = BlockingMeshChannels(shared_registry(configuration, mesh), mesh, trust)
        return found


def process_breakers() -> dict[str, str]:
    """States of the breakers of this process's clients: name → closed, half_open or open."""
    with _lock:
        made = [channels for key, channels in _made.items() if key[0] == os.getpid()]
    return {name: state for channels in made for name, state in channels.breakers.states().items()}
