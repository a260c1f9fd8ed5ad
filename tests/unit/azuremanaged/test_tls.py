"""The SDK against a scheduler as strict as Azure's: TLS, the hub's header, a token of the right scope that is
still valid. The certificate authority is made for the run.
"""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from durakit.azuremanaged import (
    AsyncDurableTaskSchedulerClient,
    DurableTaskSchedulerClient,
    DurableTaskSchedulerWorker,
)
from durakit.azuremanaged.tokens import AccessToken, AsyncTokenSource, TokenSource
from durakit.errors import AccessDeniedError, NotFoundError, SchedulerUnavailableError
from durakit.grpc_options import GrpcWorkerResiliencyOptions
from durakit.wire.messages import orchestration_pb2 as pb
from durakit.wire.methods import METHODS

from ..fake_scheduler import FakeScheduler, activity_item

SCOPE = "https://durabletask.io/.default"
HUB = "orders"
LIFETIME_SECONDS = 3600
STREAMING = {method.path for method in METHODS if method.streams}


@dataclass(frozen=True)
class Authority:
    """A certificate authority and what it has signed, as PEM."""

    root: bytes
    key: bytes
    certificate: bytes
    """For localhost."""
    other_key: bytes
    other_certificate: bytes
    """For a host of another name."""


@pytest.fixture(scope="module")
def authority() -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test authority")])
    root = certificate(name, name, key, key, x509.BasicConstraints(ca=True, path_length=None))
    leaves = []
    for host in ("localhost", "elsewhere.example"):
        leaf_key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName(host)]
        if host == "localhost":
            names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
        leaf = certificate(subject, name, leaf_key, key, x509.SubjectAlternativeName(names))
        leaves += [private_pem(leaf_key), pem(leaf)]
    return Authority(pem(root), *leaves)


@dataclass
class Clock:
    """The time that client and scheduler agree on; the test moves it."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the test, also in every client that is made meanwhile."""
    clock = Clock()
    for source in (TokenSource, AsyncTokenSource):
        monkeypatch.setattr(source.__init__, "__defaults__", (clock,))
    return clock


@dataclass
class Issuer:
    """A credential as azure-identity's, whose tokens say what they are: number, scope and end."""

    clock: Callable[[], float]
    issued: list[str] = field(default_factory=list)

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        expires_on = int(self.clock()) + LIFETIME_SECONDS
        self.issued.append(f"{len(self.issued) + 1}|{scopes[0]}|{expires_on}")
        return AccessToken(self.issued[-1], expires_on)


class AsyncIssuer(Issuer):
    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:  # type: ignore[override]
        return super().get_token(*scopes, **options)


class Gate(grpc.ServerInterceptor):  # type: ignore[misc]
    """Lets calls through as Azure does: known hub, bearer token, its scope, its end."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.let_in: list[str] = []
        self.refused: list[str] = []

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        sent = dict(details.invocation_metadata)
        refusal = self._refusal(sent)
        if refusal is None:
            self.let_in.append(sent["authorization"].removeprefix("Bearer "))
            return continuation(details)
        self.refused.append(refusal[1])

        def refuse(_: Any, context: Any) -> None:
            context.abort(*refusal)

        streams = details.method in STREAMING
        kind = grpc.unary_stream_rpc_method_handler if streams else grpc.unary_unary_rpc_method_handler
        return kind(refuse)

    def _refusal(self, sent: dict[str, str]) -> tuple[grpc.StatusCode, str] | None:
        scheme, _, token = sent.get("authorization", "").partition(" ")
        if scheme != "Bearer":
            return grpc.StatusCode.UNAUTHENTICATED, "no bearer token"
        _, scope, expires_on = token.split("|")
        if scope != SCOPE:
            return grpc.StatusCode.PERMISSION_DENIED, f"a token for {scope}"
        if self._clock() >= int(expires_on):
            return grpc.StatusCode.UNAUTHENTICATED, "the token has expired"
        if sent.get("taskhub") != HUB:
            return grpc.StatusCode.NOT_FOUND, f"no task hub {sent.get('taskhub')!r}"
        return None


@pytest.fixture
def gate(clock: Clock) -> Gate:
    return Gate(clock)


@pytest.fixture
def scheduler(authority: Authority, gate: Gate) -> Iterator[FakeScheduler]:
    with FakeScheduler(
        credentials=server(authority.key, authority.certificate), interceptors=[gate]
    ) as serving:
        yield serving


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clients of this process trust our authority. (gRPC reads its own variable for this only once.)"""
    credentials = grpc.ssl_channel_credentials(root_certificates=authority.root)
    monkeypatch.setattr(grpc, "ssl_channel_credentials", lambda: credentials)


def client_of(scheduler: FakeScheduler, credential: Any, **options: Any) -> DurableTaskSchedulerClient:
    options = {"host_address": scheduler.address, "taskhub": HUB, **options}
    return DurableTaskSchedulerClient(token_credential=credential, **options)


@pytest.mark.usefixtures("trusted")
def test_a_client_gets_in_by_tls_with_hub_and_token(
    scheduler: FakeScheduler, gate: Gate, clock: Clock
) -> None:
    scheduler.answer("StartInstance", pb.CreateInstanceResponse(instanceId="i1"))

    with client_of(scheduler, Issuer(clock)) as client:
        started = client.schedule_new_orchestration("order_report", instance_id="i1")

    assert started == "i1"
    assert gate.let_in == [f"1|{SCOPE}|{int(clock.now) + LIFETIME_SECONDS}"]


@pytest.mark.usefixtures("trusted")
def test_an_async_client_does_too(scheduler: FakeScheduler, gate: Gate, clock: Clock) -> None:
    async def main() -> None:
        async with AsyncDurableTaskSchedulerClient(
            host_address=scheduler.address, taskhub=HUB, token_credential=AsyncIssuer(clock)
        ) as client:
            await client.get_orchestration_state("x")
            clock.now += LIFETIME_SECONDS
            await client.get_orchestration_state("x")

    asyncio.run(main())

    assert [token.partition("|")[0] for token in gate.let_in] == ["1", "2"]
    assert gate.refused == []


@pytest.mark.usefixtures("trusted")
def test_a_client_that_lives_for_days_never_sends_an_expired_token(
    scheduler: FakeScheduler, gate: Gate, clock: Clock
) -> None:
    issuer = Issuer(clock)

    with client_of(scheduler, issuer) as client:
        for _ in range(300):
            client.get_orchestration_state("x")
            clock.now += 700.0

    hours = 300 * 700 / LIFETIME_SECONDS
    assert gate.refused == []
    assert hours <= len(issuer.issued) <= 1.5 * hours, "one token for most of an hour, not one for each call"


@pytest.mark.usefixtures("trusted")
def test_a_workers_stream_goes_on_with_a_new_token_after_the_old_one_has_expired(
    scheduler: FakeScheduler, gate: Gate, clock: Clock
) -> None:
    def greet(_: Any, name: str) -> str:
        return f"Hello, {name}"

    worker = DurableTaskSchedulerWorker(
        host_address=scheduler.address,
        taskhub=HUB,
        token_credential=Issuer(clock),
        resiliency_options=GrpcWorkerResiliencyOptions(reconnect_backoff_base_seconds=0.01),
    )
    worker.add_activity(greet)
    with worker:
        worker.start()
        first = scheduler.next_stream()
        clock.now += LIFETIME_SECONDS
        first.end(grpc.StatusCode.UNAUTHENTICATED)
        stream = scheduler.next_stream()
        item = activity_item("greet")
        item.activityRequest.input.value = '"Azure"'
        stream.send(item)
        done = scheduler.next_call("CompleteActivityTask")

    assert done.request.result.value == '"Hello, Azure"'
    assert {token.partition("|")[0] for token in gate.let_in} == {"1", "2"}
    assert gate.refused == []


@pytest.mark.usefixtures("trusted")
def test_a_token_for_something_else_is_refused_in_words(scheduler: FakeScheduler, clock: Clock) -> None:
    with (
        client_of(scheduler, Issuer(clock), resource_id="https://storage.azure.com") as client,
        pytest.raises(AccessDeniedError, match=r"a token for https://storage.azure.com/.default") as refusal,
    ):
        client.get_orchestration_state("x")

    assert "Check TASKHUB and the identity's rights" in str(refusal.value)


@pytest.mark.usefixtures("trusted")
def test_no_token_is_refused_in_words(scheduler: FakeScheduler) -> None:
    with client_of(scheduler, None) as client, pytest.raises(AccessDeniedError, match="no bearer token"):
        client.get_orchestration_state("x")


@pytest.mark.usefixtures("trusted")
def test_another_hub_is_refused_in_words(scheduler: FakeScheduler, clock: Clock) -> None:
    with (
        client_of(scheduler, Issuer(clock), taskhub="payments") as client,
        pytest.raises(NotFoundError, match="no task hub 'payments'"),
    ):
        client.get_orchestration_state("x")


def test_a_scheduler_of_an_unknown_authority_never_sees_the_token(
    scheduler: FakeScheduler, gate: Gate, clock: Clock
) -> None:
    with client_of(scheduler, Issuer(clock)) as client, pytest.raises(SchedulerUnavailableError):
        client.get_orchestration_state("x")

    assert (gate.let_in, gate.refused) == ([], [])


@pytest.mark.usefixtures("trusted")
def test_a_certificate_for_another_host_is_not_accepted(
    authority: Authority, gate: Gate, clock: Clock
) -> None:
    credentials = server(authority.other_key, authority.other_certificate)
    with (
        FakeScheduler(credentials=credentials, interceptors=[gate]) as scheduler,
        client_of(scheduler, Issuer(clock)) as client,
        pytest.raises(SchedulerUnavailableError),
    ):
        client.get_orchestration_state("x")

    assert (gate.let_in, gate.refused) == ([], [])


def test_plaintext_to_a_tls_port_fails_in_one_sentence(scheduler: FakeScheduler, clock: Clock) -> None:
    address = scheduler.address.replace("https://", "http://")

    with (
        client_of(scheduler, Issuer(clock), host_address=address) as client,
        pytest.raises(SchedulerUnavailableError),
    ):
        client.get_orchestration_state("x")


PROGRAM = """
import durakit

with durakit.connect() as client:
    print(client.schedule_new_orchestration("order_report", instance_id="i1"))
"""


def test_a_program_needs_nothing_but_its_environment(
    authority: Authority, scheduler: FakeScheduler, gate: Gate, clock: Clock, tmp_path: Path
) -> None:
    """As a company's own authority is set up: by gRPC's variable for root certificates."""
    scheduler.answer("StartInstance", pb.CreateInstanceResponse(instanceId="i1"))
    roots = tmp_path / "roots.pem"
    roots.write_bytes(authority.root)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DURA")} | {
        "ENDPOINT": scheduler.address,
        "TASKHUB": HUB,
        "DURAKIT_TOKEN": Issuer(clock).get_token(SCOPE).token,
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(roots),
    }

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout.strip()) == (0, "i1"), done.stderr
    assert len(gate.let_in) == 1


def server(key: bytes, chain: bytes) -> grpc.ServerCredentials:
    return grpc.ssl_server_credentials([(key, chain)])


def certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signing_key: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    )
    return builder.sign(signing_key, hashes.SHA256())


def pem(made: x509.Certificate) -> bytes:
    return made.public_bytes(serialization.Encoding.PEM)


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
