# SPDX-License-Identifier: GPL-2.0-or-later
"""The debug kernel's configuration, and what a guest with it gets."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from harness.artifacts import KernelKind, Settings
from harness.artifacts.debug_kernel import MENDS, mend, resolve_source, unmet
from harness.artifacts.kernel import modules_to_load
from harness.errors import ArtifactError, SetupError

if TYPE_CHECKING:
    from pathlib import Path

WANTED = """\
# A comment
CONFIG_KASAN=y
CONFIG_NR_CPUS=8
# CONFIG_AUTO_SCAN is not set
"""


def test_what_the_kernel_does_not_take_is_named() -> None:
    assert not list(unmet(WANTED, "CONFIG_KASAN=y\nCONFIG_NR_CPUS=8\n"))
    made = "# CONFIG_KASAN is not set\nCONFIG_NR_CPUS=64\nCONFIG_AUTO_SCAN=y\n"
    assert list(unmet(WANTED, made)) == WANTED.splitlines()[1:]


def test_the_source_is_changed_once(tmp_path: Path) -> None:
    for name, (old, _) in MENDS.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(f"first\n{old}/* why */\n")
    mend(tmp_path)
    for name, (_, new) in MENDS.items():
        assert (tmp_path / name).read_text() == f"first\n{new}/* why */\n"
        os.utime(tmp_path / name, (1, 1))
    mend(tmp_path)
    assert {(tmp_path / name).stat().st_mtime for name in MENDS} == {1}
    (tmp_path / name).write_text("something else\n")
    with pytest.raises(ArtifactError, match="it has no"):
        mend(tmp_path)


def test_the_source_is_behind_the_metapackage() -> None:
    packages: dict[str, Any] = {
        "linux-source": {"Depends": "linux-source-6.1 (>= 6.1.1)"},
        "linux-source-6.1": {"Package": "it"},
    }
    archive: Any = SimpleNamespace(candidate=packages.__getitem__, binary=lambda package: package["Package"])
    found: Any = resolve_source(archive)
    assert found == ["it"]
    packages["linux-source"] = {}
    with pytest.raises(ArtifactError, match="does not lead to a source"):
        resolve_source(archive)


def test_the_kernel_is_chosen_by_option_or_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings.from_environment().kernel is KernelKind.PLAIN
    monkeypatch.setenv("HARNESS_KERNEL", "debug")
    assert Settings.from_environment().kernel is KernelKind.DEBUG
    assert Settings.from_environment(kernel="plain").kernel is KernelKind.PLAIN
    monkeypatch.setenv("HARNESS_KERNEL", "fast")
    with pytest.raises(SetupError, match=r"there is no 'fast'.*plain, debug"):
        Settings.from_environment()


def test_modules_that_are_part_of_the_kernel_are_not_loaded(tmp_path: Path) -> None:
    folder = tmp_path / "lib" / "modules" / "6.1-debug"
    folder.mkdir(parents=True)
    (folder / "modules.builtin").write_text("kernel/drivers/net/virtio_net.ko\nkernel/net/core/failover.ko\n")
    assert modules_to_load(tmp_path, ["virtio-net", "other", "failover"]) == ["other"]
