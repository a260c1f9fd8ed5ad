"""Have the words of all files in a folder counted, show how far it is, and say where the report is."""

import argparse
import sys
from pathlib import Path

import durakit
from durakit.client import TaskHubGrpcClient

from demo_folder import make_demo_folder
from workflow import CountRequest, FolderCount, Progress, wordcount_folder

HERE = Path(__file__).resolve().parent
MOST_LINES = 10
"""How many lines of progress to print, at most."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="by default a demo folder, made for you")
    parser.add_argument("--files", type=at_least_one, default=1000, help="in the demo folder (1000)")
    parser.add_argument("--parallel", type=at_least_one, default=32, help="files at the same time (32)")
    parser.add_argument("--output", type=Path, default=HERE / "output", help="folder for the reports")
    options = parser.parse_args()
    output = options.output.resolve()
    try:
        folder = options.folder or make_demo_folder(output / f"demo-{options.files}", options.files)
    except OSError as error:
        sys.exit(f"client.py: cannot make a demo folder in {output}: {error.strerror}")
    request = CountRequest(str(folder.resolve()), str(output), options.parallel)
    with durakit.client_program("the files are counted without us"), durakit.connect() as client:
        instance_id = client.schedule_new_orchestration(wordcount_folder, input=request)
        print(f"Started word count {instance_id} of {folder}", flush=True)
        show_progress(client, instance_id)
        result = durakit.result_of(client, instance_id, FolderCount)
    for problem, files in result.problems.items():
        print(f"{files} not counted: {problem}")
    total = result.counted + result.failed
    print(f"{result.words:,} words in {result.counted:,} of {total:,} files: {result.report}")


def at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return int(text)


def show_progress(client: TaskHubGrpcClient, instance_id: str) -> None:
    """Print a line now and then, until the orchestration has ended."""
    shown = 0
    for state in durakit.watch(client, instance_id):
        progress = state.get_custom_status(Progress)
        if progress and progress.done - shown >= max(1, progress.files // MOST_LINES):
            print(f"[{progress.done}/{progress.files}] {progress.failed} failed", flush=True)
            shown = progress.done


if __name__ == "__main__":
    main()
