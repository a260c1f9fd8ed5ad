"""A worker process of the kill campaign; it works until it is killed.

Usage: python -m tests.faults.actors.worker <port>; the ledger's path is in FAULTS_LEDGER.
"""

from __future__ import annotations

import importlib
import logging
import signal
import sys

from tests.faults.programs import ACTIVITIES, ORCHESTRATORS, SDK


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    module = importlib.import_module(f"{SDK}.worker")
    options = importlib.import_module(f"{SDK}.grpc_options")
    worker = module.TaskHubGrpcWorker(
        host_address=f"127.0.0.1:{sys.argv[1]}",
        resiliency_options=options.GrpcWorkerResiliencyOptions(
            hello_timeout_seconds=5.0, reconnect_backoff_base_seconds=0.05, reconnect_backoff_cap_seconds=0.2
        ),
    )
    for orchestrator in ORCHESTRATORS:
        worker.add_orchestrator(orchestrator)
    for activity in ACTIVITIES:
        worker.add_activity(activity)
    worker.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    signal.sigwait({signal.SIGTERM})
    worker.stop()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    main()
