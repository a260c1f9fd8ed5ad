"""What the extra `durakit[scheduler]` brings, and what to say when it is not installed."""

from __future__ import annotations

from importlib.util import find_spec

DASHBOARD_MODULES = ("fastapi", "jinja2", "uvicorn")
MODULES = (*DASHBOARD_MODULES, "click", "rich")


def missing_extra(module: str) -> str:
    """One line for a module that cannot be imported."""
    return (
        f"The module {module} is not installed; this command needs the extra scheduler. "
        'Install it: pip install "durakit[scheduler]"'
    )


def missing_dashboard_module() -> str | None:
    """Return the first module that the dashboard would miss, found without importing any."""
    return next((module for module in DASHBOARD_MODULES if find_spec(module) is None), None)
