"""Threads for calls beside a caller's own: kept for the next, and a fork's are its own."""

from __future__ import annotations

import os
import threading

import pytest

from plugin.platforms.aside import MOST, Aside


def test_calls_run_at_the_same_time_and_beside_their_caller() -> None:
    aside = Aside()
    together = threading.Barrier(3, timeout=60)
    begun = [aside.begin(together.wait) for _ in range(2)]
    assert {together.wait(), *(one.result() for one in begun)} == {0, 1, 2}


def test_a_thread_is_kept_for_the_next_call() -> None:
    aside = Aside()
    names = [aside.begin(threading.get_ident).result() for _ in range(20)]
    assert len(set(names)) < len(names)
    assert threading.get_ident() not in names


def test_what_a_call_raises_is_its_result() -> None:
    with pytest.raises(ValueError, match="no number"):
        Aside().begin(int, "no number").result()


def test_more_calls_than_threads_wait_in_line() -> None:
    aside = Aside()
    begun = [aside.begin(pow, number, 2) for number in range(3 * MOST)]
    assert [one.result() for one in begun] == [number**2 for number in range(3 * MOST)]


def test_a_fork_has_threads_of_its_own() -> None:
    aside = Aside()
    for _ in range(MOST):
        aside.begin(int).result()
    child = os.fork()
    if child == 0:
        try:
            os._exit(aside.begin(int, "7").result(timeout=60))
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7
