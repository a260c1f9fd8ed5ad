from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from durakit.cli import main
from durakit.cli.refusal import Refused, WrongUsage
from durakit.cli.wait_ready import wait_until_ready


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a port that is taken and refuses connections."""
    with socket.socket() as bound_only:
        bound_only.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound_only.getsockname()[1]}"


def test_nobody_answering_in_time_is_said_with_what_to_do(silent: str) -> None:
    with pytest.raises(Refused) as refused:
        wait_until_ready(silent, 0.0)

    assert str(refused.value) == (
        f"{silent} did not answer within 0 s. Start a scheduler with durakit dev, or give the address of "
        f"yours with --endpoint."
    )


def test_the_command_fails_with_that_line(capsys: pytest.CaptureFixture[str], silent: str) -> None:
    code = main(["wait-ready", "--endpoint", silent, "--timeout", "0"])

    said = capsys.readouterr()
    assert code == 1
    assert said.out == ""
    assert said.err.startswith(f"durakit wait-ready: {silent} did not answer within 0 s.")


def test_the_endpoint_comes_from_the_settings(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENDPOINT", silent)

    with pytest.raises(Refused, match=silent):
        wait_until_ready(None, 0.0)


def test_an_address_that_cannot_be_used_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["wait-ready", "--endpoint", "ftp://build"]) == WrongUsage.exit_code
    assert capsys.readouterr().err == (
        "durakit wait-ready: The scheduler's address 'ftp://build' begins with ftp://; "
        "expected http:// (plaintext) or https:// (TLS).\n"
    )
