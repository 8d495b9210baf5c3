"""The lock files hold every version with its hash, and nothing else."""

from __future__ import annotations

import re

import pytest

from tradsys.configuration import REPOSITORY

LOCKS = ("runtime", "development")


@pytest.mark.parametrize("name", LOCKS)
def test_every_entry_of_a_lock_is_pinned_and_hashed_and_no_address_stands_in_it(name: str) -> None:
    text = (REPOSITORY / "requirements" / f"{name}.lock").read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    assert len(entries) > 50
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._-]+==", entry), entry[:80]
        assert "--hash=sha256:" in entry, entry[:80]
    assert "://" not in text
    assert "--index-url" not in text
    assert "--find-links" not in text


def test_the_development_lock_holds_the_runtime_lock() -> None:
    versions = {
        name: set(re.findall(r"^[A-Za-z0-9._-]+==\S+", (REPOSITORY / "requirements" / f"{name}.lock").read_text(), re.M))
        for name in LOCKS
    }
    assert versions["runtime"] <= versions["development"]
