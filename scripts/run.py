"""Run a sample in one command: its environment, the embedded scheduler, the sample's worker and its client.

Three real processes, as by hand in three terminals; their output comes with a prefix each. This file keeps
to syntax that Python 3.6 can read, so that an old Python gets a sentence instead of a syntax error.
"""

import sys

if sys.version_info < (3, 10):  # noqa: UP036 - this line is for those who have an older one
    sys.exit(
        "Durakit needs Python 3.10 or newer, and this is Python %d.%d (%s). "  # noqa: UP031 - may run anywhere
        "Run it with a newer one, for example: python3.12 scripts/run.py function_chaining"
        % (sys.version_info[0], sys.version_info[1], sys.executable)
    )

import argparse
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from environment import ROOT, Environment, EnvironmentProblem
from processes import ChildFailed, Crew, Exit, Line, Prefixes, describe_exit, wants_colours

SAMPLES = ROOT / "samples"
DATA = ROOT / ".durakit" / "run"

READY_TIMEOUT_SECONDS = 60.0
"""How long scheduler and worker may take to start; seconds are normal, a cold disk takes longer."""

WORKER_READY = "worker ready:"
"""How the line begins with which `durakit.run_worker` says that the scheduler has accepted it."""

PORTS = (
    ("--grpc-port", "DURAKIT_GRPC_PORT", "8080"),
    ("--dashboard-port", "DURAKIT_DASHBOARD_PORT", "8082"),
)
"""Options, the variables that `durakit dev` reads them from too, and defaults."""

EXIT_OK, EXIT_FAILED = 0, 1

EXAMPLES = """examples:
  python3 scripts/run.py function_chaining           run it and end with its result
  python3 scripts/run.py function_chaining --keep    leave scheduler, worker and dashboard up until Ctrl-C
  python3 scripts/run.py function_chaining --grpc-port 0 --dashboard-port 0     on ports that are free
  python3 scripts/run.py function_chaining -- missing.csv       what follows -- goes to the client
  python3 scripts/run.py --list                      which samples there are

exit codes: 0 the client succeeded, 1 something failed, 2 wrong usage, 130 Ctrl-C, 143 terminated"""


@dataclass(frozen=True)
class Sample:
    """A folder in `samples/` that has a worker and a client."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def hub(self) -> str:
        """The task hub it runs in; Azure allows letters, digits and hyphens in such names."""
        return self.name.replace("_", "-")

    @property
    def purpose(self) -> str:
        """The first sentence of its README."""
        text = (self.folder / "README.md").read_text("utf-8")
        lines = (line.strip() for line in text.splitlines())
        return next((line for line in lines if line and not line.startswith("#")), "")


@dataclass(frozen=True)
class Addresses:
    """Where the scheduler listens."""

    grpc: str
    dashboard: str


class Interrupted(Exception):
    """The user or the system asked this process to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Display:
    """Prints what children say, each line with its prefix."""

    def __init__(self) -> None:
        self._prefixes = Prefixes(["scheduler", "worker", "client"], wants_colours(sys.stdout, os.environ))

    def show(self, line: Line) -> None:
        """Print one line of a child; what it said in JSON may be several."""
        text = readable(line.text) if line.child == "scheduler" else line.text
        for part in text.splitlines() or [""]:
            print(self._prefixes.of(line.child), part, flush=True)


def readable(text: str) -> str:
    """Return a line of the scheduler, which speaks JSON to us, as a person wants to read it."""
    try:
        record = json.loads(text)
    except ValueError:
        return text
    if not isinstance(record, dict):
        return text
    if record.get("event") == "ready":
        return f"ready: gRPC {record['grpc']}, dashboard {record['dashboard']}, data {record['data']}"
    if "message" not in record:
        return text
    level = str(record.get("level", "")).lower()
    prefix = f"{level}: " if level in ("warning", "error", "critical") else ""
    return f"{prefix}{record['message']}\n{record.get('traceback', '')}".rstrip()


def find_samples() -> dict[str, Sample]:
    """Return the samples by name."""
    return {path.parent.name: Sample(path.parent) for path in sorted(SAMPLES.glob("*/worker.py"))}


def run(sample: Sample, environment: Environment, options: argparse.Namespace) -> None:
    """Run the sample to its end and, with --keep, wait until interrupted."""
    began = time.monotonic()
    with Crew(Display().show) as crew:
        where = start_scheduler(crew, sample, environment, options)
        variables = child_variables(ENDPOINT=where.grpc, TASKHUB=sample.hub, DURAKIT_LOG_FORMAT="text")
        crew.start("worker", [environment.python, "worker.py"], sample.folder, variables)
        wait_until(is_worker_ready, crew, "worker")
        client = [environment.python, "client.py", *options.client_arguments]
        crew.start("client", client, sample.folder, variables)
        result = finish_client(crew)
        summary = f"\n{sample.name} finished in {time.monotonic() - began:.1f} s: {result}\n"
        if options.keep:
            keep_up(
                crew, f"{summary}Dashboard: {where.dashboard} (up until Ctrl-C, like scheduler and worker)"
            )
    if crew.unclean:
        first = crew.unclean[0]
        raise ChildFailed(f"The {first.child} did not stop cleanly ({describe_exit(first.code)}).")
    if not options.keep:
        print(f"{summary}Dashboard: {where.dashboard} (stopped now; --keep leaves it up)", flush=True)


def start_scheduler(
    crew: Crew, sample: Sample, environment: Environment, options: argparse.Namespace
) -> Addresses:
    """Start `durakit dev` and return its addresses once it is ready."""
    DATA.mkdir(parents=True, exist_ok=True)
    command = [str(environment.command("durakit")), "dev", "--log-format", "json"]
    command += ["--grpc-port", str(options.grpc_port), "--dashboard-port", str(options.dashboard_port)]
    command += ["--db", str(DATA / f"{sample.name}.db"), "--task-hub", sample.hub]
    # Who connects and which hubs there are is news to those who ask for it; here the sample has the word.
    log_level = os.environ.get("DURAKIT_LOG_LEVEL", "warning")
    crew.start("scheduler", command, ROOT, child_variables(DURAKIT_LOG_LEVEL=log_level))
    ready = json.loads(wait_until(is_scheduler_ready, crew, "scheduler"))
    return Addresses(ready["grpc"], ready["dashboard"])


def is_scheduler_ready(line: Line) -> bool:
    """The scheduler's only line on stdout says where it listens."""
    return line.child == "scheduler" and line.stream == "stdout"


def is_worker_ready(line: Line) -> bool:
    """The worker logs on stderr once it is connected."""
    return line.child == "worker" and line.stream == "stderr" and line.text.startswith(WORKER_READY)


def wait_until(is_ready: Callable[[Line], bool], crew: Crew, child: str) -> str:
    """Return the line with which the child says that it is ready."""
    for event in crew.events(READY_TIMEOUT_SECONDS):
        if isinstance(event, Exit):
            how = describe_exit(event.code)
            raise ChildFailed(f"The {event.child} ended before it was ready ({how}); see its lines above.")
        if is_ready(event):
            return event.text
    raise ChildFailed(f"The {child} was not ready after {READY_TIMEOUT_SECONDS:.0f} seconds.")


def finish_client(crew: Crew) -> str:
    """Wait for the client to end well and return the last line it printed, which is its result."""
    result = ""
    for event in crew.events():
        if isinstance(event, Line):
            if event.child == "client" and event.stream == "stdout" and event.text.strip():
                result = event.text.strip()
        elif event.child != "client":
            raise ChildFailed(
                f"The {event.child} ended while the client was at work ({describe_exit(event.code)})."
            )
        elif event.code != 0:
            raise ChildFailed(f"The client failed ({describe_exit(event.code)}).")
        else:
            break
    return result


def keep_up(crew: Crew, news: str) -> None:
    """Print the news and wait until interrupted; raise ChildFailed if scheduler or worker ends before."""
    try:
        print(news, flush=True)
        for event in crew.events():
            if isinstance(event, Exit):
                raise ChildFailed(f"The {event.child} ended ({describe_exit(event.code)}).")
    except Interrupted:
        print("\nStopping.", flush=True)


def child_variables(**more: str) -> dict[str, str]:
    """Return this process's environment without what would send children elsewhere, plus `more`."""
    kept = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    return {**kept, **more}


ELSEWHERE = {
    "DURABLE_TASK_SCHEDULER_CONNECTION_STRING",
    "DURAKIT_DB",
    "DURAKIT_HEADLESS",
    "DURAKIT_HOST",
    "DURAKIT_IN_MEMORY",
    "DURAKIT_INSECURE",
    "DURAKIT_TASK_HUB",
    "DURAKIT_TOKEN",
    "DURAKIT_TOKEN_FILE",
    "ENDPOINT",
    "PYTHONHOME",
    "PYTHONPATH",
    "TASKHUB",
    "TASKHUB_NAME",
    "VIRTUAL_ENV",
}
"""Variables of this shell that are about another scheduler or another Python."""


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="run.py",
        description="Run a sample: scheduler, worker and client as three processes.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sample", nargs="?", help="folder in samples/, for example function_chaining")
    parser.add_argument("--list", action="store_true", help="list the samples and end")
    parser.add_argument("--keep", action="store_true", help="leave scheduler and worker up until Ctrl-C")
    for option, variable, port in PORTS:
        parser.add_argument(
            option,
            type=int,
            default=os.environ.get(variable, port),
            metavar="N",
            help=f"default {port}, or what {variable} says; 0 = choose",
        )
    ours, theirs = arguments, []
    if "--" in arguments:
        at = arguments.index("--")
        ours, theirs = arguments[:at], arguments[at + 1 :]
    options = parser.parse_args(ours)
    options.client_arguments = theirs
    if not options.list:
        if not options.sample:
            parser.error("name a sample, or use --list")
        samples = find_samples()
        name = options.sample.replace("-", "_")
        if name not in samples:
            parser.error(f"there is no sample {options.sample!r}; there are: {', '.join(samples)}")
        options.sample = samples[name]
    return options


def interrupt(number: int, _frame: object) -> None:
    """Turn a signal into an exception of the main thread."""
    raise Interrupted(number)


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    if options.list:
        width = max(map(len, find_samples()), default=0)
        for sample in find_samples().values():
            print(f"{sample.name:{width}}  {sample.purpose}")
        return EXIT_OK
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), interrupt)
    try:
        environment = Environment()
        environment.ensure("scheduler", list(options.sample.folder.glob("requirements.txt")))
        run(options.sample, environment, options)
    except (EnvironmentProblem, ChildFailed) as problem:
        print(f"run.py: {problem}", file=sys.stderr)
        return EXIT_FAILED
    except Interrupted as interrupted:
        name = signal.Signals(interrupted.number).name
        print(f"run.py: stopped by {name} before the sample was finished.", file=sys.stderr)
        return 128 + interrupted.number
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
