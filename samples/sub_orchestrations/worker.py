"""Run the worker of the shop until Ctrl-C."""

import durakit

from workflow import ACTIVITIES, fulfil_order, fulfil_orders

if __name__ == "__main__":
    durakit.run_worker(orchestrators=[fulfil_orders, fulfil_order], activities=ACTIVITIES)
