"""What the READMEs show is what happens: their commands are run in a fresh clone and their output compared.

`bash` blocks are run, each in a shell of its own; a `text` block right after one is its output. In it `…`
stands for any text, and a line of nothing else for any lines. `sh` blocks are not run; each is listed below
with the reason. Ports are chosen by the system and put in place of 8080, 8082 and 8000.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from .fresh_clone import ROOT, Clone, environment, eventually
from .programs import TIMEOUT_SECONDS

EVERY = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("samples/*/README.md"))]
QUICK = ["README.md", "samples/function_chaining/README.md"]
DOCUMENTS = EVERY if os.environ.get("DURAKIT_REQUIRE_ALL") else QUICK
"""Those whose commands are run: all of them with --all, because each makes an environment of its own."""

LINKING = [
    *EVERY,
    *(
        str(path.relative_to(ROOT))
        for folder in (".", "docs", "samples")
        for path in ROOT.glob(f"{folder}/*.md")
    ),
]

NOT_RUN = {
    "python3 scripts/test.py": "it is what runs this test",
    "docker run --name dtsemulator": "needs Docker and a network",
    "export ENDPOINT=https://<name>": "needs a scheduler in Azure",
    "infra/cli/deploy.sh --name": "needs Azure; tests/infra/test_sample_readmes.py has a stand-in",
}
"""How `sh` blocks begin, and why they are not run."""

SERVERS = re.compile(r"durakit dev( .*)?$|python worker\.py( .*)?$", re.MULTILINE)
"""Commands that go on until they are stopped; so does what shows that it is `Serving`."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a Markdown file."""

    language: str
    text: str


@dataclass(frozen=True)
class Step:
    """A command and the output that is shown for it, if any."""

    command: str
    output: str | None

    @property
    def fails(self) -> bool:
        """Whether the shown output ends with a program's own words about its failure."""
        said = (self.output or "").strip()
        return bool(re.search(r"^(client|demo|orchestrator|run)\.py: .*\Z", said, re.MULTILINE))

    @property
    def serves(self) -> bool:
        """Whether the command goes on until it is stopped."""
        return bool(SERVERS.search(self.command)) or (self.output or "").startswith("Serving ")


def read_blocks(markdown: str) -> list[Block]:
    return [
        Block(*match) for match in re.findall(r"^```(\w+)\n(.*?)^```$", markdown, re.MULTILINE | re.DOTALL)
    ]


def read_steps(markdown: str) -> list[Step]:
    blocks = read_blocks(markdown)
    steps = []
    for block, following in zip(blocks, [*blocks[1:], Block("", "")], strict=True):
        if block.language == "bash":
            steps.append(Step(block.text.strip(), following.text if following.language == "text" else None))
    return steps


def prefix_of(line: str) -> str:
    """Return `[worker]` and the like: the order of lines is certain only within one process."""
    match = re.match(r"\[[a-z][\w.-]*\]", line)
    return match[0] if match else ""


def unlike(shown: str, printed: str) -> str | None:
    """Return what was printed in place of what is shown, or None if they agree."""
    expected, actual = by_prefix(shown), by_prefix(printed)
    for prefix in expected:
        pattern = "".join(
            r"(?:.*\n)*?"
            if line.removeprefix(prefix).strip() == "…"
            else r"[^\n]*".join(map(re.escape, line.split("…"))) + r"\n"
            for line in expected[prefix]
        )
        text = "".join(f"{line}\n" for line in actual[prefix])
        if not re.fullmatch(pattern, text):
            return f"shown:\n{shown}\nprinted:\n{printed}"
    return None


def by_prefix(text: str) -> defaultdict[str, list[str]]:
    lines: defaultdict[str, list[str]] = defaultdict(list)
    for line in text.strip().splitlines():
        lines[prefix_of(line)].append(line.rstrip())
    return lines


class Terminal:
    """Runs a document's commands, each in a shell of its own."""

    def __init__(self, clone: Clone, folder: Path) -> None:
        self._clone = clone
        self._folder = folder
        self._ports = {"8080": free_port(), "8082": free_port(), "8000": free_port()}
        self._variables = environment(
            DURAKIT_GRPC_PORT=self._ports["8080"],
            DURAKIT_DASHBOARD_PORT=self._ports["8082"],
            ENDPOINT=f"http://localhost:{self._ports['8080']}",
            PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            PORT=self._ports["8000"],
            PYTHONUNBUFFERED="1",
        )

    def with_ports(self, text: str) -> str:
        for shown, chosen in self._ports.items():
            text = text.replace(f":{shown}", f":{chosen}")
        return text

    def run(self, step: Step) -> None:
        """Run a command to its end."""
        done = subprocess.run(
            ["bash", "-ec", self.with_ports(step.command)],
            cwd=self._cwd(step),
            env=self._variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        assert done.returncode == (1 if step.fails else 0), done.stdout
        if step.output is not None:
            assert (problem := unlike(self.with_ports(step.output), done.stdout)) is None, problem

    @contextmanager
    def serve(self, step: Step) -> Iterator[None]:
        """Start a command, go on once it has printed what is shown, and stop it at the end with Ctrl-C."""
        assert step.output is not None, f"show what says that this is ready: {step.command}"
        lines: list[str] = []
        before, _, last = self.with_ports(step.command).rpartition("\n")
        with subprocess.Popen(
            # exec, so that Ctrl-C reaches the program and not the shell around it
            ["bash", "-ec", f"{before}\nexec {last}"],
            cwd=self._cwd(step),
            env=self._variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            reader = threading.Thread(target=lines.extend, args=(process.stdout,))
            reader.start()
            shown = f"{self.with_ports(step.output)}…"  # it may go on talking
            try:
                ready = eventually(
                    lambda: process.poll() is not None or unlike(shown, "".join(lines)) is None
                )
                assert ready, unlike(shown, "".join(lines))
                assert process.poll() is None, "".join(lines)
                yield
            finally:
                process.send_signal(signal.SIGINT)
                code = process.wait(TIMEOUT_SECONDS)
                reader.join()
        assert code == 0, "".join(lines)

    def _cwd(self, step: Step) -> Path:
        return self._clone.root if "scripts/" in step.command else self._folder


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_commands_of_a_readme_print_what_it_shows(clone: Clone, document: str) -> None:
    path = clone.root / document
    terminal = Terminal(clone, path.parent)

    with ExitStack() as servers:
        for step in read_steps(path.read_text("utf-8")):
            if step.serves:
                servers.enter_context(terminal.serve(step))
            else:
                terminal.run(step)


@pytest.mark.parametrize("document", EVERY)
def test_a_readme_has_commands_and_only_the_listed_ones_are_not_run(document: str) -> None:
    markdown = (ROOT / document).read_text("utf-8")
    not_run = [block.text for block in read_blocks(markdown) if block.language == "sh"]

    assert read_steps(markdown)
    assert all(text.startswith(tuple(NOT_RUN)) for text in not_run)


@pytest.mark.parametrize("document", LINKING)
def test_links_lead_somewhere(document: str) -> None:
    folder = (ROOT / document).parent
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / document).read_text("utf-8"))

    assert [link for link in links if not (folder / link).exists()] == []


def test_an_ellipsis_stands_for_text_and_a_line_of_it_for_lines() -> None:
    assert unlike("a … c\n…\nz", "a b c\nd\ne\nz\n") is None
    assert unlike("[client] a\n[client]    …\n[client] z", "[client] a\n[client] b\n[client] z\n") is None
    assert unlike("a … c\nz", "a b c\nd\nz\n") is not None


def test_lines_of_different_processes_may_come_in_any_order() -> None:
    assert unlike("[worker] a\n[client] b\n[client] c", "[client] b\n[worker] a\n[client] c\n") is None
    assert unlike("[client] c\n[client] b", "[client] b\n[client] c\n") is not None
