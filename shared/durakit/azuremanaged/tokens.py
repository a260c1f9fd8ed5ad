"""Access tokens: fetched with the first call, kept, and fetched anew before they expire (semantics 6).

Credentials are anything with `get_token(scope)`, as those of azure-identity are; that package is not
imported here.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from durakit.errors import CredentialError, SettingsError

#: How long before its end a token is replaced.
REFRESH_MARGIN_SECONDS = 600.0

#: How long a failed renewal is not repeated while the present token is valid.
RETRY_SECONDS = 30.0

PUBLIC_RESOURCE = "https://durabletask.io"
GOVERNMENT_RESOURCE = "https://durabletask.azure.us"
#: Set by Azure's hosts; the government regions' names begin with these.
REGION_VARIABLE = "REGION_NAME"
_GOVERNMENT_REGIONS = ("usgov", "usdod")

_logger = logging.getLogger(__name__)


class AccessToken(NamedTuple):
    """A token and the moment it expires, in seconds since 1970."""

    token: str
    expires_on: int


class _Token(Protocol):
    @property
    def token(self) -> str: ...
    @property
    def expires_on(self) -> int: ...


class TokenCredential(Protocol):
    """What a client for threads asks for tokens."""

    def get_token(self, *scopes: str, **kwargs: Any) -> _Token: ...


class AsyncTokenCredential(Protocol):
    """What a client for asyncio asks for tokens."""

    async def get_token(self, *scopes: str, **kwargs: Any) -> _Token: ...


class StaticTokenCredential:
    """Always the same token, such as that of `durakit dev`."""

    def __init__(self, token: str) -> None:
        self._token = AccessToken(token, 2**53)

    def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:
        """The token, whatever the scope."""
        return self._token

    def __repr__(self) -> str:
        return "StaticTokenCredential(...)"


class ThreadedCredential:
    """A credential for threads, to be awaited: its `get_token` runs in a thread of the event loop's pool.

    Every credential works like this, also those that have no async form, and no further package is needed.
    """

    def __init__(self, credential: TokenCredential) -> None:
        self._credential = credential

    async def get_token(self, *scopes: str, **kwargs: Any) -> _Token:
        """The wrapped credential's token."""
        return await asyncio.to_thread(self._credential.get_token, *scopes, **kwargs)


def scope_for(resource_id: str | None) -> str:
    """The scope to ask tokens for: of `resource_id`, else of the scheduler service in this host's cloud."""
    if not resource_id:
        region = os.environ.get(REGION_VARIABLE, "").lower()
        is_government = region.startswith(_GOVERNMENT_REGIONS)
        return f"{GOVERNMENT_RESOURCE if is_government else PUBLIC_RESOURCE}/.default"
    resource = resource_id.strip().rstrip("/")
    if resource.lower().endswith("/.default"):
        resource = resource[: -len("/.default")].rstrip("/")
    if not resource:
        raise SettingsError(
            f"resource_id is {resource_id!r}; expected the address of a resource, such as {PUBLIC_RESOURCE}."
        )
    return f"{resource}/.default"


class TokenSource:
    """The current token, for threads: one of them fetches a new one while the others go on with the old."""

    def __init__(
        self, credential: TokenCredential, scope: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._credential = credential
        self._kept = _Kept(scope, clock)
        self._lock = threading.Lock()

    def get(self) -> str:
        """The token's text. Raises `CredentialError` when none can be had."""
        kept = self._kept
        if kept.is_fresh():
            return kept.text
        if not self._lock.acquire(blocking=not kept.is_valid()):
            return kept.text
        try:
            if not kept.is_fresh():
                try:
                    kept.renew(self._credential.get_token(kept.scope))
                except Exception as error:
                    kept.keep_or_raise(error)
            return kept.text
        finally:
            self._lock.release()


class AsyncTokenSource:
    """The same for asyncio; may be used from several event loops, one after the other or at once."""

    def __init__(
        self, credential: AsyncTokenCredential, scope: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._credential = credential
        self._kept = _Kept(scope, clock)
        # A lock belongs to the loop it was first used on.
        self._locks: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = (
            weakref.WeakKeyDictionary()
        )

    async def get(self) -> str:
        """The token's text. Raises `CredentialError` when none can be had."""
        kept = self._kept
        if kept.is_fresh():
            return kept.text
        lock = self._locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        if lock.locked() and kept.is_valid():
            return kept.text
        async with lock:
            if not kept.is_fresh():
                try:
                    kept.renew(await self._credential.get_token(kept.scope))
                except Exception as error:
                    kept.keep_or_raise(error)
            return kept.text


class _Kept:
    """A token and what its times mean."""

    def __init__(self, scope: str, clock: Callable[[], float]) -> None:
        self.scope = scope
        self.text = ""
        self._clock = clock
        self._expires_at = float("-inf")
        self._due_at = float("-inf")

    def is_valid(self) -> bool:
        """Whether it is still accepted."""
        return self._clock() < self._expires_at

    def is_fresh(self) -> bool:
        """Whether it need not be renewed yet."""
        return self._clock() < self._due_at

    def renew(self, token: _Token) -> None:
        """Go on with a new token."""
        now = self._clock()
        # A token that lives shorter than the margin is renewed half-way, not with every call.
        half_way = now + (token.expires_on - now) / 2
        self.text = token.token
        self._due_at = max(token.expires_on - REFRESH_MARGIN_SECONDS, half_way)
        self._expires_at = token.expires_on

    def keep_or_raise(self, error: Exception) -> None:
        """After a failed renewal: go on with the present token for a while, if it is still valid."""
        if not self.is_valid():
            raise CredentialError(
                f"No access token for {self.scope} could be had: {error}. Log in with `az login`, or give "
                "this host an identity and set AZURE_CLIENT_ID to its client id."
            ) from error
        self._due_at = min(self._expires_at, self._clock() + RETRY_SECONDS)
        _logger.warning("The access token could not be renewed; the present one is still valid: %s", error)
