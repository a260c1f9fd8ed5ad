"""Run the worker of the import until Ctrl-C."""

import durakit

from workflow import ACTIVITIES, ORCHESTRATORS

if __name__ == "__main__":
    durakit.run_worker(orchestrators=ORCHESTRATORS, activities=ACTIVITIES)
