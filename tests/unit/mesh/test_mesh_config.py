"""The mesh configuration: everything wrong is told with its place and what is allowed, and nothing wrong is taken over."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tradsys.configuration import REPOSITORY
from tradsys.mesh.config.reading import LARGEST_FILE_BYTES, MeshConfigError, load_mesh_config, parse_mesh_config

FILE = REPOSITORY / "deploy" / "mesh.yaml"
TEXT = FILE.read_text(encoding="utf-8")
TEXT = re.sub(r"  overrides:\n(?:    .*\n)+", "  overrides: {}\n", TEXT)


def problems(text: str) -> list[str]:
    """Each problem as ``line:column field: text``."""
    with pytest.raises(MeshConfigError) as refused:
        parse_mesh_config(text, FILE)
    return [f"{each.line}:{each.column} {each.field}: {each.text}" for each in refused.value.problems]


def changed(*changes: tuple[str, str]) -> str:
    text = TEXT
    for before, after in changes:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text


def place(text: str, fragment: str) -> str:
    """``line:column`` of `fragment`'s first occurrence."""
    before = text[: text.index(fragment)]
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def test_the_configuration_in_force_is_read() -> None:
    config = load_mesh_config(FILE)
    assert config.mesh_name == "tradsys"
    assert config.retry.codes == ("UNAVAILABLE",)
    assert config.load_balancing.services["tradsys.v1.OrderService"] == "account_affine"


FAILURES = "circuit_breaker.default.failures"
BUCKETS = "duration_buckets_ms: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 1000, 5000]"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("failures: 5", "failures: 0", f"{FAILURES}: found 0; allowed: a whole number from 1 to 10000"),
        ("failures: 5", "failures: 1.5", f"{FAILURES}: found 1.5; allowed: a whole number"),
        ("failures: 5", "failures: true", f"{FAILURES}: found true; allowed: a whole number"),
        ("failures: 5", "failures: 010", f"{FAILURES}: found 010, which YAML reads as an octal number; allowed"),
        ("failures: 5", "failures: 1:30", f"{FAILURES}: found 1:30, which YAML reads as a number of base 60; allowed"),
        ("failures: 5", 'failures: "5"', f"{FAILURES}: found the text '5'; allowed: a whole number"),
        ("failures: 5", "failures:", f"{FAILURES}: found nothing; allowed: a whole number"),
        ("failures: 5", "failures: [5]", f"{FAILURES}: found a list; allowed: a whole number"),
        ("level: INFO", "level: info", "logging.level: found the text 'info'; allowed: one of DEBUG, ERROR, INFO, WARNING"),
        ("mesh_name: tradsys", "mesh_name: no", "mesh_name: found no, which YAML reads as true or false; allowed: a text"),
        ("mesh_name: tradsys", "mesh_name: T S", "mesh_name: found the text 'T S'; allowed: a text of the form ^[a-z]"),
        ("mesh_name: tradsys", 'mesh_name: "a\\n"', "mesh_name: found the text 'a\\n'; allowed: a text of the form"),
        ("mesh_name: tradsys", "mesh_name: !x a", "mesh_name: found the tag !x; allowed: a text"),
        ("mesh_name: tradsys", "mesh_name: 2026-13-45", "mesh_name: found 2026-13-45, which YAML reads as a date"),
        ("otlp_insecure: false", "otlp_insecure: 0", "tracing.otlp_insecure: found 0; allowed: true or false"),
        ("sample_ratio: 1.0", "sample_ratio: .nan", "tracing.sample_ratio: found .nan, which YAML reads as a number; allowed"),
        ("sample_ratio: 1.0", "sample_ratio: 1.01", "tracing.sample_ratio: found 1.01; allowed: a number from 0 to 1"),
        ("codes: [UNAVAILABLE]", "codes: [UNAVAILABLE, X]", "retry.codes[1]: found the text 'X'; allowed: one of ABORTED, DEA"),
        ("codes: [UNAVAILABLE]", "codes: UNAVAILABLE", "retry.codes: found the text 'UNAVAILABLE'; allowed: a list, each"),
        ("overrides: {}", "overrides: 3", "circuit_breaker.overrides: found 3; allowed: names, each with the fields failures"),
        ("overrides: {}", "overrides: {x: 1}", "circuit_breaker.overrides.x: found 1; allowed: the fields failures, window_ms"),
        ("poll_ms: 1000", "pol_ms: 1000", "registry.pol_ms: unknown field (is poll_ms meant?); allowed: type, key_prefix"),
        ("poll_ms: 1000", "lease_ms: 1000", "registry.lease_ms: stands twice, first in line 11; allowed: once"),
        ("poll_ms: 1000", "no: 1000", "registry: found no, which YAML reads as true or false as a name; allowed: a text"),
        ("registry:", "registry:\n  <<: {}", "registry: found a merge key (<<); allowed: every field written out"),
        ("renew_ms: 500", "renew_ms: 1000", "registry.renew_ms: found 1000; allowed: less than half of lease_ms, which is 2000"),
        ("initial_backoff_ms: 20", "initial_backoff_ms: 501", "retry.initial_backoff_ms: found 501; allowed: at most max_backo"),
        ("exporter: file", "exporter: otlp", "tracing.otlp_endpoint: found nothing; allowed: host:port of the collector"),
        ('otlp_endpoint: ""', "otlp_endpoint: collector", "tracing.otlp_endpoint: found 'collector'; allowed: host:port or"),
        ("[0.1, 0.25,", "[0.1, 0.1,", "metrics.duration_buckets_ms: found 0.1 after 0.1; allowed: every bucket greater"),
        (BUCKETS, "duration_buckets_ms: []", "metrics.duration_buckets_ms: found an empty list; allowed: at least one bucket"),
        ("tradsys.v1.RiskService: ", "Risk: ", "load_balancing.services.Risk: found 'Risk'; allowed: a full service name"),
        ("reload_ms: 1000", "reload_ms: 600000", "mtls.reload_ms: found 600000; allowed: less than half of the time from"),
        ("ca_days: 365", "ca_days: 3", "mtls.ca_days: found 3; allowed: at least four lives of a certificate (24 h)"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place_and_what_is_allowed(before: str, after: str, said: str) -> None:
    base = changed(("certificate_hours: 24", "certificate_hours: 1"), ("percent: 50\n  reload", "percent: 5\n  reload"))
    text = TEXT if "ca_days" in said or "reload_ms" not in said else base
    assert text.count(before) == 1
    text = text.replace(before, after)
    told = [line for line in problems(text) if said in line]
    assert len(told) == 1, problems(text)
    first = text[: text.index(after)].count("\n") + 1
    line = int(told[0].split(":")[0])
    # An error between two fields stands where the one is that has to change.
    assert first <= line <= first + 1 + after.count("\n")


def test_every_error_of_a_file_is_told_at_once_in_the_order_of_its_lines() -> None:
    text = changed(("mesh_name: tradsys", "mesh_name: no"), ("type: redis", "type: etcd"), ("level: INFO", "level: x"))
    told = problems(text)
    assert [line.split()[1] for line in told] == ["mesh_name:", "registry.type:", "logging.level:"]
    assert told[1].startswith(place(text, "etcd"))


def test_a_missing_field_names_itself_and_what_may_stand_there() -> None:
    assert problems(changed(("  multiplier: 2.0\n", ""))) == [
        f"{place(TEXT, '  max_attempts').split(':')[0]}:3 retry.multiplier: the field is missing; allowed: a number from 1 to 10"
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "0:0 : the file is empty; needed: the fields mesh_name, namespace"),
        ("# nothing\n", "0:0 : the file is empty"),
        ("- a\n", "1:1 : found a list; allowed: the fields mesh_name"),
        ("just text", "1:1 : found the text 'just text'; allowed: the fields"),
        ("a:\n\tb: 1\n", "2:1 : not YAML: while scanning for the next token, found character '\\t' that cannot start any token"),
        ("a: [b\n", "2:1 : not YAML: while parsing a flow sequence"),
        ("a: 1\n---\nb: 1\n", "2:1 : not YAML: a second document begins; allowed: one"),
        ("a: *b\n", "1:4 : not YAML: found undefined alias"),
        ("\x00", "0:0 : not YAML: unacceptable character"),
        ("[" * 1_000, "0:0 : not usable YAML: nested too deeply"),
    ],
)
def test_what_is_no_mapping_of_yaml_is_refused(text: str, said: str) -> None:
    assert problems(text)[0].startswith(said)


def test_an_alias_of_a_whole_section_is_allowed_and_an_endless_one_is_refused() -> None:
    overrides = "overrides:\n    tradsys.v1.RiskService: *usual"
    text = changed(("  default:\n", "  default: &usual\n"), ("overrides: {}", overrides))
    breakers = parse_mesh_config(text, FILE).circuit_breaker
    assert breakers.overrides["tradsys.v1.RiskService"] == breakers.default
    assert "allowed: a text" in problems(changed(("redact: [authorization,", "redact: &a [*a,")))[0]


def test_no_tag_of_yaml_makes_an_object() -> None:
    told = problems(changed(("mesh_name: tradsys", "mesh_name: !!python/object/apply:os.getcwd []")))
    assert "mesh_name: found a list; allowed: a text" in told[0]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "there is no such file; TRADSYS_MESH_CONFIG names it"),
        (lambda path: path.mkdir(), "cannot be read: Is a directory"),
        (lambda path: path.write_bytes(b"a: 1\nb: \xff\n"), "line 2, column 1: not UTF-8 text"),
        (lambda path: path.write_bytes(b"#" * (LARGEST_FILE_BYTES + 1)), "allowed: at most 262144"),
    ],
)
def test_a_file_that_cannot_be_read_is_said_in_words(tmp_path: Path, make: Callable[[Path], object], said: str) -> None:
    path = tmp_path / "mesh.yaml"
    make(path)
    with pytest.raises(MeshConfigError) as refused:
        load_mesh_config(path)
    assert str(refused.value).startswith(str(path))
    assert said in str(refused.value)


def test_the_text_of_the_error_names_the_file_in_every_line() -> None:
    with pytest.raises(MeshConfigError) as refused:
        parse_mesh_config("retry: 1\n", Path("some/mesh.yaml"))
    lines = str(refused.value).splitlines()
    assert len(lines) == 14
    assert all(line.startswith("some/mesh.yaml, line 1, column ") for line in lines)
