import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from durakit.wire import tuning

OURS = {tuning.EXPERIMENTS_VARIABLE, tuning.BACKUP_POLL_VARIABLE}


def python(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key not in OURS}
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


CALLER = """
import sys, time
import durakit
import grpc
from durakit.wire.address import parse_address
from durakit.wire.channel import open_channel

call = open_channel(parse_address(f"http://127.0.0.1:{sys.argv[1]}")).unary_unary("/service/method")

def is_up():
    try:
        call(b"", timeout=5)
    except grpc.RpcError as error:
        return error.code() is grpc.StatusCode.UNIMPLEMENTED

assert is_up()
print("up", flush=True)
while is_up():
    pass
for _ in range(15):  # calls that fail at once
    time.sleep(0.03)
    is_up()
print("down", flush=True)
while not is_up():
    time.sleep(0.03)
"""


def test_a_scheduler_that_comes_back_is_noticed_soon() -> None:
    """A call that fails at once polls nothing, so a new connection is seen only by the backup poller."""
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    environment = {name: value for name, value in os.environ.items() if name not in OURS}
    command = [sys.executable, "-c", CALLER, str(port)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as caller:
        assert caller.stdout is not None
        assert caller.stdout.readline() == "up\n"
        server.stop(None).wait()
        assert caller.stdout.readline() == "down\n"

        server = grpc.server(ThreadPoolExecutor(1))
        assert server.add_insecure_port(f"127.0.0.1:{port}") == port
        server.start()
        try:
            code = caller.wait(timeout=3.0)
        finally:
            caller.kill()
            server.stop(None).wait()

    assert code == 0


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
