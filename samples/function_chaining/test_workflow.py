"""The order report on a task hub inside this process: no scheduler, no worker process, no waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from durakit.client import OrchestrationState, OrchestrationStatus
from durakit.task import ActivityContext
from durakit.testing import InProcessTaskHub

from report import Summary, render
from tables import OrderReportError, RowFile, write_atomically
from workflow import (
    ACTIVITIES,
    PriceOrders,
    Progress,
    ReadOrders,
    Report,
    ReportRequest,
    order_report,
    report_check_orders,
    report_price_orders,
    report_read_orders,
    run_folder,
)

DATA = Path(__file__).parent / "data"
HEADER = "order_id,date,customer,country,sku,quantity\n"
GOOD = "1,2026-03-02,Ann,DE,TEA-001,2\n"
CONTEXT = ActivityContext("test", 0)

MakeReport = Callable[[Path], OrchestrationState]


@pytest.fixture
def make_report(tmp_path: Path) -> Iterator[MakeReport]:
    """Return a function that runs the orchestration for one file of orders to its end."""
    with InProcessTaskHub() as hub:
        hub.add_orchestrator(order_report)
        for activity in ACTIVITIES:
            hub.add_activity(activity)

        def make(orders: Path) -> OrchestrationState:
            request = ReportRequest(str(orders), str(DATA / "products.csv"), str(tmp_path / "output"))
            instance_id = hub.client.schedule_new_orchestration(order_report, input=request)
            state = hub.client.wait_for_orchestration_completion(instance_id)
            assert state is not None
            return state

        yield make


@pytest.fixture
def orders(tmp_path: Path) -> Callable[[str | bytes], Path]:
    """Return a function that writes a file of orders."""

    def write(content: str | bytes) -> Path:
        path = tmp_path / "orders.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def test_the_sample_file_becomes_a_page_and_a_list_of_rejected_rows(make_report: MakeReport) -> None:
    state = make_report(DATA / "orders.csv")

    report = state.get_output(Report)
    assert report is not None
    assert (report.orders, report.rejected_rows, report.revenue) == (56, 8, Decimal("7038.05"))
    assert "7,038.05 EUR" in Path(report.page).read_text("utf-8")
    assert len(Path(report.rejected).read_text("utf-8").splitlines()) == 1 + 8


def test_the_custom_status_tells_each_step(make_report: MakeReport) -> None:
    state = make_report(DATA / "orders.csv")

    assert state.get_custom_status(Progress) == Progress(
        done=[
            "Read 64 rows of orders.csv",
            "Set aside 7 rows that are not valid orders",
            "Priced 56 orders, set aside 1 of unknown products",
            "Summed up 56 orders from 9 countries",
            "Wrote the report",
        ]
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is empty; its first line must be order_id,date,customer,country,sku,quantity"),
        (HEADER, "has a header but no orders below it"),
        ("id;day\n1;2\n", "begins with id;day; it must be order_id,date,customer,country,sku,quantity"),
        (b"\xff\xfe\x00", "is not a CSV file in UTF-8"),
    ],
)
def test_a_file_that_holds_no_orders_fails_the_report_with_the_reason(
    make_report: MakeReport, orders: Callable[[str | bytes], Path], content: str | bytes, problem: str
) -> None:
    state = make_report(orders(content))

    assert state.runtime_status is OrchestrationStatus.FAILED
    assert state.failure_details is not None
    assert f"orders.csv {problem}" in state.failure_details.message


def test_a_missing_file_fails_the_report_with_the_reason(make_report: MakeReport, tmp_path: Path) -> None:
    state = make_report(tmp_path / "missing.csv")

    assert state.failure_details is not None
    assert (
        state.failure_details.message == f"{tmp_path / 'missing.csv'} does not exist on the worker's machine"
    )


def test_a_folder_in_place_of_a_file_fails_the_report_with_the_reason(
    make_report: MakeReport, tmp_path: Path
) -> None:
    state = make_report(tmp_path)

    assert state.failure_details is not None
    assert f"{tmp_path} cannot be read: " in state.failure_details.message


def test_a_file_without_one_good_row_fails_the_report_and_keeps_the_reasons(
    make_report: MakeReport, orders: Callable[[str], Path], tmp_path: Path
) -> None:
    state = make_report(orders(HEADER + GOOD.replace("TEA-001", "TEA-999") + GOOD.replace("2026", "26")))

    folder = tmp_path / "output" / run_folder(state.instance_id)
    assert state.failure_details is not None
    assert state.failure_details.message == (
        "None of the 2 rows of orders.csv is an order that can be priced; "
        f"the reasons are in {folder / '2-rejected.csv'} and {folder / '3-rejected.csv'}"
    )
    assert "no product TEA-999" in (folder / "3-rejected.csv").read_text("utf-8")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2,2026-03-02,Ann,DE,TEA-001", "5 values where 6 belong"),
        ("2,2026-03-02,,DE,TEA-001,2", "no customer"),
        ("2,2026-02-30,Ann,DE,TEA-001,2", "date 2026-02-30 is not a day as in 2026-03-31"),
        ("2,20260302,Ann,DE,TEA-001,2", "date 20260302 is not a day as in 2026-03-31"),
        ("2,2026-03-02,Ann,Germany,TEA-001,2", "country Germany is not a code of two letters"),
        ("2,2026-03-02,Ann,DE,TEA-001,0", "quantity 0 is not a whole number from 1 to 999999"),
        ("2,2026-03-02,Ann,DE,TEA-001,1.5", "quantity 1.5 is not a whole number from 1 to 999999"),
        ("1,2026-03-02,Ann,DE,TEA-001,2", "order 1 is on line 2 already"),
    ],
)
def test_a_bad_row_is_set_aside_with_its_line_and_reason(
    orders: Callable[[str], Path], row: str, reason: str
) -> None:
    source = orders(f"{HEADER}{GOOD}\n{row}\n")

    checked = report_check_orders(CONTEXT, RowFile(str(source), 2))

    assert checked.good.rows == 1
    assert Path(checked.rejected.path).read_text("utf-8").splitlines() == [
        "line,reason,row",
        f'4,{reason},"{row}"',
    ]


def test_a_step_done_twice_leaves_the_same_files(tmp_path: Path) -> None:
    def run_three_steps() -> dict[str, bytes]:
        copied = report_read_orders(CONTEXT, ReadOrders(str(DATA / "orders.csv"), str(tmp_path)))
        checked = report_check_orders(CONTEXT, copied)
        report_price_orders(CONTEXT, PriceOrders(checked.good, str(DATA / "products.csv")))
        return {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    assert run_three_steps() == run_three_steps()


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    write_atomically(target, b"first")

    with pytest.raises(TypeError):
        write_atomically(target, None)  # type: ignore[arg-type]  # fails between opening and writing

    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("report.html", b"first")]


def test_a_product_without_a_proper_price_is_named(orders: Callable[[str], Path], tmp_path: Path) -> None:
    checked = report_check_orders(CONTEXT, RowFile(str(orders(HEADER + GOOD)), 1))
    products = tmp_path / "products.csv"
    products.write_text("sku,product,category,unit_price\nTEA-001,Tea,Tea,cheap\n", "utf-8")

    with pytest.raises(OrderReportError, match=r"products.csv, line 2: no price in TEA-001,Tea,Tea,cheap"):
        report_price_orders(CONTEXT, PriceOrders(checked.good, str(products)))


def test_a_step_on_a_machine_without_the_earlier_files_says_so(tmp_path: Path) -> None:
    gone = RowFile(str(tmp_path / "2-checked.csv"), 1)

    with pytest.raises(OrderReportError, match="let all workers share that folder"):
        report_price_orders(CONTEXT, PriceOrders(gone, str(DATA / "products.csv")))


def test_what_customers_wrote_is_escaped_on_the_page() -> None:
    when = datetime(2026, 3, 2, tzinfo=timezone.utc)
    summary = Summary(1, Decimal(5), when.date(), when.date(), [], [])
    hostile = {"line": "2", "reason": "no <b>", "row": "<script>alert(1)</script>"}

    page = render("<orders>.csv", when, summary, [hostile])

    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<h1>Orders in &lt;orders&gt;.csv</h1>" in page
    assert "2 March 2026 to 2 March 2026; made 2 March 2026, 00:00 UTC" in page


def test_an_instance_id_cannot_lead_out_of_the_output_folder() -> None:
    assert run_folder("../../etc") == "order-report-.._.._etc"
