"""Free text through the side index: off the write path, may lag, never finds too little."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from durakit.dashboard.embedded import questions
from durakit.dashboard.embedded import search as search_
from durakit.dashboard.embedded.search import SUFFIX, Search
from durakit.dashboard.lists import InstanceFilter, InstanceQuery
from durakit.scheduler.store import Store
from google.protobuf.wrappers_pb2 import StringValue

from ..scheduler.rig import Rig, complete, fail, schedule

WAIT_SECONDS = 20.0
HOSTILE = ("it's", "%%%", "a_b", 'say "hi" AND NOT NEAR(', "\\u00e9", "注文🎉ab", "x\x00y", "*^:(){}", "-- ;")


class House:
    """A scheduler on a file, and the search over it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rig = Rig(Store(path), now=time.time_ns())
        self.search = Search(path, now=lambda: self.rig.now)
        self.reading = sqlite3.connect(path, isolation_level=None)

    def close(self) -> None:
        self.search.close()
        self.reading.close()
        self.rig.store.close()

    def restart_search(self) -> None:
        """Stop searching and begin again, as a scheduler does that is started anew."""
        self.search.close()
        self.search = Search(self.path, now=lambda: self.rig.now)

    def run(self, instance_id: str, given: str = "null", result: str | None = None) -> None:
        """Have an instance end; without a result it fails."""
        self.rig.start(instance_id, input=StringValue(value=given))
        worker = self.rig.worker()
        worker.answer(worker.items()[0], complete(result) if result is not None else fail("kaputt"))
        worker.leave()
        self.rig.advance(10)

    def chosen(self, text: str, **more: Any) -> list[int] | None:
        """Return the rows that the index leads to; None: it cannot help now."""
        found = self.search.candidates(self.reading, 1, InstanceFilter(text=text, **more)).rows
        return None if found is None else list(found)

    def found(self, text: str) -> list[str]:
        """Return the ids that a search finds, with the index's help."""
        wanted = InstanceFilter(text=text)
        chosen = self.search.candidates(self.reading, 1, wanted).rows
        _, rows = questions.page(self.reading, 1, InstanceQuery(wanted), None, chosen)
        return [row.id for _, _, row in rows]

    def documents(self) -> int:
        """Return how many documents the index has; 0 while there is none."""
        location = f"file:{self.path}{SUFFIX}?mode=ro"
        try:
            with self.search.files, closing(sqlite3.connect(location, uri=True)) as index:
                (count,) = index.execute("SELECT count(*) FROM doc").fetchone()
        except sqlite3.Error:
            return 0
        return int(count)

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Look again and again until it holds."""
        until = time.monotonic() + WAIT_SECONDS
        pause = self.search._stopping.wait
        while not condition():
            assert time.monotonic() < until, "did not come to hold"
            pause(0.01)

    def index_all(self, instances: int) -> None:
        """Search once and wait until everything is indexed."""
        self.chosen("abc")
        self.wait_for(lambda: self.documents() >= instances and self.chosen("abc") is not None)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr(search_, "IDLE_SECONDS", 0.01)
    made = House(tmp_path / "s.db")
    yield made
    made.close()


def test_what_has_just_ended_is_found_and_indexed_within_a_moment(house: House) -> None:
    house.run("first", '{"card": "of c77"}', '"paid"')
    house.index_all(1)

    house.run("second", '{"card": "of c78"}', '"refused"')

    assert house.found("refused") == ["second"]
    house.wait_for(lambda: house.documents() == 2)
    assert house.found("refused") == ["second"]
    assert house.found("OF C7") == ["second", "first"]


def test_the_index_leads_to_few_of_many(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_, "OVERLAP_NS", 0)
    for number in range(30):
        house.run(f"i-{number:02d}", f'{{"order": "needle-{number:02d}"}}', "1")
    house.index_all(30)
    house.run("last", "0", "1")

    house.wait_for(lambda: len(house.chosen("needle-07") or range(9)) <= 2)

    assert house.found("needle-07") == ["i-07"]


@pytest.mark.parametrize("place", ["id", "input", "output", "error"])
def test_text_is_found_wherever_it_stands(house: House, place: str) -> None:
    house.run("needle" if place == "id" else "a", '"needle"' if place == "input" else "1", '"needle"')
    house.run("b-kaputt")
    house.index_all(2)

    wanted = "kaputt" if place == "error" else "needle"
    ids = house.found(wanted)

    assert ids == (["b-kaputt"] if place == "error" else ["needle" if place == "id" else "a"])


def test_an_instance_is_found_by_what_it_gave_after_it_was_indexed(house: House) -> None:
    house.rig.start("a", input=StringValue(value='"before"'))
    house.index_all(1)
    worker = house.rig.worker()

    worker.do(schedule(1, "step"))
    worker.finish(worker.item(), "1")
    worker.do(complete('"afterwards"'))

    assert house.found("afterwards") == ["a"]
    house.wait_for(lambda: house.documents() == 2)
    assert house.found("afterwards") == ["a"]
    assert house.found("before") == ["a"]


def test_what_was_purged_is_not_found(house: House) -> None:
    house.run("gone", '"needle"', "1")
    house.run("kept", '"needle"', "1")
    house.index_all(2)

    house.rig.purge("gone")

    assert house.found("needle") == ["kept"]


def test_numbers_that_come_again_after_a_restart_are_indexed_again(house: House) -> None:
    house.run("first", '"one"', "1")
    house.run("gone", '"needle"', "1")
    house.index_all(2)
    house.rig.purge("gone")
    house.rig.crash()
    house.restart_search()

    house.run("new", '"another"', "1")
    house.index_all(3)

    assert house.found("another") == ["new"]
    assert house.found("needle") == []


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_only_text(house: House, text: str) -> None:
    as_json = text.replace("\\", "\\\\").replace('"', '\\"').replace("\x00", "\\u0000")
    house.run("a", f'"before {as_json} after"', "1")
    house.run("b", '"nothing of it"', "1")
    house.index_all(2)

    assert house.found(text) == ["a"]


def test_a_text_too_short_for_trigrams_is_looked_for_row_by_row(house: House) -> None:
    house.run("a", '"xy"', "1")
    house.index_all(1)

    assert house.chosen("xy") is None
    assert house.found("xy") == ["a"]


def test_a_deleted_file_is_made_anew(house: House) -> None:
    house.run("a", '"needle"', "1")
    house.index_all(1)

    Path(f"{house.path}{SUFFIX}").unlink()

    assert house.found("needle") == ["a"]
    house.wait_for(lambda: house.documents() == 1 and house.chosen("needle"))
    assert house.found("needle") == ["a"]


@pytest.mark.parametrize(
    "content", [b"", b"no database", b"SQLite format 3\x00" + bytes(200)], ids=["empty", "text", "broken"]
)
def test_a_file_that_is_no_index_is_replaced(house: House, content: bytes) -> None:
    house.run("a", '"needle"', "1")
    Path(f"{house.path}{SUFFIX}").write_bytes(content)

    assert house.found("needle") == ["a"]
    house.wait_for(lambda: house.documents() == 1)


def test_the_index_of_another_store_is_replaced(house: House, tmp_path: Path) -> None:
    house.run("a", '"needle"', "1")
    house.index_all(1)
    house.close()
    for suffix in ("", "-wal", "-shm", ".lock"):
        Path(f"{house.path}{suffix}").unlink(missing_ok=True)
    other = House(house.path)
    other.run("b", '"another"', "1")

    other.wait_for(lambda: other.chosen("another"))
    assert (other.found("another"), other.found("needle")) == (["b"], [])
    other.close()


def test_while_much_is_not_indexed_all_is_looked_at_and_the_page_says_so(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        house.run(f"i-{number}", '"needle"', "1")
    monkeypatch.setattr(search_, "MOST_UNINDEXED", 2)
    monkeypatch.setattr(Search, "_index_some", lambda *_: False)
    house.wait_for(lambda: house.chosen("needle") is None and house.path.with_name("s.db-search").exists())

    told = house.search.candidates(house.reading, 1, InstanceFilter(text="needle"))

    assert told.notice is not None
    assert told.notice.startswith("Indexing for search: 0 of 4 instances so far.")
    assert len(house.found("needle")) == 4


def test_long_payloads_are_always_looked_at(house: House) -> None:
    house.run("long", f'"{"x" * 300_000} needle"', "1")
    house.index_all(1)

    assert house.found("needle") == ["long"]


def test_a_killed_indexer_leaves_a_file_that_is_gone_on_with(house: House) -> None:
    for number in range(40):
        house.run(f"i-{number:02d}", f'"needle-{number:02d}"', "1")
    program = (
        "import sys, time, sqlite3; from pathlib import Path\n"
        "from durakit.dashboard.embedded import search\n"
        "from durakit.dashboard.lists import InstanceFilter\n"
        "search.BATCH, search.PAUSES = 5, 50\n"
        "path = Path(sys.argv[1])\n"
        "search.Search(path).candidates(sqlite3.connect(path), 1, InstanceFilter(text='abc'))\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(house.path)], stdin=subprocess.PIPE) as child:
        house.wait_for(lambda: house.documents() >= 5)
        os.kill(child.pid, signal.SIGKILL)

    house.index_all(40)

    assert house.found("needle-39") == ["i-39"]
    assert [len(house.found(f"needle-{number:02d}")) for number in range(40)] == [1] * 40


def test_no_thread_and_no_file_without_a_search(house: House) -> None:
    house.run("a", '"needle"', "1")

    house.search.candidates(house.reading, 1, InstanceFilter(names=("flow",)))

    assert house.search._thread is None
    assert not Path(f"{house.path}{SUFFIX}").exists()
