"""One round of the kill campaign: run a workload, kill processes at drawn instants, restart, check.

A round is a function of its seed: mode, workload, victims and instants are drawn from it. Instants fall
uniformly over the duration of a run without kills, which is measured first.
"""

from __future__ import annotations

import random
import signal
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.faults import checks
from tests.faults.processes import World
from tests.faults.workload import SINGLES, jobs_of

VICTIMS = (
    ("scheduler",),
    ("worker",),
    ("client",),
    ("scheduler", "worker"),
    ("scheduler", "client"),
    ("worker", "client"),
    ("scheduler", "worker", "client"),
)
WEIGHTS = (5, 4, 2, 2, 1, 1, 1)
CRASH_POINTS = ("before", "after")
"""The scheduler may also kill itself at a commit: just before it, or just after, before anybody knows."""
MODES = {
    "link": {"DURAKIT_LINK": "on"},
    "link, whole histories": {"DURAKIT_LINK": "on", "DURAKIT_SESSION_CACHE": "0"},
    "standard": {"DURAKIT_LINK": "off"},
    "standard, whole histories": {"DURAKIT_LINK": "off", "DURAKIT_SESSION_CACHE": "0"},
}
"""How worker and client talk to the scheduler, as environment variables."""
MODE_WEIGHTS = (6, 1, 3, 1)
SHARE_OF_CRASHES = 0.25
LAST_COMMIT = 60
"""Crashes happen at one of so many commits; an unkilled run has more."""
FEW_COMMITS = {"fanout": 3}
"""Shapes whose answers may share so few commits that a later one need not come."""
SHARE_OF_SINGLES = 0.2
"""Part of the rounds that run a single instance."""
SHARE_OF_SECOND_KILLS = 0.4
"""Part of the rounds in which something is killed once more."""
ROUND_SECONDS = 60.0
"""After so much time without a result, the round has failed."""


@dataclass(frozen=True)
class Kill:
    """Who is killed, and when (as part of an unkilled run's duration)."""

    victims: tuple[str, ...]
    instant: float

    def __str__(self) -> str:
        return f"{'+'.join(self.victims)} at {self.instant:.3f}"


@dataclass(frozen=True)
class Round:
    """What a seed stands for."""

    seed: int
    shape: str
    kills: tuple[Kill, ...]
    crash: str = ""
    """Where the scheduler's first life kills itself, as `before:17` (commits), if it does."""
    mode: str = "link"

    def __str__(self) -> str:
        kills = [f"scheduler {self.crash} commit"] if self.crash else []
        kills += [str(kill) for kill in self.kills]
        return f"round {self.seed}: {self.shape} ({self.mode}), kill {', then '.join(kills) or 'nobody'}"


def draw_round(seed: int) -> Round:
    """Return the round of that seed."""
    draw = random.Random(seed)
    mode = random.Random(f"mode {seed}").choices(list(MODES), MODE_WEIGHTS)[0]
    shape = draw.choice(list(SINGLES)) if draw.random() < SHARE_OF_SINGLES else "many"
    if draw.random() < SHARE_OF_CRASHES:
        last = FEW_COMMITS.get(shape, LAST_COMMIT)
        return Round(seed, shape, (), f"{draw.choice(CRASH_POINTS)}:{draw.randint(1, last)}", mode)
    count = 2 if draw.random() < SHARE_OF_SECOND_KILLS else 1
    instants = sorted(draw.random() for _ in range(count))
    kills = tuple(Kill(draw.choices(VICTIMS, WEIGHTS)[0], instant) for instant in instants)
    return Round(seed, shape, kills, mode=mode)


def measure(shape: str, mode: str, runs: int = 2) -> float:
    """Return the median duration of runs without kills, in seconds: all that the client does."""
    durations = []
    for seed in range(runs):
        with tempfile.TemporaryDirectory(prefix="faults-") as folder:
            durations.append(run(Round(seed, shape, (), mode=mode), 0.0, Path(folder)))
    return statistics.median(durations)


def run(planned: Round, duration_seconds: float, folder: Path, *, mutant: str | None = None) -> float:
    """Run a round and check everything.

    Args:
        duration_seconds: of an unkilled run of this shape.

    Returns:
        Seconds from the moment the client is ready to the end of its last life.

    Raises:
        AssertionError: a rule was broken; the text names it.
    """
    jobs = jobs_of(planned.shape, planned.seed)
    variables = MODES[planned.mode]
    with World(folder, planned.shape, planned.seed, mutant=mutant, variables=variables) as world:
        world.start(crash=planned.crash)
        world.actors["client"].start()
        world.actors["client"].await_ready()
        began = time.monotonic()
        for kill in planned.kills:
            # The instant of a kill is the one thing here that has no condition to wait for.
            time.sleep(max(0.0, began + kill.instant * duration_seconds - time.monotonic()))
            for victim in kill.victims:
                world.actors[victim].kill()
            for victim in kill.victims:
                world.actors[victim].start()
        if planned.crash:
            crashed = world.actors["scheduler"].wait(time.monotonic() + ROUND_SECONDS)
            assert crashed == -signal.SIGKILL, f"{planned}: it did not crash\n{world.logs()}"
            world.actors["scheduler"].start()
        code = world.actors["client"].wait(time.monotonic() + ROUND_SECONDS)
        took = time.monotonic() - began
        try:
            checks.check_client(code, world.ledger)
            if planned.seed % 2:
                world.actors["scheduler"].stop()
            world.actors["scheduler"].kill()
            checks.check_ledger(jobs, world.ledger)
            checks.check_database(world.db, world.ledger)
        except AssertionError as error:
            raise AssertionError(f"{planned}\n{error}\n{world.logs()}") from error
        return took
