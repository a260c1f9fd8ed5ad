from __future__ import annotations

import asyncio
import logging
import threading
from queue import Queue

import pytest
from durakit.azuremanaged.tokens import (
    AccessToken,
    AsyncTokenSource,
    StaticTokenCredential,
    ThreadedCredential,
    TokenSource,
    scope_for,
)
from durakit.errors import CredentialError, SettingsError

SOON_SECONDS = 20.0
HOUR = 3600


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class FakeCredential:
    """Hands out token-1, token-2, ... each valid for an hour, or raises what it is told to."""

    def __init__(self, clock: Clock, lifetime_seconds: int = HOUR) -> None:
        self.clock = clock
        self.lifetime_seconds = lifetime_seconds
        self.scopes: list[str] = []
        self.error: Exception | None = None

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        self.scopes.extend(scopes)
        if self.error is not None:
            raise self.error
        return AccessToken(f"token-{len(self.scopes)}", int(self.clock.now) + self.lifetime_seconds)


class FakeAsyncCredential(FakeCredential):
    async def get_token(self, *scopes: str, **_: object) -> AccessToken:  # type: ignore[override]  # the async form
        await asyncio.sleep(0)
        return super().get_token(*scopes)


def source(lifetime_seconds: int = HOUR) -> tuple[Clock, FakeCredential, TokenSource]:
    clock = Clock()
    credential = FakeCredential(clock, lifetime_seconds)
    return clock, credential, TokenSource(credential, "scope", clock)


def test_no_token_is_fetched_before_the_first_call() -> None:
    _, credential, tokens = source()
    assert credential.scopes == []

    assert tokens.get() == "token-1"
    assert credential.scopes == ["scope"]


def test_a_token_is_kept_until_ten_minutes_before_its_end() -> None:
    clock, _, tokens = source()
    tokens.get()

    clock.now += HOUR - 601
    assert tokens.get() == "token-1"
    clock.now += 1
    assert tokens.get() == "token-2"


def test_a_token_shorter_than_that_is_renewed_half_way() -> None:
    clock, _, tokens = source(lifetime_seconds=300)
    tokens.get()

    clock.now += 149
    assert tokens.get() == "token-1"
    clock.now += 1
    assert tokens.get() == "token-2"


def test_a_failed_renewal_goes_on_with_the_present_token_for_a_while(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, credential, tokens = source()
    tokens.get()
    clock.now += HOUR - 300
    credential.error = OSError("no network")

    assert [tokens.get(), tokens.get()] == ["token-1", "token-1"]
    assert len(credential.scopes) == 2, "not tried again with every call"
    assert caplog.messages == [
        "The access token could not be renewed; the present one is still valid: no network"
    ]
    credential.error = None
    clock.now += 30
    assert tokens.get() == "token-3"


def test_without_any_valid_token_the_error_says_what_to_do() -> None:
    clock, credential, tokens = source()
    tokens.get()
    clock.now += HOUR
    credential.error = OSError("not logged in")

    with pytest.raises(CredentialError) as error:
        tokens.get()

    assert error.value.__cause__ is credential.error
    assert str(error.value) == (
        "No access token for scope could be had: not logged in. Log in with `az login`, or give this host an "
        "identity and set AZURE_CLIENT_ID to its client id."
    )


def test_one_thread_fetches_the_first_token_for_all() -> None:
    clock = Clock()
    asked, answer = threading.Event(), threading.Event()

    class Slow(FakeCredential):
        def get_token(self, *scopes: str, **_: object) -> AccessToken:
            asked.set()
            answer.wait(SOON_SECONDS)
            return super().get_token(*scopes)

    credential = Slow(clock)
    tokens = TokenSource(credential, "scope", clock)
    got: Queue[str] = Queue()
    threads = [threading.Thread(target=lambda: got.put(tokens.get())) for _ in range(8)]
    for thread in threads:
        thread.start()
    asked.wait(SOON_SECONDS)
    answer.set()

    assert [got.get(timeout=SOON_SECONDS) for _ in threads] == ["token-1"] * 8
    assert credential.scopes == ["scope"]


def test_while_one_thread_renews_the_others_go_on_with_the_old_token() -> None:
    clock = Clock()
    asked, answer = threading.Event(), threading.Event()

    class Slow(FakeCredential):
        def get_token(self, *scopes: str, **_: object) -> AccessToken:
            if self.scopes:
                asked.set()
                answer.wait(SOON_SECONDS)
            return super().get_token(*scopes)

    tokens = TokenSource(Slow(clock), "scope", clock)
    tokens.get()
    clock.now += HOUR - 60
    renewing = threading.Thread(target=tokens.get)
    renewing.start()
    asked.wait(SOON_SECONDS)

    assert tokens.get() == "token-1"
    answer.set()
    renewing.join(SOON_SECONDS)
    assert tokens.get() == "token-2"


def test_asyncio_fetches_once_for_all_tasks_and_renews_in_time() -> None:
    clock = Clock()
    credential = FakeAsyncCredential(clock)

    async def main() -> list[str]:
        tokens = AsyncTokenSource(credential, "scope", clock)
        first = await asyncio.gather(*(tokens.get() for _ in range(5)))
        clock.now += HOUR - 600
        return [*first, *await asyncio.gather(*(tokens.get() for _ in range(2))), await tokens.get()]

    assert asyncio.run(main()) == [*["token-1"] * 5, "token-2", "token-1", "token-2"]
    assert len(credential.scopes) == 2


def test_an_async_source_serves_one_loop_after_the_other() -> None:
    clock = Clock()
    tokens = AsyncTokenSource(FakeAsyncCredential(clock), "scope", clock)

    assert asyncio.run(tokens.get()) == "token-1"
    clock.now += HOUR
    assert asyncio.run(tokens.get()) == "token-2"


def test_any_credential_can_be_awaited() -> None:
    credential = ThreadedCredential(FakeCredential(Clock()))

    assert asyncio.run(credential.get_token("scope")).token == "token-1"


def test_a_static_token_never_shows_itself() -> None:
    credential = StaticTokenCredential("secret")

    assert credential.get_token("any").token == "secret"
    assert "secret" not in repr(credential)


@pytest.mark.parametrize(
    ("resource_id", "region", "scope"),
    [
        (None, "", "https://durabletask.io/.default"),
        ("", "westeurope", "https://durabletask.io/.default"),
        (None, "USGovVirginia", "https://durabletask.azure.us/.default"),
        (None, "usdodcentral", "https://durabletask.azure.us/.default"),
        (" https://mine.example/ ", "usgovvirginia", "https://mine.example/.default"),
        ("https://mine.example/.default", "", "https://mine.example/.default"),
        ("https://mine.example/.DEFAULT/", "", "https://mine.example/.default"),
    ],
)
def test_the_scope_is_the_services_in_this_hosts_cloud_or_the_one_given(
    resource_id: str | None, region: str, scope: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGION_NAME", region)

    assert scope_for(resource_id) == scope


def test_a_resource_without_a_name_is_refused() -> None:
    with pytest.raises(SettingsError) as refusal:
        scope_for(" /.default ")

    assert str(refusal.value) == (
        "resource_id is ' /.default '; expected the address of a resource, such as https://durabletask.io."
    )


def test_renewing_logs_to_the_librarys_logger(caplog: pytest.LogCaptureFixture) -> None:
    clock, credential, tokens = source()
    tokens.get()
    clock.now += HOUR - 1
    credential.error = OSError("x")

    with caplog.at_level(logging.WARNING, logger="durakit"):
        tokens.get()

    assert [record.name for record in caplog.records] == ["durakit.azuremanaged.tokens"]
