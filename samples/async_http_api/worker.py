"""Run the worker of the prime search until Ctrl-C."""

import durakit

from workflow import ACTIVITIES, prime_search

if __name__ == "__main__":
    durakit.run_worker(orchestrators=[prime_search], activities=ACTIVITIES)
