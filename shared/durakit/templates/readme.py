"""What a sample's README says once the sample is a project of its own."""

from __future__ import annotations

import re

_HERE_ONLY = re.compile(r"^<!-- only in the repository -->\n.*?^<!-- end -->\n", re.MULTILINE | re.DOTALL)
_RUN_SCRIPT = re.compile(r"(?<=^## Run it\n).*?(?=^### )", re.MULTILINE | re.DOTALL)

_FIRST_STEPS = """
Python 3.10 or newer is all it needs; durakit itself is in the folder `vendor`.

"""

_TESTS = """
## Test it

```bash
.venv/bin/python -m pytest
```

No scheduler is needed: the tests run scheduler, worker and client in one process, on a clock that jumps.
"""

_CONTAINER = """
## Put it into a container

```sh
docker build -t {name} .
docker run --rm -e ENDPOINT=... -e TASKHUB=... {name}                     # the worker
docker run --rm -e ENDPOINT=... -e TASKHUB=... -e PROGRAM=client {name}   # the client
```

For Azure, durakit's repository has `infra/cli/deploy.sh --project <this folder>`, which builds this image.
"""


def rewritten(text: str, *, project: str, pattern: str, has_worker: bool = True) -> str:
    """Return the README of a sample for a project of that name.

    What only holds in the repository is left out: the one-command run, and all that stands between
    `<!-- only in the repository -->` and `<!-- end -->`. A project without a worker has no image for one.
    """
    title = f"# {project}\n\nMade with `durakit new {pattern}`.\n"
    text = re.sub(r"\A# .*\n", title, text)
    text = _HERE_ONLY.sub("", text)
    text = _RUN_SCRIPT.sub(lambda _: _FIRST_STEPS, text)
    container = _CONTAINER.format(name=project.lower()) if has_worker else ""
    return re.sub(r"\n{3,}", "\n\n", text).rstrip("\n") + "\n" + _TESTS + container
