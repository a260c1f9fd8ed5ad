"""deploy.sh: what is wrong is caught before anything is created."""

from __future__ import annotations

import pytest

from .machine import ME, WHERE, Machine, needs_bash

pytestmark = needs_bash


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
            ("--sample", "embedded_app"),
            "embedded_app cannot run in Azure, because it has no worker.py, scheduler and worker are",
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
        (("--client-arguments",), "--client-arguments wants a value."),
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
