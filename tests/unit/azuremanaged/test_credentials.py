"""Which credential settings lead to. azure-identity's classes are made, but never asked for a token."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import azure.identity
import pytest
from durakit.azuremanaged.credentials import credential_for
from durakit.azuremanaged.tokens import StaticTokenCredential
from durakit.errors import SettingsError
from durakit.settings import Authentication, Settings

AZURE = "https://hub.westeurope.durabletask.io:443"


class Recorder:
    """Stands in for azure.identity: remembers which class was made with which arguments."""

    def __init__(self) -> None:
        self.made: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, name: str) -> Any:
        def make(**arguments: Any) -> object:
            self.made.append((name, arguments))
            return object()

        return make


def made_for(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> list[tuple[str, dict[str, Any]]]:
    recorder = Recorder()
    for name in dir(azure.identity):
        if name.endswith("Credential"):
            monkeypatch.setattr(azure.identity, name, recorder(name))
    credential_for(Settings(endpoint=AZURE, taskhub="default", **fields))
    return recorder.made


def test_plaintext_needs_no_credential() -> None:
    assert credential_for(Settings(endpoint="http://localhost:8080", taskhub="default")) is None


def test_a_token_wins_over_everything() -> None:
    settings = Settings(endpoint=AZURE, taskhub="default", token="secret")

    credential = credential_for(settings)

    assert isinstance(credential, StaticTokenCredential)
    assert credential.get_token("any").token == "secret"


def test_tls_means_the_default_credential_with_the_identity_of_azure_client_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert made_for(monkeypatch) == [("DefaultAzureCredential", {})]
    assert made_for(monkeypatch, client_id="c") == [
        ("DefaultAzureCredential", {"managed_identity_client_id": "c", "workload_identity_client_id": "c"})
    ]


@pytest.mark.parametrize(
    ("authentication", "name", "arguments"),
    [
        (Authentication.MANAGED_IDENTITY, "ManagedIdentityCredential", {"client_id": "c"}),
        (
            Authentication.WORKLOAD_IDENTITY,
            "WorkloadIdentityCredential",
            {
                "client_id": "c",
                "tenant_id": "t",
                "token_file_path": "/f",
                "additionally_allowed_tenants": ["a", "b"],
            },
        ),
        (Authentication.ENVIRONMENT, "EnvironmentCredential", {}),
        (
            Authentication.AZURE_CLI,
            "AzureCliCredential",
            {"tenant_id": "t", "additionally_allowed_tenants": ["a", "b"]},
        ),
        (
            Authentication.AZURE_POWERSHELL,
            "AzurePowerShellCredential",
            {"tenant_id": "t", "additionally_allowed_tenants": ["a", "b"]},
        ),
        (
            Authentication.VISUAL_STUDIO_CODE,
            "VisualStudioCodeCredential",
            {"tenant_id": "t", "additionally_allowed_tenants": ["a", "b"]},
        ),
        (
            Authentication.INTERACTIVE_BROWSER,
            "InteractiveBrowserCredential",
            {"client_id": "c", "tenant_id": "t"},
        ),
    ],
)
def test_every_way_to_log_in_has_its_credential(
    authentication: Authentication, name: str, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = made_for(
        monkeypatch,
        authentication=authentication,
        client_id="c",
        tenant_id="t",
        token_file_path="/f",
        additionally_allowed_tenants=("a", "b"),
    )

    assert made == [(name, arguments)]


def test_no_login_is_possible_over_tls_too() -> None:
    settings = Settings(endpoint=AZURE, taskhub="default", authentication=Authentication.NONE)

    assert credential_for(settings) is None


def test_what_exists_for_net_only_is_refused_with_what_to_use() -> None:
    settings = Settings(endpoint=AZURE, taskhub="default", authentication=Authentication.VISUAL_STUDIO)

    with pytest.raises(SettingsError) as refusal:
        credential_for(settings)

    assert str(refusal.value) == (
        "Authentication=VisualStudio exists for .NET only; "
        "in Python use AzureCLI, VisualStudioCode or DefaultAzure."
    )


def test_a_class_that_the_installed_package_lacks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(azure.identity, "VisualStudioCodeCredential")
    settings = Settings(endpoint=AZURE, taskhub="default", authentication=Authentication.VISUAL_STUDIO_CODE)

    with pytest.raises(SettingsError) as refusal:
        credential_for(settings)

    assert str(refusal.value) == (
        "The installed azure-identity has no VisualStudioCodeCredential; upgrade it, or use "
        "Authentication=AzureCLI or DefaultAzure."
    )


def test_a_missing_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)

    with pytest.raises(SettingsError) as refusal:
        credential_for(Settings(endpoint=AZURE, taskhub="default"))

    assert str(refusal.value).startswith(
        "Logging in with DefaultAzure needs the package azure-identity, which cannot be imported ("
    )
    assert str(refusal.value).endswith("; install it, or use an http:// endpoint.")


def test_azure_identity_is_not_loaded_for_a_scheduler_of_ones_own() -> None:
    code = (
        "import durakit, sys\n"
        "durakit.connect(endpoint='http://localhost:1').close()\n"
        "print([name for name in sys.modules if name.startswith('azure')])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout == "[]\n"
