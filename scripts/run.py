"""Run a sample in one command: its environment, the embedded scheduler, the sample's worker and its client.

Three real processes, as by hand in three terminals, or one where the client has the others inside; their
output comes with a prefix each. This file keeps to syntax that Python 3.6 can read, so that an old Python
gets a sentence instead of a syntax error.
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
from showings import SHOWINGS, Showing

SAMPLES = ROOT / "samples"
DATA = ROOT / ".durakit" / "run"

READY_TIMEOUT_SECONDS = 60.0
"""How long scheduler and worker may take to start; seconds are normal, a cold disk takes longer."""

WORKER_READY = "worker ready:"
"""How the line begins with which `durakit.run_worker` says that the scheduler has accepted it."""

CLIENT_SERVES = "Serving "
"""How the line begins with which `durakit.web.serve` says where; its second word is the address."""

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
  python3 scripts/run.py --all                       run them all and print a table of results

exit codes: 0 the client succeeded, 1 something failed, 2 wrong usage, 130 Ctrl-C, 143 terminated"""


@dataclass(frozen=True)
class Sample:
    """A folder in `samples/` that has a client, and a worker unless that is inside the client."""

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
        lines = (self.folder / "README.md").read_text("utf-8").splitlines()
        return next((line for line in lines if line and not line.startswith("#")), "")

    @property
    def showing(self) -> Showing:
        """What is started for it."""
        return SHOWINGS.get(self.name, Showing())


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

    def __init__(self, showing: Showing) -> None:
        beside = ["scheduler", *showing.workers] if showing.workers else []
        names = [*beside, "client", *(["demo"] if showing.demo else [])]
        self._prefixes = Prefixes(names, wants_colours(sys.stdout, os.environ))

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
    return {path.parent.name: Sample(path.parent) for path in sorted(SAMPLES.glob("*/client.py"))}


def sample_requirements() -> list[Path]:
    """Return what all samples need, so that only the very first run installs; equal files once."""
    files = sorted(SAMPLES.glob("*/requirements.txt"), reverse=True)
    return sorted({path.read_bytes(): path for path in files}.values())


def run(sample: Sample, environment: Environment, options: argparse.Namespace) -> str:
    """Run the sample to its end, with --keep until interrupted, and return its result."""
    began = time.monotonic()
    showing = sample.showing
    display = Display(showing)
    where: Addresses | None = None
    variables = child_variables(DURAKIT_LOG_FORMAT="text")
    with Crew(display.show) as crew:
        if showing.workers:
            where = start_scheduler(crew, sample, environment, options)
            variables = child_variables(ENDPOINT=where.grpc, TASKHUB=sample.hub, DURAKIT_LOG_FORMAT="text")
        for name, arguments in showing.workers.items():
            crew.start(name, [environment.python, "worker.py", *arguments], sample.folder, variables)
            wait_until(is_worker_ready, crew, name)
        program = client_command(showing, options)
        if program != ["client.py"] and not options.client_arguments:
            display.show(Line("client", "stdout", f"$ python {' '.join(program)}"))
        command: list[str | Path] = [environment.python, *program]
        if showing.demo:
            crew.start("client", [*command, "--port", "0"], sample.folder, variables)
            page = wait_until(is_client_serving, crew, "client").split()[1]
            crew.start("demo", [environment.python, "demo.py", "--url", page], sample.folder, variables)
            result = finish(crew, "demo")
        else:
            crew.start("client", command, sample.folder, variables)
            result = finish(crew, "client")
        summary = f"\n{sample.name} finished in {time.monotonic() - began:.1f} s: {result}\n"
        if options.keep and where:
            also = f"Application: {page}\n" if showing.demo else ""
            keep_up(crew, f"{summary}{also}Dashboard: {where.dashboard} (up until Ctrl-C, like all the rest)")
    if crew.unclean:
        first = crew.unclean[0]
        raise ChildFailed(f"The {first.child} did not stop cleanly ({describe_exit(first.code)}).")
    if not options.keep:
        also = f"Dashboard: {where.dashboard} (stopped now; --keep leaves it up)" if where else ""
        print(f"{summary}{also}".rstrip(), flush=True)
    return result


def client_command(showing: Showing, options: argparse.Namespace) -> list[str]:
    """Return the program to start as client, and its arguments: the user's, or those that show it best."""
    if options.client_arguments:
        return ["client.py", *options.client_arguments]
    return [showing.client, *showing.client_arguments]


def run_all(environment: Environment, options: argparse.Namespace) -> int:
    """Run one sample after the other, print a table, and return how many failed."""
    rows = []
    for sample in find_samples().values():
        print(f"\n== {sample.name}", flush=True)
        began = time.monotonic()
        try:
            outcome = ("ok", run(sample, environment, options))
        except ChildFailed as problem:
            print(f"run.py: {problem}", file=sys.stderr)
            outcome = ("failed", str(problem))
        rows.append((sample.name, *outcome, time.monotonic() - began))
    width = max(len(name) for name, *_ in rows)
    print(f"\n{'sample':{width}}  {'':6}  {'seconds':>7}  result")
    for name, verdict, result, seconds in rows:
        print(f"{name:{width}}  {verdict:6}  {seconds:7.1f}  {result}")
    return sum(verdict == "failed" for _, verdict, *_ in rows)


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
    """A worker logs on stderr once it is connected."""
    return line.stream == "stderr" and line.text.startswith(WORKER_READY)


def is_client_serving(line: Line) -> bool:
    """A client that is a web application prints its address once visitors can connect."""
    return line.child == "client" and line.stream == "stdout" and line.text.startswith(CLIENT_SERVES)


def wait_until(is_ready: Callable[[Line], bool], crew: Crew, child: str) -> str:
    """Return the line with which the child says that it is ready."""
    for event in crew.events(READY_TIMEOUT_SECONDS):
        if isinstance(event, Exit):
            how = describe_exit(event.code)
            raise ChildFailed(f"The {event.child} ended before it was ready ({how}); see its lines above.")
        if event.child == child and is_ready(event):
            return event.text
    raise ChildFailed(f"The {child} was not ready after {READY_TIMEOUT_SECONDS:.0f} seconds.")


def finish(crew: Crew, child: str) -> str:
    """Wait for the child to end well and return the last line it printed, which is the sample's result."""
    result = ""
    for event in crew.events():
        if isinstance(event, Line):
            if event.child == child and event.stream == "stdout" and event.text.strip():
                result = event.text.strip()
        elif event.child != child:
            raise ChildFailed(
                f"The {event.child} ended while the {child} was at work ({describe_exit(event.code)})."
            )
        elif event.code != 0:
            raise ChildFailed(f"The {child} failed ({describe_exit(event.code)}).")
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
    parser.add_argument("--all", action="store_true", help="run every sample, one after the other")
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
    if options.all and (options.sample or options.keep or theirs):
        parser.error("--all runs every sample to its end: name none, and leave out --keep and arguments")
    if not options.list and not options.all:
        if not options.sample:
            parser.error("name a sample, or use --list or --all")
        samples = find_samples()
        name = options.sample.replace("-", "_")
        if name not in samples:
            parser.error(f"there is no sample {options.sample!r}; there are: {', '.join(samples)}")
        options.sample = samples[name]
        if options.keep and not options.sample.showing.workers:
            parser.error(f"{name} has no scheduler to leave up; its README tells how to look at what it did")
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
        environment.ensure("scheduler", sample_requirements())
        if options.all:
            return EXIT_FAILED if run_all(environment, options) else EXIT_OK
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
