"""Run a worker of one release until Ctrl-C; start one for each release that has work."""

import argparse

import durakit

from releases import RELEASES, TODAY

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", choices=RELEASES, default=TODAY, help="default: %(default)s")
    release = RELEASES[parser.parse_args().version]
    durakit.run_worker(
        orchestrators=release.orchestrators, activities=release.activities, versioning=release.versioning
    )
