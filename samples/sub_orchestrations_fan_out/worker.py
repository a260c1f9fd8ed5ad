"""Run the worker of the order processing until Ctrl-C; several of them share batches and orders."""

import durakit

from workflow import ACTIVITIES, main_orchestration, process_order_batch

if __name__ == "__main__":
    durakit.run_worker(orchestrators=[main_orchestration, process_order_batch], activities=ACTIVITIES)
