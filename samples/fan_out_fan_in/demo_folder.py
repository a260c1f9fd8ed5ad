"""A folder to try the sample on: as many small text files as wanted, some of which are none."""

from __future__ import annotations

from pathlib import Path

TEXT = "every crash is only a pause for those who write down what they have done"
NOT_TEXT = b"\x89PNG\r\n\x1a\n"
"""How a picture begins; in UTF-8, no text can."""

EACH_NOT_TEXT = 200
"""One file of so many is not a text."""

FILES_IN_A_FOLDER = 100


def make_demo_folder(folder: Path, files: int) -> Path:
    """Write the files, the same ones each time, and return the folder."""
    for number in range(files):
        part = folder / f"part-{number // FILES_IN_A_FOLDER:02}"
        part.mkdir(parents=True, exist_ok=True)
        path = part / f"note-{number:04}.txt"
        if number % EACH_NOT_TEXT == EACH_NOT_TEXT // 2:
            path.write_bytes(NOT_TEXT + bytes(number % 256 for _ in range(64)))
        else:
            text = " ".join([TEXT] * (1 + number % 7))
            path.write_text(f"Note {number}: {text}.\n", "utf-8")
    return folder
