"""The lines of an exchange as a pool, with a clock that the test turns."""

from __future__ import annotations

from trading_workers.order_worker.line_pool import GIVE_UP_NS, SILENT_NS, LinePool

A, B = "EGX-1", "EGX-2"


class Pool:
    def __init__(self, *ready: str) -> None:
        self.told: list[tuple[str, bool]] = []
        self.now = 1_000_000_000
        self.pool = LinePool((A, B), lambda line, up: self.told.append((line, up)))
        for line in ready:
            self.pool.connected(line, self.now)
            self.pool.ready(line, True)

    def look(self, after: int) -> tuple[list[str], list[str]]:
        self.now += after
        return self.pool.look(self.now)


def test_a_line_is_up_as_soon_as_it_is_ready_and_no_longer() -> None:
    pool = Pool(A)
    assert (pool.pool.up, pool.pool.down) == ([A], [B])
    pool.pool.ready(B, True)
    pool.pool.ready(A, False)
    assert pool.told == [(A, True), (B, True), (A, False)]


def test_a_line_that_owes_an_answer_and_says_nothing_is_passed_over_and_all_are_asked_for_a_sign_of_life() -> None:
    pool = Pool(A, B)
    pool.pool.sent(A, pool.now)
    assert pool.look(SILENT_NS) == ([], [])
    assert pool.look(1) == ([A, B], [])
    assert pool.pool.up == [B]
    assert pool.look(1) == ([], []), "asked once"
    pool.pool.heard(A, pool.now)
    assert pool.pool.up == [A, B], "it was only slow"


def test_messages_that_follow_do_not_make_a_silent_line_look_alive() -> None:
    pool = Pool(A, B)
    for _ in range(10):
        pool.pool.sent(A, pool.now)
        pool.look(SILENT_NS // 9)
    assert pool.pool.up == [B]


def test_a_line_on_which_nothing_was_sent_may_be_silent() -> None:
    pool = Pool(A, B)
    assert pool.look(1_000 * SILENT_NS) == ([], [])
    assert pool.pool.up == [A, B]


def test_a_silent_line_is_given_up_when_another_one_answers() -> None:
    pool = Pool(A, B)
    pool.pool.sent(A, pool.now)
    pool.look(SILENT_NS + 1)
    pool.now += 1
    pool.pool.heard(B, pool.now)
    assert pool.look(GIVE_UP_NS - 2) == ([], [])
    assert pool.look(1) == ([], [A])


def test_a_venue_that_is_slow_on_all_lines_keeps_them_all() -> None:
    pool = Pool(A, B)
    pool.pool.sent(A, pool.now)
    pool.pool.sent(B, pool.now)
    assert pool.look(SILENT_NS + 1) == ([A, B], [])
    assert pool.pool.up == [A, B], "better a slow line than none"
    assert pool.look(100 * GIVE_UP_NS) == ([], []), "nobody says that it is the lines"


def test_the_only_line_is_neither_passed_over_nor_given_up() -> None:
    pool = Pool(A)
    pool.pool.sent(A, pool.now)
    assert pool.look(SILENT_NS + 1) == ([A, B], [])
    assert pool.look(100 * GIVE_UP_NS) == ([], [])
    assert pool.pool.up == [A]


def test_what_was_heard_before_the_question_is_no_sign_of_life() -> None:
    pool = Pool(A, B)
    pool.pool.sent(A, pool.now)
    pool.pool.heard(B, pool.now + SILENT_NS)
    pool.look(SILENT_NS + 1)
    assert pool.look(GIVE_UP_NS) == ([], [])


def test_a_new_connection_owes_nothing() -> None:
    pool = Pool(A, B)
    pool.pool.sent(A, pool.now)
    pool.look(SILENT_NS + 1)
    pool.pool.ready(A, False)
    pool.pool.connected(A, pool.now)
    pool.pool.ready(A, True)
    assert pool.pool.up == [A, B]
    assert pool.look(100 * GIVE_UP_NS) == ([], [])
