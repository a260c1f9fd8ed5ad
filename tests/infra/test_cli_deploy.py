"""deploy.sh: what it makes in Azure, of a sample, of a project and of the scheduler alone."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from . import stub_az
from .machine import ME, WHERE, Machine, needs_bash

pytestmark = needs_bash

LAG = {
    "command": "deployment sub create",
    "stderr": "ERROR: (PrincipalNotFound) Principal x does not exist.",
}
"""What Azure says of an identity that has not yet arrived everywhere."""

# worker and client


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
    machine.has(faults=[LAG] * 2)

    done = machine.deploy()

    assert done.stderr.count("Azure does not know everything yet; trying again") == 2
    assert machine.changes.count("deployment sub create") == 4


def test_it_does_not_try_for_ever(machine: Machine) -> None:
    machine.has(faults=[LAG] * 9)

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
    assert last.startswith("deploy.sh: az deployment sub failed.")
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


# a project


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
    commit = subprocess.check_output([*git, "rev-parse", "--short=12", "HEAD"], text=True).strip()

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


# the scheduler only


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
