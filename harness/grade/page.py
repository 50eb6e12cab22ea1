# SPDX-License-Identifier: GPL-2.0-or-later
"""The grade as one HTML page that needs nothing but itself.

What is shown was said by a system under test, which is hostile: the template escapes everything, and the page
forbids scripts, pictures and connections whatsoever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from harness.artifacts.progress import duration

if TYPE_CHECKING:
    from harness.grade.report import Grade

_TEMPLATE = "page.html"


def page(grade: Grade) -> str:
    """Return the page."""
    environment = Environment(
        loader=PackageLoader("harness.grade"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["duration"] = duration
    return environment.get_template(_TEMPLATE).render(grade=grade)
