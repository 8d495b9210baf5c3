"""The documented example of the mesh configuration has every field, is current and loads."""

from __future__ import annotations

from typing import get_type_hints

import yaml

from tradsys.mesh.config.allowed import allowed_values
from tradsys.mesh.config.example import EXAMPLE, example, meanings
from tradsys.mesh.config.reading import load_mesh_config
from tradsys.mesh.config.schema import BreakerSettings, Section, ServiceMeshConfig


def sections(kind: type[Section]) -> list[type[Section]]:
    below = [each for each in get_type_hints(kind).values() if isinstance(each, type) and issubclass(each, Section)]
    return [kind, *(found for each in below for found in sections(each))]


def test_the_example_is_what_the_schema_says_now() -> None:
    assert EXAMPLE.read_text(encoding="utf-8") == example(), "run: python manage.py mesh example"


def test_the_example_loads() -> None:
    assert load_mesh_config(EXAMPLE).circuit_breaker.overrides["exchange:EGX"] == BreakerSettings(
        failures=20, window_ms=30_000, open_ms=2_000, slow_call_ms=15_000
    )


def test_every_field_of_the_schema_is_there_with_a_comment_of_its_meaning_and_what_it_allows() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    flowing = " ".join(line.strip().removeprefix("# ") for line in text.splitlines())
    found = yaml.safe_load(text)

    def check(kind: type[Section], values: dict[str, object]) -> None:
        assert list(values) == list(kind.__struct_fields__)
        for name, annotation in get_type_hints(kind, include_extras=True).items():
            assert " ".join(meanings()[kind.__name__][name].split()) in flowing, name
            value = values[name]
            if isinstance(annotation, type) and issubclass(annotation, Section):
                assert isinstance(value, dict)
                check(annotation, value)
            else:
                assert f"Allowed: {allowed_values(annotation)}." in flowing, name

    check(ServiceMeshConfig, found)
    assert BreakerSettings in sections(ServiceMeshConfig)
