"""The installed package as a wheel, so that a project can carry the very durakit it was made with.

Written from the installed files, because an installation has no build tools and perhaps no network. The
format is that of PEP 427: a zip with the package and a `.dist-info` whose RECORD lists every file with its
hash.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from durakit.templates.catalogue import PACKAGE, PACKED, CannotMake, find_templates, source_files

_METADATA = ("METADATA", "entry_points.txt", "licenses/LICENSE")
_WHEEL = "Wheel-Version: 1.0\nGenerator: durakit\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The same for every file: the same package gives the same bytes."""


def write_wheel(folder: Path) -> Path:
    """Write the installed durakit into the folder as a wheel and return its path.

    Raises:
        CannotMake: durakit is on the path but not installed, so nobody knows what it needs.
    """
    try:
        installed = distribution("durakit")
    except PackageNotFoundError:
        raise CannotMake(
            "durakit is not installed in this environment, only found on its path. Install it: "
            f"pip install -e {PACKAGE.parent.parent}"
        ) from None
    info = f"durakit-{installed.version}.dist-info"
    wheel = folder / f"durakit-{installed.version}-py3-none-any.whl"
    record = []
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:

        def add(name: str, content: bytes) -> None:
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record.append(f"{name},sha256={digest},{len(content)}\n")

        for name, path in _package_files():
            add(name, path.read_bytes())
        for name in _METADATA:
            if (text := installed.read_text(name)) is not None:
                add(f"{info}/{name}", text.encode())
        add(f"{info}/WHEEL", _WHEEL.encode())
        own = f"{info}/RECORD"
        archive.writestr(zipfile.ZipInfo(own, _EPOCH), "".join([*record, f"{own},,\n"]))
    return wheel


def _package_files() -> Iterator[tuple[str, Path]]:
    """Yield each file's name in the wheel and its path: the package, and the samples as its data."""
    for path in source_files(PACKAGE):
        if path.parts[0] != PACKED.name:
            yield f"durakit/{path.as_posix()}", PACKAGE / path
    for template in find_templates().values():
        for path in template.files():
            yield f"durakit/{PACKED.name}/{template.name}/{path.as_posix()}", template.folder / path
