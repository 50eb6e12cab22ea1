# SPDX-License-Identifier: GPL-2.0-or-later
"""The accelerator: proven by a boot, never guessed from the existence of a device file.

A host without hardware virtualization can have a ``/dev/kvm`` that opens, answers, makes a virtual machine
and then hangs for ever on the first real instruction of a kernel.  So the real guest is booted under KVM
against a short deadline, and the outcome is kept for as long as nothing that it depends on changes.
"""

from __future__ import annotations

import contextlib
import enum
import getpass
import hashlib
import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import filelock

from harness.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.machine.config import KernelParts, QemuParts

ACCEL_VARIABLE = "HARNESS_ACCEL"
AUTO = "auto"
KVM_DEVICE = Path("/dev/kvm")
# A guest under a working KVM has spoken its first words well within a second.
TRIAL_SILENCE = 5.0
_FACTS = (Path("/proc/cpuinfo"), Path("/proc/sys/kernel/random/boot_id"))


class Accelerator(enum.StrEnum):
    """How QEMU runs the guest's code."""

    KVM = "kvm"
    TCG = "tcg"

    @property
    def arguments(self) -> tuple[str, ...]:
        """QEMU's options: the accelerator, and the most capable processor that it can give to a guest."""
        match self:
            case Accelerator.KVM:
                # Without a clock that a restored guest would see jump: no invariant TSC.
                return ("-accel", "kvm", "-cpu", "max,migratable=on")
            case Accelerator.TCG:
                # The cache of translated code is reserved up front; 1 GiB by default is a lot for each guest.
                return ("-accel", "tcg,tb-size=128", "-cpu", "max")

    @property
    def uses_host_kernel(self) -> bool:
        """Whether the host's kernel decides what the guest's processor is."""
        return self is Accelerator.KVM

    @property
    def timeout_factor(self) -> float:
        """Factor on every time-out."""
        match self:
            case Accelerator.KVM:
                return 1.0
            case Accelerator.TCG:
                return 4.0


@dataclass(frozen=True)
class Proof:
    """Which accelerator a run uses and why.

    Attributes:
        accelerator: the accelerator.
        reason: one sentence for the run's header.
        cached: whether the outcome of an earlier trial was used.
    """

    accelerator: Accelerator
    reason: str
    cached: bool = False


@dataclass(frozen=True)
class Verdict:
    """What a trial boot under KVM found out."""

    works: bool
    seen: str


class Trial(Protocol):
    """Boots the real guest under KVM; see :func:`harness.machine.trial.boot_under_kvm`."""

    def __call__(self) -> Verdict:
        """Boot it."""


@dataclass(frozen=True)
class Access:
    """Whether the KVM device can be used at all."""

    usable: bool
    reason: str = ""
    cure: str = ""


def kvm_access(device: Path = KVM_DEVICE) -> Access:
    """Say whether this user can open the KVM device, in one sentence if not."""
    if not device.exists():
        return Access(
            usable=False, reason=f"there is no {device}", cure="use a machine with hardware virtualization"
        )
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except PermissionError:
        return Access(
            usable=False,
            reason=f"{device} may not be opened by user {user_name()}",
            cure=f"sudo usermod -aG kvm {user_name()}, then log in again",
        )
    except OSError as error:
        return Access(
            usable=False, reason=f"{device} does not open ({error.strerror})", cure="load the kvm module"
        )
    return Access(usable=True)


def prove(
    requested: str,
    *,
    qemu: QemuParts,
    kernel: KernelParts,
    cache_dir: Path,
    trial: Trial,
    device: Path = KVM_DEVICE,
) -> Proof:
    """Decide which accelerator to use.

    Args:
        requested: ``auto``, ``kvm`` or ``tcg``.
        qemu: what the trial runs; its outcome holds for this identity only.
        kernel: what the trial boots, likewise.
        cache_dir: where outcomes are kept.
        trial: boots the guest under KVM; called at most once for all processes that share the cache.
        device: the KVM device.

    Raises:
        SetupError: ``requested`` is none of the three, or it is ``kvm`` and KVM is not proven.
    """
    if requested not in {AUTO, *Accelerator}:
        raise SetupError("choosing the accelerator", f"{requested!r} is unknown", "use auto, kvm or tcg")
    if requested == Accelerator.TCG:
        return Proof(Accelerator.TCG, "TCG: it was asked for")
    access = kvm_access(device)
    if not access.usable:
        return _without_kvm(requested, access.reason, access.cure, cached=False)
    verdict, cached = _tried(cache_dir, _key(qemu, kernel, device), trial)
    if verdict.works:
        return Proof(Accelerator.KVM, f"KVM: {verdict.seen}{_from_cache(cached)}", cached)
    reason = f"{device} opens but {verdict.seen}"
    return _without_kvm(
        requested, reason, "use --accel tcg, or a machine with hardware virtualization", cached=cached
    )


def _without_kvm(requested: str, reason: str, cure: str, *, cached: bool) -> Proof:
    if requested == Accelerator.KVM:
        raise SetupError("proving that KVM works", reason + _from_cache(cached), cure)
    return Proof(Accelerator.TCG, f"TCG: {reason}{_from_cache(cached)}", cached)


def _from_cache(cached: bool) -> str:  # noqa: FBT001  # a helper for two f-strings
    return " (tried earlier since this machine was started)" if cached else ""


def _key(qemu: QemuParts, kernel: KernelParts, device: Path) -> str:
    """Digest of all that the outcome depends on.

    The boot's id and the processor are in it because cache folders are carried from one CI machine to
    another.
    """
    facts = [platform.release(), qemu.identity, kernel.identity, str(device)]
    with contextlib.suppress(OSError):
        facts.append(f"{device.stat().st_rdev}")
    for path in _FACTS:
        with contextlib.suppress(OSError):
            text = path.read_text("ascii", errors="replace")
            # The clock of a core changes from one reading to the next.
            facts.append("\n".join(line for line in text.splitlines() if "MHz" not in line))
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:32]


def _tried(cache_dir: Path, key: str, trial: Callable[[], Verdict]) -> tuple[Verdict, bool]:
    """Return the outcome for ``key`` from the cache, or try and keep it there."""
    folder = cache_dir / "accelerator"
    entry = folder / f"{key}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / f"{key}.lock"):
            if (verdict := _read(entry)) is not None:
                return verdict, True
            verdict = trial()
            _write(entry, verdict)
            return verdict, False
    except OSError as error:
        cure = "choose another with --cache-dir"
        raise SetupError(f"keeping a proof in {folder}", error.strerror or str(error), cure) from error


def _read(entry: Path) -> Verdict | None:
    """Return the kept outcome; anything unreadable counts as not there and is tried anew."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        data = json.loads(entry.read_text("utf-8"))
        if isinstance(data["works"], bool):
            return Verdict(data["works"], str(data["seen"]))
    return None


def _write(entry: Path, verdict: Verdict) -> None:
    staged = entry.with_suffix(f".{os.getpid()}")
    staged.write_text(json.dumps({"works": verdict.works, "seen": verdict.seen}), "utf-8")
    staged.replace(entry)


def user_name() -> str:
    """Return the name of the user that this process belongs to; the number when it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def requested_accelerator(option: str | None, environment: Mapping[str, str] = os.environ) -> str:
    """Return the option, else ``HARNESS_ACCEL``, else ``auto``."""
    return option or environment.get(ACCEL_VARIABLE, "") or AUTO
