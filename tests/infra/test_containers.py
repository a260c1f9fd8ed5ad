"""The images and the compose file, as far as can be told without Docker.

There is no Docker here: the steps of the Dockerfile are taken one by one in folders and environments that
stand in for the image's, and its entry points are run there. What only a container has (its user, its base
image) is read, not run.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml
from durakit.templates import make_project
from packaging.requirements import Requirement

from tests.e2e.programs import TIMEOUT_SECONDS, output_of, read_until, running

from .linters import run_linter

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "infra" / "docker"

# Dockerfiles


@dataclass
class Stage:
    """One FROM of a Dockerfile, with what it inherits already in it."""

    steps: list[tuple[str, str]] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    def last(self, instruction: str) -> str:
        return [text for name, text in self.steps if name == instruction][-1]

    def command(self, instruction: str) -> list[str]:
        """That of ENTRYPOINT or HEALTHCHECK."""
        words: list[str] = json.loads(re.findall(r"\[.*\]", self.last(instruction))[0])
        return words


def stages_of(text: str) -> dict[str, Stage]:
    """The stages of a Dockerfile by name; one without a name is called `last`."""
    lines = re.sub(r"\\\n\s*", "", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    stages: dict[str, Stage] = {}
    stage = Stage()
    for line in filter(None, lines):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            base, _, own = rest.partition(" AS ")
            parent = stages.get(base, Stage())
            stage = stages[own or "last"] = Stage(list(parent.steps), dict(parent.variables))
        elif name == "ENV":
            stage.variables.update(re.findall(r"(\w+)=(\S+)", rest))
        else:
            stage.steps.append((name, rest))
    return stages


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Dockerfile of a project."""
    folder = tmp_path_factory.mktemp("project") / "mine"
    make_project("function_chaining", folder)
    return folder / "Dockerfile"


@pytest.fixture(params=["sample", "project"])
def dockerfile(request: pytest.FixtureRequest, template: Path) -> Path:
    return DOCKER / "Dockerfile" if request.param == "sample" else template


def test_hadolint_is_content(dockerfile: Path) -> None:
    done = run_linter("hadolint", "--no-color", dockerfile)

    assert (done.returncode, done.stdout) == (0, "")


def test_a_build_in_the_registry_which_has_no_buildkit_can_read_it(dockerfile: Path) -> None:
    text = dockerfile.read_text("utf-8")

    assert not re.search(r"^\s*(RUN --\w+|(COPY|ADD) .*--(chmod|link|parents)|.*<<)", text, re.MULTILINE)
    assert "# syntax=" not in text


def test_the_program_runs_as_the_user_that_the_share_is_mounted_for(dockerfile: Path) -> None:
    for name, stage in stages_of(dockerfile.read_text("utf-8")).items():
        if name not in ("build", "base"):
            assert stage.last("USER") == "10001:10001"
            order = [step for step, _ in stage.steps]
            assert order.index("USER") > max(i for i, step in enumerate(order) if step == "RUN")


def test_worker_client_health_and_folder_are_what_the_templates_of_azure_count_on(dockerfile: Path) -> None:
    *_, stage = stages_of(dockerfile.read_text("utf-8")).values()
    worker = (ROOT / "infra/modules/worker-app.bicep").read_text("utf-8")

    assert stage.command("ENTRYPOINT") == ["python", "-m", "durakit.container"]
    assert stage.command("HEALTHCHECK") == ["python", "-m", "durakit.container", "--is", "livez"]
    assert stage.last("WORKDIR") == "/app"
    assert "mountPath: '/app/output'" in worker
    assert stage.variables["PROGRAM"] == "worker"
    assert f"var healthPort = {stage.variables['DURAKIT_HEALTH_PORT']}\n" in worker
    assert stage.last("EXPOSE") == "8000"


def test_the_scheduler_lets_nobody_in_before_it_is_told_whom() -> None:
    stage = stages_of((DOCKER / "Dockerfile").read_text("utf-8"))["scheduler"]

    assert stage.variables["DURAKIT_HOST"] == "0.0.0.0"
    assert stage.command("ENTRYPOINT") == ["durakit", "dev"]
    assert "insecure" not in str(stage.steps).lower()


# What is installed


def test_everything_installed_is_pinned_within_what_the_project_allows() -> None:
    """If this fails, run infra/docker/lock.sh."""
    wanted = [each for key in ("dependencies", "web", "scheduler") for each in requirements(key)]
    pinned = pins("requirements.lock")

    assert len(wanted) > 6
    assert [str(each) for each in wanted if pinned.get(each.name, "none") not in each.specifier] == []
    assert [each.name for each in requirements("requires")] == ["hatchling"]
    assert "hatchling" in pins("build.lock")


def requirements(key: str) -> list[Requirement]:
    """Those of a list in pyproject.toml, without durakit's own extras."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    found = re.search(rf"^{key} = \[(.*?\]?)\]$", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return [
        Requirement(each) for each in re.findall(r'"([^"]+)"', found[1]) if not each.startswith("durakit[")
    ]


@pytest.mark.parametrize("name", ["requirements.lock", "build.lock"])
def test_every_pin_has_hashes(name: str) -> None:
    blocks = re.split(r"\n(?=\w)", (DOCKER / name).read_text("utf-8"))

    assert len(pins(name)) == len([block for block in blocks if "==" in block])
    assert all("--hash=sha256:" in block for block in blocks if "==" in block)


def pins(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([^ ;]+)", (DOCKER / name).read_text("utf-8"), re.MULTILINE))


# What is sent to whoever builds


def is_sent(path: str) -> bool:
    """Whether .dockerignore lets the path through: its last line that fits the path, or a folder of it."""
    sent = True
    parts = path.split("/")
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        rule = line.lstrip("!")
        if any(fits("/".join(parts[:n]), rule) for n in range(1, len(parts) + 1)):
            sent = line.startswith("!")
    return sent


def fits(path: str, rule: str) -> bool:
    if rule.startswith("**/"):
        return fnmatchcase(path.rsplit("/", 1)[-1], rule[3:])
    return path.count("/") == rule.count("/") and fnmatchcase(path, rule)


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".git/config",
        ".venv/bin/python",
        "samples/saga/.env",
        "samples/saga/output/bank.db",
        "samples/saga/.durakit/scheduler.db",
        "samples/saga/test_workflow.py",
        "shared/durakit/__pycache__/task.pyc",
        "tests/conftest.py",
        "infra/main.bicep",
        "id_rsa",
    ],
)
def test_what_is_no_part_of_the_image_stays_here(path: str) -> None:
    assert not is_sent(path)


def test_what_the_image_is_made_of_is_sent() -> None:
    copied = [
        source
        for _, stage in stages_of((DOCKER / "Dockerfile").read_text("utf-8")).items()
        for name, text in stage.steps
        if name == "COPY" and not text.startswith("--from")
        for source in text.split()[:-1]
    ]

    assert copied
    for source in copied:
        path = ROOT / source.replace("${SAMPLE}", "saga")
        assert path.exists()
        assert all(
            is_sent(str(each.relative_to(ROOT)))
            for each in (
                [path]
                if path.is_file()
                else [path / "__init__.py", path / "workflow.py", path / "data" / "x.csv"]
            )
        )


# Compose


COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]


def check_compose(file: Path) -> subprocess.CompletedProcess[str]:
    return run_linter("check-jsonschema", "--builtin-schema", "vendor.compose-spec", file)


def test_the_compose_file_fits_its_schema() -> None:
    done = check_compose(ROOT / "docker-compose.yml")

    assert done.returncode == 0, done.stdout


def test_the_schema_would_find_a_misspelt_key(tmp_path: Path) -> None:
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text((ROOT / "docker-compose.yml").read_text("utf-8").replace("depends_on", "depend_on"))

    assert check_compose(wrong).returncode == 1


def test_only_this_machine_reaches_the_ports() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert len(ports) >= 5
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert len({port.rsplit(":", 1)[0] for port in ports}) == len(ports), "both schedulers may run at once"


@pytest.mark.parametrize("prefix", ["", "emulator-"])
def test_worker_and_client_of_a_set_find_their_scheduler(prefix: str) -> None:
    worker, client = SERVICES[f"{prefix}worker"], SERVICES[f"{prefix}client"]
    scheduler = "emulator" if prefix else "scheduler"

    for program in (worker, client):
        assert program["environment"]["ENDPOINT"] == f"http://{scheduler}:8080"
        assert program.get("profiles") == (["emulator"] if prefix else None)
        assert program["build"]["target"] == "sample"
    assert worker["environment"]["TASKHUB"] == client["environment"]["TASKHUB"]
    assert list(worker["depends_on"]) == [scheduler]
    assert client["depends_on"] == {f"{prefix}worker": {"condition": "service_healthy"}}
    assert client["network_mode"] == f"service:{prefix}worker"
    assert client["environment"]["PROGRAM"] == "client"


def test_the_emulator_has_the_hub_that_its_programs_name() -> None:
    assert (
        SERVICES["emulator"]["environment"]["DTS_TASK_HUB_NAMES"]
        == SERVICES["emulator-worker"]["environment"]["TASKHUB"]
    )
    assert SERVICES["emulator"]["image"].startswith("mcr.microsoft.com/dts/dts-emulator:")


def test_data_are_kept_in_volumes_that_the_images_user_owns() -> None:
    stages = stages_of((DOCKER / "Dockerfile").read_text("utf-8"))
    mounted = {volume.split(":")[1] for service in SERVICES.values() for volume in service.get("volumes", [])}

    assert mounted == {"/data", "/app/output"}
    assert "--owner 10001 --group 10001 /data" in str(stages["scheduler"].steps)
    assert "--owner 10001 --group 10001 output" in str(stages["sample"].steps)


# The image's steps and entry points, in folders that stand in for it


@dataclass
class Image:
    """What `docker build` would have made, in folders of this machine."""

    folder: Path
    stages: dict[str, Stage]

    def place(self, text: str) -> str:
        """A text of the Dockerfile, its absolute paths in our folder."""
        return re.sub(r"(?<![\w.])/(opt/\w+|data|app)\b", lambda match: str(self.folder / match[1]), text)

    def environment(self, stage: str, **more: str) -> dict[str, str]:
        own = {name: self.place(value) for name, value in self.stages[stage].variables.items()}
        path = own.pop("PATH", "").replace("$PATH", "/usr/bin:/bin")
        return {"PATH": path or "/usr/bin:/bin", "HOME": str(self.folder), "LANG": "C.UTF-8", **own, **more}

    def build(self, context: Path) -> None:
        """The steps of the stage `build`, with an environment in place of the base image's Python."""
        subprocess.run([sys.executable, "-m", "venv", self.folder / "usr"], check=True)
        work = self.folder / "build"
        work.mkdir()
        variables = self.environment("build", PATH=f"{self.folder / 'usr/bin'}:/usr/bin:/bin")
        variables.update(
            {
                name: value
                for name, value in os.environ.items()
                if name.startswith(("PIP_", "UV_")) or name.endswith("_PROXY")
            }
        )
        for name, text in self.stages["build"].steps:
            if name == "COPY":
                *sources, target = text.split()
                for source in sources:
                    copy(context / source, work / target)
            elif name == "RUN":
                output_of(["sh", "-c", self.place(text)], work, variables)

    def running(
        self, stage: str, cwd: Path, *arguments: str, **more: str
    ) -> AbstractContextManager[subprocess.Popen[str]]:
        command = [*self.stages[stage].command("ENTRYPOINT"), *arguments]
        return running(command, cwd, self.environment(stage, **more))


def copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "output", ".*"))
    else:
        shutil.copy(source, target)


@pytest.mark.skipif(not os.environ.get("DURAKIT_REQUIRE_ALL"), reason="installs anew, with --all only")
def test_what_the_image_installs_runs_scheduler_worker_and_client(tmp_path: Path) -> None:
    image = Image(tmp_path, stages_of((DOCKER / "Dockerfile").read_text("utf-8")))
    image.build(ROOT)
    shutil.copytree(
        ROOT / "samples/function_chaining", tmp_path / "app", ignore=shutil.ignore_patterns("output", ".*")
    )
    (tmp_path / "data").mkdir()
    check = image.stages["sample"].command("HEALTHCHECK")
    closed = subprocess.run(
        image.stages["scheduler"].command("ENTRYPOINT"),
        env=image.environment("scheduler"),
        cwd=tmp_path / "data",
        capture_output=True,
        text=True,
        check=False,
    )
    assert closed.returncode == 2
    assert "lets other machines in, and there is no token" in closed.stderr
    anywhere = {"DURAKIT_HOST": "127.0.0.1", "DURAKIT_GRPC_PORT": "0", "DURAKIT_DASHBOARD_PORT": "0"}

    with image.running("scheduler", tmp_path / "data", **anywhere) as scheduler:
        ready = read_until(scheduler, "durakit is ready")[-1]
        endpoint = re.findall(r"gRPC (\S+),", ready)[0]
        there = {"ENDPOINT": endpoint, "TASKHUB": "default", "DURAKIT_HEALTH_PORT": free_port()}
        with image.running("sample", tmp_path / "app", **there) as worker:
            read_until(worker, "worker ready")
            well = subprocess.run(
                check, env=image.environment("sample", **there), cwd=tmp_path / "app", check=False
            )
            with image.running("sample", tmp_path / "app", **there, PROGRAM="client") as client:
                read_until(client, "56 orders worth")
                assert client.wait(TIMEOUT_SECONDS) == 0
        assert worker.returncode == 0, "it stops on the container's SIGTERM"
        assert well.returncode == 0
    assert scheduler.returncode == 0
    ill = subprocess.run(check, env=image.environment("sample", **there), cwd=tmp_path / "app", check=False)
    assert ill.returncode == 1, "nobody answers any more"
    assert (tmp_path / "data/scheduler.db").exists()


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])
