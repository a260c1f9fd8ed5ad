"""Settings of programs: one table of what there is, read from arguments, environment, `.env` file and
defaults.

The first of these that has a value wins. Nothing here connects; `durakit.setup` does.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from durakit.errors import SettingsError
from durakit.wire.address import Address, parse_address

CONNECTION_STRING_VARIABLE = "DURABLE_TASK_SCHEDULER_CONNECTION_STRING"
#: What the host names of schedulers in Azure's public cloud end with.
AZURE_DOMAIN = ".durabletask.io"


@dataclass(frozen=True)
class Setting:
    """One thing that can be set."""

    name: str
    """As argument of `connect` and `run_worker`, and as field of `Settings`."""
    variable: str
    """Its environment variable."""
    default: str
    """What holds when nobody sets it; empty: nothing."""
    help: str
    """What it is for, in one sentence."""
    aliases: tuple[str, ...] = ()
    """Variables of other programs that mean the same."""


SETTINGS = (
    Setting(
        "endpoint",
        "ENDPOINT",
        "http://localhost:8080",
        "Address of the scheduler: http:// or https://, host, port.",
    ),
    Setting("taskhub", "TASKHUB", "default", "Task hub to work in.", ("TASKHUB_NAME",)),
    Setting(
        "connection_string",
        CONNECTION_STRING_VARIABLE,
        "",
        "Endpoint, task hub and login in one text: Endpoint=...;TaskHub=...;Authentication=...;ClientID=...",
    ),
    Setting("client_id", "AZURE_CLIENT_ID", "", "Client id of the managed identity to log in with."),
    Setting("token", "DURAKIT_TOKEN", "", "Token of a `durakit dev` scheduler that asks for one."),
    Setting(
        "session_cache",
        "DURAKIT_SESSION_CACHE",
        "1000",
        "How many running orchestrations a worker keeps in memory between two steps; 0: none.",
    ),
    Setting(
        "link",
        "DURAKIT_LINK",
        "on",
        "Whether to use the faster link where the scheduler offers it: on or off.",
    ),
    Setting(
        "max_orchestrations",
        "DURAKIT_MAX_ORCHESTRATIONS",
        "",
        "How many orchestrations a worker advances at once; by default 100 for each processor.",
    ),
    Setting(
        "max_activities",
        "DURAKIT_MAX_ACTIVITIES",
        "",
        "How many activities a worker runs at once; by default 100 for each processor.",
    ),
    Setting(
        "max_entities",
        "DURAKIT_MAX_ENTITIES",
        "",
        "How many entities a worker runs at once; by default 100 for each processor.",
    ),
    Setting(
        "stop_grace",
        "DURAKIT_STOP_GRACE",
        "30",
        "How many seconds a worker that is told to stop gives to what is running.",
    ),
    Setting(
        "health_port",
        "DURAKIT_HEALTH_PORT",
        "",
        "Port on which a worker answers probes, GET /livez and /readyz; by default none.",
    ),
    Setting(
        "log_level", "DURAKIT_LOG_LEVEL", "info", "Least level that is logged: debug, info, warning or error."
    ),
    Setting("log_format", "DURAKIT_LOG_FORMAT", "text", "Form of log lines: text or json."),
)
_DEFAULTS = {setting.name: setting.default for setting in SETTINGS if setting.default}
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")
ON_OFF = ("on", "off")


class Authentication(Enum):
    """How to log in, by the names that connection strings use."""

    DEFAULT_AZURE = "DefaultAzure"
    MANAGED_IDENTITY = "ManagedIdentity"
    WORKLOAD_IDENTITY = "WorkloadIdentity"
    ENVIRONMENT = "Environment"
    AZURE_CLI = "AzureCLI"
    AZURE_POWERSHELL = "AzurePowerShell"
    VISUAL_STUDIO = "VisualStudio"
    VISUAL_STUDIO_CODE = "VisualStudioCode"
    INTERACTIVE_BROWSER = "InteractiveBrowser"
    NONE = "None"


#: Parts of a connection string, in lower case, and the field each one sets.
_PARTS = {
    "endpoint": "endpoint",
    "taskhub": "taskhub",
    "authentication": "authentication",
    "clientid": "client_id",
    "tenantid": "tenant_id",
    "additionallyallowedtenants": "additionally_allowed_tenants",
    "tokenfilepath": "token_file_path",
}
_PART_NAMES = (
    "Endpoint, TaskHub, Authentication, ClientID, TenantId, AdditionallyAllowedTenants, TokenFilePath"
)


@dataclass(frozen=True)
class Settings:
    """Everything a program has to know to connect and to log."""

    endpoint: str
    taskhub: str
    authentication: Authentication | None = None
    """None: chosen by the endpoint and the token."""
    client_id: str | None = None
    tenant_id: str | None = None
    additionally_allowed_tenants: tuple[str, ...] = ()
    token_file_path: str | None = None
    token: str | None = None
    session_cache: int = 1000
    link: bool = True
    max_orchestrations: int | None = None
    max_activities: int | None = None
    max_entities: int | None = None
    stop_grace: int = 30
    """In seconds."""
    health_port: int | None = None
    log_level: str = "info"
    log_format: str = "text"

    def __repr__(self) -> str:
        token = "..." if self.token else None
        return f"Settings(endpoint={self.endpoint!r}, taskhub={self.taskhub!r}, token={token!r})"

    @property
    def login(self) -> Authentication:
        """How to log in: as told, else not at all over plaintext, and by DefaultAzureCredential over TLS."""
        if self.authentication is not None:
            return self.authentication
        is_secure = parse_address(self.endpoint).secure
        return Authentication.DEFAULT_AZURE if is_secure else Authentication.NONE


def load_settings(
    overrides: Mapping[str, str | None] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    dotenv: Mapping[str, str] | None = None,
) -> Settings:
    """The settings in force.

    `overrides` are by setting name, None meaning not given; `environment` is the process's by default,
    `dotenv` what `read_dotenv` returns. Raises `SettingsError` for a value that cannot be used.
    """
    values: dict[str, str] = {}
    layers = [
        ("the arguments", {name: value for name, value in (overrides or {}).items() if value}),
        ("the environment", _by_variable(os.environ if environment is None else environment)),
        (".env", _by_variable(read_dotenv() if dotenv is None else dotenv)),
        ("the defaults", dict(_DEFAULTS)),
    ]
    for source, layer in layers:
        if "endpoint" in values:
            # A connection string is about its own endpoint; with another one its parts mean nothing.
            layer.pop("connection_string", None)
        for name, value in _expanded(layer, source).items():
            values.setdefault(name, value)
    return _checked(values)


def session_cache_size() -> int:
    """How many sessions a worker keeps, from the environment alone: for workers made without `Settings`."""
    values = _by_variable(os.environ)
    return _session_cache(values.get("session_cache", _DEFAULTS["session_cache"]))


def uses_link() -> bool:
    """Whether to use links, from the environment alone: for workers and clients made without `Settings`."""
    return _choice("DURAKIT_LINK", os.environ.get("DURAKIT_LINK") or _DEFAULTS["link"], ON_OFF) == "on"


def read_dotenv(folder: Path | None = None) -> dict[str, str]:
    """What the `.env` file in `folder`, by default the current one, sets; nothing when there is none."""
    path = (folder or Path.cwd()) / ".env"
    if not path.is_file():
        return {}
    from dotenv import dotenv_values

    return {name: value for name, value in dotenv_values(path).items() if value is not None}


def parse_connection_string(text: str) -> dict[str, str]:
    """The fields that a connection string sets. Raises `SettingsError` naming what is allowed."""
    fields: dict[str, str] = {}
    for part in text.split(";"):
        if not part.strip():
            continue
        key, separator, value = part.partition("=")
        name = _PARTS.get(key.strip().lower())
        if not separator or name is None:
            raise SettingsError(
                f"The connection string has a part {key.strip()!r}; "
                f"expected Key=Value with the keys {_PART_NAMES}."
            )
        if name in fields:
            raise SettingsError(f"The connection string has {key.strip()} twice; write it once.")
        if not value.strip():
            raise SettingsError(
                f"The connection string's {key.strip()} is empty; give it a value or leave it out."
            )
        fields[name] = value.strip()
    if "endpoint" not in fields:
        raise SettingsError(
            "The connection string has no Endpoint; expected "
            "Endpoint=https://...;TaskHub=...;Authentication=DefaultAzure."
        )
    if "authentication" in fields:
        login = _authentication(fields["authentication"])
        fields["authentication"] = login.value
        if "://" not in fields["endpoint"]:
            scheme = "http" if login is Authentication.NONE else "https"
            fields["endpoint"] = f"{scheme}://{fields['endpoint']}"
    return fields


def _by_variable(variables: Mapping[str, str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for setting in SETTINGS:
        for variable in (setting.variable, *setting.aliases):
            value = variables.get(variable, "").strip()
            if value:
                values.setdefault(setting.name, value)
    return values


def _expanded(layer: dict[str, str], source: str) -> dict[str, str]:
    """A layer's values, with the connection string taken apart. What it says twice must be the same."""
    text = layer.get("connection_string")
    if text is None:
        return layer
    fields = parse_connection_string(text)
    for name in ("endpoint", "taskhub"):
        if name in layer and name in fields and layer[name] != fields[name]:
            raise SettingsError(
                f"In {source}, the {name} is {layer[name]!r} by itself and {fields[name]!r} in the "
                "connection string; expected the same value or only one of them."
            )
    return {**{name: value for name, value in layer.items() if name != "connection_string"}, **fields}


def _checked(values: dict[str, str]) -> Settings:
    address = _endpoint(values["endpoint"])
    login = values.get("authentication")
    allowed = values.get("additionally_allowed_tenants", "")
    return Settings(
        endpoint=str(address),
        taskhub=_taskhub(values["taskhub"]),
        authentication=None if login is None else _authentication(login),
        client_id=values.get("client_id"),
        tenant_id=values.get("tenant_id"),
        additionally_allowed_tenants=tuple(part.strip() for part in allowed.split(",") if part.strip()),
        token_file_path=values.get("token_file_path"),
        token=values.get("token"),
        session_cache=_session_cache(values["session_cache"]),
        link=_choice("DURAKIT_LINK", values["link"], ON_OFF) == "on",
        max_orchestrations=_number("max_orchestrations", values, at_least=1),
        max_activities=_number("max_activities", values, at_least=1),
        max_entities=_number("max_entities", values, at_least=1),
        stop_grace=_number("stop_grace", values) or 0,
        health_port=_number("health_port", values, at_most=65535),
        log_level=_choice("DURAKIT_LOG_LEVEL", values["log_level"], LOG_LEVELS),
        log_format=_choice("DURAKIT_LOG_FORMAT", values["log_format"], LOG_FORMATS),
    )


def _endpoint(text: str) -> Address:
    """The address, unless it is one that cannot be meant."""
    if "<" in text or ">" in text:
        raise SettingsError(
            f"The endpoint is {text!r}, with a placeholder in it; "
            "write your scheduler's address, which the Azure portal shows as its Endpoint."
        )
    if re.match(rf"(https?://)?dashboard{re.escape(AZURE_DOMAIN)}", text, re.IGNORECASE):
        raise SettingsError(
            f"The endpoint is {text!r}, the address of Azure's dashboard; "
            "write the scheduler's, which the Azure portal shows as its Endpoint."
        )
    address = parse_address(text)
    if "://" not in text:
        raise SettingsError(
            f"The endpoint is {text!r}, without a scheme; "
            f"write http://{text} (plaintext) or https://{text} (TLS)."
        )
    host = address.target.rpartition(":")[0]
    if host.lower().endswith(AZURE_DOMAIN) and not address.secure:
        raise SettingsError(
            f"The endpoint is {text!r}, in plaintext; schedulers in Azure want TLS: write https://{host}."
        )
    return address


def _taskhub(text: str) -> str:
    if "://" in text or "=" in text or "<" in text:
        raise SettingsError(f"The task hub is {text!r}; expected only its name, such as 'default'.")
    return text


def _authentication(text: str) -> Authentication:
    for kind in Authentication:
        if kind.value.lower() == text.lower():
            return kind
    allowed = ", ".join(kind.value for kind in Authentication)
    raise SettingsError(f"The connection string's Authentication is {text!r}; expected one of {allowed}.")


def _session_cache(text: str) -> int:
    if not text.isdecimal():
        raise SettingsError(
            f"DURAKIT_SESSION_CACHE is {text!r}; "
            "expected how many orchestrations to keep in memory, 0 or more."
        )
    return int(text)


def _number(
    name: str, values: Mapping[str, str], *, at_least: int = 0, at_most: int | None = None
) -> int | None:
    """The whole number that a setting has; None when it has none."""
    text = values.get(name)
    if text is None:
        return None
    if not text.isdecimal() or int(text) < at_least or (at_most is not None and int(text) > at_most):
        variable = next(setting.variable for setting in SETTINGS if setting.name == name)
        upper = "or more" if at_most is None else f"to {at_most}"
        raise SettingsError(f"{variable} is {text!r}; expected a whole number, {at_least} {upper}.")
    return int(text)


def _choice(variable: str, text: str, allowed: tuple[str, ...]) -> str:
    if text.lower() not in allowed:
        raise SettingsError(f"{variable} is {text!r}; expected one of {', '.join(allowed)}.")
    return text.lower()
