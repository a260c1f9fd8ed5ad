"""Run the worker of the purchase orders until Ctrl-C."""

import durakit

from workflow import ACTIVITIES, purchase_order_workflow

if __name__ == "__main__":
    durakit.run_worker(orchestrators=[purchase_order_workflow], activities=ACTIVITIES)
