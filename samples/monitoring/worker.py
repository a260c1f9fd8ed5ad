"""Run the worker of the job monitor until Ctrl-C."""

import durakit

from workflow import ACTIVITIES, job_monitor

if __name__ == "__main__":
    durakit.run_worker(orchestrators=[job_monitor], activities=ACTIVITIES)
