"""Each rule of infra/check finds the fault it is for, in our own templates with that fault put in."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from azure.mgmt.durabletask._configuration import DurableTaskMgmtClientConfiguration

from infra.check import RULES, check_folder
from infra.check.compiler import compile_template
from infra.check.models import DURABLE_TASK_VERSION, tables

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"


@dataclass(frozen=True)
class Fault:
    """A change to a template, and what must be said about it."""

    rule: str
    file: str
    before: str
    after: str
    message: str


MAIN, SCHEDULER, WORKER = "main.bicep", "modules/scheduler.bicep", "modules/worker-app.bicep"
ROLE, REGISTRY, CLIENT = (
    "modules/role-assignment-hub.bicep",
    "modules/registry.bicep",
    "modules/client-app.bicep",
)
ENVIRONMENT, RUNNING = "modules/environment.bicep", "modules/running-image.bicep"

FAULTS = [
    Fault("syntax", SCHEDULER, "name: taskHubName", "name: [1", "cannot be read"),
    Fault(
        "syntax",
        SCHEDULER,
        "name: taskHubName\n  properties: {}\n}",
        "name: taskHubName\n  properties: {\n}",
        "",
    ),
    Fault("syntax", SCHEDULER, "name: 'default'", "name: 'default", ""),
    Fault("target-scope", MAIN, "'subscription'", "'subscribtion'", "'subscribtion' is none of"),
    Fault("undefined-name", SCHEDULER, "tags: tags", "tags: tag", "tag is not declared"),
    Fault(
        "undefined-name",
        SCHEDULER,
        "? { name: 'Dedicated'",
        "? { name: Dedicated",
        "Dedicated is not declared",
    ),
    Fault("undefined-name", CLIENT, "'visitor-${i}'", "'visitor-${index}'", "index is not declared"),
    Fault("unused-name", SCHEDULER, "  tags: tags\n", "", "param tags is never used"),
    Fault("unused-name", MAIN, "var hubName = ", "var spare = 1\nvar hubName = ", "var spare is never used"),
    Fault("duplicate-name", ROLE, "resource taskHub ", "resource scheduler ", "scheduler is declared twice"),
    Fault(
        "cycle",
        MAIN,
        "var workerKept = empty(",
        "var workerKept = empty(workerImage) || empty(",
        "workerKept",
    ),
    Fault("unknown-function", MAIN, "toLower(uniqueString", "lower(uniqueString", "no function lower"),
    Fault("unknown-function", MAIN, "replace(ipAllowlist, ' ', '')", "replace(ipAllowlist, ' ')", "takes 3"),
    Fault("unknown-decorator", SCHEDULER, "@minLength(3)", "@minLen(3)", "no decorator @minLen"),
    Fault("unknown-decorator", SCHEDULER, "@minLength(3)", "@minLength(3, 4)", "takes 1"),
    Fault(
        "unknown-decorator",
        SCHEDULER,
        "resource taskHub",
        "@allowed([1])\nresource taskHub",
        "does not go with",
    ),
    Fault(
        "duplicate-key",
        SCHEDULER,
        "  tags: tags\n",
        "  tags: tags\n  Tags: tags\n",
        "the key Tags is there twice",
    ),
    Fault("layout", SCHEDULER, "  name: name\n  location", "  name: name location", "a comma is missing"),
    Fault(
        "layout",
        SCHEDULER,
        "output id string = scheduler.id\n\n@",
        "output id string = scheduler.id @",
        "line",
    ),
    Fault(
        "default-value", MAIN, "retentionDays int = 30", "retentionDays int = '30'", "is a int, not a string"
    ),
    Fault(
        "default-value", MAIN, "Sku string = 'Consumption'", "Sku string = 'Flex'", "allowed are Consumption"
    ),
    Fault(
        "undescribed",
        SCHEDULER,
        "@description('Tags of the scheduler.')\n",
        "",
        "param tags has no @description",
    ),
    Fault(
        "module-path",
        MAIN,
        "'modules/identity.bicep'",
        "'modules/Identity.bicep'",
        "no template modules/Identity",
    ),
    Fault(
        "module-params",
        MAIN,
        "retentionDays: retentionDays",
        "retention: retentionDays",
        "no parameter retention",
    ),
    Fault(
        "module-params", MAIN, "    retentionDays: retentionDays\n", "", "needs the parameter retentionDays"
    ),
    Fault(
        "module-params",
        MAIN,
        "principalType: 'ServicePrincipal'",
        "principalType: 'Service'",
        "'Service'; allowed",
    ),
    Fault("module-params", MAIN, "exists: workerExists", "exists: 'false'", "exists is a bool, not a string"),
    Fault("module-outputs", MAIN, "scheduler.outputs.endpoint", "scheduler.outputs.url", "no output url"),
    Fault("module-outputs", MAIN, "scheduler.outputs.id", "scheduler.output.id", "and no output"),
    Fault("module-outputs", MAIN, "clientApp!.outputs.url", "clientApp!.outputs.fqdn", "no output fqdn"),
    Fault(
        "secret-output",
        ENVIRONMENT,
        "output id string = containerEnvironment.id",
        "output id string = workspace.listKeys().primarySharedKey",
        "shows a secret",
    ),
    Fault("parameter-file", "main.parameters.json", '"sample"', '"example"', "no parameter example"),
    Fault(
        "parameter-file", "main.parameters.json", "RESOURCE_EXISTS=false", "RESOURCE_EXISTS=no", "'no', which"
    ),
    Fault(
        "parameter-file", "main.parameters.json", "SKU=Consumption", "SKU=Flex", "'Flex', which does not fit"
    ),
    Fault(
        "parameter-file",
        MAIN,
        "param sample string = 'function_chaining'",
        "param sample int",
        "does not fit",
    ),
    Fault(
        "api-version",
        SCHEDULER,
        "taskHubs@2026-02-01",
        "taskHubs@2026-02-31",
        "write Microsoft.DurableTask/sch",
    ),
    Fault("api-version", SCHEDULER, "schedulers/taskHubs@", "schedulers/hubs@", "not a type and version"),
    Fault("missing-name", SCHEDULER, "  name: name\n", "", "resource scheduler has no name"),
    Fault("missing-name", SCHEDULER, "  location: location\n", "", "resource scheduler has no location"),
    Fault(
        "missing-name",
        MAIN,
        "  name: 'monitoring'\n  scope: group\n",
        "  name: 'm'\n",
        "monitoring has no scope",
    ),
    Fault("schema", SCHEDULER, "ipAllowlist: ipAllowlist", "ipAllowList: ipAllowlist", "write ipAllowlist"),
    Fault("schema", SCHEDULER, "    ipAllowlist: ipAllowlist\n", "", "needs the property ipAllowlist"),
    Fault("schema", SCHEDULER, "{ name: 'Consumption' }", "{ name: 'Flex' }", "'Flex' is none of"),
    Fault("schema", SCHEDULER, "capacity: capacity }", "capacity: '1' }", "a string stands where int"),
    Fault(
        "schema",
        SCHEDULER,
        "    ipAllowlist: ip",
        "    endpoint: 'x'\n    ipAllowlist: ip",
        "can only be read",
    ),
    Fault("schema", SCHEDULER, "{ retentionPeriodInDays: ", "{ retentionDays: ", "no property retentionDays"),
    Fault(
        "schema",
        WORKER,
        "identity: identityId\n              metadata",
        "idenity: 'x'\n              metadata",
        "idenity",
    ),
    Fault("schema", WORKER, "type: 'Liveness'", "type: 'Alive'", "'Alive' is none of"),
    Fault("schema", WORKER, "httpGet: { path:", "httpGet: { uri:", "no property uri"),
    Fault("schema", WORKER, "{ name: 'PROGRAM', value", "{ name: 'PROGRAM', val", "no property val"),
    Fault("schema", CLIENT, "ipAddressRange:", "ipRange:", "no property ipRange"),
    Fault("schema", CLIENT, "targetPort: port", "targetPort: '8000'", "a string stands where int"),
    Fault(
        "schema", "modules/client-job.bicep", "triggerType: 'Manual'", "triggerType: 'manual'", "is none of"
    ),
    Fault(
        "schema",
        ROLE,
        "  properties: {\n    principalId",
        "  property: {\n    principalId",
        "no property property",
    ),
    Fault("runtime-property", SCHEDULER, "properties.endpoint", "properties.url", "no property url"),
    Fault(
        "runtime-property",
        SCHEDULER,
        "properties.dashboardUrl",
        "properties.dashboard",
        "no property dashboard",
    ),
    Fault(
        "runtime-property",
        RUNNING,
        "app!.properties.template.containers",
        "app!.properties.containers",
        "containers",
    ),
    Fault("role-id", ROLE, "0ad04412", "0ad04413", "is not the id of a role"),
    Fault(
        "role-id",
        ROLE,
        "80d0d6b0-f522-40a4-8886-a5a11720c375",
        "d6a5505f-6ebb-45a4-896e-ac8274cfc0ac",
        "not of Dur",
    ),
    Fault("role-assignment", ROLE, "  scope: taskHub\n", "", "has no scope"),
    Fault("role-assignment", ROLE, "    principalType: principalType\n", "", "has no principalType"),
    Fault(
        "role-assignment", ROLE, "name: guid(taskHub.id, principalId, roleIds[role])", "name: role", "guid()"
    ),
    Fault(
        "scale-rules",
        WORKER,
        "'azure-durabletask-scheduler'",
        "'azure-durabletask'",
        "no scaler azure-durabletask",
    ),
    Fault("scale-rules", WORKER, "taskhubName: taskHubName", "taskHubName: taskHubName", "needs taskhubName"),
    Fault("scale-rules", WORKER, "string(concurrency[kind])", "20", "is a number; metadata are texts"),
    Fault("scale-rules", WORKER, "              identity: identityId\n", "", "no identity to ask with"),
]


def test_our_templates_are_without_findings() -> None:
    assert [str(finding) for finding in check_folder(INFRA)] == []


@pytest.mark.parametrize(
    "fault", FAULTS, ids=lambda fault: f"{fault.rule}: {fault.after.strip() or fault.before}"[:60]
)
def test_a_fault_put_into_our_templates_is_found(fault: Fault, tmp_path: Path) -> None:
    folder = copy_of_infra(tmp_path)
    path = folder / fault.file
    original = path.read_text(encoding="utf-8")
    assert fault.before in original, "the fault no longer fits the template; write it anew"
    path.write_text(original.replace(fault.before, fault.after, 1), encoding="utf-8")

    found = [finding for finding in check_folder(folder) if finding.rule == fault.rule]

    assert any(fault.message in finding.message for finding in found), [
        str(each) for each in check_folder(folder)
    ]


VALID = """
import { names } from 'shared.bicep'

type Size = 'small' | 'large'

func shout(text string) string => toUpper(text)

@description('Region.')
param location string = resourceGroup().location

@description('How large.')
param size Size = 'small'

@description('Maybe.')
param extra object?

@secure()
@description('Never shown.')
param password string = newGuid()

var texts = [for (name, i) in ['a', 'b']: '${shout(name)}-${i}-${size}']
var long = filter(texts, text => length(text) > 1)
var pairs = toObject(map(long, (text, i) => { key: text, value: i }), pair => pair.key, pair => pair.value)
var manifest = '''
No ${interpolation} here, 'quotes' are fine.
'''

resource log 'Microsoft.OperationalInsights/workspaces@2025-02-01' existing = {
  name: az.subscription().displayName
}

resource identities 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = [
  for (name, i) in texts: if (i > 0) {
    name: name
    location: location
    tags: { manifest: manifest, password: password, more: extra.?more ?? '' }
  }
]

resource network 'Microsoft.Network/virtualNetworks@2024-07-01' = {
  name: names.network
  location: location
  properties: {
    addressSpace: { addressPrefixes: ['10.0.0.0/16'] }
  }

  resource endpoint 'Microsoft.Network/privateEndpoints@2024-07-01' = {
    name: 'inner'
    location: location
    dependsOn: [identities[0]]
  }
}

@description('Two of them.')
output summary array = [
  log.properties.customerId // a comment
  pairs
  sys.concat(['x'], texts)
]
"""


def test_what_is_valid_is_left_alone(tmp_path: Path) -> None:
    """Parts of the language that our own templates do not use."""
    (tmp_path / "main.bicep").write_text(VALID, encoding="utf-8")

    assert [str(finding) for finding in check_folder(tmp_path)] == []


def test_every_rule_has_a_fault_that_it_finds() -> None:
    assert {fault.rule for fault in FAULTS} == set(RULES)


def test_findings_say_where() -> None:
    assert all(purpose.endswith((".", ":")) for purpose in RULES.values())


def test_the_schedulers_table_is_that_of_the_version_we_deploy() -> None:
    """The package's models are of one API version; when it moves on, the templates must follow on purpose."""
    configuration = DurableTaskMgmtClientConfiguration(credential=object(), subscription_id="x")  # type: ignore[arg-type]

    assert configuration.api_version == DURABLE_TASK_VERSION
    scheduler = tables()[f"Microsoft.DurableTask/schedulers@{DURABLE_TASK_VERSION}"]
    assert scheduler["SchedulerProperties"]["ipAllowlist"] == "required string[]"
    assert scheduler["SchedulerSku"]["name"] == "required Dedicated | Consumption"
    assert scheduler["SchedulerProperties"]["endpoint"] == "readonly string"


def test_the_command_prints_findings_and_fails(tmp_path: Path) -> None:
    folder = copy_of_infra(tmp_path)
    assert run(folder).returncode == 0
    path = folder / SCHEDULER
    lines = path.read_text(encoding="utf-8").splitlines()
    number = lines.index("  tags: tags") + 1
    lines[number - 1] = "  tags: tag"
    path.write_text("\n".join(lines), encoding="utf-8")

    done = run(folder)

    assert done.returncode == 1
    assert f"{path}:{number}:9: undefined-name: tag is not declared" in done.stdout
    assert run(tmp_path / "nothing").returncode == 2


def test_the_real_compiler_checks_the_templates_where_there_is_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where there is none, this says so and does not pretend: the linter is no compiler."""
    complaints = compile_template(INFRA / "main.bicep")

    if complaints is None:
        with capsys.disabled():
            sys.stdout.write("\nnote: no `bicep` on PATH: bicep build and bicep lint were skipped\n")
    else:
        assert complaints == ""


@pytest.mark.skipif("os.name == 'nt'", reason="the stand-in is a shell script")
@pytest.mark.parametrize(("exit_code", "expected"), [(0, ""), (1, "main.bicep(1,1) : Error BCP018")])
def test_a_compiler_on_the_path_is_asked_to_build_and_lint(
    exit_code: int, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bicep"
    program.write_text(
        f'#!/bin/sh\necho "$1" >> "{tmp_path}/calls"\n[ $1 = build ] || exit 0\n'
        f'echo "main.bicep(1,1) : Error BCP018" >&2\nexit {exit_code}\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    assert compile_template(INFRA / "main.bicep") == expected
    assert (tmp_path / "calls").read_text().split() == ["build", "lint"]


def copy_of_infra(folder: Path) -> Path:
    """The templates and what they load, in a folder of their own."""
    ignored: Callable[[str, list[str]], set[str]] = shutil.ignore_patterns("check", "cli", "docker")
    return Path(shutil.copytree(INFRA, folder / "infra", ignore=ignored))


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "infra.check", str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
