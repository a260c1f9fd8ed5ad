"""The whole system in one process of the kill campaign: `durakit.embedded`, and the client that drives it.

Usage: python -m tests.faults.actors.embedded <db> <shape> <seed>; the ledger's path is in FAULTS_LEDGER.
Exit codes: those of the client.
"""

from __future__ import annotations

import logging
import sys

import durakit

from tests.faults.actors.client import drive
from tests.faults.programs import ACTIVITIES, ORCHESTRATORS


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    db, shape, seed = sys.argv[1:]
    with durakit.embedded(db, orchestrators=ORCHESTRATORS, activities=ACTIVITIES) as hub:
        return drive(hub.client, shape, int(seed))


if __name__ == "__main__":
    sys.exit(main())
