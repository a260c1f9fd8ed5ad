"""Run the worker of the cleanup until Ctrl-C."""

import durakit

from workflow import ACTIVITIES, periodic_cleanup

if __name__ == "__main__":
    durakit.run_worker(orchestrators=[periodic_cleanup], activities=ACTIVITIES)
