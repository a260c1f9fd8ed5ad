"""A scheduler with something to look at in every page of the dashboard: for screenshots and browser tests.

`python3 scripts/stage.py` serves it until Ctrl-C. It needs the environment with durakit installed.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from durakit import task
from durakit.azuremanaged.client import DurableTaskSchedulerClient
from durakit.azuremanaged.worker import DurableTaskSchedulerWorker
from durakit.worker import ConcurrencyOptions

HUB = "human_interaction"
FILES = 5_000
CLEANED = 120
DURAKIT = Path(sys.executable).with_name("durakit")
RETRY = task.RetryPolicy(first_retry_interval=timedelta(seconds=1), max_number_of_attempts=3)
PATIENT = task.RetryPolicy(first_retry_interval=timedelta(hours=1), max_number_of_attempts=5)


class CardDeclined(Exception):
    """The bank says no."""


class Shop:
    """Activities of a shop; its budget service fails at the first call of each order, some files once."""

    def __init__(self) -> None:
        self._called: set[str] = set()
        self._guard = threading.Lock()
        self.gate = threading.Event()

    @property
    def activities(self) -> list[Callable[..., Any]]:
        """All there are; nobody offers `print_label`."""
        return [
            *(self.validate_order, self.check_budget, self.request_approval, self.charge_card, self.ask_bank),
            *(self.pick_items, self.list_files, self.hash_file),
        ]

    def _is_first(self, what: str) -> bool:
        with self._guard:
            is_first = what not in self._called
            self._called.add(what)
            return is_first

    def validate_order(self, ctx: task.ActivityContext, order: dict[str, Any]) -> bool:
        return bool(order.get("amount", 1))

    def check_budget(self, ctx: task.ActivityContext, order: dict[str, Any]) -> dict[str, int]:
        if self._is_first(f"budget {order.get('order_id')}"):
            raise ConnectionError("budget service refused")
        return {"left": 20000}

    def request_approval(self, ctx: task.ActivityContext, order: dict[str, Any]) -> str:
        return f"mail-{order.get('order_id')}"

    def charge_card(self, ctx: task.ActivityContext, order: dict[str, Any]) -> str:
        try:
            raise OSError("402 Payment Required")
        except OSError as error:
            raise CardDeclined("insufficient funds") from error

    def ask_bank(self, ctx: task.ActivityContext, order: dict[str, Any]) -> str:
        raise TimeoutError("the bank does not answer")

    def pick_items(self, ctx: task.ActivityContext, order: dict[str, Any]) -> int:
        return 3

    def list_files(self, ctx: task.ActivityContext, count: int) -> list[int]:
        return list(range(count))

    def hash_file(self, ctx: task.ActivityContext, number: int) -> int:
        if number % 1250 == 7 and self._is_first(f"file {number}"):
            raise OSError(f"file {number} is locked")
        if number >= FILES - 4:
            self.gate.wait(600)
        return number * 31


def purchase_order(ctx: task.OrchestrationContext, order: dict[str, Any]) -> Any:
    yield ctx.call_activity("validate_order", input=order)
    yield ctx.call_activity("check_budget", input=order, retry_policy=RETRY)
    yield ctx.call_activity("request_approval", input=order)
    ctx.set_custom_status({"step": "awaiting approval", "approver": "dana"})
    approval = ctx.wait_for_external_event("approval")
    deadline = ctx.create_timer(timedelta(hours=2))  # whoever looks on may take long
    first = yield task.when_any([approval, deadline])
    ctx.set_custom_status("decided")
    return "approved by dana" if first == approval else "nobody answered in time"


def charge_order(ctx: task.OrchestrationContext, order: dict[str, Any]) -> Any:
    yield ctx.call_activity("charge_card", input=order, retry_policy=RETRY)


def await_bank(ctx: task.OrchestrationContext, order: dict[str, Any]) -> Any:
    yield ctx.call_activity("ask_bank", input=order, retry_policy=PATIENT)


def ship_order(ctx: task.OrchestrationContext, order: dict[str, Any]) -> Any:
    yield ctx.call_activity("pick_items", input=order)
    yield ctx.call_activity("print_label", input=order)  # no worker offers it


def process_order(ctx: task.OrchestrationContext, order: dict[str, Any]) -> Any:
    return (yield ctx.call_activity("pick_items", input=order))


def process_orders(ctx: task.OrchestrationContext, count: int) -> Any:
    children: list[Any] = []
    for number, name in enumerate([process_order, process_order, charge_order, ship_order, process_order], 1):
        child_id = f"{ctx.instance_id}:{number:04}"
        children.append(ctx.call_sub_orchestrator(name, input={"order_id": child_id}, instance_id=child_id))
    for child in children:
        with contextlib.suppress(task.TaskFailedError):
            yield child


def nightly_orders(ctx: task.OrchestrationContext, _: Any) -> Any:
    yield ctx.call_sub_orchestrator(process_orders, input=5, instance_id="batch-77")


def hash_folder(ctx: task.OrchestrationContext, count: int) -> Any:
    files = yield ctx.call_activity("list_files", input=count)
    calls = [ctx.call_activity("hash_file", input=number, retry_policy=RETRY) for number in files]
    results = yield task.when_all(calls)
    return len(results)


def periodic(ctx: task.OrchestrationContext, generation: int) -> Any:
    """More custom statuses than are kept; the last one is long."""
    folders = [f"/tmp/build-{number:03}" for number in range(CLEANED // 3)]
    for folder in folders:
        yield ctx.call_activity("pick_items", input={})
        ctx.set_custom_status(f"round {generation}: cleaned {folder}")
    if generation < 3:
        yield ctx.call_activity("pick_items", input={})
        ctx.continue_as_new(generation + 1)
        return
    ctx.set_custom_status({"rounds": generation, "cleaned": folders, "waiting_for": "tick"})
    yield ctx.wait_for_external_event("tick")


def sync_inventory(ctx: task.OrchestrationContext, _: Any) -> Any:
    yield ctx.wait_for_external_event("delivery")


ORCHESTRATORS = (
    *(purchase_order, charge_order, await_bank, ship_order, process_order, process_orders),
    *(nightly_orders, hash_folder, periodic, sync_inventory),
)


@dataclass
class Stage:
    """A scheduler in a process of its own, a worker and a client in this one."""

    folder: Path
    options: tuple[str, ...] = ()
    shop: Shop = field(default_factory=Shop)
    grpc: str = ""
    url: str = ""

    def raise_curtain(self) -> None:
        """Start the scheduler; again on the same ports after `stop_scheduler`."""
        ports = [self.grpc.rpartition(":")[2] or "0", self.url.rpartition(":")[2] or "0"]
        command = [
            *(str(DURAKIT), "dev", "--grpc-port", ports[0], "--dashboard-port", ports[1]),
            *("--db", str(self.folder / "scheduler.db"), "--log-format", "json"),
            *("--task-hub", HUB, "--task-hub", "default"),
        ]
        with (self.folder / "scheduler.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *self.options], stdout=subprocess.PIPE, stderr=log, text=True, cwd=self.folder
            )
        assert self._process.stdout is not None
        ready = json.loads(self._process.stdout.readline())
        self.grpc, self.url = ready["grpc"], ready["dashboard"]

    def stop_scheduler(self) -> None:
        """Stop it as Ctrl-C does; its data stays."""
        self._process.terminate()
        self._process.wait(20)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def client(self, hub: str = HUB) -> DurableTaskSchedulerClient:
        """Return a client; the caller closes it."""
        return DurableTaskSchedulerClient(host_address=self.grpc, taskhub=hub, token_credential=None)

    @contextlib.contextmanager
    def worker(self, hub: str = HUB) -> Iterator[DurableTaskSchedulerWorker]:
        """Run a worker that offers everything but `print_label`."""
        limits = ConcurrencyOptions(maximum_concurrent_activity_work_items=40)
        worker = DurableTaskSchedulerWorker(
            host_address=self.grpc, taskhub=hub, token_credential=None, concurrency_options=limits
        )
        for orchestrator in ORCHESTRATORS:
            worker.add_orchestrator(orchestrator)
        for activity in self.shop.activities:
            worker.add_activity(activity)
        worker.use_work_item_filters()
        worker.start()
        try:
            yield worker
        finally:
            self.shop.gate.set()
            worker.stop()

    def close(self) -> None:
        """Stop the scheduler if it still runs."""
        if self._process.poll() is None:
            self.stop_scheduler()


def play(client: DurableTaskSchedulerClient, *, files: int = FILES) -> None:
    """Start instances in every state, and wait until they are in it."""
    tags = {"region": "eu", "dept": "it"}

    def start(orchestrator: Any, instance_id: str, payload: Any = None, **more: Any) -> None:
        client.schedule_new_orchestration(orchestrator, input=payload, instance_id=instance_id, **more)

    for number in range(1020, 1040):
        start(purchase_order, f"po-{number}", {"order_id": f"po-{number}", "amount": 84.0}, version="1.3.2")
    order = {
        "order_id": "po-1042",
        "amount": 4820.0,
        "currency": "EUR",
        "lines": [{"sku": "A-17", "count": 2}, {"sku": "B-3", "count": 1}, {"sku": "C-9", "count": 12}],
        "requested_by": {"name": "Ines", "dept": "it"},
    }
    start(purchase_order, "po-1042", order, tags=tags, version="1.4.0")
    start(charge_order, "charge-1041", {"order_id": "1041", "amount": 912.5}, tags=tags)
    start(await_bank, "bank-1041", {"order_id": "1041"})
    start(nightly_orders, "orders-2026-11-21")
    start(periodic, "cleanup-tmp", 1)
    start(sync_inventory, "inv-eu-3")
    start(sync_inventory, "ledger-2026-11-a")
    start(sync_inventory, "newsletter-nov", start_at=datetime.now(timezone.utc) + timedelta(hours=4))
    start(hash_folder, "photos-2026-11-21", files, tags=tags)
    for number in range(1020, 1040):
        client.raise_orchestration_event(f"po-{number}", "approval", data={"approved": True, "by": "dana"})
    client.terminate_orchestration("ledger-2026-11-a", output="wrong file, restarted as ledger-2026-11-b")
    client.suspend_orchestration("inv-eu-3")
    _until(lambda: _status(client, "po-1039") == "COMPLETED" and _status(client, "charge-1041") == "FAILED")
    _until(lambda: _status(client, "batch-77:0003") == "FAILED")


def _status(client: DurableTaskSchedulerClient, instance_id: str) -> str:
    state = client.get_orchestration_state(instance_id)
    return "" if state is None else state.runtime_status.name


def _until(is_so: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError("the stage did not come to rest")
        time.sleep(0.1)


@contextlib.contextmanager
def staged(*options: str, files: int = FILES) -> Iterator[Stage]:
    """A stage with its play on; everything is gone at the end."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder), options)
        stage.raise_curtain()
        try:
            with stage.worker() as worker:
                worker.wait_until_connected()
                client = stage.client()
                play(client, files=files)
                client.close()
                yield stage
        finally:
            stage.close()


if __name__ == "__main__":
    with staged() as shown:
        print(shown.url, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
