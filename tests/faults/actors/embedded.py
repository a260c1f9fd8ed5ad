"""The whole system in one process of the kill campaign: `durakit.embedded`, and the client that drives it.

Usage: python -m tests.faults.actors.embedded <db> <shape> <seed>; the ledger's path is in FAULTS_LEDGER.
Exit codes: those of the client.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import durakit

from tests.faults.actors.client import Driver, Gone
from tests.faults.programs import ACTIVITIES, ORCHESTRATORS
from tests.faults.workload import jobs_of


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    db, shape, seed = sys.argv[1:]
    with durakit.embedded(db, orchestrators=ORCHESTRATORS, activities=ACTIVITIES) as hub:
        driver = Driver(hub.client, Path(os.environ["FAULTS_LEDGER"]), jobs_of(shape, int(seed)))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        try:
            driver.run()
        except Gone as gone:
            driver.ledger.write("gone", instance=str(gone))
            return 3
        driver.ledger.write("client done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
