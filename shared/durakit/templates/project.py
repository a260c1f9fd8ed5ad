"""A project of one's own, made from a pattern: the sample's files, and durakit itself beside them."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from durakit.templates.catalogue import CannotMake, Template, find_templates
from durakit.templates.readme import rewritten
from durakit.templates.wheel import write_wheel

_FROM_REPOSITORY = re.compile(r"^# durakit from this repository.*\n-e \.\./\.\.(\[.*\])$", re.MULTILINE)

_GITIGNORE = """\
__pycache__/
.durakit/
.env
.pytest_cache/
.venv/
output/
"""

_DOCKERIGNORE = f"{_GITIGNORE}Dockerfile\n"

_DOCKERFILE = """\
# One image for worker and client: PROGRAM=client chooses, PROGRAM_ARGUMENTS are the program's own.
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
COPY vendor vendor
COPY requirements.txt ./
RUN python -m venv /opt/app && /opt/app/bin/pip install --no-cache-dir --requirement requirements.txt

FROM ${PYTHON_IMAGE}
RUN groupadd --gid 10001 app && useradd --uid 10001 --gid 10001 --create-home app
COPY --from=build /opt/app /opt/app
WORKDIR /app
COPY . ./
RUN install --directory --owner 10001 --group 10001 output
USER 10001:10001
ENV PATH=/opt/app/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DURAKIT_LOG_FORMAT=json
ENV PROGRAM=worker DURAKIT_HEALTH_PORT=8081 HOST=0.0.0.0
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \\
  CMD ["python", "-m", "durakit.container", "--is", "livez"]
ENTRYPOINT ["python", "-m", "durakit.container"]
"""

_NEXT = """\
{directory} is a project made from {pattern}. Next, in that folder:
  python3 -m venv .venv
  .venv/bin/pip install -r requirements.txt     (on Windows .venv\\Scripts\\pip)
  .venv/bin/python -m pytest
README.md tells how to run it."""


def make_project(pattern: str, directory: Path) -> str:
    """Make a project in the directory, which may not exist yet or must be empty; return what to do next.

    It is made beside its place and moved there, so a failure on the way leaves nothing behind.

    Raises:
        CannotMake: there is no such pattern, something is in the way, or it cannot be written.
    """
    template = _find(pattern)
    target = directory.absolute()
    _refuse_what_is_in_the_way(target)
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".durakit-new-", dir=target) as scratch:
            _fill(Path(scratch), template, project=target.name)
            for path in sorted(Path(scratch).iterdir()):
                path.rename(target / path.name)
    except OSError as error:
        raise CannotMake(f"{target} cannot be written: {error.strerror or error}") from None
    return _NEXT.format(directory=directory, pattern=template.name)


def _find(pattern: str) -> Template:
    templates = find_templates()
    template = templates.get(pattern.replace("-", "_"))
    if template is None:
        raise CannotMake(f"There is no pattern {pattern!r}; there are: {', '.join(templates)}")
    return template


def _refuse_what_is_in_the_way(target: Path) -> None:
    if target.is_dir():
        found = next(target.iterdir(), None)
        if found is not None:
            raise CannotMake(
                f"{target} is not empty, it has {found.name}. Name a new folder, or an empty one."
            )
    elif target.exists():
        raise CannotMake(f"{target} is a file. Name a folder that does not exist yet, or an empty one.")


def _fill(folder: Path, template: Template, *, project: str) -> None:
    for path in template.files():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(template.folder / path, folder / path)
    (folder / "vendor").mkdir()
    wheel = write_wheel(folder / "vendor")
    replacement = rf"# durakit, the very version this project was made with\n./vendor/{wheel.name}\1"
    _edit(folder / "requirements.txt", lambda text: _FROM_REPOSITORY.sub(replacement, text))
    readme = partial(rewritten, project=project, pattern=template.name, has_worker=template.has_worker)
    _edit(folder / "README.md", readme)
    (folder / ".gitignore").write_text(_GITIGNORE, "utf-8")
    if not template.has_worker:  # one process that owns its file; nothing to run twice, so no image either
        return
    (folder / ".dockerignore").write_text(_DOCKERIGNORE, "utf-8")
    (folder / "Dockerfile").write_text(_DOCKERFILE, "utf-8")


def _edit(path: Path, change: Callable[[str], str]) -> None:
    path.write_text(change(path.read_text("utf-8")), "utf-8")
