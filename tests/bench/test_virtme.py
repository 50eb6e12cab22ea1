# SPDX-License-Identifier: GPL-2.0-or-later
"""virtme-ng: installed or not, working or not, in the form of small shell scripts."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from harness.artifacts import Kernel, QemuBuild
from harness.bench import virtme
from harness.bench.virtme import Part
from harness.errors import MachineError

if TYPE_CHECKING:
    from pathlib import Path

KERNEL = Part("the kernel", ("--run", "vmlinuz"))
GOOD, BAD = Part("a good QEMU", ("--qemu", "good")), Part("a bad QEMU", ("--qemu", "bad"))


def script(folder: Path, body: str) -> str:
    path = folder / "vng"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return os.fspath(path)


def test_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    monkeypatch.setattr(sys, "executable", os.fspath(tmp_path / "python"))
    assert virtme.program() is None
    finding = virtme.look(None, [KERNEL], [GOOD], kvm=False)
    assert finding.peer is None
    assert finding.told == "virtme-ng: not installed"


def test_found_beside_this_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(sys, "executable", os.fspath(tmp_path / "python"))
    assert virtme.program() is None
    path = script(tmp_path, "")
    assert virtme.program() == path


def test_the_first_that_answers_is_taken(tmp_path: Path) -> None:
    vng = script(
        tmp_path,
        f'echo "$*" >>{tmp_path}/calls\n'
        'case "$*" in --version) echo virtme-ng 9.9;; *good*) echo 6.1.0-9-amd64;; *) exit 1;; esac',
    )
    finding = virtme.look(vng, [KERNEL], [BAD, GOOD], kvm=False)
    assert finding.told == "virtme-ng 9.9 ran with a good QEMU and the kernel"
    assert finding.peer is not None
    assert 0 < finding.peer.seconds() < 10
    calls = (tmp_path / "calls").read_text().splitlines()
    assert all("--disable-kvm" in call for call in calls[1:])
    assert sum("--qemu bad" in call for call in calls) == 2  # once more with --verbose


def test_what_answers_only_verbosely_says_so(tmp_path: Path) -> None:
    vng = script(tmp_path, 'case "$*" in *--verbose*) echo 6.1.0;; esac')
    assert virtme.look(vng, [KERNEL], [GOOD], kvm=False).told.endswith("and the kernel, verbosely")


def test_kvm_is_used_where_our_guests_use_it(tmp_path: Path) -> None:
    finding = virtme.look(script(tmp_path, "echo 6.1.0"), [KERNEL], [GOOD], kvm=True)
    assert finding.peer is not None
    assert "--disable-kvm" not in finding.peer.command


def test_an_answer_among_kernel_messages_is_seen(tmp_path: Path) -> None:
    said = (
        r"printf '[ 0.0] Linux version 6.1.0-9 (gcc)\r\n[ 9.9] init: go\r\n6.1.0-9-amd64\r\n[ 9.9] bye\r\n'"
    )
    finding = virtme.look(script(tmp_path, said), [KERNEL], [GOOD], kvm=False)
    assert finding.peer is not None
    messages_only = r"printf '[ 0.0] Linux version 6.1.0-9 (gcc)\r\n[ 0.1] revision 6.1\r\n'"
    assert virtme.look(script(tmp_path, messages_only), [KERNEL], [GOOD], kvm=False).peer is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            "echo \"'virtio-9p-pci' is not a valid device model name\"; exit 1",
            "not a valid device model name",
        ),
        (
            "echo 'Kernel panic - not syncing: no init'; echo ' </TASK>'",
            "Kernel panic - not syncing: no init",
        ),
        ("exit 255", "it printed nothing"),
    ],
)
def test_what_did_not_work_is_one_line_with_the_reason(tmp_path: Path, body: str, reason: str) -> None:
    finding = virtme.look(script(tmp_path, body), [KERNEL], [BAD], kvm=False)
    assert finding.peer is None
    assert "did not work with a bad QEMU and the kernel: " in finding.told
    assert finding.told.endswith(reason)
    assert "\n" not in finding.told


def test_one_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    vng = script(tmp_path, f"trap '' HUP INT; sleep 1000 & echo $! >{tmp_path}/child; wait")
    begun = time.monotonic()
    with pytest.raises(MachineError, match="no answer in 1 s"):
        virtme.Peer((vng,), timeout=1.0).seconds()
    assert time.monotonic() - begun < 20
    child = int((tmp_path / "child").read_text())
    gone, _ = psutil.wait_procs([psutil.Process(child)] if psutil.pid_exists(child) else [], timeout=10)
    assert gone or not psutil.pid_exists(child)


def test_the_caches_kernel_is_lent_and_not_given(tmp_path: Path) -> None:
    """virtme-ng writes lists of modules beside them: the cache would count as damaged."""
    store = tmp_path / "store"
    tree = store / "lib" / "modules" / "6.1"
    (tree / "kernel").mkdir(parents=True)
    (tree / "modules.order").write_text("a.ko\n")
    (store / "vmlinuz").write_text("kernel")
    kernel = Kernel(
        image=store / "vmlinuz", release="6.1", modules=store, headers=tmp_path / "headers", identity="k"
    )
    with virtme.lent(kernel) as image:
        assert image.read_text() == "kernel"
        folder = image.parent / "lib" / "modules" / "6.1"
        assert (folder / "kernel").samefile(tree / "kernel")
        (folder / "modules.dep").write_text("")
        (folder / "modules.order").write_text("")
    assert sorted(path.name for path in tree.iterdir()) == ["kernel", "modules.order"]
    assert (tree / "modules.order").read_text() == "a.ko\n"
    assert not image.exists()


def test_what_is_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ours = QemuBuild(tmp_path / "qemu", tmp_path / "firmware", "10.0", "q")
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    assert [part.name for part in virtme.qemus(ours)] == ["the harness's QEMU"]
    system = tmp_path / "qemu-system-x86_64"
    system.touch(mode=0o755)
    assert virtme.qemus(ours)[1].arguments == ("--qemu", os.fspath(system))
    given = virtme.kernels(tmp_path / "lent", tmp_path / "vmlinuz-6")
    assert [part.arguments for part in given] == [("--run", os.fspath(tmp_path / "vmlinuz-6"))]
    assert virtme.kernels(tmp_path / "lent", None)[0].arguments == ("--run", os.fspath(tmp_path / "lent"))
