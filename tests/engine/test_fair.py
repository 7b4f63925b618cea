from __future__ import annotations

import threading

from clew.engine.fair import FairLock


def test_a_thread_that_takes_it_again_and_again_lets_another_have_it() -> None:
    lock, greedy_turns, waits, got = FairLock(), 0, threading.Event(), threading.Event()

    def wait_for_it() -> None:
        waits.set()
        with lock:
            got.set()

    other = threading.Thread(target=wait_for_it)
    with lock:
        other.start()
        waits.wait()
        while not lock._next.locked():  # until it is next
            pass
    while not got.is_set():
        with lock:
            greedy_turns += 1
    other.join()
    assert greedy_turns <= 2  # one may have been asked for before it was told


def test_it_is_free_after_an_error() -> None:
    lock = FairLock()
    try:
        with lock:
            raise ValueError
    except ValueError:
        pass
    with lock:
        pass
