# SPDX-License-Identifier: GPL-2.0-or-later
"""The plugin's part in what runs first."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from harness import plugin


def test_what_needs_no_guest_runs_first_and_else_in_order() -> None:
    names = [["vm", "room"], ["tmp_path"], ["chat", "vm", "room"], [], ["proof"]]
    items: list[Any] = [SimpleNamespace(fixturenames=fixtures) for fixtures in names]
    plugin.pytest_collection_modifyitems(items)
    assert [item.fixturenames for item in items] == [names[1], names[3], names[0], names[2], names[4]]
