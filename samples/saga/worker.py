"""Run the worker of the travel agency until Ctrl-C."""

import durakit

from workflow import ACTIVITIES, travel_booking

if __name__ == "__main__":
    durakit.run_worker(orchestrators=[travel_booking], activities=ACTIVITIES)
