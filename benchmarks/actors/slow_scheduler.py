"""`durakit dev` as on a slower disk: every commit takes so many milliseconds longer.

The first argument is that number, the others are those of `durakit`. Only the benchmark knows of it: the
store's `commit` is replaced in this process, the product has no such switch.
"""

from __future__ import annotations

import sys
import time

from durakit.cli import main as durakit
from durakit.scheduler.store import Batch, Store


def main() -> int:
    """Runs the command; the exit code."""
    slow_down(float(sys.argv[1]) / 1000)
    return durakit(sys.argv[2:])


def slow_down(seconds: float) -> None:
    """Has every commit of this process take that much longer, as if its fsync did."""
    commit = Store.commit

    def slow_commit(store: Store, batch: Batch) -> None:
        time.sleep(seconds)
        commit(store, batch)

    Store.commit = slow_commit  # type: ignore[assignment, method-assign]  # that is the idea


if __name__ == "__main__":
    sys.exit(main())
