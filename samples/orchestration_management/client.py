"""Walk through everything that can be done to an orchestration, or do one of these things."""

import argparse
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import durakit
from durakit.client import OrchestrationQuery, OrchestrationStatus, TaskHubGrpcClient

from tour import Tour, describe
from workflow import RELEASE

OUTPUT = Path(__file__).resolve().parent / "output"
STATUSES = {status.name.lower(): status for status in OrchestrationStatus}

ACTIONS: dict[str, Callable[[TaskHubGrpcClient, str], object]] = {
    "suspend": lambda client, instance_id: client.suspend_orchestration(instance_id),
    "resume": lambda client, instance_id: client.resume_orchestration(instance_id),
    "release": lambda client, instance_id: client.raise_orchestration_event(instance_id, RELEASE),
    "terminate": lambda client, instance_id: client.terminate_orchestration(instance_id, output="by hand"),
    "restart": lambda client, instance_id: client.restart_orchestration(
        instance_id, restart_with_new_instance_id=True
    ),
    "rewind": lambda client, instance_id: client.rewind_orchestration(instance_id),
}


def main() -> None:
    options = parse()
    goes_on = "the tour ends here, and its last import stays as it is"
    with durakit.client_program(goes_on), durakit.connect() as client:
        if options.command == "tour":
            Tour(client, OUTPUT).walk()
        elif options.command == "list":
            show(client, options)
        elif options.command == "purge":
            purge(client, options)
        else:
            act(client, options.command, options.id)


def act(client: TaskHubGrpcClient, action: str, instance_id: str) -> None:
    """Order one thing and say so; the scheduler does it as soon as the orchestration allows."""
    answer = ACTIONS[action](client, instance_id)
    print(f"{action} {instance_id}: accepted{f', new id {answer}' if answer else ''}")


def show(client: TaskHubGrpcClient, options: argparse.Namespace) -> None:
    """Print the instances that match, the oldest first."""
    query = OrchestrationQuery(
        created_time_from=since(options.minutes),
        runtime_status=chosen(options.status),
        instance_id_prefix=options.prefix,
        fetch_inputs_and_outputs=True,
    )
    states = client.get_all_orchestration_states(query)
    for state in sorted(states, key=lambda state: (state.created_at, state.instance_id)):
        line = describe(state) if state.name.startswith("managed_import") else state.instance_id
        print(f"{state.created_at:%Y-%m-%d %H:%M:%S}  {state.name}  {line}")
    print(f"{len(states)} found")


def purge(client: TaskHubGrpcClient, options: argparse.Namespace) -> None:
    """Delete one ended instance with its children, or all ended ones that match."""
    if options.id:
        deleted = client.purge_orchestration(options.id).deleted_instance_count
        if not deleted:
            sys.exit(f"client.py: nothing that has ended is called {options.id}")
    elif options.status:
        deleted = client.purge_orchestrations_by(
            created_time_from=since(options.minutes), runtime_status=chosen(options.status), recursive=True
        ).deleted_instance_count
    else:
        sys.exit("client.py: say what to purge, by id or with --status")
    print(f"{deleted} deleted")


def since(minutes: float | None) -> datetime | None:
    return None if minutes is None else datetime.now(timezone.utc) - timedelta(minutes=minutes)


def chosen(names: list[str] | None) -> list[OrchestrationStatus] | None:
    return [STATUSES[name] for name in names] if names else None


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.set_defaults(command="tour")
    commands = parser.add_subparsers(metavar="COMMAND")
    for action in ("tour", *ACTIONS, "list", "purge"):
        command = commands.add_parser(action)
        command.set_defaults(command=action)
        if action in ACTIONS:
            command.add_argument("id", metavar="ID")
        elif action != "tour":
            command.add_argument(
                "--status", action="append", choices=STATUSES, help="may be given repeatedly"
            )
            command.add_argument("--minutes", type=minutes, metavar="N", help="created in the last N minutes")
    commands.choices["list"].add_argument("--prefix", help="of the instance id")
    commands.choices["purge"].add_argument("id", nargs="?", metavar="ID")
    return parser.parse_args()


def minutes(text: str) -> float:
    try:
        if 0 <= float(text) <= 10**6:
            return float(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text} is not a number of minutes from 0 to a million")


if __name__ == "__main__":
    main()
