"""Start a cleanup and show each of its iterations, or stop one that runs for ever."""

import argparse
import os
import sys
import time
from pathlib import Path

import durakit
from durakit.client import TaskHubGrpcClient

from workflow import STOP, Iteration, Plan, Progress, Report, count, periodic_cleanup

DEMO_FOLDER = Path(__file__).resolve().parent / "output" / "downloads"
DEMO_MAX_AGE_SECONDS = 3600.0


def main() -> None:
    options = parse()
    goes_on = "a cleanup that was started goes on without us; end it with client.py --stop and its id"
    with durakit.client_program(goes_on), durakit.connect() as client:
        if options.stop:
            client.raise_orchestration_event(options.stop, STOP, data="stopped by client.py")
            instance_id = options.stop
        else:
            plan = make_plan(options)
            instance_id = client.schedule_new_orchestration(periodic_cleanup, input=Iteration(plan))
            print(f"Started cleanup {instance_id} of {plan.folder}", flush=True)
            follow(client, instance_id)
        report = durakit.result_of(client, instance_id, Report)
    totals = report.totals
    print(
        f"{count(totals.iterations, 'iteration')} deleted {count(totals.files, 'file')} "
        f"({totals.bytes:,} bytes): {report.reason}"
    )


def follow(client: TaskHubGrpcClient, instance_id: str) -> None:
    """Print each iteration, and how long the history is that it runs on, until the cleanup has ended."""
    shown = 0
    for state in durakit.watch(client, instance_id):
        progress = state.get_custom_status(Progress)
        if progress and progress.iteration > shown:
            events = len(client.get_orchestration_history(instance_id))
            print(f"[{progress.iteration}] {progress.sentence}; history: {events} events", flush=True)
            shown = progress.iteration


def make_plan(options: argparse.Namespace) -> Plan:
    """Return what the options ask for; fill the folder of the demonstration if no other is named."""
    folder, max_age = options.folder, options.max_age
    if folder is None:
        folder, max_age = DEMO_FOLDER, DEMO_MAX_AGE_SECONDS
        fill(folder, max_age, options.interval)
    elif max_age is None:
        sys.exit(f"client.py: say with --max-age how many seconds old a file of {folder} may become")
    elif not folder.is_dir():
        sys.exit(f"client.py: {folder} is not a folder")
    iterations = None if options.forever else options.iterations
    return Plan(str(folder.resolve()), max_age, options.interval, iterations)


def fill(folder: Path, max_age_seconds: float, interval_seconds: float) -> None:
    """Make files of which one is expired and four more will be, one after each interval; three are young."""
    folder.mkdir(parents=True, exist_ok=True)
    now = time.time()
    for number in range(8):
        path = folder / f"download-{number + 1}.bin"
        path.write_bytes(bytes(1000 * (number + 1)))
        if number < 5:
            expires = now + (number - 0.5) * interval_seconds
            os.utime(path, (now, expires - max_age_seconds))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="default: one filled for demonstration")
    parser.add_argument("--max-age", type=seconds, metavar="SECONDS", help="older files are deleted")
    parser.add_argument("--interval", type=seconds, default=15.0, metavar="SECONDS", help="default 15")
    how_long = parser.add_mutually_exclusive_group()
    how_long.add_argument("--iterations", type=at_least_one, default=5, metavar="N", help="default 5")
    how_long.add_argument("--forever", action="store_true", help="until --stop")
    how_long.add_argument("--stop", metavar="ID", help="end the cleanup with this id after its present sweep")
    return parser.parse_args()


def seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 10**9:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds from 0 to a billion")
    return number


def at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return int(text)


if __name__ == "__main__":
    main()
