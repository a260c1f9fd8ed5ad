"""Start the processing of many orders in batches, and print the summary once all are done."""

from __future__ import annotations

import argparse
from pathlib import Path

import durakit
from durakit.client import TaskHubGrpcClient

from orders import simulated_orders
from workflow import Run, RunSummary, main_orchestration

OUTPUT = Path(__file__).resolve().parent / "output"
GOES_ON = "the orders are processed without us"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    options = parser.parse_args()
    with durakit.client_program(GOES_ON), durakit.connect() as client:
        instance_id = start(client, options)
        print(summary_of(client, instance_id))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--orders", type=above_zero, default=60, help="how many (%(default)s)")
    parser.add_argument("--batch-size", type=above_zero, default=10, help="orders in each (%(default)s)")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder for the invoices")


def above_zero(text: str) -> int:
    if not text.isdecimal() or (number := int(text)) == 0:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return number


def start(client: TaskHubGrpcClient, options: argparse.Namespace) -> str:
    """Start a run, say so, and return its id."""
    run = Run(simulated_orders(options.orders), options.batch_size, str(options.output.resolve()))
    instance_id = client.schedule_new_orchestration(main_orchestration, input=run)
    print(f"Started run {instance_id}: {options.orders} orders, {options.batch_size} in a batch", flush=True)
    return instance_id


def summary_of(client: TaskHubGrpcClient, instance_id: str) -> str:
    """Wait for the end of the run and return what became of it, in lines."""
    result = durakit.result_of(client, instance_id, RunSummary)
    orders = result.orders
    lines = [f"order {problem.order} failed: {problem.reason}" for problem in orders.problems]
    lines.append(
        f"{orders.processed} orders processed in {result.batches} batches, {len(orders.problems)} failed; "
        f"{orders.invoiced:,} EUR invoiced: {result.folder}"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
