"""The credential that settings ask for. Loads azure-identity only when one of its credentials is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from durakit.azuremanaged.tokens import StaticTokenCredential, TokenCredential
from durakit.errors import SettingsError
from durakit.settings import Authentication, Settings

if TYPE_CHECKING:
    from types import ModuleType


def credential_for(settings: Settings) -> TokenCredential | None:
    """What to ask for access tokens; None: no tokens are sent.

    A token in the settings wins over everything. Raises `SettingsError` for what cannot be had in Python.
    """
    if settings.token:
        return StaticTokenCredential(settings.token)
    if settings.login is Authentication.NONE:
        return None
    try:
        import azure.identity as identity
    except ImportError as error:
        raise SettingsError(
            f"Logging in with {settings.login.value} needs the package azure-identity, which cannot be "
            f"imported ({error}); install it, or use an http:// endpoint."
        ) from error
    credential: TokenCredential = _MAKERS[settings.login](identity, settings)
    return credential


def _default_azure(identity: ModuleType, settings: Settings) -> Any:
    return identity.DefaultAzureCredential(
        **_given(
            managed_identity_client_id=settings.client_id, workload_identity_client_id=settings.client_id
        )
    )


def _workload_identity(identity: ModuleType, settings: Settings) -> Any:
    return identity.WorkloadIdentityCredential(
        **_given(
            client_id=settings.client_id,
            tenant_id=settings.tenant_id,
            token_file_path=settings.token_file_path,
            additionally_allowed_tenants=list(settings.additionally_allowed_tenants),
        )
    )


def _developer(class_name: str) -> Callable[[ModuleType, Settings], Any]:
    """A credential that knows a tenant and further ones."""

    def make(identity: ModuleType, settings: Settings) -> Any:
        kind = getattr(identity, class_name, None)
        if kind is None:
            raise SettingsError(
                f"The installed azure-identity has no {class_name}; upgrade it, or use "
                "Authentication=AzureCLI or DefaultAzure."
            )
        return kind(
            **_given(
                tenant_id=settings.tenant_id,
                additionally_allowed_tenants=list(settings.additionally_allowed_tenants),
            )
        )

    return make


def _interactive_browser(identity: ModuleType, settings: Settings) -> Any:
    return identity.InteractiveBrowserCredential(
        **_given(client_id=settings.client_id, tenant_id=settings.tenant_id)
    )


def _visual_studio(identity: ModuleType, settings: Settings) -> Any:
    raise SettingsError(
        "Authentication=VisualStudio exists for .NET only; "
        "in Python use AzureCLI, VisualStudioCode or DefaultAzure."
    )


def _given(**arguments: Any) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value}


_MAKERS: dict[Authentication, Callable[[ModuleType, Settings], Any]] = {
    Authentication.DEFAULT_AZURE: _default_azure,
    Authentication.MANAGED_IDENTITY: lambda identity, settings: identity.ManagedIdentityCredential(
        **_given(client_id=settings.client_id)
    ),
    Authentication.WORKLOAD_IDENTITY: _workload_identity,
    Authentication.ENVIRONMENT: lambda identity, _: identity.EnvironmentCredential(),
    Authentication.AZURE_CLI: _developer("AzureCliCredential"),
    Authentication.AZURE_POWERSHELL: _developer("AzurePowerShellCredential"),
    Authentication.VISUAL_STUDIO: _visual_studio,
    Authentication.VISUAL_STUDIO_CODE: _developer("VisualStudioCodeCredential"),
    Authentication.INTERACTIVE_BROWSER: _interactive_browser,
}
