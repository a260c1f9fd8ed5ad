"""What arrives at the scheduler with every call: semantics 6, metadata."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from typing import Any

import pytest
from durakit import __version__
from durakit.azuremanaged import (
    AsyncDurableTaskSchedulerClient,
    DurableTaskSchedulerClient,
    DurableTaskSchedulerWorker,
)
from durakit.azuremanaged.tokens import AccessToken
from durakit.errors import SettingsError

from ..fake_scheduler import FakeScheduler


class Credential:
    def __init__(self) -> None:
        self.scopes: list[str] = []

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.scopes.extend(scopes)
        return AccessToken("secret", 2**40)


class AsyncCredential:
    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        return AccessToken(f"secret for {scopes[0]}", 2**40)


def test_a_client_names_hub_sdk_and_bearer_token() -> None:
    credential = Credential()
    with FakeScheduler() as scheduler:
        client = DurableTaskSchedulerClient(
            host_address=scheduler.address, taskhub="orders", token_credential=credential
        )
        assert credential.scopes == [], "the first token is fetched with the first call"
        with client:
            client.get_orchestration_state("x")

        sent = scheduler.next_call("GetInstance").metadata

    assert sent["taskhub"] == "orders"
    assert sent["x-user-agent"] == f"durakit-python/{__version__}"
    assert sent["authorization"] == "Bearer secret"
    assert "workerid" not in sent
    assert credential.scopes == ["https://durabletask.io/.default"]


def test_a_token_that_has_expired_is_renewed_before_the_next_call() -> None:
    class ShortLived(Credential):
        def get_token(self, *scopes: str, **_: Any) -> AccessToken:
            super().get_token(*scopes)
            return AccessToken(f"token-{len(self.scopes)}", 0)

    with FakeScheduler() as scheduler:
        with DurableTaskSchedulerClient(
            host_address=scheduler.address, taskhub="orders", token_credential=ShortLived()
        ) as client:
            client.get_orchestration_state("x")
            client.get_orchestration_state("x")

        sent = [scheduler.next_call("GetInstance").metadata["authorization"] for _ in range(2)]

    assert sent == ["Bearer token-1", "Bearer token-2"]


def test_without_a_credential_no_authorization_is_sent() -> None:
    with FakeScheduler() as scheduler:
        with DurableTaskSchedulerClient(
            host_address=scheduler.address, taskhub="orders", token_credential=None
        ) as client:
            client.get_orchestration_state("x")

        assert "authorization" not in scheduler.next_call("GetInstance").metadata


def test_an_async_client_awaits_its_token_for_the_resource_given() -> None:
    async def main(address: str) -> None:
        async with AsyncDurableTaskSchedulerClient(
            host_address=address,
            taskhub="orders",
            token_credential=AsyncCredential(),
            resource_id="https://mine.example/",
        ) as client:
            await client.get_orchestration_state("x")

    with FakeScheduler() as scheduler:
        asyncio.run(main(scheduler.address))
        sent = scheduler.next_call("GetInstance").metadata

    assert sent["taskhub"] == "orders"
    assert sent["authorization"] == "Bearer secret for https://mine.example/.default"


def test_a_worker_names_itself_too_on_every_call() -> None:
    with FakeScheduler() as scheduler:
        worker = DurableTaskSchedulerWorker(
            host_address=scheduler.address, taskhub="orders", token_credential=Credential()
        )
        with worker:
            worker.start()
            hello = scheduler.next_call("Hello").metadata
            stream = scheduler.next_stream().metadata

    assert hello["authorization"] == stream["authorization"] == "Bearer secret"
    assert hello["taskhub"] == stream["taskhub"] == "orders"
    assert hello["workerid"] == stream["workerid"]
    assert re.fullmatch(
        rf"{re.escape(socket.gethostname())}:{os.getpid()}:[0-9a-f-]{{36}}", hello["workerid"]
    )
    assert worker.maximum_timer_interval is None


@pytest.mark.parametrize(
    ("taskhub", "message"),
    [
        ("", "taskhub is empty; expected the name of a task hub, such as 'default'."),
        ("  ", "taskhub is empty; expected the name of a task hub, such as 'default'."),
        ("größe", "taskhub is 'größe'; expected a name of printable ASCII characters."),
    ],
)
def test_a_hub_that_cannot_be_named_is_refused(taskhub: str, message: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        DurableTaskSchedulerWorker(host_address="http://localhost:1", taskhub=taskhub, token_credential=None)

    assert str(refusal.value) == message
