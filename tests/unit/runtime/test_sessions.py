from __future__ import annotations

from typing import Any, cast

from durakit.runtime.sessions import Session, SessionCache


class FakeExecution:
    def __init__(self) -> None:
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


def session() -> Session:
    return Session(cast("Any", FakeExecution()), "e1", 4)


def is_closed(kept: Session) -> bool:
    return cast("FakeExecution", kept.execution).is_closed


def test_a_session_is_kept_until_it_is_taken_once() -> None:
    cache, kept = SessionCache(2), session()
    cache.keep("a", kept)

    assert cache.take("a") is kept
    assert cache.take("a") is None
    assert not is_closed(kept)


def test_the_session_used_longest_ago_is_closed_first() -> None:
    cache = SessionCache(2)
    oldest, second, newest = session(), session(), session()
    cache.keep("a", oldest)
    cache.keep("b", second)
    again = cache.take("a")
    assert again is oldest
    cache.keep("a", again)

    cache.keep("c", newest)

    assert [is_closed(kept) for kept in (oldest, second, newest)] == [False, True, False]
    assert len(cache) == 2


def test_a_cache_of_size_zero_closes_what_it_is_given() -> None:
    cache, kept = SessionCache(0), session()

    cache.keep("a", kept)

    assert is_closed(kept)
    assert cache.take("a") is None


def test_a_second_session_of_an_instance_closes_the_first() -> None:
    cache, first, second = SessionCache(2), session(), session()

    cache.keep("a", first)
    cache.keep("a", second)

    assert (is_closed(first), is_closed(second)) == (True, False)


def test_clearing_closes_all() -> None:
    cache, kept = SessionCache(2), session()
    cache.keep("a", kept)

    cache.clear()

    assert is_closed(kept)
    assert len(cache) == 0
