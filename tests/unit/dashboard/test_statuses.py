"""Custom status over time, on the page Input / Output and in its JSON twin."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from durakit.dashboard.backend import NotOffered, Offers
from durakit.dashboard.embedded.backend import EmbeddedBackend
from durakit.dashboard.instances import StatusRecord
from durakit.scheduler.machine.status_record import CHARACTERS_KEPT, STATUSES_KEPT
from durakit.scheduler.store import statements as sql

from ..scheduler.rig import Rig, Worker, complete, continue_as_new
from .visiting import Desk, backend_of, request

PATH = "/h/default/i/a/data"


class OnlyThePresent(EmbeddedBackend):
    """A backend that cannot tell what a custom status was before."""

    @property
    def offers(self) -> Offers:
        return replace(super().offers, earlier_statuses=False)

    async def statuses(self, hub: str, instance_id: str) -> StatusRecord:
        raise NotOffered("This endpoint tells the present custom status of an instance only.")


def begun() -> tuple[Rig, Worker]:
    rig = Rig()
    worker = rig.worker()
    rig.start()
    return rig, worker


def say(rig: Rig, worker: Worker, *statuses: str | None) -> None:
    """Take a turn, two seconds long, for each of these custom statuses."""
    for status in statuses:
        worker.do(status=status)
        rig.advance(2)
        rig.raise_event("next")


def twin(rig: Rig) -> dict[str, Any]:
    """Return the JSON of the page."""
    found: dict[str, Any] = request(rig, f"{PATH}.json").json()
    return found


def panel(rig: Rig, **more: Any) -> str:
    """Return the text of the page's part."""
    page = request(rig, PATH, **more).text
    found = re.search(r'<section class="panel" aria-label="Custom status over time".*?</section>', page, re.S)
    assert found is not None
    return " ".join(re.sub(r"<[^>]*>", " ", found[0]).split())


def lines(rig: Rig) -> list[list[str]]:
    """Return the cells of the lines: since, after the start, lasted, value."""
    page = request(rig, PATH).text.partition('id="statuses"')[2].partition("</section>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", page.replace("\n", " "))[1:]
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in rows]
    return [[" ".join(re.sub(r"<[^>]*>", "", cell).split()) for cell in row] for row in cells]


def test_values_come_newest_first_each_with_its_time_and_how_long_it_lasted() -> None:
    rig, worker = begun()

    say(rig, worker, '"packing"', None, '"sent"')

    assert lines(rig) == [
        ["00:00:04", "+4.00 s", "2 s so far", "&#34;sent&#34;"],
        ["00:00:02", "+2.00 s", "2.00 s", "none"],
        ["00:00:00", "+0 ms", "2.00 s", "&#34;packing&#34;"],
    ]


def test_the_last_value_of_an_ended_instance_lasted_to_its_end() -> None:
    rig, worker = begun()
    say(rig, worker, '"sent"')
    worker.do(complete(), status='"sent"')
    rig.advance(60)

    assert lines(rig) == [["00:00:00", "+0 ms", "2.00 s, to the end", "&#34;sent&#34;"]]


def test_a_value_of_the_last_turn_was_set_at_the_end() -> None:
    rig, worker = begun()
    worker.do(complete(), status='"done"')

    assert lines(rig) == [["00:00:00", "+0 ms", "set at the end", "&#34;done&#34;"]]


def test_the_twin_has_the_same() -> None:
    rig, worker = begun()
    say(rig, worker, '"packing"', '"sent"')

    found = twin(rig)

    assert found["customStatuses"] == [
        {
            "at": "2026-01-01T00:00:02Z",
            "until": None,
            "text": '"sent"',
            "bytes": 6,
            "kind": "json",
            "isCut": False,
        },
        {
            "at": "2026-01-01T00:00:00Z",
            "until": "2026-01-01T00:00:02Z",
            "text": '"packing"',
            "bytes": 9,
            "kind": "json",
            "isCut": False,
        },
    ]
    assert found["customStatusesDropped"] == 0


@pytest.mark.parametrize("is_over", [False, True])
def test_an_instance_without_custom_status_says_so(is_over: bool) -> None:
    rig, worker = begun()
    worker.do(*[complete()] * is_over)

    assert panel(rig) == f"Custom status over time None was set{'' if is_over else ' yet'}."
    assert twin(rig)["customStatuses"] == []


def test_older_values_are_folded_and_dropped_ones_counted() -> None:
    rig, worker = begun()
    say(rig, worker, *map(str, range(STATUSES_KEPT + 31)))

    text = panel(rig)

    assert "131 changes, newest first" in text
    assert "80 earlier" in text
    assert "31 older ones were dropped: of each instance the latest 100 are kept." in text
    assert len(lines(rig)) == STATUSES_KEPT + 1  # and the heads of the folded ones
    assert (len(twin(rig)["customStatuses"]), twin(rig)["customStatusesDropped"]) == (100, 31)


def test_a_long_value_opens_and_the_present_one_is_shown_whole() -> None:
    rig, worker = begun()
    first, second = f'"{"a" * 2 * CHARACTERS_KEPT}"', f'"{"b" * 2 * CHARACTERS_KEPT}"'
    say(rig, worker, first, second)

    page = request(rig, PATH).text
    present, earlier = twin(rig)["customStatuses"]

    assert (present["text"], present["isCut"]) == (second, False)
    assert (earlier["text"], earlier["isCut"]) == (first[:CHARACTERS_KEPT], True)
    assert earlier["bytes"] == len(first)
    assert f'<code>{first[:160].replace(chr(34), "&#34;")}…</code> <span class="muted">8.2 KB' in page
    assert "8.2 KB, JSON, the first 4.1 KB" in page
    assert second.strip('"') in page


def test_between_two_executions_there_is_none_for_a_moment() -> None:
    rig, worker = begun()
    say(rig, worker, '"sweeping"')
    worker.do(continue_as_new())

    assert [line[0] + " " + line[3] for line in lines(rig)] == ["now none", "00:00:00 &#34;sweeping&#34;"]


def test_a_custom_status_older_than_the_record_has_no_time() -> None:
    """As in files of a version that kept none."""
    rig, worker = begun()
    say(rig, worker, '"old"')
    rig.store._write.execute("DELETE FROM custom_status")
    rig.store._write.execute("UPDATE instance SET statuses = 0")

    (line,) = lines(rig)

    assert line == ["now", "", "since when is not known", "&#34;old&#34;"]
    assert twin(rig)["customStatuses"][0]["at"] is None


def test_what_a_backend_does_not_tell_is_said_in_words() -> None:
    rig, worker = begun()
    say(rig, worker, '"one"', '"two"')
    backend = OnlyThePresent(Desk(rig), "https://somewhere", now=lambda: rig.now)

    text = panel(rig, backend=backend)
    found = request(rig, f"{PATH}.json", backend=OnlyThePresent(Desk(rig), "https://somewhere")).json()

    assert "&#34;two&#34;" in text
    assert "&#34;one&#34;" not in text
    assert "is not offered by this backend: https://somewhere tells the present one only." in text
    assert (found["customStatuses"], found["customStatusesDropped"]) == (None, None)
    assert found["customStatus"]["text"] == '"two"'


def test_hostile_values_are_only_text() -> None:
    rig, worker = begun()
    say(rig, worker, '"</details><script>alert(1)</script>"', f'"<img src=x onerror=alert(1)>{"x" * 200}"')

    page = request(rig, PATH).text

    assert "<script>alert(1)" not in page
    assert "<img" not in page


def test_a_page_reads_the_record_by_its_key() -> None:
    """Whatever else is in the table."""
    rig, _ = begun()

    plan = rig.store.reading.execute(f"EXPLAIN QUERY PLAN {sql.STATUSES_OF}", sql.slots_of(1)).fetchall()

    assert any("USING INTEGER PRIMARY KEY" in step[3] for step in plan)


def test_an_instance_that_is_not_there_is_told_as_ever() -> None:
    rig, _ = begun()

    answer = request(rig, "/h/default/i/nobody/data", backend=backend_of(rig))

    assert answer.status_code == 404
    assert "There is no instance" in answer.text
