"""``manage.py mesh`` and ``manage.py certs``, as an operator types them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from django.core.management import CommandError, call_command

from tests.mesh_trust import MESH
from tradsys.configuration import REPOSITORY, Configuration
from tradsys.embedded.addresses import certified_processes
from tradsys.exchange_entries import exchange_codes
from tradsys.mesh.trust import rotation
from tradsys.mesh.trust.certificates import ensure_certificates, service_file

HOUR = 3_600 * 1_000_000_000

CERTIFIED_PROCESSES = certified_processes(exchange_codes())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of certificates of a platform without anything."""
    monkeypatch.setenv("TRADSYS_SECRET_KEY_FILE", str(Configuration.from_environment().secret_key_file))
    monkeypatch.setenv("TRADSYS_VAR", str(tmp_path))
    return tmp_path / "certificates"


def test_check_says_ok_or_everything_that_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("mesh", "check")
    assert capsys.readouterr().out.startswith("ok: ")
    wrong = tmp_path / "mesh.yaml"
    text = (REPOSITORY / "deploy" / "mesh.yaml").read_text(encoding="utf-8")
    wrong.write_text(text.replace("lease_ms: 2000", "lease_ms: 2").replace("level: INFO", "level: LOUD"), encoding="utf-8")
    with pytest.raises(CommandError) as refused:
        call_command("mesh", "check", "--file", str(wrong))
    first, second = str(refused.value).splitlines()
    assert first == f"{wrong}, line 11, column 13: registry.lease_ms: found 2; allowed: a whole number from 300 to 60000"
    assert "logging.level: found the text 'LOUD'; allowed: one of DEBUG" in second
    wrong.write_text(text.replace("denied_methods: []", "denied_methods: [tradsys.v1.RiskService/Nothing]"), encoding="utf-8")
    with pytest.raises(CommandError, match=r"no service has .*RiskService/Nothing"):
        call_command("mesh", "check", "--file", str(wrong))


def test_show_prints_what_is_in_force_as_a_file_that_can_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("mesh", "show")
    in_force = yaml.safe_load((REPOSITORY / "deploy" / "mesh.yaml").read_text(encoding="utf-8"))
    assert yaml.safe_load(capsys.readouterr().out) == in_force


def test_a_person_sees_one_line_and_no_traceback(tmp_path: Path) -> None:
    for arguments, said in ((("mesh", "check", "--file", "missing"), "there is no such file"), (("certs", "list"), "certs init")):
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=REPOSITORY,
            env={**os.environ, "TRADSYS_VAR": str(tmp_path), "TRADSYS_SECRET_KEY_FILE": str(_secret_key_file())},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 1
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def _secret_key_file() -> Path:
    return Configuration.from_environment().secret_key_file


def test_init_makes_a_certificate_for_every_process_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("certs", "init")
    made = capsys.readouterr().out.split()
    assert [Path(each).name for each in made] == ["ca.key.pem", "ca.pem", *(f"{name}.pem" for name in CERTIFIED_PROCESSES)]
    call_command("certs", "init")
    assert "nothing to do" in capsys.readouterr().out
    call_command("certs", "list")
    rows = capsys.readouterr().out.splitlines()
    web = next(row.split() for row in rows if row.startswith("web.pem"))
    assert web[:3] == ["web.pem", "web", "spiffe://tradsys.internal/ns/default/service/web"]
    assert web[4] == "valid"


def test_renew_and_issue_write_what_was_asked_for_and_nothing_else(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("certs", "issue", "worker-2")
    assert capsys.readouterr().out.strip() == str(folder / "worker-2.pem")
    before = service_file(folder, "worker-2").read_bytes()
    call_command("certs", "renew", "--due")
    assert "nothing to do" in capsys.readouterr().out
    assert service_file(folder, "worker-2").read_bytes() == before
    call_command("certs", "renew", "--all")
    assert capsys.readouterr().out.strip() == str(folder / "worker-2.pem")
    assert service_file(folder, "worker-2").read_bytes() != before
    with pytest.raises(CommandError, match="cannot be a service's name"):
        call_command("certs", "issue", "../web")


def test_a_change_of_authority_is_begun_by_hand(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("certs", "rotate-authority")
    assert "after 60 s" in capsys.readouterr().out
    call_command("certs", "rotate-authority")
    assert "on its way already" in capsys.readouterr().out


def test_the_watch_renews_turn_after_turn_and_survives_a_turn_that_fails(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    start = time.time_ns()
    times = iter([start, start + HOUR, start + 13 * HOUR, start + 13 * HOUR, start + 13 * HOUR])
    seen: list[bytes] = []
    key = tmp_path / "ca.key.pem"

    def pause() -> bool:
        seen.append(service_file(tmp_path, "web").read_bytes())
        if len(seen) == 3:
            key.rename(tmp_path / "kept")
            key.write_text("damaged")
        if len(seen) == 4:
            (tmp_path / "kept").rename(key)
        return len(seen) == 5

    rotation.watch(tmp_path, MESH, ["web"], now=lambda: next(times), pause=pause)
    assert seen[0] == seen[1] != seen[2] == seen[3] == seen[4]
    assert [record.levelname for record in caplog.records].count("ERROR") == 1
    assert "ca.key.pem holds no private key" in caplog.text


def test_the_process_that_watches_makes_what_is_missing_and_ends_when_told(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tradsys.mesh.trust.rotation"],
        cwd=REPOSITORY,
        env={**os.environ, "TRADSYS_VAR": str(tmp_path)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        last = service_file(tmp_path / "certificates", CERTIFIED_PROCESSES[-1])
        deadline = time.monotonic() + 20
        while not last.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == 0
    assert rotation.READY in out + err
    assert ensure_certificates(tmp_path / "certificates", MESH, CERTIFIED_PROCESSES, time.time_ns()) == []


def test_a_certificate_error_names_the_command_that_helps(folder: Path) -> None:
    with pytest.raises(CommandError, match="certs init"):
        call_command("certs", "list")
