# SPDX-License-Identifier: GPL-2.0-or-later
"""KVM that may not be opened, is not there, hangs or aborts."""

from __future__ import annotations

import grp
from typing import TYPE_CHECKING, Any

import pytest

from harness.doctor import kvm
from harness.doctor.check import Status
from harness.doctor.surroundings import Device, Surroundings
from harness.errors import SetupError
from harness.machine import Accelerator, Proof
from harness.machine.accelerator import Access
from tests.doctor.staged import stage

if TYPE_CHECKING:
    from pathlib import Path

INTEL = {"proc/cpuinfo": "processor\t: 0\nflags\t\t: fpu vmx sse2\n"}
CLOUD = {"proc/cpuinfo": "processor\t: 0\nflags\t\t: fpu sse2 hypervisor\n"}
NESTED = {"proc/cpuinfo": "flags\t\t: fpu svm hypervisor\n"}
DENIED = Access(usable=False, reason="/dev/kvm may not be opened by user alice")
NONE = Device(Access(usable=False, reason="there is no /dev/kvm"))
JOIN = "sudo usermod -aG kvm alice, then log in again"


@pytest.mark.parametrize(
    ("group", "mode", "etc", "mine", "cure"),
    [
        ("kvm", 0o660, "kvm:x:104:\n", set(), JOIN),
        ("kvm", 0o660, "kvm:x:104:bob,alicent\n", set(), JOIN),
        (
            "kvm",
            0o660,
            "kvm:x:104:bob,alice\n",
            set(),
            "log in again, or: newgrp kvm (alice is in the group, this session is not)",
        ),
        ("root", 0o600, "", set(), f"sudo sh -c 'chgrp kvm /dev/kvm && chmod 660 /dev/kvm', and {JOIN}"),
        (
            "kvm",
            0o660,
            "",
            {"kvm"},
            "start the container with --group-add keep-groups (podman), or --group-add kvm",
        ),
    ],
)
def test_no_permission(tmp_path: Path, group: str, mode: int, etc: str, mine: set[str], cure: str) -> None:
    here = stage(
        tmp_path, INTEL | {"etc/group": etc}, kvm=lambda: Device(DENIED, group, mode), groups=frozenset(mine)
    )
    check = kvm.device(here, "auto")
    assert (check.status, check.seen, check.cure) == (Status.WARN, DENIED.reason, cure)
    # It stops the one who insists.
    assert kvm.device(here, "kvm").status is Status.FAIL


@pytest.mark.parametrize(("uid", "sudo"), [(1000, "sudo "), (0, "")])
def test_no_permission_and_no_group(tmp_path: Path, uid: int, sudo: str) -> None:
    wishes: dict[str, Any] = {"uid": uid, "kvm": lambda: Device(DENIED, "104", 0o660)}
    check = kvm.device(stage(tmp_path, INTEL, has_group=lambda name: name != "kvm", **wishes), "auto")
    assert check.cure.startswith(f"{sudo}sh -c 'groupadd -f -r kvm && chgrp kvm /dev/kvm && chmod 660 ")
    assert check.cure.endswith(f", and {JOIN}")
    assert "groupadd" not in kvm.device(stage(tmp_path, INTEL, **wishes), "auto").cure


def test_a_group_is_looked_up_in_the_database() -> None:
    here = Surroundings()
    assert here.has_group(grp.getgrgid(0).gr_name)
    assert not here.has_group("no such group")


@pytest.mark.parametrize(
    ("files", "word"),
    [
        (INTEL, "sudo modprobe kvm_intel (for a container: --device /dev/kvm)"),
        (CLOUD, "ask for nested virtualization"),
        ({}, "in the firmware"),
    ],
)
def test_no_device(tmp_path: Path, files: dict[str, str], word: str) -> None:
    check = kvm.device(stage(tmp_path, files, kvm=lambda: NONE), "auto")
    assert check.status is Status.WARN
    assert word in check.cure
    assert "TCG" in check.cure


def test_a_device_without_its_module(tmp_path: Path) -> None:
    broken = Device(Access(usable=False, reason="/dev/kvm does not open (No such device)"), "kvm", 0o660)
    check = kvm.device(stage(tmp_path, NESTED, kvm=lambda: broken), "auto")
    assert check.cure.startswith("sudo modprobe kvm_amd")


def test_a_device_that_opens_on_a_processor_that_cannot(tmp_path: Path) -> None:
    check = kvm.device(stage(tmp_path, CLOUD), "auto")
    assert check.status is Status.WARN
    assert "neither vmx nor svm" in check.seen


def test_a_device_that_is_well(tmp_path: Path) -> None:
    assert (
        kvm.device(stage(tmp_path, INTEL), "auto").line()
        == "ok      kvm: /dev/kvm opens, the processor has vmx"
    )
    assert "in a virtual machine itself" in kvm.device(stage(tmp_path, NESTED), "auto").seen


def test_who_wants_tcg_is_not_told_of_kvm(tmp_path: Path) -> None:
    assert kvm.device(stage(tmp_path, kvm=lambda: NONE), "tcg").status is Status.OK


@pytest.mark.parametrize(
    "seen",
    [
        "the guest kernel fell silent after 3 lines under it for 5 s",
        "the guest did not boot under it: kvm_buf_set_msrs: Assertion failed.",
    ],
)
def test_a_kvm_that_hangs_or_aborts(seen: str) -> None:
    check = kvm.accelerator("auto", lambda: Proof(Accelerator.TCG, f"TCG: /dev/kvm opens but {seen}"))
    assert check.status is Status.WARN
    assert seen in check.seen
    assert "--accel tcg" in check.cure


def test_a_kvm_that_hangs_and_is_insisted_on() -> None:
    def prove() -> Proof:
        raise SetupError("proving that KVM works", "/dev/kvm opens but it hangs", "use --accel tcg")

    check = kvm.accelerator("kvm", prove)
    assert (check.status, check.seen) == (Status.FAIL, "/dev/kvm opens but it hangs")


def test_proofs_that_are_well() -> None:
    works = kvm.accelerator("auto", lambda: Proof(Accelerator.KVM, "KVM: the guest booted"))
    wanted = kvm.accelerator("tcg", lambda: Proof(Accelerator.TCG, "TCG: it was asked for"))
    assert works.status is wanted.status is kvm.accelerator("auto", None).status is Status.OK
