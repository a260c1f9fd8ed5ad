"""infra/cli from end to end, against a stand-in for `az` that knows its flags and answers like Azure.

`test_cli_deploy` and `test_cli_deploy_checks` are about deploy.sh.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from .machine import CLI, ME, ROOT, WHERE, Machine, needs_bash

SCRIPTS = ["deploy.sh", "what-if.sh", "run-client.sh", "env.sh", "teardown.sh", "preflight.sh"]

pytestmark = needs_bash

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
    assert said in done.stderr


def test_preflight_does_without_az(machine: Machine) -> None:
    (machine.folder / "bin" / "az").unlink()

    assert machine.run("preflight.sh", **GOOD).returncode == 0


# The scripts and the files beside them


def test_reasons_to_stay_at_home_are_read_as_json_reads_them() -> None:
    expected = json.loads((ROOT / "infra" / "samples.json").read_text("utf-8"))["atHome"]
    script = f'. {CLI}/lib/check.sh; for s in "$@"; do reason_to_stay_at_home {ROOT} "$s"; done'
    found = subprocess.run(["sh", "-c", script, "sh", *expected], capture_output=True, text=True, check=True)

    assert found.stdout.splitlines() == list(expected.values())


def test_the_api_version_is_that_of_the_templates() -> None:
    template = (ROOT / "infra" / "modules" / "scheduler.bicep").read_text("utf-8")
    lines = (CLI / "lib" / "azure.sh").read_text("utf-8").splitlines()
    (version,) = [line.split("=")[1].split()[0] for line in lines if line.startswith("readonly api_version")]

    assert f"schedulers@{version}'" in template
