"""Import the visits of a night; the same command again goes on where a crash or Ctrl-C has left it."""

import argparse
import sys
from pathlib import Path

import durakit
from durakit.client import OrchestrationStatus, TaskHubGrpcClient

from hub import make_hub
from workflow import Night, Progress, Visits, import_id, visits_import

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "inbox",
        nargs="?",
        type=Path,
        default=HERE / "data" / "2026-03-02",
        help="folder of a night, with a CSV file for each branch",
    )
    parser.add_argument("--output", type=Path, default=HERE / "output", help="folder for results and hub")
    options = parser.parse_args()
    night = Night(str(options.inbox.resolve()), str(options.output.resolve()))
    with durakit.client_program("the same command goes on from here"), make_hub(options.output) as hub:
        done = begin(hub.client, night)
        visits = follow(hub.client, import_id(Path(night.inbox)), done)
    print(
        f"{visits.visits} visits of {visits.customers} customers, {visits.in_several_branches} of them in "
        f"several branches, {visits.bad_rows} bad rows left out: {visits.table}"
    )


def begin(client: TaskHubGrpcClient, night: Night) -> int:
    """Start the import, or go on with the one that was begun before; return how many steps are done."""
    run = import_id(Path(night.inbox))
    state = client.get_orchestration_state(run)
    if state is None:
        client.schedule_new_orchestration(visits_import, input=night, instance_id=run)
        print(f"Started {run}; this process does the work", flush=True)
        return 0
    begun = state.get_input(Night)
    if begun is None or begun.inbox != night.inbox:
        sys.exit(f"client.py: {run} is an import of {begun and begun.inbox}; name this folder otherwise")
    progress = state.get_custom_status(Progress) or Progress()
    steps = f"{len(progress.done)} of {progress.steps or '?'} steps are done"
    if state.runtime_status is OrchestrationStatus.FAILED:
        client.rewind_orchestration(run, reason="client.py was started again")
        print(f"Trying again where {run} failed; {steps}", flush=True)
    elif not state.runtime_status.is_terminal:
        print(f"Going on with {run}; {steps}", flush=True)
    else:
        print(f"{run} has ended already; {steps}", flush=True)
    return len(progress.done)


def follow(client: TaskHubGrpcClient, run: str, shown: int) -> Visits:
    """Print what gets done beyond what was shown, and return the result."""
    for state in durakit.watch(client, run):
        progress = state.get_custom_status(Progress) or Progress()
        for sentence in progress.done[shown:]:
            shown += 1
            print(f"[{shown}/{progress.steps}] {sentence}", flush=True)
        if state.runtime_status is OrchestrationStatus.SUSPENDED:
            print(f"{run} is suspended; somebody has to resume it (durakit dev)", flush=True)
        if progress.question:
            print(f"{progress.question} (app.py takes the answer)", flush=True)
    return durakit.result_of(client, run, Visits)


if __name__ == "__main__":
    main()
