"""Ask the agent a question, show what it does, and approve on the terminal what needs an approval."""

import argparse
import sys
from pathlib import Path

import durakit
from durakit.client import TaskHubGrpcClient

from workflow import Answer, Progress, Question, Waiting, agent_session, shortened

HERE = Path(__file__).resolve().parent
DEFAULT = "How much may 3 nights in a hotel and 4 days of meals in Berlin cost? Save it as trip.md."
LONGEST_QUESTION = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("question", nargs="?", type=question, default=DEFAULT, help=DEFAULT)
    parser.add_argument("--docs", type=folder, default=HERE / "data", help="folder with *.md files to search")
    parser.add_argument("--output", type=Path, default=HERE / "output", help="folder for files it writes")
    parser.add_argument("--approve-as", metavar="NAME", help="approve everything, in this name")
    parser.add_argument("--resume", metavar="ID", help="go on following a session, and answer for it")
    options = parser.parse_args()
    goes_on = "the session goes on without us; client.py --resume and its id follow it again"
    with durakit.client_program(goes_on), durakit.connect() as client:
        instance_id = options.resume
        if instance_id is None:
            asked = Question(options.question, str(options.docs.resolve()), str(options.output.resolve()))
            instance_id = client.schedule_new_orchestration(agent_session, input=asked)
            print(f"Started agent session {instance_id}; worker.py does the work", flush=True)
        elif not is_session(client, instance_id):
            sys.exit(f"client.py: there is no agent session {instance_id} in this task hub")
        follow(client, instance_id, options.approve_as)
        answer = durakit.result_of(client, instance_id, Answer)
    print(answer.text)


def is_session(client: TaskHubGrpcClient, instance_id: str) -> bool:
    state = client.get_orchestration_state(instance_id, fetch_payloads=False)
    return state is not None and state.name == agent_session.__name__


def follow(client: TaskHubGrpcClient, instance_id: str, approver: str | None) -> None:
    """Print the steps and answer requests for approval, until the session has ended."""
    shown, answered = 0, set()
    for state in durakit.watch(client, instance_id):
        progress = state.get_custom_status(Progress) or Progress()
        for step in progress.steps[shown:]:
            print(f"  {step}", flush=True)
        shown = len(progress.steps)
        waiting = progress.waiting
        if waiting and waiting.event not in answered and not state.runtime_status.is_terminal:
            answered.add(waiting.event)
            approval = {"approved": True, "approver": approver} if approver else ask_person(waiting)
            if approval:
                client.raise_orchestration_event(instance_id, waiting.event, data=approval)


def ask_person(waiting: Waiting) -> dict[str, object] | None:
    """Return what the person at the terminal decides, None if nobody is there."""
    print(f"  It wants to use {waiting.tool} with {shortened(waiting.arguments, 2000)}")
    try:
        verdict = input("  Approve? [y/n] ").strip().lower()
        name = input("  Your name: ").strip() if verdict in ("y", "n") else ""
    except EOFError:
        verdict, name = "", ""
        print()
    if not name:
        print(f"  Not answered here; raise the event {waiting.event} with {waiting.answer_with}", flush=True)
        return None
    return {"approved": verdict == "y", "approver": name}


def question(text: str) -> str:
    if not 0 < len(text.strip()) <= LONGEST_QUESTION:
        raise argparse.ArgumentTypeError(f"a question has 1 to {LONGEST_QUESTION} characters")
    return text


def folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not a folder")
    return Path(text)


if __name__ == "__main__":
    main()
