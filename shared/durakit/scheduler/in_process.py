"""What the channels that end in a scheduler of their own process have in common.

Only what a client needs is there: unary calls and the history stream; nothing is serialised on the way.
"""

from __future__ import annotations

from typing import Any

import grpc

from durakit.scheduler.refusal import Refusal

HISTORY = "StreamInstanceHistory"


class InProcessRpcError(grpc.RpcError):  # type: ignore[misc]  # grpc has no types
    """What a refused or unanswered call raises, as a real channel would."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self._code = code
        self._details = details

    @classmethod
    def of(cls, refusal: Refusal) -> InProcessRpcError:
        """Return what the scheduler's refusal is to the caller."""
        return cls(grpc.StatusCode[refusal.status], refusal.message)

    def code(self) -> grpc.StatusCode:
        """Return the status code."""
        return self._code

    def details(self) -> str:
        """Return the sentence that came with it."""
        return self._details


class ConnectedChannel(grpc.Channel):  # type: ignore[misc]  # grpc has no types
    """A channel without a connection to make or to lose; how it calls is left to others."""

    def subscribe(self, callback: Any, try_to_connect: bool | None = False) -> None:
        callback(grpc.ChannelConnectivity.READY)

    def unsubscribe(self, callback: Any) -> None: ...

    def close(self) -> None: ...

    def __enter__(self) -> ConnectedChannel:
        return self

    def __exit__(self, *_: object) -> None: ...


def name_of(path: str) -> str:
    """Return the method that a path such as `/Service/Method` names."""
    return path.rpartition("/")[2]
