"""Take batches of orders over HTTP and a page; or, with --once, run one batch and print what became of it."""

import argparse
import json
import sys
from pathlib import Path

import durakit
from durakit import web

from api import make_app
from orders import Order, OrdersError, parse_orders
from workflow import Batch, BatchResult, Chance, Outcome, Progress, fulfil_orders

HERE = Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    web.add_arguments(parser)
    parser.add_argument("--output", type=Path, default=HERE / "output", help="folder for the shops' books")
    parser.add_argument("--once", action="store_true", help="serve nothing: run one batch and print it")
    parser.add_argument(
        "--orders", type=Path, metavar="FILE", help="with --once: JSON; default: the sample's"
    )
    parser.add_argument(
        "--chance", type=probability, default=0, help="with --once: of failure, at each step (0)"
    )
    parser.add_argument("--seed", type=int, default=0, help="with --once: which steps fail by chance (0)")
    options = parser.parse_args()
    folder = str(options.output.resolve())
    if not options.once:
        with durakit.client_program("batches that were started go on"):
            web.serve(make_app(folder, durakit.connect_async()), host=options.host, port=options.port)
        return
    try:
        orders = read_orders(options.orders) if options.orders else None
    except OrdersError as error:
        sys.exit(f"client.py: {options.orders}: {error}")
    run_once(Batch(folder, orders, Chance(options.chance, options.seed)))


def probability(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return number


def read_orders(path: Path) -> list[Order]:
    """Return the orders in a JSON file; raise OrdersError."""
    try:
        return parse_orders(json.loads(path.read_text("utf-8")))
    except OSError as error:
        raise OrdersError(error.strerror) from None
    except UnicodeDecodeError:
        raise OrdersError("not a text in UTF-8") from None
    except json.JSONDecodeError as error:
        raise OrdersError(f"not JSON: {error}") from None


def run_once(batch: Batch) -> None:
    """Run the batch and print what became of each order."""
    with durakit.client_program("the orders are fulfilled without us"), durakit.connect() as client:
        instance_id = client.schedule_new_orchestration(fulfil_orders, input=batch)
        print(f"Started batch {instance_id}; worker.py fulfils the orders", flush=True)
        for state in durakit.watch(client, instance_id):
            if progress := state.get_custom_status(Progress):
                ended = progress.completed + progress.failed
                print(f"[{ended}/{progress.orders}] {progress.failed} failed", flush=True)
        result = durakit.result_of(client, instance_id, BatchResult)
    for outcome in [*result.completed, *result.failed]:
        print(sentence(outcome))
    print(summary(result))


def sentence(outcome: Outcome) -> str:
    if outcome.is_failure:
        return f"order {outcome.order} failed at {outcome.failed_step}: {outcome.reason}"
    return f"order {outcome.order} shipped as {outcome.tracking}: {outcome.total} EUR"


def summary(result: BatchResult) -> str:
    """Return the batch in one line: how many, which steps failed, how much money came in."""
    outcomes = [*result.completed, *result.failed]
    steps = [outcome.failed_step for outcome in result.failed]
    at = ", ".join(f"{steps.count(step)} at {step}" for step in dict.fromkeys(steps))
    paid = sum(outcome.total or 0 for outcome in outcomes if outcome.tracking)
    return (
        f"{len(result.completed)} of {len(outcomes)} orders completed, "
        f"{len(result.failed)} failed{f' ({at})' if at else ''}; {paid} EUR taken"
    )


if __name__ == "__main__":
    main()
