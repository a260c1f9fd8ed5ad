"""Run the worker of the order report until Ctrl-C."""

import durakit

from workflow import ACTIVITIES, order_report

if __name__ == "__main__":
    durakit.run_worker(orchestrators=[order_report], activities=ACTIVITIES)
