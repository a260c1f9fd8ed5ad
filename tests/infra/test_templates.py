"""What the templates promise: safe and cheap by default, and of one piece with azd and the samples."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.check.modules import allowed_values, required
from infra.check.syntax import Template, properties, property_of, string_value, text, walk

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"
SAMPLES = sorted(path.parent for path in (ROOT / "samples").glob("*/worker.py"))
TEMPLATES = {path.name: Template(path, path.read_bytes()) for path in INFRA.rglob("*.bicep")}
MAIN = TEMPLATES["main.bicep"]
CATALOGUE = json.loads((INFRA / "samples.json").read_text(encoding="utf-8"))
AZD: dict[str, Any] = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))


def source(name: str) -> str:
    return TEMPLATES[name].path.read_text(encoding="utf-8")


def needs(sample: str) -> dict[str, Any]:
    return {**CATALOGUE["defaults"], **CATALOGUE["samples"][sample]}


def default(parameter: str) -> str:
    value = MAIN.declared("param")[parameter].value
    return text(value) if value is not None else ""


def module(name: str) -> str:
    return text(MAIN.declared("module")[name].node)


# Safe


def test_nobody_outside_is_let_in_by_default() -> None:
    assert default("ipAllowlist") == "''"
    assert not [name for name in TEMPLATES if re.search(r"'0\.0\.0\.0/0'|'\*'", source(name))]


def test_the_scheduler_lets_in_the_listed_people_and_the_addresses_of_the_worker() -> None:
    assert "union(people, privateEndpoint ? [] : outbound!.outputs.addresses)" in module("scheduler")
    assert "privateEndpoint && empty(people) ? 'Disabled' : 'Enabled'" in module("scheduler")


def test_roles_are_given_on_the_task_hub_and_on_the_registry_only() -> None:
    scopes = {
        (name, text(scope))
        for name, template in TEMPLATES.items()
        for each in template.declared("resource").values()
        if each.subject.startswith("Microsoft.Authorization/roleAssignments")
        and (scope := property_of(each.body, "scope")) is not None
    }

    assert scopes == {("role-assignment-hub.bicep", "taskHub"), ("registry.bicep", "registry")}


def test_worker_and_client_have_identities_of_their_own() -> None:
    assert "workerIdentity.outputs" in module("worker")
    assert "clientIdentity" not in module("worker")
    for client in ("clientApp", "clientJob"):
        assert "clientIdentity.outputs" in module(client)
        assert "workerIdentity" not in module(client)


def test_the_deployer_gets_access_only_if_there_is_one_and_says_what_it_is() -> None:
    assert "if (!empty(principalId))" in module("deployerAccess")
    assert "principalType: principalType" in module("deployerAccess")
    assert allowed_values(MAIN.declared("param")["principalType"]) == ["User", "Group", "ServicePrincipal"]


def test_the_registry_has_no_admin_user_and_apps_pull_by_identity() -> None:
    assert "adminUserEnabled: false" in source("registry.bicep")
    for name in ("worker-app.bicep", "client-app.bicep", "client-job.bicep"):
        assert re.search(r"server: registryServer\s+identity: identityId", source(name))
        assert "passwordSecretRef" not in source(name)


def test_the_worker_has_no_ingress_and_the_clients_page_is_closed_without_a_list() -> None:
    assert "ingress" not in re.sub(r"//.*", "", source("worker-app.bicep"))
    assert "external: !empty(visitors)" in source("client-app.bicep")
    assert "allowInsecure: false" in source("client-app.bicep")


# Cheap


def test_the_scheduler_is_billed_by_use_and_has_then_no_capacity() -> None:
    assert default("schedulerSku") == "'Consumption'"
    (sku,) = [
        value
        for node in walk(TEMPLATES["scheduler.bicep"].root)
        if node.type == "object"
        for _, key, value in properties(node)
        if key == "sku"
    ]
    consumption = sku.named_children[2]
    assert [(key, string_value(value)) for _, key, value in properties(consumption)] == [
        ("name", "Consumption")
    ]


def test_nothing_that_costs_by_the_hour_comes_unasked() -> None:
    assert [default(name) for name in ("privateEndpoint", "applicationInsights")] == ["false", "false"]
    assert "name: 'Basic'" in source("registry.bicep")


# Of one piece


def test_only_the_environments_name_and_region_must_be_given() -> None:
    assert required(MAIN) == {"environmentName", "location"}


def test_provisioning_again_keeps_the_image_that_runs() -> None:
    variables = {name: text(each.value) for name, each in MAIN.declared("var").items() if each.value}

    assert variables["workerImage"] == "empty(image) ? workerKept : image"
    assert (
        variables["workerKept"]
        == "empty(workerRuns.outputs.image) ? placeholderImage : workerRuns.outputs.image"
    )
    assert (
        variables["clientKept"]
        == "empty(clientRuns.outputs.image) ? placeholderImage : clientRuns.outputs.image"
    )


def test_no_probe_asks_the_placeholder() -> None:
    assert re.search(r"probes: isPlaceholder\s+\? \[\]", source("worker-app.bicep"))


def test_probes_are_within_azures_limits() -> None:
    """Read in the types' descriptions: at most 240 seconds between probes, at most 10 failures."""
    text_of_probes = source("worker-app.bicep")
    periods = [int(number) for number in re.findall(r"periodSeconds: (\d+)", text_of_probes)]
    failures = [int(number) for number in re.findall(r"failureThreshold: (\d+)", text_of_probes)]

    assert periods
    assert failures
    assert all(1 <= number <= 240 for number in periods)
    assert all(1 <= number <= 10 for number in failures)


def test_the_container_outlives_the_workers_own_grace() -> None:
    worker = source("worker-app.bicep")
    grace = re.search(r"'DURAKIT_STOP_GRACE', value: '(\d+)'", worker)
    container = re.search(r"terminationGracePeriodSeconds: (\d+)", worker)

    assert grace is not None
    assert container is not None
    assert int(grace[1]) < int(container[1])


def test_scale_rules_divide_by_what_the_worker_is_told_to_run_at_once() -> None:
    worker = source("worker-app.bicep")

    for variable, kind in [
        ("ORCHESTRATIONS", "Orchestration"),
        ("ACTIVITIES", "Activity"),
        ("ENTITIES", "Entity"),
    ]:
        assert f"{{ name: 'DURAKIT_MAX_{variable}', value: string(concurrency.{kind}) }}" in worker
    assert "maxConcurrentWorkItemsCount: string(concurrency[kind])" in worker
    assert "scale" in source("client-app.bicep")
    assert "azure-durabletask" not in source("client-app.bicep")


@pytest.mark.parametrize("service", ["worker", "client"])
def test_every_service_of_azd_has_its_tag(service: str) -> None:
    assert service in AZD["services"]
    assert f"'azd-service-name': '{service}'" in source("main.bicep")


def test_azd_reads_apps_in_the_version_that_they_are_written_in() -> None:
    """It reads an app, sets the image and writes it back: what its version does not know would be lost."""
    for service, name in [
        ("worker", "worker-app.bicep"),
        ("client", "client-app.bicep"),
        ("client", "client-job.bicep"),
    ]:
        (version,) = {
            each.subject.partition("@")[2]
            for each in TEMPLATES[name].declared("resource").values()
            if each.subject.startswith("Microsoft.App/")
        }
        assert AZD["services"][service]["apiVersion"] == version


def test_no_template_is_named_like_a_service() -> None:
    """azd would take infra/worker.bicep for the way to deploy the worker's revisions."""
    assert not [name for name in AZD["services"] if (INFRA / f"{name}.bicep").exists()]


def test_azd_builds_the_chosen_sample_without_docker_at_home() -> None:
    for service in AZD["services"].values():
        assert service["host"] == "containerapp"
        assert service["docker"]["remoteBuild"] is True
        assert service["docker"]["buildArgs"] == ["SAMPLE=${SAMPLE=function_chaining}"]
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", AZD["name"])
    assert re.fullmatch(r">= 1\.24\.3", AZD["requiredVersions"]["azd"]), "build arguments of remote builds"


def test_the_outputs_are_those_that_azd_and_our_scripts_read() -> None:
    outputs = set(MAIN.declared("output"))

    assert {"AZURE_CONTAINER_REGISTRY_ENDPOINT", "AZURE_RESOURCE_GROUP", "ENDPOINT", "TASKHUB"} <= outputs
    assert all(name == name.upper() for name in outputs)


def test_everything_carries_the_environments_tag() -> None:
    """Role assignments and what is inside another resource cannot have tags."""
    untagged = [
        f"{name}: {each.name}"
        for name, template in TEMPLATES.items()
        for each in template.declared("resource").values()
        if not each.is_existing
        and property_of(each.body, "tags") is None
        and property_of(each.body, "parent") is None
        and property_of(each.body, "scope") is None
    ]

    assert untagged == []


def test_the_style_is_one_that_the_grammar_reads() -> None:
    for name in TEMPLATES:
        code = re.sub(r"//.*", "", source(name))
        assert "..." not in code
        assert not re.search(r"^var \w+ \w+ =", code, re.MULTILINE)
        assert "'br" not in code


# The samples


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_every_sample_has_its_row(sample: Path) -> None:
    assert sample.name in CATALOGUE["samples"], "add it to infra/samples.json"


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_a_client_that_serves_is_an_app_and_one_that_ends_is_a_job(sample: Path) -> None:
    serves = re.search(
        r"\bserve\(|fastapi", (sample / "client.py").read_text(encoding="utf-8"), re.IGNORECASE
    )

    assert needs(sample.name)["client"] == ("app" if serves else "job")


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_a_worker_with_timers_or_events_is_never_scaled_to_zero(sample: Path) -> None:
    """Whether the scaler counts a timer that has just come due is not documented.

    Retries wait for less than the five minutes after which an idle worker is scaled to zero.
    """
    code = "\n".join(
        path.read_text(encoding="utf-8") for path in sample.glob("*.py") if "test" not in path.name
    )
    waits = re.search(r"create_timer\(|wait_for_external_event\(|lock_entities\(|call_entity\(", code)

    assert needs(sample.name)["minReplicas"] == 1 or not waits


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_scale_rules_name_the_kinds_of_work_that_a_sample_has(sample: Path) -> None:
    code = "\n".join(
        path.read_text(encoding="utf-8") for path in sample.glob("*.py") if "test" not in path.name
    )
    kinds = ["Orchestration", "Activity"] + (
        ["Entity"] if re.search(r"entities=|DurableEntity", code) else []
    )

    assert needs(sample.name)["workItemTypes"] == kinds


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_a_sample_that_hands_files_on_gets_a_share(sample: Path) -> None:
    code = "\n".join(
        path.read_text(encoding="utf-8") for path in sample.glob("*.py") if "test" not in path.name
    )

    assert needs(sample.name)["sharedFiles"] or '/ "output"' not in code


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_a_sample_with_a_database_file_has_one_worker_at_most(sample: Path) -> None:
    """Locks of SQLite do not reach from one container to another."""
    code = "\n".join(
        path.read_text(encoding="utf-8") for path in sample.glob("*.py") if "test" not in path.name
    )

    assert needs(sample.name)["maxReplicas"] == 1 or "sqlite3" not in code


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_a_sample_whose_client_serves_its_worker_stays_at_home(sample: Path) -> None:
    """A worker in Azure does not reach an HTTP service that client.py opens on its own machine."""
    code = "\n".join(
        path.read_text(encoding="utf-8") for path in sample.glob("*.py") if "test" not in path.name
    )

    assert sample.name in CATALOGUE["atHome"] or "HTTPServer" not in code


def test_the_share_is_mounted_for_the_images_user_where_the_samples_write() -> None:
    for name in ("worker-app.bicep", "client-app.bicep", "client-job.bicep"):
        assert "mountPath: '/app/output'" in source(name)
        assert "uid=10001,gid=10001" in source(name)


def test_rows_say_nothing_that_the_templates_do_not_read() -> None:
    read = set(re.findall(r"\bneeds\.(\w+)", source("main.bicep")))

    for row in [CATALOGUE["defaults"], *CATALOGUE["samples"].values()]:
        assert set(row) <= read
    assert set(CATALOGUE["defaults"]) == read
