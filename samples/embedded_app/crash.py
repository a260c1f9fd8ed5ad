"""Kill an import in the middle, start it again, and look whether anything was done twice."""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
OUTPUT = HERE / "output" / "crash"


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    shutil.rmtree(OUTPUT, ignore_errors=True)
    run_until("[3/")
    before = made()
    print(f"-- killed; there are the files of {', '.join(before)}", flush=True)
    run_until(None)
    after = made()
    twice = [name for name in before if before[name] != after[name]]
    # A process may die when a file is written and before that is on disk: the step it was in may run twice.
    if len(twice) > 1 or len(after) <= len(before):
        sys.exit(f"crash.py: made twice: {twice}; before the kill {len(before)}, after it {len(after)} files")
    print(f"{len(before) - len(twice)} of {len(after)} branches were done before the kill, and not again")


def run_until(beginning: str | None) -> None:
    """Run client.py, killed as `kill -9` does when it prints a line that begins so."""
    command = [sys.executable, "client.py", "--output", str(OUTPUT)]
    with subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            if beginning is not None and line.startswith(beginning):
                process.kill()
    if beginning is None and process.returncode != 0:
        sys.exit(f"crash.py: client.py ended with {process.returncode}")


def made() -> dict[str, int]:
    """Return which branches are done, and when each file was written, in ns."""
    return {path.stem: path.stat().st_mtime_ns for path in sorted(OUTPUT.glob("*/*.csv"))}


if __name__ == "__main__":
    main()
