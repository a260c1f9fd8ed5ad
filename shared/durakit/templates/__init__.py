"""Patterns as beginnings of projects: what there is, and how one is made.

The patterns are the samples. In a clone of the repository they lie in `samples/`; the wheel carries them as
package data, so a project made from it can make others.
"""

from __future__ import annotations

from durakit.templates.catalogue import CannotMake, Template, find_templates
from durakit.templates.project import make_project

__all__ = ["CannotMake", "Template", "find_templates", "make_project"]
