from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from durakit.cli import options as option_table
from durakit.cli.access import is_loopback, token_for
from durakit.cli.options import OPTIONS, DevOptions
from durakit.cli.refusal import Refused, WrongUsage

DEFAULTS = option_table.read({option.name: option.default for option in OPTIONS if option.flag}, {})


def asked(**changes: Any) -> DevOptions:
    return replace(DEFAULTS, **changes)


def test_on_loopback_nobody_needs_a_token() -> None:
    assert token_for(asked()) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_these_hosts_are_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "build.example", "localhost.example"])
def test_these_hosts_are_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_other_machines_are_not_let_in_without_a_token() -> None:
    with pytest.raises(WrongUsage) as refused:
        token_for(asked(host="0.0.0.0"))

    assert str(refused.value) == (
        "--host 0.0.0.0 lets other machines in, and there is no token. Set DURAKIT_TOKEN or --token-file to "
        "a secret that workers and clients have too, or pass --insecure to let everyone in."
    )


def test_insecure_lets_everyone_in() -> None:
    assert token_for(asked(host="0.0.0.0", insecure=True)) is None


def test_a_token_is_asked_for_on_loopback_too() -> None:
    assert token_for(asked(token="s3cret")) == "s3cret"


def test_a_token_file_holds_the_token_and_may_end_with_a_newline(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("s3cret\n")

    assert token_for(asked(host="0.0.0.0", token_file=file)) == "s3cret"


def test_a_token_given_twice_is_refused() -> None:
    with pytest.raises(
        WrongUsage, match=r"^DURAKIT_TOKEN and --token-file are both given\. Keep one of them\.$"
    ):
        token_for(asked(token="one", token_file=Path("two")))


def test_a_token_file_that_cannot_be_read_is_named() -> None:
    with pytest.raises(Refused) as refused:
        token_for(asked(token_file=Path("missing")))

    assert str(refused.value) == (
        "The token file missing cannot be read: No such file or directory. "
        "It should hold the token and nothing else."
    )


def test_a_token_file_must_be_text(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(b"\xff\xfe")

    with pytest.raises(Refused, match="cannot be read: it is not text"):
        token_for(asked(token_file=file))


@pytest.mark.parametrize("content", ["", "\n", "two words", "schlüssel", "a\tb"])
def test_a_token_must_fit_into_a_header_and_is_not_shown(tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(content, "utf-8")

    with pytest.raises(Refused) as refused:
        token_for(asked(token_file=file))

    assert str(refused.value) == (
        f"The token in {file} is empty or has blanks or characters other than printable ASCII. Use another."
    )
