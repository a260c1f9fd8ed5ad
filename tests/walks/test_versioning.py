"""Two releases side by side as processes: offers end on the release that made them, also when it pauses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage("versioning", tmp_path)


def test_an_offer_of_the_old_release_is_confirmed_by_it_after_the_new_one_came_out(stage: Stage) -> None:
    with stage:
        stage.worker("--version", "1.0")
        stage.python("client.py", "offer", "ada", "--version", "1.0").finish()
        stage.worker("--version", "2.0")
        stage.python("client.py", "offer", "bob").finish()

        assert stage.python("client.py", "open").finish() == [
            "Open offers: 1 of release 1.0, 1 of release 2.0"
        ]
        assert stage.python("client.py", "accept", "ada").finish() == [
            "ada pays 960.00 EUR, confirmed by release 1.0"
        ]
        assert stage.python("client.py", "accept", "bob").finish() == [
            "bob pays 864.00 EUR, confirmed by release 2.0"
        ]
        assert stage.python("client.py", "open").finish() == [
            "Open offers: 0 of release 1.0, 0 of release 2.0"
        ]


def test_an_offer_whose_release_has_no_worker_waits_for_one(stage: Stage) -> None:
    with stage:
        old = stage.worker("--version", "1.0")
        stage.python("client.py", "offer", "ada", "--version", "1.0").finish()
        old.kill()
        stage.worker("--version", "2.0")
        stage.python("client.py", "offer", "bob").finish()
        accepting = stage.python("client.py", "accept", "ada")
        # An offer that is made and confirmed after that: the worker of 2.0 would have had its chance.
        stage.python("client.py", "accept", "bob").finish()
        assert accepting.process.poll() is None, accepting.text

        stage.worker("--version", "1.0")

        assert accepting.finish() == ["ada pays 960.00 EUR, confirmed by release 1.0"]


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["accept", "nobody"], 1, "client.py: no offer to nobody is open"),
        (
            ["offer", "ada", "sofa"],
            1,
            "client.py: .* there is no product sofa; there are chair, shelf, table",
        ),
        (
            ["offer", "ada", "--version", "3.0"],
            2,
            r"client.py offer: error: argument --version: invalid choice: '?3\.0'? \(choose from .*\)",
        ),
        (
            ["offer", "a/b"],
            2,
            "client.py offer: error: argument customer: 'a/b' is not 1 to 60 letters, digits, - and _",
        ),
        (
            ["offer", "ada", "--pieces", "0"],
            2,
            "client.py offer: error: argument --pieces: 0 is not a whole number above 0",
        ),
    ],
)
def test_bad_input_is_refused_in_one_sentence(
    stage: Stage, arguments: list[str], code: int, problem: str
) -> None:
    with stage:
        stage.worker("--version", "2.0")
        lines = stage.python("client.py", *arguments).finish(code)

    assert re.fullmatch(problem, lines[-1]), lines
    assert "Traceback" not in "\n".join(lines)


def test_a_customer_has_one_open_offer(stage: Stage) -> None:
    with stage:
        stage.worker("--version", "2.0")
        stage.python("client.py", "offer", "ada").finish()
        (line,) = stage.python("client.py", "offer", "ada").finish(1)

    assert re.match(r"client.py: .*offer-ada.*", line)
