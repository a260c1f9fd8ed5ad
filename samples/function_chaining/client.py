"""Order a report, show each step once it is done, and say where the report is."""

import argparse
from pathlib import Path

import durakit
from durakit.client import TaskHubGrpcClient

from report import money
from workflow import Progress, Report, ReportRequest, order_report

HERE = Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("orders", nargs="?", type=Path, default=HERE / "data" / "orders.csv", help="CSV file")
    parser.add_argument("--output", type=Path, default=HERE / "output", help="folder for the reports")
    options = parser.parse_args()
    request = ReportRequest(
        orders=str(options.orders.resolve()),
        products=str(HERE / "data" / "products.csv"),
        output=str(options.output.resolve()),
    )
    goes_on = "an order report that was started goes on without us"
    with durakit.client_program(goes_on), durakit.connect() as client:
        instance_id = client.schedule_new_orchestration(order_report, input=request)
        print(f"Started order report {instance_id}; worker.py does the work", flush=True)
        follow(client, instance_id)
        report = durakit.result_of(client, instance_id, Report)
    print(f"{report.rejected_rows} rows set aside: {report.rejected}")
    print(f"{report.orders} orders worth {money(report.revenue)}: {report.page}")


def follow(client: TaskHubGrpcClient, instance_id: str) -> None:
    """Print what the custom status says is done, until the orchestration has ended."""
    shown = 0
    for state in durakit.watch(client, instance_id):
        progress = state.get_custom_status(Progress) or Progress()
        for number, sentence in enumerate(progress.done[shown:], shown + 1):
            print(f"[{number}/{progress.steps}] {sentence}", flush=True)
        shown = len(progress.done)


if __name__ == "__main__":
    main()
