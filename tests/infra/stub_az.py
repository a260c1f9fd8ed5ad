"""A stand-in for `az`: checks each call against a written table of flags and answers as Azure does.

State is a JSON file named by STUB_AZ: what the subscription has, `calls` as they came, and `faults` to come.
`--query` is evaluated by the library that az itself uses, and tables are printed as az prints them. What is
not in TABLE, a flag too many, a value too few, ends with 2, as az ends.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import jmespath  # azure-cli has it too

State = dict[str, Any]
Flags = dict[str, list[str]]

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
INFRA = Path(__file__).resolve().parents[2] / "infra"


@dataclass(frozen=True)
class Command:
    """The flags of a command, from azure-cli 2.91.0's own parser and, for durabletask, infra-facts' table."""

    required: str = ""
    optional: str = ""
    switches: str = ""
    many: str = ""
    """Those of the flags that take several values."""
    in_subscription: bool = True
    """Whether it takes --subscription."""
    positional: int = field(default=0)

    def allows(self) -> set[str]:
        words = f"{self.required} {self.optional} {self.switches} query output only-show-errors".split()
        return {*words, *(["subscription"] if self.in_subscription else [])}


TABLE = {
    "version": Command(in_subscription=False),
    "account show": Command(),
    "ad signed-in-user show": Command(in_subscription=False),
    "ad sp show": Command("id", in_subscription=False),
    "provider show": Command("namespace"),
    "provider list": Command(),
    "provider register": Command("namespace", switches="wait"),
    "role assignment list": Command("", "assignee scope", "include-groups include-inherited all"),
    "role assignment create": Command("role scope", "assignee-object-id assignee-principal-type"),
    "group exists": Command("name"),
    "group show": Command("name"),
    "group create": Command("name location", "tags", many="tags"),
    "group delete": Command("name", switches="yes no-wait"),
    "resource list": Command("", "resource-group resource-type"),
    "resource show": Command("ids", "api-version"),
    "rest": Command("url", "method"),
    "deployment sub create": Command("location", "name template-file parameters", many="parameters"),
    "deployment sub what-if": Command("location", "name template-file parameters", many="parameters"),
    "acr show": Command("name"),
    "acr build": Command("registry", "image platform file build-arg", positional=1),
    "containerapp show": Command("name resource-group"),
    "containerapp job start": Command("name resource-group"),
    "containerapp job execution show": Command("name resource-group job-execution-name"),
    "monitor log-analytics query": Command("workspace analytics-query"),
    "extension show": Command("name", in_subscription=False),
    "extension add": Command("name", switches="yes", in_subscription=False),
    "durabletask scheduler show": Command("name resource-group"),
    "durabletask scheduler create": Command(
        "name resource-group sku-name", "sku-capacity location ip-allowlist tags", many="ip-allowlist tags"
    ),
    "durabletask scheduler update": Command(
        "name resource-group", "sku-name sku-capacity ip-allowlist", many="ip-allowlist"
    ),
    "durabletask taskhub show": Command("name resource-group scheduler-name"),
    "durabletask taskhub create": Command("name resource-group scheduler-name"),
    "durabletask retention-policy create": Command("resource-group scheduler-name", "default-days"),
}
OF_EXTENSIONS = {"durabletask": "durabletask", "monitor log-analytics": "log-analytics"}


def new_state() -> State:
    """A subscription as it is before anything was deployed; its user is Owner."""
    return {
        "version": "2.91.0",
        "user": {"type": "user", "name": "jo@example.com"},
        "object_id": "99999999-0000-0000-0000-000000000000",
        "roles": ["Owner"],
        "registered": ["Microsoft.App", "Microsoft.ContainerRegistry", "Microsoft.Storage"],
        "regions": ["West Europe", "North Europe", "East US 2"],
        "groups": {},
        "extensions": [],
        "images": [],
        "assignments": [],
        "job": ["Running", "Succeeded"],
        "logs": [[], ["Started order report 1", "56 orders"]],
        "calls": [],
        "faults": [],
    }


class Refusal(Exception):
    """What az says on stderr; it then ends with 1, or with 2 if the call itself was wrong."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


def parse(arguments: list[str]) -> tuple[str, Flags, list[str]]:
    """Return command, flags and positional arguments of a call. Raises Refusal for what az would not take."""
    words: list[str] = []
    while arguments and not arguments[0].startswith("-") and " ".join([*words, arguments[0]]) in PREFIXES:
        words.append(arguments.pop(0))
    name = " ".join(words)
    if name not in TABLE:
        raise Refusal(f"ERROR: '{' '.join([*words, *arguments[:1]])}' is misspelled or not recognized.", 2)
    command, flags, positional = TABLE[name], Flags(), list[str]()
    while arguments:
        flag = arguments.pop(0)
        if not flag.startswith("--"):
            positional.append(flag)
            continue
        flag = flag[2:]
        if flag not in command.allows():
            raise Refusal(f"ERROR: unrecognized arguments: --{flag}", 2)
        values: list[str] = []
        limit = 0 if flag in command.switches.split() else 99 if flag in command.many.split() else 1
        while arguments and len(values) < limit and not arguments[0].startswith("--"):
            values.append(arguments.pop(0))
        if limit and not values:
            raise Refusal(f"ERROR: argument --{flag}: expected at least one argument", 2)
        flags[flag] = values
    missing = [flag for flag in command.required.split() if flag not in flags]
    if missing or len(positional) != command.positional:
        raise Refusal(f"ERROR: the following arguments are required: {missing or 'positional'}", 2)
    return name, flags, positional


PREFIXES = {" ".join(name.split()[:n]) for name in TABLE for n in range(1, len(name.split()) + 1)}


def table(data: Any) -> Iterator[str]:
    """The rows that `--output tsv` prints."""
    for row in data if isinstance(data, list) else [] if data is None else [data]:
        cells = row if isinstance(row, list) else [row]
        yield "\t".join(str(cell).lower() if isinstance(cell, bool) else str(cell) for cell in cells)


class Azure:
    """What the commands do and answer."""

    def __init__(self, state: State, flags: Flags, positional: list[str]) -> None:
        self.state = state
        self.flags = flags
        self.positional = positional

    def one(self, flag: str) -> str:
        return self.flags[flag][0] if flag in self.flags else ""

    def tags(self) -> dict[str, str]:
        return dict(tag.split("=", 1) for tag in self.flags.get("tags", []))

    def group(self, name: str | None = None) -> Any:
        found = self.state["groups"].get(name or self.one("resource-group") or self.one("name"))
        if found is None:
            raise Refusal("ERROR: (ResourceGroupNotFound) Resource group could not be found.")
        return found

    def resource(self, group: str, kind: str, name: str, **more: Any) -> State:
        """Make a resource, or bring it up to date."""
        resources = self.group(group)["resources"]
        found = next((each for each in resources if each["name"] == name), None)
        if found is None:
            found = {
                "id": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}/providers/{kind}/{name}",
                "name": name,
                "type": kind,
                "tags": {},
                "properties": {},
            }
            resources.append(found)
        found.update(more)
        return found

    def by_id(self, path: str) -> Any:
        for group in self.state["groups"].values():
            for each in group["resources"]:
                if each["id"] == path:
                    return each
        raise Refusal(f"ERROR: (ResourceNotFound) The Resource '{path}' was not found.")

    def scheduler(self, group: str, name: str, hub: str | None, **properties: Any) -> State:
        made = self.resource(group, "Microsoft.DurableTask/schedulers", name)
        made["properties"].update(properties, endpoint=f"https://{name}-x7.westeurope.durabletask.io")
        if hub is not None:
            made.setdefault("hubs", [])
            if hub not in made["hubs"]:
                made["hubs"].append(hub)
        return made

    def deploy(self) -> Any:
        """What infra/main.bicep makes; only the parameters that it has are taken."""
        given = dict(each.split("=", 1) for each in self.flags["parameters"])
        template = Path(self.one("template-file")).read_text("utf-8")
        declared = re.findall(r"^param (\w+) (\w+)", template, re.MULTILINE)
        unknown = set(given) - {name for name, _ in declared}
        wrong = [
            name
            for name, kind in declared
            if name in given
            and not re.fullmatch({"bool": "true|false", "int": "-?[0-9]+"}.get(kind, ".*"), given[name])
        ]
        if unknown or wrong:
            raise Refusal(f"ERROR: (InvalidTemplate) parameters {sorted(unknown)} {wrong}")
        name = given["environmentName"]
        group, project = f"rg-{name}", given["project"] or given["sample"]
        tags = {"azd-env-name": name, "sample": project}
        self.state["groups"].setdefault(group, {"resources": []}).update(
            location=given["location"], tags=tags
        )
        self.resource(group, "Microsoft.ContainerRegistry/registries", "crx7")
        self.resource(group, "Microsoft.OperationalInsights/workspaces", "log-x7")["properties"] = {
            "customerId": "workspace-1"
        }
        self.scheduler(group, "dts-x7", given["taskHubName"], ipAllowlist=given["ipAllowlist"])
        if given["deployApps"] == "true":
            if given["image"] not in self.state["images"]:
                raise Refusal(f"ERROR: there is no image {given['image']!r}; pulling it failed")
            rows = json.loads((INFRA / "samples.json").read_text("utf-8"))
            needs = {**rows["defaults"], **rows["samples"].get(given["sample"], {})}
            client = given["clientKind"] or needs["client"]
            app = "Microsoft.App/containerApps"
            self.resource(
                group, app, "ca-worker-x7", tags={"azd-service-name": "worker"}, image=given["image"]
            )
            self.resource(
                group,
                app if client == "app" else "Microsoft.App/jobs",
                f"{'ca' if client == 'app' else 'caj'}-client-x7",
                tags={"azd-service-name": "client"},
                properties={"configuration": {"ingress": {"fqdn": "client.example.net"}}},
            )
        # ARM answers with names in another case: whoever reads outputs by their names gets nothing.
        return {"properties": {"outputs": {"azurE_RESOURCE_GROUP": {"value": group}}}}

    def build(self) -> Any:
        context, (repository, tag) = Path(self.positional[0]), self.one("image").split(":")
        # Not in the context: az looks for it from where it is started.
        if not context.is_dir() or not Path(self.one("file")).is_file():
            raise Refusal(f"ERROR: Unable to find '{self.one('file')}'.")
        if not re.fullmatch(r"[a-z0-9_-]+", repository) or not re.fullmatch(r"[\w.-]+", tag):
            raise Refusal("ERROR: invalid reference format")
        self.state["images"].append(f"{self.one('registry')}.azurecr.io/{repository}:{tag}")
        return {}

    def assign(self) -> Any:
        made = [self.one("assignee-object-id"), self.one("role"), self.one("scope")]
        if made not in self.state["assignments"]:
            self.state["assignments"].append(made)
        return {}

    def hub(self, *, make: bool) -> Any:
        scheduler = self.resource(
            self.one("resource-group"), "Microsoft.DurableTask/schedulers", self.one("scheduler-name")
        )
        if make:
            scheduler.setdefault("hubs", []).append(self.one("name"))
        elif self.one("name") not in scheduler.get("hubs", []):
            raise Refusal("ERROR: (ResourceNotFound) no such task hub")
        return {}

    def make_scheduler(self) -> Any:
        if self.one("sku-name") not in ("Consumption", "Dedicated"):
            raise Refusal("ERROR: (InvalidSku)")
        if (self.one("sku-name") == "Dedicated") != ("sku-capacity" in self.flags):
            raise Refusal("ERROR: capacity goes with Dedicated, and only with it")
        return self.scheduler(
            self.one("resource-group"),
            self.one("name"),
            None,
            ipAllowlist=self.flags["ip-allowlist"],
            sku=self.one("sku-name"),
        )

    def show_scheduler(self) -> Any:
        for each in self.group()["resources"]:
            if each["name"] == self.one("name"):
                return each
        raise Refusal("ERROR: (ResourceNotFound) The scheduler was not found.")

    def hubs(self) -> Any:
        path, _, query = self.one("url").partition("/taskHubs?")
        if query != "api-version=2026-02-01":
            raise Refusal("ERROR: Bad Request: InvalidApiVersionParameter")
        return {
            "value": [
                {"name": hub, "properties": {"dashboardUrl": f"https://dashboard.durabletask.io/{hub}"}}
                for hub in self.by_id(path).get("hubs", [])
            ]
        }

    def make_group(self) -> Any:
        group = self.state["groups"].setdefault(self.one("name"), {"resources": []})
        group.update(location=self.one("location"), tags=self.tags())
        return group

    def extension(self) -> Any:
        if self.one("name") not in self.state["extensions"]:
            raise Refusal("ERROR: The extension is not installed.")
        return {}

    def principal(self) -> Any:
        if self.state["object_id"] is None:
            raise Refusal("ERROR: Insufficient privileges to complete the operation.")
        return {"id": self.state["object_id"]}

    def answers(self) -> dict[str, Callable[[], Any]]:
        state = self.state
        return {
            "version": lambda: {"azure-cli": state["version"], "extensions": {}},
            "account show": lambda: {"id": SUBSCRIPTION, "user": state["user"]},
            "ad signed-in-user show": self.principal,
            "ad sp show": self.principal,
            "provider show": lambda: {
                "resourceTypes": [
                    {"resourceType": "operations", "locations": []},
                    {"resourceType": "schedulers", "locations": state["regions"]},
                ]
            },
            "provider list": lambda: (
                [{"namespace": name, "registrationState": "Registered"} for name in state["registered"]]
                + [{"namespace": "Microsoft.Other", "registrationState": "NotRegistered"}]
            ),
            "provider register": lambda: state["registered"].append(self.one("namespace")),
            "role assignment list": lambda: [{"roleDefinitionName": role} for role in state["roles"]],
            "role assignment create": self.assign,
            "group exists": lambda: self.one("name") in state["groups"],
            "group show": self.group,
            "group create": self.make_group,
            "group delete": lambda: self.group() and state["groups"].pop(self.one("name")),
            "resource list": lambda: self.group()["resources"],
            "resource show": lambda: self.by_id(self.one("ids")),
            "rest": self.hubs,
            "deployment sub create": self.deploy,
            "deployment sub what-if": lambda: {"changes": []},
            "acr show": lambda: {"loginServer": f"{self.one('name')}.azurecr.io"},
            "acr build": self.build,
            "containerapp show": self.show_scheduler,
            "containerapp job start": lambda: {"name": "caj-client-x7-run1"},
            "containerapp job execution show": lambda: {"properties": {"status": state["job"].pop(0)}},
            "monitor log-analytics query": lambda: [{"Log_s": line} for line in state["logs"].pop(0)],
            "extension show": self.extension,
            "extension add": lambda: state["extensions"].append(self.one("name")),
            "durabletask scheduler show": self.show_scheduler,
            "durabletask scheduler create": self.make_scheduler,
            "durabletask scheduler update": self.make_scheduler,
            "durabletask taskhub show": lambda: self.hub(make=False),
            "durabletask taskhub create": lambda: self.hub(make=True),
            "durabletask retention-policy create": dict,
        }


@contextmanager
def opened(path: Path) -> Iterator[State]:
    """The state, written back in the end."""
    state = json.loads(path.read_text("utf-8"))
    try:
        yield state
    finally:
        path.write_text(json.dumps(state), "utf-8")


def run(state: State, arguments: list[str]) -> str:
    """Return what the call prints. Raises Refusal if it fails."""
    state["calls"].append(list(arguments))
    name, flags, positional = parse(list(arguments))
    fault = next((each for each in state["faults"] if name.startswith(each["command"])), None)
    if fault is not None and not fault.get("after"):
        state["faults"].remove(fault)
        raise Refusal(fault["stderr"])
    for prefix, extension in OF_EXTENSIONS.items():
        if name.startswith(prefix) and extension not in state["extensions"]:
            raise Refusal(f"ERROR: '{prefix}' is misspelled or not recognized by the system.", 2)
    answer = Azure(state, flags, positional).answers()[name]()
    if fault is not None:
        state["faults"].remove(fault)
        raise Refusal(fault["stderr"])
    if "query" in flags:
        answer = jmespath.search(flags["query"][0], answer)
    kind = flags.get("output", ["json"])[0]
    if kind == "none":
        return ""
    if kind == "tsv":
        return "".join(f"{row}\n" for row in table(answer))
    return json.dumps(answer) + "\n"


def main() -> NoReturn:
    with opened(Path(os.environ["STUB_AZ"])) as state:
        try:
            sys.stdout.write(run(state, sys.argv[1:]))
        except Refusal as refusal:
            sys.stderr.write(f"{refusal}\n")
            sys.exit(refusal.code)
    sys.exit(0)


if __name__ == "__main__":
    main()
