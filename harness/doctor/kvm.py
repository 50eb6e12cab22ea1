# SPDX-License-Identifier: GPL-2.0-or-later
"""KVM: whether this user may open it, whether the processor can do it, and whether a guest boots under it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.doctor.check import Check, Status, bad, doubtful, good
from harness.errors import SetupError
from harness.machine import Accelerator

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.doctor.surroundings import Device, Surroundings
    from harness.machine import Proof

NAME, PROOF = "kvm", "accelerator"
GROUP = "kvm"
SLOW = "all works under TCG, only slower"
_MODULES = {"vmx": "kvm_intel", "svm": "kvm_amd"}


def device(here: Surroundings, request: str) -> Check:
    """Look at the KVM device; without it the harness works, unless ``request`` insists on it."""
    if request == Accelerator.TCG:
        return good(NAME, "not looked at: --accel tcg")
    status = Status.FAIL if request == Accelerator.KVM else Status.WARN
    found = here.kvm()
    flag = _flag(here)
    if not found.access.usable:
        reason = found.access.reason
        return Check(NAME, status, reason, _cure(here, found, flag))
    if not flag:
        seen = "/dev/kvm opens, but the processor has neither vmx nor svm: a guest may hang"
        return Check(NAME, Status.WARN, seen, "nothing: it is tried against a deadline before it is trusted")
    nested = ", in a virtual machine itself" if _is_guest(here) else ""
    return good(NAME, f"/dev/kvm opens, the processor has {flag}{nested}")


def _cure(here: Surroundings, found: Device, flag: str) -> str:
    if not found.group:
        return _cure_of_none(here, flag)
    if "may not be opened" not in found.access.reason:
        module = f"{here.sudo}modprobe {_MODULES[flag]}" if flag else "use a machine that has it"
        return f"{module}; or leave it: {SLOW}"
    if found.group != GROUP or not found.mode & 0o060:
        # Some images for containers and clouds make it root's alone, and have no such group.
        make = "" if here.has_group(GROUP) else f"groupadd -f -r {GROUP} && "
        return f"{here.sudo}sh -c '{make}chgrp {GROUP} /dev/kvm && chmod 660 /dev/kvm', and {_join(here)}"
    if GROUP in here.groups:
        return "start the container with --group-add keep-groups (podman), or --group-add kvm"
    return _join(here)


def _join(here: Surroundings) -> str:
    members = re.search(rf"^{GROUP}:[^:]*:\d*:(.*)$", here.text("etc/group"), re.MULTILINE)
    if members and here.user in members[1].split(","):
        return f"log in again, or: newgrp {GROUP} ({here.user} is in the group, this session is not)"
    return f"sudo usermod -aG {GROUP} {here.user}, then log in again"


def _cure_of_none(here: Surroundings, flag: str) -> str:
    if flag:
        return (
            f"{here.sudo}modprobe {_MODULES[flag]} (for a container: --device /dev/kvm), or leave it: {SLOW}"
        )
    if _is_guest(here):
        return f"ask for nested virtualization where this machine is rented; or leave it: {SLOW}"
    return f"switch virtualization on in the firmware, if the processor has it; or leave it: {SLOW}"


def _flag(here: Surroundings) -> str:
    words = set(_flags(here))
    return next((flag for flag in _MODULES if flag in words), "")


def _is_guest(here: Surroundings) -> bool:
    return "hypervisor" in _flags(here)


def _flags(here: Surroundings) -> list[str]:
    found = re.search(r"^flags\s*:(.*)$", here.text("proc/cpuinfo"), re.MULTILINE)
    return found[1].split() if found else []


def accelerator(request: str, prove: Callable[[], Proof] | None) -> Check:
    """Tell which accelerator was proven.

    Args:
        request: ``auto``, ``kvm`` or ``tcg``.
        prove: boots a guest, or knows how that went earlier; None: nothing is built that could be booted.
    """
    if prove is None:
        return good(PROOF, "not proven yet: the first run builds a guest and boots it")
    try:
        proof = prove()
    except SetupError as error:
        return bad(PROOF, error.seen, error.cure)
    # What opens and does not boot a guest hangs or aborts, as in clouds inside clouds.
    if request != Accelerator.TCG and proof.accelerator is Accelerator.TCG and "opens but" in proof.reason:
        cure = f"nothing, {SLOW} (--accel tcg spares the try); for KVM: another host"
        return doubtful(PROOF, proof.reason, cure)
    return good(PROOF, proof.reason)
