"""Run the worker of the agent until Ctrl-C."""

import durakit

from workflow import ACTIVITIES, agent_session

if __name__ == "__main__":
    durakit.run_worker(orchestrators=[agent_session], activities=ACTIVITIES)
