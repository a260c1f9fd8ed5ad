"""The task hub inside the program, the same for the script and the web application."""

from pathlib import Path

import durakit
from durakit.embedding import EmbeddedTaskHub

from workflow import ACTIVITIES, visits_import


def make_hub(output: Path) -> EmbeddedTaskHub:
    """Return a task hub, not yet open, with its file in the folder; one process at a time may have it."""
    return durakit.embedded(output / "visits.db", orchestrators=[visits_import], activities=ACTIVITIES)
