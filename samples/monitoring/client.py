"""Start a job in the job service, let a monitor watch it, and show what the monitor sees."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import durakit
from durakit.client import TaskHubGrpcClient

from job_service import JobService
from jobs import JobServiceError, post
from workflow import Monitor, Progress, Report, Watch, job_monitor

HERE = Path(__file__).resolve().parent


def main() -> None:
    options = parse()
    goes_on = "the monitor goes on, but a job service of our own has ended with us"
    with (
        durakit.client_program(goes_on),
        durakit.connect() as client,
        service_at(options.service, options.output) as url,
    ):
        job = start_job(url, options.rows, options.breaks_at)
        watch = Watch(
            job=job,
            output=str(options.output),
            webhook=f"{url}/alerts",
            within_seconds=options.within,
            first_wait_seconds=options.first_wait,
            longest_wait_seconds=options.longest_wait,
        )
        instance_id = client.schedule_new_orchestration(job_monitor, input=Monitor(watch))
        print(f"Started monitor {instance_id} of {watch.job}", flush=True)
        show_looks(client, instance_id)
        report = durakit.result_of(client, instance_id, Report)
    times = "once" if report.looks == 1 else f"{report.looks} times"
    if not report.done:
        sys.exit(f"client.py: alert after looking {times}: {report.sentence}; see {report.alert}")
    print(f"Looked {times}; {report.sentence}")


@contextmanager
def service_at(url: str | None, output: Path) -> Iterator[str]:
    """Give the address of the job service; without one, of our own, which lives as long as we watch."""
    if url:
        yield url
        return
    try:
        own = JobService(output)
    except OSError as error:
        sys.exit(f"client.py: no job service can be started with the folder {output}: {error.strerror}")
    with own:
        yield own.url


def start_job(url: str, rows: int, breaks_at: int | None) -> str:
    """Start a job and return its address."""
    try:
        answer = post(f"{url}/jobs", {"rows": rows, "breaks_at": breaks_at})
    except JobServiceError as error:
        sys.exit(f"client.py: {error}")
    if not isinstance(answer, dict) or "id" not in answer:
        sys.exit(f"client.py: {url} is no job service; it answered {str(answer)[:80]}")
    return f"{url}/jobs/{answer['id']}"


def show_looks(client: TaskHubGrpcClient, instance_id: str) -> None:
    """Print what the custom status says was seen, until the monitor has ended."""
    shown = 0
    for state in durakit.watch(client, instance_id):
        progress = state.get_custom_status(Progress)
        if progress and progress.looks > shown:
            shown = progress.looks
            print(f"look {shown}: {progress.sentence}; next at {progress.next_look:%H:%M:%S}", flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--service", type=web, metavar="URL", help="default: one of our own, on a free port")
    parser.add_argument("--rows", type=whole, default=200, help="length of the job, ten rows a second (200)")
    parser.add_argument("--breaks-at", type=whole, metavar="ROW", help="let the job fail there")
    parser.add_argument("--output", type=absolute, default=HERE / "output", help="folder for what is written")
    for option, default in (("--within", 3600), ("--first-wait", 1), ("--longest-wait", 60)):
        parser.add_argument(option, type=positive, default=default, metavar="SECONDS", help="(%(default)s)")
    return parser.parse_args()


def absolute(text: str) -> Path:
    return Path(text).resolve()  # the worker may run in another folder


def web(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{text} is not an address such as http://127.0.0.1:9000")
    return text.rstrip("/")


def whole(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 to 1,000,000")
    return int(text)


def positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number <= 366 * 86400:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0, up to a year")
    return number


if __name__ == "__main__":
    main()
