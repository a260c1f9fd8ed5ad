"""Who may reach the scheduler: everybody on this machine, or whoever has the token."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from durakit.cli.options import DevOptions
from durakit.cli.refusal import Refused, WrongUsage


def token_for(options: DevOptions) -> str | None:
    """Return the token every caller must have, or None when there is none.

    Raises:
        WrongUsage: other machines could come in without a token, or the token is given twice.
        Refused: the token cannot be read or used.
    """
    if options.token and options.token_file:
        raise WrongUsage("DURAKIT_TOKEN and --token-file are both given. Keep one of them.")
    if options.token:
        return _usable(options.token, "DURAKIT_TOKEN")
    if options.token_file:
        return _usable(_content(options.token_file), f"The token in {options.token_file}")
    if not is_loopback(options.host) and not options.insecure:
        raise WrongUsage(
            f"--host {options.host} lets other machines in, and there is no token. Set DURAKIT_TOKEN or "
            f"--token-file to a secret that workers and clients have too, or pass --insecure to let "
            f"everyone in."
        )
    return None


def is_loopback(host: str) -> bool:
    """Return whether the host, as given to --host, can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _content(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "it is not text"
        raise Refused(
            f"The token file {path} cannot be read: {reason}. It should hold the token and nothing else."
        ) from problem


def _usable(token: str, what: str) -> str:
    # It travels in a header.
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise Refused(f"{what} is empty or has blanks or characters other than printable ASCII. Use another.")
    return token
