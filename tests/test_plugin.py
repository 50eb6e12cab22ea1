# SPDX-License-Identifier: GPL-2.0-or-later
"""The plugin's part in what runs, and what runs first."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harness import plugin
from harness.artifacts import KernelKind
from harness.pytests import Pytest


def _config(kernel: KernelKind, gone: list[Any]) -> Any:
    def left_out(items: list[Any]) -> None:
        gone.extend(items)

    hook = SimpleNamespace(pytest_deselected=left_out)
    artifacts = SimpleNamespace(settings=SimpleNamespace(kernel=kernel))
    return SimpleNamespace(stash={plugin.ARTIFACTS: artifacts, plugin.SUT: None}, hook=hook)


def _item(*fixtures: str, kernel: str = "") -> Any:
    marker = SimpleNamespace(args=(kernel,)) if kernel else None
    return SimpleNamespace(fixturenames=fixtures, get_closest_marker={"kernel": marker}.get, config=None)


def test_what_needs_no_guest_runs_first_and_else_in_order() -> None:
    given = [_item("vm", "room"), _item("tmp_path"), _item("chat", "vm", "room"), _item(), _item("proof")]
    items = list(given)
    plugin.pytest_collection_modifyitems(_config(KernelKind.PLAIN, []), items)
    assert items == [given[1], given[3], given[0], given[2], given[4]]


@pytest.mark.parametrize("kernel", KernelKind)
def test_what_needs_another_kernel_is_left_out(kernel: KernelKind) -> None:
    usual, special = _item(), _item(kernel="debug")
    items, gone = [usual, special], list[Any]()
    plugin.pytest_collection_modifyitems(_config(kernel, gone), items)
    debug = kernel is KernelKind.DEBUG
    assert (items, gone) == (([usual, special], []) if debug else ([usual], [special]))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--half=driver"], "taking the driver alone: no pair was named -- name its manifest: --sut FILE"),
        (["--sut=sut.toml", "--mutant=guest-fd"], "testing sut.toml with --mutant: a mutant is of a part of"),
        (["--sut=none.toml"], "reading none.toml: No such file or directory"),
    ],
    ids=["half", "mutant", "none"],
)
def test_options_that_do_not_go_together_are_one_line(words: list[str], said: str) -> None:
    ended = Pytest().run([*words, "--collect-only", "test_sut_builds.py"], "asking for nonsense")
    assert ended.status == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in ended.said.splitlines() if line.startswith("ERROR: ")]
    assert said in line
