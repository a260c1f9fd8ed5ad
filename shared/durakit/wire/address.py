"""Where a scheduler is: what a user writes as its address, turned into what gRPC dials.

TLS follows from the scheme, or from the caller's wish when there is none; never from the name of the host.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from durakit.errors import SettingsError

_SECURE_BY_SCHEME = {"https": True, "grpcs": True, "http": False, "grpc": False}
#: Names gRPC resolves by itself; they are handed over as they are.
_RESOLVER_PREFIXES = ("dns:", "unix:", "unix-abstract:", "ipv4:", "ipv6:", "vsock:")
_DEFAULT_PORT = {True: 443, False: 80}


@dataclass(frozen=True)
class Address:
    """One scheduler's address; `str()` of it is for people."""

    target: str
    """What gRPC dials: `host:port`, or a name for one of its resolvers."""
    secure: bool
    """Whether the connection is encrypted."""
    is_loopback: bool = False
    """Whether the host is this machine, so that no HTTP proxy may stand between."""

    def __str__(self) -> str:
        return f"{'https' if self.secure else 'http'}://{self.target}"


def parse_address(text: str, *, secure: bool = False) -> Address:
    """The address that `text` names.

    `text` is `http://host:port`, `https://host[:port]`, `grpc://…`, `grpcs://…` or `host[:port]`; `secure`
    decides about TLS where no scheme does. Raises `SettingsError` for anything that is more, or less, than
    that.
    """
    address = text.strip()
    if not address:
        raise SettingsError("The scheduler's address is empty; expected for example http://localhost:8080.")
    if re.match(r"endpoint\s*=", address, re.IGNORECASE) or ";" in address:
        raise _connection_string_refused(address)
    if address.startswith(_RESOLVER_PREFIXES):
        return Address(address, secure)
    scheme, separator, rest = address.rpartition("://")
    if separator:
        if scheme.lower() not in _SECURE_BY_SCHEME:
            raise SettingsError(
                f"The scheduler's address {address!r} begins with {scheme}://; "
                "expected http:// (plaintext) or https:// (TLS)."
            )
        secure = _SECURE_BY_SCHEME[scheme.lower()]
    host, port = _split(rest.rstrip("/"), address, secure)
    return Address(f"{host}:{port}", secure, _is_loopback(host))


def _split(authority: str, address: str, secure: bool) -> tuple[str, int]:
    if "@" in authority:
        # The value is not shown: it holds a password.
        raise SettingsError(
            "The scheduler's address contains user information before '@'; "
            "expected only scheme, host and port; pass a token by DURAKIT_TOKEN."
        )
    if re.search(r"[/?#\s]", authority):
        short = re.split(r"[/?#\s]", authority, maxsplit=1)[0]
        prefix = address[: len(address.rstrip("/")) - len(authority)]
        raise SettingsError(
            f"The scheduler's address {address!r} has more than scheme, host and port; "
            f"write {prefix}{short} instead."
        )
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]]+)(?::(\d+))?", authority)
    if match is None or not 0 < int(match[2] or 1) < 65536:
        raise SettingsError(
            f"The scheduler's address {address!r} is not a host and port; "
            "expected for example http://localhost:8080 or http://[::1]:8080."
        )
    return match[1], int(match[2]) if match[2] else _DEFAULT_PORT[secure]


def _connection_string_refused(text: str) -> SettingsError:
    match = re.search(r"endpoint\s*=\s*([^;]*)", text, re.IGNORECASE)
    hint = f"here {match[1].strip()}" if match else "for example http://localhost:8080"
    return SettingsError(
        "The scheduler's address is a whole connection string; expected only its Endpoint part, "
        f"{hint}. Put the whole text into DURABLE_TASK_SCHEDULER_CONNECTION_STRING instead."
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
