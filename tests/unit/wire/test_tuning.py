import os
import subprocess
import sys

import pytest
from durakit.wire import tuning


def python(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != tuning.EXPERIMENTS_VARIABLE}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


def test_importing_durakit_loads_neither_grpc_nor_protobuf_nor_azure() -> None:
    loaded = python(
        "import sys, durakit\n"
        "print([name for name in ('grpc', 'google.protobuf', 'azure', 'asyncio') if name in sys.modules])"
    )

    assert loaded.stdout == "[]\n"


def test_importing_durakit_switches_the_event_engine_off_and_grpc_accepts_the_names() -> None:
    done = python(
        "import durakit, os, grpc\n"
        "grpc.insecure_channel('localhost:1').close()\n"
        "print(os.environ['GRPC_EXPERIMENTS'])"
    )

    assert done.stdout == "-event_engine_client,-event_engine_listener\n"
    assert "experiment" not in done.stderr.lower()


def test_a_choice_of_the_users_is_left_alone() -> None:
    assert (
        python("import durakit, os; print(os.environ['GRPC_EXPERIMENTS'])", GRPC_EXPERIMENTS="").stdout
        == "\n"
    )


def test_nothing_is_set_when_grpc_is_loaded_already() -> None:
    assert python("import grpc, durakit, os; print('GRPC_EXPERIMENTS' in os.environ)").stdout == "False\n"


@pytest.mark.parametrize("version", [None, (1, 73), (1, 86), (2, 0)])
def test_nothing_is_set_for_a_release_whose_names_are_not_known(
    version: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(tuning.EXPERIMENTS_VARIABLE, raising=False)
    monkeypatch.delitem(sys.modules, "grpc", raising=False)
    monkeypatch.setattr(tuning, "_installed_version", lambda: version)

    assert tuning.apply() is False
    assert tuning.EXPERIMENTS_VARIABLE not in os.environ


def test_the_version_is_found_without_importing_grpc() -> None:
    import grpc

    assert ".".join(map(str, tuning._installed_version() or ())) == grpc.__version__.rpartition(".")[0]
