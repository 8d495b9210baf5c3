"""Configuration documents on their way: signatures, the disk copies, and which revision counts."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from trading_workers.configuration_view import TenantView
from trading_workers.snapshot.disk import DiskCopies
from trading_workers.snapshot.documents import TenantDocument
from trading_workers.snapshot.loader import SnapshotLoader
from trading_workers.snapshot.signing import AnyDocument, DocumentRefused, encode_signed, open_signed, sign
from tradsys.mesh.telemetry.metrics import METRICS
from tradsys.mesh.tokens import Claims

KEY = Ed25519PrivateKey.generate()
NOWHERE = "127.0.0.1:1"


def document(revision: int, tenant: str = "nile") -> TenantDocument:
    return TenantDocument(
        revision=revision,
        committed_at=1,
        lease_until=2,
        tenant=tenant,
        schema=f"t_{tenant}",
        killed=False,
        licence=None,
        accounts=(),
        verdicts={},
    )


def raw(revision: int, key: Ed25519PrivateKey = KEY) -> bytes:
    return encode_signed(sign(document(revision), key))


def loader(folder: Path, applied: list[AnyDocument]) -> SnapshotLoader:
    return SnapshotLoader(
        worker="worker-1",
        key=KEY.public_key(),
        copies=DiskCopies(folder),
        redis_url=f"redis://{NOWHERE}",
        database_url=f"postgresql://{NOWHERE}/x",
        apply=applied.append,
        now=lambda: 5_000_000,
    )


def test_a_signed_document_opens_to_what_was_signed() -> None:
    signed, opened = open_signed(raw(3), KEY.public_key(), name="nile")
    assert opened == document(3)
    assert (signed.name, signed.revision) == ("nile", 3)


def test_a_changed_foreign_or_renamed_document_is_refused() -> None:
    good = msgspec.json.decode(raw(3))
    for changes in (
        {"document": good["document"].replace('"killed":false', '"killed":true')},
        {"name": "amana"},
        {"revision": 4},
        {"signature": "AAAA"},
        {"signature": "not base64 !"},
    ):
        with pytest.raises(DocumentRefused):
            open_signed(msgspec.json.encode({**good, **changes}), KEY.public_key())
    with pytest.raises(DocumentRefused, match="not the relay's"):
        open_signed(raw(3, Ed25519PrivateKey.generate()), KEY.public_key())
    with pytest.raises(DocumentRefused, match="asked for"):
        open_signed(raw(3), KEY.public_key(), name="amana")
    with pytest.raises(DocumentRefused):
        open_signed(b"{", KEY.public_key())


def test_a_worker_starts_from_its_disk_and_passes_over_what_is_damaged(tmp_path: Path) -> None:
    DiskCopies(tmp_path).write("nile", raw(3))
    (tmp_path / "amana.json").write_bytes(b"torn")
    applied: list[AnyDocument] = []
    assert loader(tmp_path, applied).load_from_disk() == 1
    assert applied == [document(3)]


async def test_servers_that_are_away_leave_the_disk_copy_in_use(tmp_path: Path) -> None:
    DiskCopies(tmp_path).write("nile", raw(3))
    applied: list[AnyDocument] = []
    found = loader(tmp_path, applied)
    found.load_from_disk()
    await found.load_from_servers()
    assert found.revisions == {"nile": 3}


def test_an_older_copy_never_replaces_a_newer_one(tmp_path: Path) -> None:
    applied: list[AnyDocument] = []
    found = loader(tmp_path, applied)
    DiskCopies(tmp_path).write("nile", raw(5))
    found.load_from_disk()
    DiskCopies(tmp_path).write("nile", raw(4))
    assert found.load_from_disk() == 0
    assert [each.revision for each in applied] == [5]


def test_a_document_that_the_worker_cannot_use_leaves_the_one_before(tmp_path: Path) -> None:
    def refuse(_: AnyDocument) -> None:
        raise ValueError("contradicts itself")

    found = SnapshotLoader(
        worker="worker-1",
        key=KEY.public_key(),
        copies=DiskCopies(tmp_path),
        redis_url="",
        database_url="",
        apply=refuse,
        now=lambda: 0,
    )
    DiskCopies(tmp_path).write("nile", raw(5))
    assert found.load_from_disk() == 0
    assert found.revisions == {}


def test_the_time_from_commit_to_use_is_shown_for_what_was_committed_since_the_start(tmp_path: Path) -> None:
    clock = iter([1_000_000, 1_005_000_000, 1_005_000_000, 1_010_000_000])
    found = SnapshotLoader(
        worker="worker-1",
        key=KEY.public_key(),
        copies=DiskCopies(tmp_path),
        redis_url="",
        database_url="",
        apply=lambda _: None,
        now=lambda: next(clock),
    )
    old = sign(document(1, "before-the-start"), KEY)
    new = sign(msgspec.structs.replace(document(1, "since-the-start"), committed_at=5_000_000), KEY)
    for signed in (old, new):
        DiskCopies(tmp_path).write(signed.name, encode_signed(signed))
    assert found.load_from_disk() == 2
    lags = [METRICS.registry.get_sample_value("tradsys_snapshot_lag_seconds", {"document": signed.name}) for signed in (old, new)]
    assert lags == [None, 1.0]


def test_a_name_that_is_no_file_name_is_not_written(tmp_path: Path) -> None:
    for name in ("../etc", "", "a/b", "x" * 101):
        with pytest.raises(ValueError, match="name"):
            DiskCopies(tmp_path).write(name, b"")


def claims(subject: str = "sara", *, issued_at: int = 1_000, token_id: str = "a1", api_key: str = "") -> Claims:
    return Claims(subject, "nile", "trader", frozenset({"*"}), issued_at, issued_at + 1, token_id, api_key)


@pytest.mark.parametrize("key", ["sara", "jti:a1", "key:tsk_00000000"])
def test_a_revocation_counts_for_tokens_issued_until_then_and_for_no_later_ones(key: str) -> None:
    view = TenantView(msgspec.structs.replace(document(1), revocations={key: 1_000}))
    mine = {"api_key": "tsk_00000000"}
    assert view.is_revoked(claims(issued_at=999, **mine))  # type: ignore[arg-type]
    assert view.is_revoked(claims(issued_at=1_000, **mine))  # type: ignore[arg-type]
    assert not view.is_revoked(claims(issued_at=1_001, **mine))  # type: ignore[arg-type]
    assert not view.is_revoked(claims("omar", token_id="b2", api_key="tsk_11111111"))
    assert not TenantView(document(1)).is_revoked(claims())


def test_a_document_written_before_there_were_revocations_has_none() -> None:
    written = msgspec.json.decode(msgspec.json.encode(document(1)))
    del written["revocations"]
    assert msgspec.json.decode(msgspec.json.encode(written), type=TenantDocument) == document(1)
