from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from durakit.errors import SettingsError
from durakit.settings import (
    SETTINGS,
    Authentication,
    Settings,
    load_settings,
    parse_connection_string,
    read_dotenv,
    session_cache_size,
)

ROOT = Path(__file__).resolve().parents[2]
AZURE = "https://hub.westeurope.durabletask.io:443"


def load(
    environment: dict[str, str] | None = None, dotenv: dict[str, str] | None = None, **overrides: str
) -> Settings:
    return load_settings(overrides, environment=environment or {}, dotenv=dotenv or {})


def refusal(**arguments: Any) -> str:
    with pytest.raises(SettingsError) as error:
        load(**arguments)
    return str(error.value)


def test_nothing_set_means_the_embedded_schedulers_defaults() -> None:
    settings = load()

    assert settings == Settings(endpoint="http://localhost:8080", taskhub="default")
    assert settings.login is Authentication.NONE


def test_arguments_win_over_the_environment_and_that_over_the_file() -> None:
    dotenv = {"ENDPOINT": "http://file:1", "TASKHUB": "file", "DURAKIT_LOG_LEVEL": "debug"}
    environment = {"ENDPOINT": "http://environment:1", "TASKHUB": "environment"}

    settings = load(environment, dotenv, endpoint="http://argument:1")

    assert (settings.endpoint, settings.taskhub, settings.log_level) == (
        "http://argument:1",
        "environment",
        "debug",
    )


def test_empty_variables_count_as_absent() -> None:
    assert load({"ENDPOINT": "", "TASKHUB": " "}, {"TASKHUB": "file"}).taskhub == "file"


def test_azures_name_for_the_hub_is_understood() -> None:
    assert load({"TASKHUB_NAME": "orders"}).taskhub == "orders"
    assert load({"TASKHUB_NAME": "orders", "TASKHUB": "mine"}).taskhub == "mine"


def test_tls_logs_in_by_default() -> None:
    assert load({"ENDPOINT": AZURE}).login is Authentication.DEFAULT_AZURE


def test_a_connection_string_sets_everything_it_names() -> None:
    text = (
        "endpoint=https://hub.westeurope.durabletask.io/; TASKHUB=orders;Authentication=workloadidentity;"
        "ClientID=c;TenantId=t;AdditionallyAllowedTenants=a, b;TokenFilePath=/f;"
    )

    assert load({"DURABLE_TASK_SCHEDULER_CONNECTION_STRING": text}) == Settings(
        endpoint=AZURE,
        taskhub="orders",
        authentication=Authentication.WORKLOAD_IDENTITY,
        client_id="c",
        tenant_id="t",
        additionally_allowed_tenants=("a", "b"),
        token_file_path="/f",
    )


@pytest.mark.parametrize("kind", list(Authentication))
def test_every_authentication_of_the_official_sdks_is_known_in_any_case(kind: Authentication) -> None:
    for text in (kind.value, kind.value.upper(), kind.value.lower()):
        assert load(connection_string=f"Endpoint={AZURE};Authentication={text}").login is kind


def test_a_connection_string_without_a_hub_takes_it_from_beside_it() -> None:
    """What `az durabletask scheduler attach` writes."""
    settings = load(
        {
            "DURABLE_TASK_SCHEDULER_CONNECTION_STRING": f"Endpoint={AZURE};Authentication=ManagedIdentity",
            "TASKHUB_NAME": "orders",
        }
    )

    assert (settings.endpoint, settings.taskhub) == (AZURE, "orders")


@pytest.mark.parametrize(
    ("login", "endpoint"), [("None", "http://hub.example:80"), ("DefaultAzure", "https://hub.example:443")]
)
def test_an_endpoint_without_a_scheme_is_encrypted_unless_nobody_logs_in(login: str, endpoint: str) -> None:
    text = f"Endpoint=hub.example;TaskHub=h;Authentication={login}"

    assert load(connection_string=text).endpoint == endpoint


def test_an_endpoint_from_above_switches_a_connection_string_from_below_off() -> None:
    text = f"Endpoint={AZURE};TaskHub=orders;Authentication=ManagedIdentity"

    settings = load({"DURABLE_TASK_SCHEDULER_CONNECTION_STRING": text}, endpoint="http://localhost:9")

    assert settings == Settings(endpoint="http://localhost:9", taskhub="default")


def test_a_contradiction_within_one_source_is_refused() -> None:
    environment = {
        "ENDPOINT": "http://localhost:8080",
        "DURABLE_TASK_SCHEDULER_CONNECTION_STRING": "Endpoint=http://other:1;TaskHub=h",
    }

    assert refusal(environment=environment) == (
        "In the environment, the endpoint is 'http://localhost:8080' by itself and 'http://other:1' in the "
        "connection string; expected the same value or only one of them."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "Endpoint=http://a:1;Hub=x",
            "The connection string has a part 'Hub'; expected Key=Value with the keys Endpoint, TaskHub, "
            "Authentication, ClientID, TenantId, AdditionallyAllowedTenants, TokenFilePath.",
        ),
        (
            "Endpoint=http://a:1;x",
            "The connection string has a part 'x'; expected Key=Value with the keys Endpoint, TaskHub, "
            "Authentication, ClientID, TenantId, AdditionallyAllowedTenants, TokenFilePath.",
        ),
        (
            "Endpoint=http://a:1;endpoint=http://b:1",
            "The connection string has endpoint twice; write it once.",
        ),
        (
            "Endpoint=http://a:1;TaskHub=",
            "The connection string's TaskHub is empty; give it a value or leave it out.",
        ),
        (
            "TaskHub=h",
            "The connection string has no Endpoint; expected "
            "Endpoint=https://...;TaskHub=...;Authentication=DefaultAzure.",
        ),
        (
            "Endpoint=http://a:1;Authentication=Password",
            "The connection string's Authentication is 'Password'; expected one of DefaultAzure, "
            "ManagedIdentity, "
            "WorkloadIdentity, Environment, AzureCLI, AzurePowerShell, VisualStudio, VisualStudioCode, "
            "InteractiveBrowser, None.",
        ),
    ],
)
def test_a_connection_string_that_cannot_be_read_is_refused_with_what_is_allowed(
    text: str, message: str
) -> None:
    assert refusal(connection_string=text) == message


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (
            {"ENDPOINT": "localhost:8080"},
            "The endpoint is 'localhost:8080', without a scheme; "
            "write http://localhost:8080 (plaintext) or https://localhost:8080 (TLS).",
        ),
        (
            {"ENDPOINT": "Endpoint=http://a:1;TaskHub=h"},
            "The scheduler's address is a whole connection string; expected only its Endpoint part, here "
            "http://a:1. Put the whole text into DURABLE_TASK_SCHEDULER_CONNECTION_STRING instead.",
        ),
        (
            {"ENDPOINT": f"Endpoint={AZURE};TaskHub=orders;Authentication=ManagedIdentity"},
            f"The scheduler's address is a whole connection string; expected only its Endpoint part, here "
            f"{AZURE}. Put the whole text into DURABLE_TASK_SCHEDULER_CONNECTION_STRING instead.",
        ),
        (
            {"ENDPOINT": "https://hub.westeurope.durabletask.io/orders/"},
            "The scheduler's address 'https://hub.westeurope.durabletask.io/orders/' has more than scheme, "
            "host and port; write https://hub.westeurope.durabletask.io instead.",
        ),
        (
            {"ENDPOINT": "https://<name>.<region>.durabletask.io"},
            "The endpoint is 'https://<name>.<region>.durabletask.io', with a placeholder in it; "
            "write your scheduler's address, which the Azure portal shows as its Endpoint.",
        ),
        (
            {"ENDPOINT": "https://dashboard.durabletask.io/subscriptions/1/schedulers/hub"},
            "The endpoint is 'https://dashboard.durabletask.io/subscriptions/1/schedulers/hub', the address "
            "of Azure's dashboard; write the scheduler's, which the Azure portal shows as its Endpoint.",
        ),
        (
            {"ENDPOINT": "http://hub.westeurope.durabletask.io"},
            "The endpoint is 'http://hub.westeurope.durabletask.io', in plaintext; schedulers in Azure want "
            "TLS: write https://hub.westeurope.durabletask.io.",
        ),
        (
            {"TASKHUB": "<task hub>"},
            "The task hub is '<task hub>'; expected only its name, such as 'default'.",
        ),
        (
            {"TASKHUB": "TaskHub=orders"},
            "The task hub is 'TaskHub=orders'; expected only its name, such as 'default'.",
        ),
        (
            {"DURAKIT_LOG_LEVEL": "loud"},
            "DURAKIT_LOG_LEVEL is 'loud'; expected one of debug, info, warning, error.",
        ),
        ({"DURAKIT_LOG_FORMAT": "xml"}, "DURAKIT_LOG_FORMAT is 'xml'; expected one of text, json."),
        (
            {"DURAKIT_SESSION_CACHE": "-1"},
            "DURAKIT_SESSION_CACHE is '-1'; expected how many orchestrations to keep in memory, 0 or more.",
        ),
        (
            {"DURAKIT_MAX_ACTIVITIES": "0"},
            "DURAKIT_MAX_ACTIVITIES is '0'; expected a whole number, 1 or more.",
        ),
        (
            {"DURAKIT_STOP_GRACE": "soon"},
            "DURAKIT_STOP_GRACE is 'soon'; expected a whole number, 0 or more.",
        ),
        (
            {"DURAKIT_HEALTH_PORT": "70000"},
            "DURAKIT_HEALTH_PORT is '70000'; expected a whole number, 0 to 65535.",
        ),
    ],
)
def test_a_value_that_cannot_be_used_is_refused(environment: dict[str, str], message: str) -> None:
    assert refusal(environment=environment) == message


def test_a_token_never_shows_itself() -> None:
    assert "secret" not in repr(load({"DURAKIT_TOKEN": "secret"}))


def test_the_file_is_read_from_the_folder_and_may_be_missing(tmp_path: Path) -> None:
    assert read_dotenv(tmp_path) == {}

    (tmp_path / ".env").write_text("# comment\nENDPOINT=http://file:1\nexport TASKHUB='orders'\nEMPTY\n")

    assert read_dotenv(tmp_path) == {"ENDPOINT": "http://file:1", "TASKHUB": "orders"}


def test_workers_made_by_hand_take_the_cache_size_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DURAKIT_SESSION_CACHE", raising=False)
    assert session_cache_size() == 1000

    monkeypatch.setenv("DURAKIT_SESSION_CACHE", "5")
    assert session_cache_size() == 5


def test_a_connection_string_is_read_by_itself() -> None:
    assert parse_connection_string("Endpoint=http://a:1") == {"endpoint": "http://a:1"}


def test_every_setting_has_a_variable_of_its_own_and_a_sentence_of_help() -> None:
    variables = [setting.variable for setting in SETTINGS]

    assert len(set(variables)) == len(variables)
    assert all(setting.help.endswith((".", "...")) for setting in SETTINGS)


@pytest.mark.parametrize("page", [".env.example", "README.md"])
def test_every_setting_stands_in_the_pages_that_users_read(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")

    assert [setting.variable for setting in SETTINGS if setting.variable not in text] == []
