"""The programs of a sample as real processes: a scheduler on a file, its worker, its client, on free ports.

Whatever is started here is killed when the stage is left; what a program printed is in the message of a
failed wait.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from durakit.azuremanaged.client import DurableTaskSchedulerClient

from tests.e2e.fresh_clone import ROOT, environment, eventually
from tests.e2e.programs import TIMEOUT_SECONDS

BIN = Path(sys.executable).parent


class Program:
    """A process and what it has printed so far, stdout and stderr as they came."""

    def __init__(self, command: list[str], folder: Path, variables: dict[str, str]) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**environment(**variables), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(line.rstrip("\n") for line in self.process.stdout)

    @property
    def text(self) -> str:
        """Everything it has printed."""
        return "\n".join(self.lines)

    def wait_for(self, beginning: str, *, count: int = 1) -> str:
        """Return the line that begins so, or the last of `count` such lines; fail if it never comes."""

        def found() -> list[str]:
            return [line for line in self.lines if line.startswith(beginning)]

        def settled() -> bool:
            return len(found()) >= count or not (self._reader.is_alive() and self.process.poll() is None)

        assert eventually(settled, TIMEOUT_SECONDS), f"no {beginning!r} in time:\n{self.text}"
        if self.process.poll() is not None:
            self._reader.join(TIMEOUT_SECONDS)
        assert len(found()) >= count, f"{beginning!r} never came:\n{self.text}"
        return found()[count - 1]

    def say(self, line: str) -> None:
        """Type a line on its terminal."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def finish(self, code: int = 0) -> list[str]:
        """Wait for its end, which must have this exit code, and return all its lines."""
        try:
            assert self.process.wait(TIMEOUT_SECONDS) == code, self.text
        except subprocess.TimeoutExpired:
            raise AssertionError(f"It does not end. It has printed:\n{self.text}") from None
        self._reader.join(TIMEOUT_SECONDS)
        return self.lines

    def interrupt(self, code: int = 0) -> list[str]:
        """Press Ctrl-C and wait for its end."""
        self.process.send_signal(signal.SIGINT)
        return self.finish(code)

    def kill(self) -> None:
        """SIGKILL: no chance to tidy up."""
        self.process.kill()
        self.process.wait(TIMEOUT_SECONDS)
        self._reader.join(TIMEOUT_SECONDS)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


class Stage:
    """A scheduler for one sample; use it with `with`.

    Args:
        sample: folder in samples/.
        folder: where the scheduler keeps its file; give activities their output folders below it, too.
        variables: for worker and client, besides ENDPOINT.
    """

    def __init__(self, sample: str, folder: Path, **variables: str) -> None:
        self.sample = ROOT / "samples" / sample
        self.folder = folder
        self._variables = variables
        self._stack = ExitStack()
        self.endpoint = ""

    def __enter__(self) -> Stage:
        try:
            data = str(self.folder / "scheduler.db")
            options = ["--grpc-port", "0", "--headless", "--log-format", "json", "--db", data]
            scheduler = self.start([str(BIN / "durakit"), "dev", *options])
            self.endpoint = json.loads(scheduler.wait_for('{"event": "ready"'))["grpc"]
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self, command: list[str], **variables: str) -> Program:
        """Start any program; it is killed when the stage is left."""
        program = Program(command, self.folder if not self.endpoint else self.sample, variables)
        self._stack.callback(program.kill)
        return program

    def python(self, script: str, *arguments: str, **variables: str) -> Program:
        """Start a script of the sample, connected to the stage's scheduler."""
        known = {"ENDPOINT": self.endpoint, **self._variables, **variables}
        return self.start([sys.executable, script, *arguments], **known)

    def worker(self, *arguments: str, **variables: str) -> Program:
        """Start a worker and return once it is connected."""
        worker = self.python("worker.py", *arguments, **variables)
        worker.wait_for("worker ready:")
        return worker

    def server(self, *arguments: str, **variables: str) -> tuple[Program, str]:
        """Start a client that is a web application and return it with its address, without the last slash."""
        client = self.python("client.py", *arguments, "--port", "0", **variables)
        return client, client.wait_for("Serving ").split()[1]

    def connect(self) -> DurableTaskSchedulerClient:
        """Return a client of the test's own."""
        client = DurableTaskSchedulerClient(
            host_address=self.endpoint, taskhub="default", token_credential=None, secure_channel=False
        )
        self._stack.callback(client.close)
        return client


class Answer:
    """What a web server answered, errors included."""

    def __init__(self, status: int, headers: dict[str, str], body: str) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> dict[str, object]:
        """The body as a JSON object."""
        value = json.loads(self.body)
        assert isinstance(value, dict), self.body
        return value


def request(
    method: str, url: str, body: object = None, *, raw: bytes | None = None, **headers: str
) -> Answer:
    """Make an HTTP request, with `body` as JSON or with `raw` bytes; redirects are followed."""
    data = raw if raw is not None else None if body is None else json.dumps(body).encode()
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    asked = Request(url, data, {"Content-Type": "application/json", **given}, method=method)
    try:
        answer = urlopen(asked, timeout=TIMEOUT_SECONDS)
    except HTTPError as error:
        answer = error
    with answer:
        return Answer(answer.status, dict(answer.headers), answer.read().decode())


def request_until(url: str, wanted: Callable[[Answer], bool]) -> Answer:
    """GET until the answer is the one that is wanted."""
    answers: list[Answer] = []

    def arrived() -> bool:
        answers.append(request("GET", url))
        return wanted(answers[-1])

    assert eventually(arrived, TIMEOUT_SECONDS), answers[-1].body
    return answers[-1]
