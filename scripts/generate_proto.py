"""Regenerate the protobuf code in `shared/durakit/wire/messages/` from `orchestration.proto`.

The compiler is pinned and lives in an environment of its own (`.venv-proto`), because generated code
refuses to run with a protobuf runtime older than the compiler that made it. Raising the pin raises the
lower bound of `protobuf` in `pyproject.toml`.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

COMPILER = "grpcio-tools==1.74.0"  # makes code for protobuf >= 6.31.1

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ("durakit/wire/messages/orchestration.proto", "durakit/wire/messages/link.proto")


def compiler_python() -> Path:
    """Return the interpreter of the compiler's environment, making it on first use."""
    environment = ROOT / ".venv-proto"
    python = environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        venv.create(environment, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", COMPILER], check=True)
    return python


def main() -> None:
    source = ROOT / "shared"
    subprocess.run(
        [
            compiler_python(),
            "-m",
            "grpc_tools.protoc",
            f"-I{source}",
            f"--python_out={source}",
            f"--pyi_out={source}",
            *PROTOS,
        ],
        check=True,
    )
    print(f"Generated from {' and '.join(PROTOS)} with {COMPILER}.")


if __name__ == "__main__":
    main()
