"""Run the worker that makes quotes until Ctrl-C."""

import durakit

from workflow import ACTIVITIES, quote_basket

if __name__ == "__main__":
    durakit.run_worker(orchestrators=[quote_basket], activities=ACTIVITIES)
