"""The message store in a file: what it keeps over a restart, and what it does with a damaged end."""

from pathlib import Path

import pytest

from exchanges.fix.file_store import FileStore
from exchanges.fix.store import StoreError

FRAMES = [(1, b"first"), (2, b"second" * 40), (3, b"third")]


def filled(path: Path) -> FileStore:
    store = FileStore(path)
    store.append_outgoing(FRAMES[:1])
    store.append_outgoing(FRAMES[1:])
    store.set_next_target(8)
    return store


def test_numbers_and_frames_are_there_after_reopening(tmp_path: Path) -> None:
    filled(tmp_path / "line").close()
    store = FileStore(tmp_path / "line")
    assert (store.next_sender, store.next_target) == (4, 8)
    assert list(store.outgoing(2, 99)) == FRAMES[1:]


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_torn_end_is_cut_at_the_last_whole_record_and_kept_aside(tmp_path: Path, cut: int) -> None:
    filled(tmp_path / "line").close()
    content = (tmp_path / "line").read_bytes()
    (tmp_path / "line").write_bytes(content[:-cut])
    store = FileStore(tmp_path / "line")
    kept = store.next_sender - 1
    assert list(store.outgoing(1, 99)) == FRAMES[:kept]
    assert store.next_target == 1
    assert content.endswith((tmp_path / "line.torn").read_bytes() + content[-cut:]) or cut <= 16
    store.append_outgoing([(store.next_sender, b"again")])
    store.close()
    assert list(FileStore(tmp_path / "line").outgoing(1, 99)) == [*FRAMES[:kept], (kept + 1, b"again")]


def test_a_flipped_byte_ends_the_file_there(tmp_path: Path) -> None:
    filled(tmp_path / "line").close()
    content = bytearray((tmp_path / "line").read_bytes())
    content[content.index(b"second")] ^= 1
    (tmp_path / "line").write_bytes(content)
    assert list(FileStore(tmp_path / "line").outgoing(1, 99)) == FRAMES[:1]


def test_a_reset_forgets_the_frames_also_after_reopening(tmp_path: Path) -> None:
    store = filled(tmp_path / "line")
    store.reset()
    store.append_outgoing([(1, b"new")])
    store.close()
    store = FileStore(tmp_path / "line")
    assert (store.next_sender, store.next_target) == (2, 1)
    assert list(store.outgoing(1, 99)) == [(1, b"new")]


def test_a_hole_in_the_numbers_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    store = filled(tmp_path / "line")
    with pytest.raises(StoreError):
        store.append_outgoing([(5, b"too far")])
    assert store.next_sender == 4


def test_a_second_owner_is_refused(tmp_path: Path) -> None:
    store = filled(tmp_path / "line")
    with pytest.raises(StoreError, match="in use"):
        FileStore(tmp_path / "line")
    store.close()


def test_a_file_of_another_kind_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "line").write_bytes(b"something else entirely")
    with pytest.raises(StoreError, match="not a FIX message store"):
        FileStore(tmp_path / "line")
    assert (tmp_path / "line").read_bytes() == b"something else entirely"


def test_a_batch_is_kept_as_one_and_read_back_message_by_message(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "line")
    store.append_outgoing(FRAMES)
    store.append_outgoing([(4, b"fourth")])
    store.close()
    store = FileStore(tmp_path / "line")
    assert list(store.outgoing(1, 99)) == [*FRAMES, (4, b"fourth")]
    assert list(store.outgoing(2, 2)) == FRAMES[1:2]
    content = (tmp_path / "line").read_bytes()
    store.close()
    (tmp_path / "line").write_bytes(content[: content.index(b"third")])
    assert FileStore(tmp_path / "line").next_sender == 1


def test_the_expected_number_is_in_the_file_after_commit_and_before_any_later_frame(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "line")
    store.set_next_target(5)
    size = (tmp_path / "line").stat().st_size
    store.commit()
    assert (tmp_path / "line").stat().st_size > size
    store.commit()
    assert (tmp_path / "line").stat().st_size == size + 16
    store.set_next_target(6)
    store.append_outgoing(FRAMES[:1])
    content = (tmp_path / "line").read_bytes()
    (tmp_path / "copy").write_bytes(content)
    copy = FileStore(tmp_path / "copy")
    assert (copy.next_sender, copy.next_target) == (2, 6)
