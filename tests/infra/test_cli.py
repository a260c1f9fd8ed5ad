"""infra/cli from end to end, against a stand-in for `az` that knows its flags and answers like Azure."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from . import stub_az

ROOT = Path(__file__).resolve().parents[2]
CLI = ROOT / "infra" / "cli"
SCRIPTS = ["deploy.sh", "what-if.sh", "run-client.sh", "env.sh", "teardown.sh", "preflight.sh"]
WHERE = ("--name", "orders", "--location", "westeurope")
ME = ("--allow-ip", "203.0.113.7")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="bash; PowerShell has its own scripts")


@dataclass
class Machine:
    """Somebody's machine with az on it, and the subscription behind."""

    folder: Path

    @property
    def _state(self) -> Path:
        return self.folder / "azure.json"

    @property
    def azure(self) -> Any:
        return json.loads(self._state.read_text("utf-8"))

    def has(self, **changes: Any) -> None:
        self._state.write_text(json.dumps({**self.azure, **changes}), "utf-8")

    def run(
        self, script: str, *arguments: str, typed: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a script of infra/cli, with nothing but az and what every system has on the path."""
        return subprocess.run(
            [CLI / script, *arguments],
            cwd=self.folder,
            env={
                "PATH": f"{self.folder / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin",
                "HOME": str(self.folder),
                "STUB_AZ": str(self._state),
                "DURAKIT_RETRY_SECONDS": "0",
                **variables,
            },
            input=typed,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def deploy(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = self.run("deploy.sh", *WHERE, *ME, *arguments)
        assert done.returncode == 0, done.stderr
        return done

    @property
    def changes(self) -> list[str]:
        """The commands that changed Azure, without their flags."""
        reading = ("show", "list", "exists", "version", "rest", "what-if", "query")
        words = [stub_az.parse(list(call))[0] for call in self.azure["calls"]]
        return [
            each for each in words if each.split()[-1] not in reading and not each.startswith("extension")
        ]

    def call(self, command: str, number: int = 0) -> stub_az.Flags:
        """The flags of a call."""
        parsed = [stub_az.parse(list(call)) for call in self.azure["calls"]]
        return [flags for name, flags, _ in parsed if name == command][number]

    def parameters(self, number: int) -> dict[str, str]:
        """Those of a deployment."""
        return dict(each.split("=", 1) for each in self.call("deployment sub create", number)["parameters"])

    def resources(self, group: str = "rg-orders") -> list[str]:
        return [each["name"] for each in self.azure["groups"][group]["resources"]]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "bin").mkdir()
    az = tmp_path / "bin" / "az"
    # As a module, whose bytecode is kept: some tests call it forty times.
    here = str(Path(stub_az.__file__).parent)
    code = f"import sys; sys.path.insert(0, {here!r}); import stub_az; stub_az.main()"
    az.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -I -c {shlex.quote(code)} "$@"\n')
    az.chmod(0o755)
    (tmp_path / "azure.json").write_text(json.dumps(stub_az.new_state()))
    return Machine(tmp_path)


# What every script has


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_names_the_usage_and_the_exit_codes_and_needs_no_azure(machine: Machine, script: str) -> None:
    done = machine.run(script, "--help")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: infra/cli/{script}")
    assert "exit codes: 0 " in done.stdout
    assert machine.azure["calls"] == []


@pytest.mark.parametrize("script", SCRIPTS[:-1])
def test_unknown_options_and_missing_values_are_wrong_usage(machine: Machine, script: str) -> None:
    for arguments, said in [
        (("--nmae", "x"), "There is no option --nmae."),
        (("--name",), "--name wants a value."),
        (("--name", "--yes"), "--name wants a value."),
        ((), "--name is not set; give the environment a name, such as orders."),
    ]:
        done = machine.run(script, *arguments)

        assert done.returncode == 2
        assert f"{script}: {said}" in done.stderr
        assert "stopped at line" not in done.stderr
    assert machine.azure["calls"] == []


@pytest.mark.parametrize("script", SCRIPTS[:-1])
def test_az_is_needed_in_a_version_that_knows_the_scheduler(machine: Machine, script: str) -> None:
    arguments = (*WHERE, *ME) if script in ("deploy.sh", "what-if.sh") else WHERE[:2]
    machine.has(version="2.74.1")

    old = machine.run(script, *arguments)
    (machine.folder / "bin" / "az").unlink()
    none = machine.run(script, *arguments)

    assert (old.returncode, none.returncode) == (1, 1)
    assert f"{script}: az is version 2.74.1; 2.75 or newer is needed: az upgrade" in old.stderr
    assert f"{script}: There is no az; install the Azure CLI: https://" in none.stderr


@pytest.mark.parametrize("script", SCRIPTS[:-1])
def test_who_is_not_logged_in_is_told_to(machine: Machine, script: str) -> None:
    machine.has(
        faults=[{"command": "account show", "stderr": "ERROR: Please run 'az login' to setup account."}]
    )
    arguments = (*WHERE, *ME) if script in ("deploy.sh", "what-if.sh") else WHERE[:2]

    done = machine.run(script, *arguments)

    assert done.returncode == 1
    assert done.stderr.endswith(f"{script}: Azure does not know you. Log in: az login.\n")


# deploy: worker and client


def test_deploying_makes_resources_then_the_image_then_worker_and_client(machine: Machine) -> None:
    done = machine.deploy("--sample", "fan_out_fan_in")

    assert machine.changes[-3:] == ["deployment sub create", "acr build", "deployment sub create"]
    assert [machine.parameters(n)["deployApps"] for n in (0, 1)] == ["false", "true"]
    assert machine.parameters(0)["image"] == ""
    assert machine.parameters(1)["image"] == machine.azure["images"][0]
    assert machine.azure["images"][0].startswith("crx7.azurecr.io/fan_out_fan_in:")
    assert machine.call("acr build")["build-arg"] == ["SAMPLE=fan_out_fan_in"]
    expected = {
        "environmentName": "orders",
        "location": "westeurope",
        "sample": "fan_out_fan_in",
        "taskHubName": "fan-out-fan-in",
        "schedulerSku": "Consumption",
        "retentionDays": "30",
        "ipAllowlist": "203.0.113.7",
        "principalId": machine.azure["object_id"],
        "principalType": "User",
    }
    assert expected.items() <= machine.parameters(1).items()
    assert (
        "ENDPOINT   https://dts-x7-x7.westeurope.durabletask.io\nTASKHUB    fan-out-fan-in\n" in done.stderr
    )
    assert done.stderr.endswith("next: infra/cli/run-client.sh --name orders\n")


def test_every_option_reaches_its_parameter(machine: Machine) -> None:
    machine.deploy(
        *("--allow-ip", "2001:db8::/32", "--sku", "Dedicated", "--capacity", "3", "--retention-days", "90"),
        *("--task-hub", "mine", "--private-endpoint", "--app-insights", "--client", "app"),
        *("--work-items", "Orchestration,Entity", "--worker-role", "Durable Task Worker"),
        *("--min-replicas", "1", "--max-replicas", "4", "--client-arguments", "--fast --seed 7"),
    )

    assert {
        "ipAllowlist": "203.0.113.7,2001:db8::/32",
        "schedulerSku": "Dedicated",
        "schedulerCapacity": "3",
        "retentionDays": "90",
        "taskHubName": "mine",
        "privateEndpoint": "true",
        "applicationInsights": "true",
        "clientKind": "app",
        "workItemTypes": "Orchestration,Entity",
        "workerRole": "Durable Task Worker",
        "minReplicas": "1",
        "maxReplicas": "4",
        "clientArguments": "--fast --seed 7",
    }.items() <= machine.parameters(1).items()


def test_deploying_again_makes_nothing_twice(machine: Machine) -> None:
    machine.deploy()
    before = machine.resources()

    machine.deploy()

    assert machine.resources() == before
    assert machine.changes.count("provider register") == 3, "once for a subscription"


def test_a_run_that_was_interrupted_is_finished_by_the_next(machine: Machine) -> None:
    machine.has(faults=[{"command": "acr build", "stderr": "ERROR: the connection was reset"}])
    failed = machine.run("deploy.sh", *WHERE, *ME)
    assert failed.returncode == 1
    assert "deploy.sh: az acr build failed. Once that is corrected, run this again" in failed.stderr
    assert "stopped at line" not in failed.stderr
    assert "ca-worker-x7" not in machine.resources()

    machine.deploy()

    assert {"ca-worker-x7", "caj-client-x7"} <= set(machine.resources())


def test_what_roles_and_identities_need_time_for_is_tried_again(machine: Machine) -> None:
    lag = {
        "command": "deployment sub create",
        "stderr": "ERROR: (PrincipalNotFound) Principal x does not exist.",
    }
    machine.has(faults=[lag, lag])

    done = machine.deploy()

    assert done.stderr.count("Azure does not know everything yet; trying again") == 2
    assert machine.changes.count("deployment sub create") == 4


def test_it_does_not_try_for_ever(machine: Machine) -> None:
    lag = {
        "command": "deployment sub create",
        "stderr": "ERROR: (PrincipalNotFound) Principal x does not exist.",
    }
    machine.has(faults=[lag] * 9)

    done = machine.run("deploy.sh", *WHERE, *ME)

    assert done.returncode == 1
    assert machine.changes.count("deployment sub create") == 5
    assert "(PrincipalNotFound)" in done.stderr


@pytest.mark.parametrize(
    ("stderr", "advice"),
    [
        (
            "ERROR: (QuotaExceeded) 5 of 5 task hubs",
            "tear an environment down, take another region, or --sku",
        ),
        (
            "ERROR: (AuthorizationFailed) may not write",
            "You need Owner, or Contributor and Role Based Access",
        ),
        ("ERROR: (AlreadyExists) The registry crx7", "The name is taken; choose another --name."),
        ("ERROR: (DeploymentActive) is running", "wait for its end, then run this again."),
        ("ERROR: (RequestDisallowedByPolicy) no", "A policy of your organisation forbids it"),
        ("ERROR: (TasksOperationsNotAllowed) no", "does not let this subscription build images"),
        ("ERROR: AADSTS70043: The refresh token has expired", "Log in: az login."),
    ],
)
def test_a_failure_ends_with_azures_words_and_the_correction(
    machine: Machine, stderr: str, advice: str
) -> None:
    machine.has(faults=[{"command": "deployment sub create", "stderr": stderr}])

    done = machine.run("deploy.sh", *WHERE, *ME)

    assert done.returncode == 1
    *_, words, last = done.stderr.splitlines()
    assert words == stderr
    assert last.startswith("deploy.sh: az deployment sub failed.".replace(" sub", " sub"))
    assert advice in last


def test_a_dry_run_tells_every_change_and_makes_none(machine: Machine) -> None:
    done = machine.run("deploy.sh", *WHERE, *ME, "--dry-run")

    assert done.returncode == 0, done.stderr
    told = [shlex.split(line)[1:] for line in done.stdout.splitlines()]
    assert [stub_az.parse(call)[0] for call in told][-3:] == [
        "deployment sub create",
        "acr build",
        "deployment sub create",
    ]
    assert machine.changes == []
    assert done.stderr.endswith("Nothing was changed: --dry-run.\n")


def test_a_principal_of_a_pipeline_is_named_as_such(machine: Machine) -> None:
    machine.has(user={"type": "servicePrincipal", "name": "app-id"})

    machine.deploy()

    assert machine.call("ad sp show")["id"] == ["app-id"]
    assert machine.parameters(0)["principalType"] == "ServicePrincipal"


def test_a_directory_that_does_not_tell_who_you_are_is_no_hindrance(machine: Machine) -> None:
    machine.has(object_id=None)

    done = machine.deploy()

    assert "Note: the directory does not tell who you are" in done.stderr
    assert machine.parameters(0)["principalId"] == ""


def test_another_subscription_is_used_without_being_made_the_default(machine: Machine) -> None:
    machine.deploy("--subscription", "Team B")

    assert machine.call("account show")["subscription"] == ["Team B"]
    assert machine.call("deployment sub create")["subscription"] == [stub_az.SUBSCRIPTION]


# deploy: caught before anything is created


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--name", "a" * 61), "--name has 61 characters; write 60 at most."),
        (("--name", "my_env"), "--name is 'my_env'; write letters, digits and, between them, dashes."),
        (
            ("--location", "eu/west"),
            "--location is 'eu/west'; write a region as Azure does, such as westeurope.",
        ),
        (("--sample", "chaining"), "--sample is 'chaining', which is no sample; there are: ai_agent, async_"),
        (("--sample", "../samples/saga"), "--sample is '../samples/saga', which is no sample;"),
        (
            ("--sample", "versioning"),
            "versioning cannot run in Azure, because it needs a worker of each release. "
            "Deploy with --scheduler-only and run its worker and client here.",
        ),
        (
            ("--allow-ip", "my.host"),
            "--allow-ip has 'my.host'; write an address such as 203.0.113.7, or a range",
        ),
        (("--allow-ip", "1.2.3.4/33"), "what follows the slash is a number from 0 to 32."),
        (("--allow-ip", "192.168.1.4"), "an address of your own network; write the public one"),
        (("--sku", "consumption"), "--sku is 'consumption'; write Consumption or Dedicated."),
        (
            ("--capacity", "2"),
            "--capacity is '2', and Consumption has no capacity; leave it out, or add --sku Ded",
        ),
        (("--sku", "Dedicated", "--capacity", "4"), "--capacity is '4'; write 1, 2 or 3."),
        (("--retention-days", "31"), "Consumption keeps ended orchestrations for 1 to 30 days."),
        (("--retention-days", "a week"), "--retention-days is 'a week'; Consumption keeps"),
        (("--task-hub", "a.b"), "--task-hub is 'a.b'; write 3 to 64 letters, digits and dashes."),
        (("--client", "page"), "--client is 'page'; write app or job."),
        (("--work-items", "Timers"), "--work-items is 'Timers'; write Orchestration,Activity or"),
        (("--worker-role", "Owner"), "--worker-role is 'Owner'; write 'Durable Task Data Contributor' or"),
        (
            ("--min-replicas", "5", "--max-replicas", "2"),
            "--min-replicas is 5, more than --max-replicas, which",
        ),
        (
            ("--project", "/nowhere"),
            "--project is '/nowhere', which has no Dockerfile; name a folder made by",
        ),
        (
            ("--scheduler-only", "--app-insights"),
            "--app-insights says something about worker and client, which",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_options_are_told_before_azure_is_asked(
    machine: Machine, arguments: tuple[str, ...], said: str
) -> None:
    done = machine.run("deploy.sh", *WHERE, *ME, *arguments)

    assert done.returncode == 2
    assert said in done.stderr
    assert machine.azure["calls"] == []


def test_everything_that_is_wrong_is_told_at_once(machine: Machine) -> None:
    done = machine.run("deploy.sh", "--name", "a b", "--allow-ip", "x", "--sku", "y")

    assert done.returncode == 2
    assert [line.split()[1] for line in done.stderr.splitlines()] == [
        "--name",
        "--location",
        "--allow-ip",
        "--sku",
    ]


def test_a_region_without_the_scheduler_is_refused_with_those_that_have_it(machine: Machine) -> None:
    done = machine.run("deploy.sh", "--name", "orders", "--location", "Germany North", *ME)

    assert done.returncode == 2
    assert "--location is 'germanynorth', which has no Durable Task Scheduler; these have: " in done.stderr
    assert "eastus2, northeurope, westeurope." in done.stderr
    assert machine.changes == []


@pytest.mark.parametrize(
    ("roles", "is_enough"),
    [
        (["Owner"], True),
        (["Contributor", "User Access Administrator"], True),
        (["Contributor", "Role Based Access Control Administrator"], True),
        (["Contributor"], False),
        (["User Access Administrator"], False),
        ([], False),
    ],
)
def test_roles_that_do_not_suffice_are_told_before_anything_is_created(
    machine: Machine, roles: list[str], is_enough: bool
) -> None:
    machine.has(roles=roles)

    done = machine.run("deploy.sh", *WHERE, *ME)

    assert done.returncode == (0 if is_enough else 2)
    if not is_enough:
        assert (
            f"On this subscription you have {', '.join(roles) or 'no role'}. Deploying needs Owner"
            in done.stderr
        )
        assert machine.changes == []


def test_who_has_a_role_of_their_own_may_skip_that_check(machine: Machine) -> None:
    machine.has(roles=["Our deployers"])

    machine.deploy("--skip-role-check")


def test_a_group_that_is_not_ours_is_left_alone(machine: Machine) -> None:
    machine.has(groups={"rg-orders": {"location": "westeurope", "tags": {}, "resources": []}})

    deployed = machine.run("deploy.sh", *WHERE, *ME)
    torn_down = machine.run("teardown.sh", "--name", "orders", "--yes")

    assert (
        "rg-orders exists and is not an environment of these scripts; choose another --name."
        in deployed.stderr
    )
    assert "rg-orders was not made for the environment orders" in torn_down.stderr
    assert machine.changes == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--location", "northeurope"),
            "The environment orders is in westeurope; write --location westeurope, or",
        ),
        (
            ("--sample", "saga"),
            "The environment orders has function_chaining, and one environment has one sample",
        ),
        (
            ("--scheduler-only",),
            "The environment orders has worker and client in Azure; choose another --name",
        ),
    ],
)
def test_an_environment_stays_what_it_is(machine: Machine, arguments: tuple[str, ...], said: str) -> None:
    machine.deploy()
    before = machine.changes

    done = machine.run("deploy.sh", *WHERE, *ME, *arguments)

    assert done.returncode == 2
    assert said in done.stderr
    assert machine.changes == before


# deploy: a project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "My_Reports"
    folder.mkdir()
    for name in ("Dockerfile", "worker.py", "client.py"):
        (folder / name).touch()
    (folder / "README.md").write_text("# My_Reports\n\nMade with `durakit new async_http_api`.\n")
    return folder


def test_a_project_has_its_own_image_and_the_needs_of_the_sample_it_was_made_from(
    machine: Machine, project: Path
) -> None:
    machine.deploy("--project", "My_Reports")

    given = machine.parameters(1)
    assert (given["sample"], given["project"], given["taskHubName"]) == (
        "async_http_api",
        "my-reports",
        "my-reports",
    )
    assert machine.azure["images"][0].startswith("crx7.azurecr.io/my-reports:")
    assert "ca-client-x7" in machine.resources(), "a page, as in the sample"
    assert machine.azure["calls"][-1][0] == "rest"
    assert str(project) in next(call for call in machine.azure["calls"] if call[:2] == ["acr", "build"])


def test_an_image_is_named_after_its_commit_and_the_time_if_there_is_more(
    machine: Machine, project: Path
) -> None:
    """An app takes up a new image by its new name only."""
    git = ["git", "-C", str(project), "-c", "user.name=Jo", "-c", "user.email=jo@example.com"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "All"]):
        subprocess.run([*git, *words], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout[
        :12
    ]

    machine.deploy("--project", str(project))
    (project / "worker.py").write_text("changed = True\n")
    machine.deploy("--project", str(project))

    committed, changed = [image.rpartition(":")[2] for image in machine.azure["images"]]
    assert committed == commit
    assert re.fullmatch(rf"{commit}-\d{{14}}", changed)


def test_a_project_that_tells_no_sample_has_the_defaults(machine: Machine, project: Path) -> None:
    (project / "README.md").unlink()

    machine.deploy("--project", str(project))

    assert machine.parameters(0)["sample"] == "my-reports"
    assert "caj-client-x7" in machine.resources()


def test_a_project_made_from_a_sample_that_stays_at_home_does_too(machine: Machine, project: Path) -> None:
    done = machine.run("deploy.sh", *WHERE, *ME, "--project", str(project), "--sample", "monitoring")

    assert done.returncode == 2
    assert "monitoring cannot run in Azure" in done.stderr


# deploy: the scheduler only


def test_scheduler_only_makes_scheduler_hub_retention_and_a_role_on_the_hub(machine: Machine) -> None:
    done = machine.deploy("--scheduler-only", "--allow-ip", "2001:db8::/32")

    assert machine.changes == [
        "provider register",
        "group create",
        "durabletask scheduler create",
        "durabletask taskhub create",
        "durabletask retention-policy create",
        "role assignment create",
    ]
    assert machine.call("durabletask scheduler create")["ip-allowlist"] == ["203.0.113.7", "2001:db8::/32"]
    ((_, role, scope),) = machine.azure["assignments"]
    assert role == "Durable Task Data Contributor"
    assert scope.endswith("/schedulers/dts-orders/taskHubs/default")
    assert 'eval "$(infra/cli/env.sh --name orders)"' in done.stderr


def test_scheduler_only_again_updates_the_list_and_keeps_the_rest(machine: Machine) -> None:
    machine.deploy("--scheduler-only")
    before = len(machine.changes)

    machine.deploy("--scheduler-only", "--allow-ip", "198.51.100.9", "--sample", "versioning")

    assert machine.changes[before:] == [
        "group create",
        "durabletask scheduler update",
        "durabletask taskhub create",
        "durabletask retention-policy create",
        "role assignment create",
    ]
    scheduler = machine.azure["groups"]["rg-orders"]["resources"][0]
    assert scheduler["properties"]["ipAllowlist"] == ["203.0.113.7", "198.51.100.9"]
    assert scheduler["hubs"] == ["default", "versioning"]


def test_scheduler_only_goes_on_where_an_earlier_run_failed(machine: Machine) -> None:
    fault = {"command": "durabletask taskhub create", "stderr": "ERROR: (QuotaExceeded) 5 of 5 task hubs"}
    machine.has(faults=[fault])
    failed = machine.run("deploy.sh", *WHERE, *ME, "--scheduler-only")
    assert failed.returncode == 1
    assert "5 task hubs for each region" in failed.stderr

    machine.deploy("--scheduler-only")

    assert machine.changes.count("durabletask scheduler create") == 1
    assert machine.azure["assignments"]


def test_scheduler_only_lets_somebody_in(machine: Machine) -> None:
    done = machine.run("deploy.sh", *WHERE, "--scheduler-only")

    assert done.returncode == 2
    assert "--scheduler-only without --allow-ip would let nobody in" in done.stderr


def test_a_dedicated_scheduler_has_a_capacity(machine: Machine) -> None:
    machine.deploy("--scheduler-only", "--sku", "Dedicated")

    assert machine.call("durabletask scheduler create")["sku-capacity"] == ["1"]


# what-if


def test_what_if_asks_for_the_same_deployment_and_changes_nothing(machine: Machine) -> None:
    done = machine.run("what-if.sh", *WHERE, *ME)

    assert done.returncode == 0, done.stderr
    assert "deployApps=true" in machine.call("deployment sub what-if")["parameters"]
    assert machine.changes == []


def test_what_if_of_a_scheduler_alone_is_the_list_of_commands(machine: Machine) -> None:
    done = machine.run("what-if.sh", *WHERE, *ME, "--scheduler-only")

    assert done.returncode == 0, done.stderr
    assert "az durabletask scheduler create --resource-group rg-orders --name dts-orders" in done.stdout
    assert machine.changes == []


# env


@pytest.mark.parametrize(
    ("form", "printed"),
    [
        ("sh", "export ENDPOINT='{0}'\nexport TASKHUB='default'\n"),
        ("dotenv", "ENDPOINT={0}\nTASKHUB=default\n"),
        ("powershell", "$env:ENDPOINT = '{0}'\n$env:TASKHUB = 'default'\n"),
    ],
)
def test_env_prints_what_programs_read(machine: Machine, form: str, printed: str) -> None:
    machine.deploy("--scheduler-only")

    done = machine.run("env.sh", "--name", "orders", "--format", form)

    assert done.returncode == 0, done.stderr
    assert done.stdout == printed.format("https://dts-orders-x7.westeurope.durabletask.io")


def test_env_asks_which_hub_if_there_are_several(machine: Machine) -> None:
    machine.deploy("--scheduler-only")
    machine.deploy("--scheduler-only", "--task-hub", "second")

    unclear = machine.run("env.sh", "--name", "orders")
    clear = machine.run("env.sh", "--name", "orders", "--task-hub", "second")
    wrong = machine.run("env.sh", "--name", "orders", "--task-hub", "third")

    assert (unclear.returncode, clear.returncode, wrong.returncode) == (1, 0, 1)
    assert "has several task hubs; say which: --task-hub default|second" in unclear.stderr
    assert "TASKHUB='second'" in clear.stdout
    assert "has no task hub third" in wrong.stderr
    assert unclear.stdout == "", "nothing that eval would take"


@pytest.mark.parametrize("script", ["env.sh", "run-client.sh"])
def test_an_environment_that_is_not_there_is_told_so(machine: Machine, script: str) -> None:
    done = machine.run(script, "--name", "nowhere")

    assert done.returncode == 1
    assert (
        "There is no environment nowhere in this subscription (no resource group rg-nowhere)" in done.stderr
    )
    assert "stopped at line" not in done.stderr


def test_azure_failing_midway_is_no_empty_answer(machine: Machine) -> None:
    machine.deploy("--scheduler-only")
    machine.has(faults=[{"command": "group exists", "stderr": "ERROR: gateway timeout"}])

    done = machine.run("env.sh", "--name", "orders")

    assert done.returncode == 1
    assert "ERROR: gateway timeout\nenv.sh: az group exists failed." in done.stderr


# run-client


def test_run_client_starts_the_job_waits_and_prints_its_output(machine: Machine) -> None:
    machine.deploy()

    done = machine.run("run-client.sh", "--name", "orders")

    assert done.returncode == 0, done.stderr
    assert done.stdout == "Started order report 1\n56 orders\n"
    assert "'caj-client-x7-run1'" in machine.call("monitor log-analytics query")["analytics-query"][0]


def test_run_client_fails_as_the_job_does_after_its_output(machine: Machine) -> None:
    machine.deploy()
    machine.has(job=["Processing", "Failed"])

    done = machine.run("run-client.sh", "--name", "orders")

    assert done.returncode == 1
    assert done.stdout.endswith("56 orders\n")
    assert done.stderr.endswith("run-client.sh: The job's run caj-client-x7-run1 ended with Failed.\n")


def test_run_client_prints_the_address_of_a_page(machine: Machine) -> None:
    machine.deploy("--sample", "async_http_api")

    done = machine.run("run-client.sh", "--name", "orders")

    assert done.stdout == "https://client.example.net\n"


def test_run_client_here_talks_to_the_scheduler_in_azure(machine: Machine, tmp_path: Path) -> None:
    machine.deploy("--scheduler-only")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "client.py").write_text(
        "import os, sys\nprint(os.environ['ENDPOINT'], os.environ['TASKHUB'], sys.argv[1:])\n"
    )

    done = machine.run(
        "run-client.sh", "--name", "orders", "--local", "--project", "mine", "--", "--all", "a b"
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout == "https://dts-orders-x7.westeurope.durabletask.io default ['--all', 'a b']\n"


def test_run_client_says_what_to_do_without_a_client(machine: Machine) -> None:
    machine.deploy("--scheduler-only")

    there = machine.run("run-client.sh", "--name", "orders")
    here = machine.run("run-client.sh", "--name", "orders", "--local")
    odd = machine.run("run-client.sh", "--name", "orders", "--", "--fast")

    assert "has no client in Azure; add --local to run it here, or deploy.sh first." in there.stderr
    assert "has no sample; say whose client: --sample or --project." in here.stderr
    assert "arguments of client.py go with --local" in odd.stderr
    assert (there.returncode, here.returncode, odd.returncode) == (1, 2, 2)


def test_run_client_tells_where_a_late_log_can_be_read(machine: Machine) -> None:
    machine.deploy()
    machine.has(logs=[[]] * 20)

    done = machine.run("run-client.sh", "--name", "orders")

    assert done.returncode == 0
    assert (
        "No output has arrived yet; later: az monitor log-analytics query --workspace workspace-1"
        in done.stderr
    )


# teardown


def test_teardown_deletes_after_the_name_was_typed(machine: Machine) -> None:
    machine.deploy()

    refused = machine.run("teardown.sh", "--name", "orders", typed="yes\n")
    silent = machine.run("teardown.sh", "--name", "orders")
    assert (refused.returncode, silent.returncode) == (1, 1)
    assert "Nothing was deleted: that is not its name." in refused.stderr
    assert "rg-orders" in machine.azure["groups"]
    done = machine.run("teardown.sh", "--name", "orders", typed="orders\n")

    assert done.returncode == 0, done.stderr
    assert "Microsoft.DurableTask/schedulers\tdts-x7" in done.stderr
    assert "the history of all its orchestrations" in done.stderr
    assert machine.azure["groups"] == {}


def test_teardown_again_has_nothing_to_do(machine: Machine) -> None:
    done = machine.run("teardown.sh", "--name", "orders", "--yes")

    assert (done.returncode, machine.changes) == (0, [])
    assert "There is no environment orders; nothing to delete." in done.stderr


def test_teardown_without_waiting_and_as_a_dry_run(machine: Machine) -> None:
    machine.deploy("--scheduler-only")

    told = machine.run("teardown.sh", "--name", "orders", "--dry-run")
    assert "az group delete --name rg-orders --yes" in told.stdout
    assert "rg-orders" in machine.azure["groups"]
    machine.run("teardown.sh", "--name", "orders", "--yes", "--no-wait")

    assert "no-wait" in machine.call("group delete")
    assert machine.azure["groups"] == {}


# preflight, which azd calls

GOOD = {"AZURE_ENV_NAME": "orders", "AZURE_LOCATION": "westeurope"}


def test_preflight_is_content_with_azds_two_variables(machine: Machine) -> None:
    done = machine.run("preflight.sh", **GOOD)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("AZURE_ENV_NAME", "", "AZURE_ENV_NAME is not set; give the environment a name, such as orders."),
        ("AZURE_LOCATION", "", "AZURE_LOCATION is not set; name a region, such as westeurope."),
        (
            "AZURE_LOCATION",
            "germanynorth",
            "AZURE_LOCATION is 'germanynorth', which has no Durable Task Scheduler",
        ),
        ("SAMPLE", "nothing", "SAMPLE is 'nothing', which is no sample; there are: "),
        ("SAMPLE", "monitoring", "monitoring cannot run in Azure"),
        (
            "IP_ALLOWLIST",
            "203.0.113.7, 10.0.0.1",
            "IP_ALLOWLIST has '10.0.0.1', an address of your own network",
        ),
        (
            "RETENTION_DAYS",
            "60",
            "RETENTION_DAYS is '60'; Consumption keeps ended orchestrations for 1 to 30",
        ),
        ("PRIVATE_ENDPOINT", "yes", "PRIVATE_ENDPOINT is 'yes'; write true or false."),
        ("MAX_REPLICAS", "0", "MAX_REPLICAS is '0'; write a number from 1 to 1000."),
        ("ENDPOINT", "https://x.durabletask.io/hub", "with a path; write https://x.durabletask.io."),
        (
            "ENDPOINT",
            "Endpoint=https://x;TaskHub=y",
            "ENDPOINT is a whole connection string; write its Endpoint",
        ),
        ("ENDPOINT", "https://dashboard.durabletask.io/x", "ENDPOINT is the address of Azure's dashboard;"),
    ],
)
def test_preflight_tells_what_is_wrong_with_azds_variables(
    machine: Machine, variable: str, value: str, said: str
) -> None:
    done = machine.run("preflight.sh", **{**GOOD, variable: value})

    assert done.returncode == 2
    assert f"preflight.sh: {said}" in done.stderr or said in done.stderr


def test_preflight_does_without_az(machine: Machine) -> None:
    (machine.folder / "bin" / "az").unlink()

    assert machine.run("preflight.sh", **GOOD).returncode == 0


# The scripts and the files beside them


def test_reasons_to_stay_at_home_are_read_as_json_reads_them() -> None:
    expected = json.loads((ROOT / "infra" / "samples.json").read_text("utf-8"))["atHome"]
    script = f'. {CLI}/lib/check.sh; for s in "$@"; do reason_to_stay_at_home {ROOT} "$s"; done'
    found = subprocess.run(["sh", "-c", script, "sh", *expected], capture_output=True, text=True, check=True)

    assert found.stdout.splitlines() == list(expected.values())


def commands_of(script: Path) -> Iterator[str]:
    yield from script.read_text("utf-8").splitlines()


def test_the_api_version_is_that_of_the_templates() -> None:
    template = (ROOT / "infra" / "modules" / "scheduler.bicep").read_text("utf-8")
    lines = list(commands_of(CLI / "lib" / "azure.sh"))
    (version,) = [line.split("=")[1].split()[0] for line in lines if line.startswith("readonly api_version")]

    assert f"schedulers@{version}'" in template
