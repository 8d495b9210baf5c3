"""What the .proto files publish is what the services serve: no client finds a method that nobody answers."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor import MethodDescriptor

from trading_workers.service_catalogue import SERVICES

PROTOS = Path(__file__).parents[3] / "protos"


def published() -> Iterator[MethodDescriptor]:
    for path in sorted(PROTOS.rglob("*.proto")):
        module = path.relative_to(PROTOS).with_suffix("").as_posix().replace("/", ".") + "_pb2"
        for service in importlib.import_module(module).DESCRIPTOR.services_by_name.values():
            yield from service.methods


def test_every_published_method_is_served_by_its_service_and_none_besides() -> None:
    served = {f"{each.NAME}.{rule.name}": rule.streaming for each in SERVICES for rule in each.METHODS}
    offered = {each.full_name: each.client_streaming or each.server_streaming for each in published()}
    assert offered.keys() == served.keys()
    assert offered == served
    assert len(offered) > 40
