"""Make the tables beside this file: property names, types and values of the ARM resources we use.

Run by hand when a template starts to use another resource type; needs npm and some 140 MB for a while:

    npm pack @azure/mcp-linux-x64@2.0.5 && tar xzf azure-mcp-linux-x64-2.0.5.tgz
    python infra/check/schemas/from_azmcp.py package/dist/azmcp Microsoft.App/jobs ...

The program answers offline from the type index of the Bicep compiler; only names and types are kept. It knows
one API version of each resource type, and not Microsoft.DurableTask, whose table comes from PyPI (models.py).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

#: Virtual networks lead to every other network resource; nothing of ours is nested deeper.
DEPTH = 7
HERE = Path(__file__).resolve().parent


def table(answer: dict[str, Any]) -> dict[str, Any]:
    """The object types that the resource of an answer leads to, by name; its own is named `resource`."""
    parts = answer["results"]["BicepSchemaResult"]
    (resource,) = [part for part in parts if part["$type"] == "Resource"]
    objects = {part["name"]: part for part in parts if part["$type"] == "Object"}
    objects["resource"] = resource["bodyType"]
    kept: dict[str, dict[str, str]] = {}
    level = ["resource"]
    for _ in range(DEPTH):
        following: list[str] = []
        for name in level:
            if name in kept:
                continue
            kept[name] = {prop["name"]: described(prop) for prop in objects[name].get("properties", [])}
            for prop in objects[name].get("properties", []):
                named = re.sub(r"(\[\])+$", "", prop["type"])
                if named in objects and "ReadOnly" not in prop.get("flags", ""):
                    following.append(named)
        level = following
    return {"name": resource["name"], "types": kept}


def described(prop: dict[str, str]) -> str:
    """A property's type, with `required` or `readonly` before it."""
    flags = prop.get("flags", "")
    word = "required " if "Required" in flags else "readonly " if "ReadOnly" in flags else ""
    return word + prop["type"]


def main(program: str, resource_types: list[str]) -> None:
    for resource_type in resource_types:
        command = [program, "bicepschema", "get", "--resource-type", resource_type]
        answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        path = HERE / f"{resource_type.lower().replace('/', '.')}.json"
        path.write_text(json.dumps(table(json.loads(answer)), indent=1, sort_keys=True) + "\n", "utf-8")
        print(path)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
