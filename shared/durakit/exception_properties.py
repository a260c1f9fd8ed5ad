"""How a program adds its own facts to the failures that its exceptions become."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class ExceptionPropertiesProvider(Protocol):
    """Given to a worker; asked once for every exception that leaves an orchestrator, activity or entity."""

    def get_exception_properties(self, exception: Exception) -> Mapping[str, Any] | None:
        """Facts to be recorded as `FailureDetails.properties`: JSON data by name; None adds nothing."""
        ...
