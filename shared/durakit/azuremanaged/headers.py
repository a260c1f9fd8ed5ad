"""What every call to a scheduler with task hubs carries: the hub, who calls, and an access token if there
is one.
"""

from __future__ import annotations

import os
import socket
import uuid
from typing import TYPE_CHECKING

from durakit.azuremanaged.tokens import (
    AsyncTokenCredential,
    AsyncTokenSource,
    TokenCredential,
    TokenSource,
    scope_for,
)
from durakit.errors import SettingsError
from durakit.wire.channel import USER_AGENT

if TYPE_CHECKING:
    from durakit.wire.channel import AsyncMetadataSource, Metadata, MetadataSource


def hub_headers(taskhub: str, *, worker_id: str | None = None) -> list[tuple[str, str]]:
    """The headers that stay the same. Raises `SettingsError` when there is no task hub."""
    if not taskhub or not taskhub.strip():
        raise SettingsError("taskhub is empty; expected the name of a task hub, such as 'default'.")
    if not (taskhub.isascii() and taskhub.isprintable()):
        raise SettingsError(f"taskhub is {taskhub!r}; expected a name of printable ASCII characters.")
    # `user-agent` is gRPC's own.
    headers = [("taskhub", taskhub.strip()), ("x-user-agent", USER_AGENT)]
    return headers if worker_id is None else [*headers, ("workerid", worker_id)]


def new_worker_id() -> str:
    """A name for this worker that no other one has: `host:process:uuid`."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4()}"


def with_token(
    headers: Metadata, credential: TokenCredential | None, resource_id: str | None
) -> MetadataSource:
    """The headers and the bearer token of the moment."""
    scope = scope_for(resource_id)
    fixed = tuple(headers)
    if credential is None:
        return lambda: fixed
    tokens = TokenSource(credential, scope)
    return lambda: (*fixed, ("authorization", f"Bearer {tokens.get()}"))


def with_async_token(
    headers: Metadata, credential: AsyncTokenCredential | None, resource_id: str | None
) -> AsyncMetadataSource:
    """The same for asyncio."""
    scope = scope_for(resource_id)
    fixed = tuple(headers)
    tokens = AsyncTokenSource(credential, scope) if credential is not None else None

    async def source() -> Metadata:
        return fixed if tokens is None else (*fixed, ("authorization", f"Bearer {await tokens.get()}"))

    return source
