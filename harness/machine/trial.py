# SPDX-License-Identifier: GPL-2.0-or-later
"""The trial that proves KVM: the real guest, booted under it, against a deadline of silence."""

from __future__ import annotations

import dataclasses
import re
import threading
from typing import TYPE_CHECKING

from harness.errors import MachineError, QemuExitError
from harness.machine.accelerator import TRIAL_SILENCE, Accelerator, Proof, Verdict, prove
from harness.machine.vm import VirtualMachine

if TYPE_CHECKING:
    from pathlib import Path

    from harness.machine.config import MachineConfig
    from harness.machine.console import LogLine

# A guest that goes on talking is given this long to become ready: nested virtualization can be slow.
_TRIAL_SECONDS = 30.0
_PLACE = re.compile(r"^\S*qemu\S*: (?:\S+:\d+: )?")


class _Silence:
    """Calls ``on_silence`` when nothing has been heard for some seconds."""

    def __init__(self, seconds: float, vm: VirtualMachine) -> None:
        self._seconds, self._vm = seconds, vm
        self._heard, self._over = threading.Event(), False
        self._lines = 0
        vm.kernel_log.subscribe(self._line, self._heard.set)
        threading.Thread(target=self._watch, name="kvm-trial", daemon=True).start()

    def end(self) -> None:
        """Stop listening."""
        self._over = True
        self._heard.set()

    def _line(self, line: LogLine) -> None:
        self._lines = line.number + 1
        self._heard.set()

    def _watch(self) -> None:
        while self._heard.wait(self._seconds):
            if self._over or self._vm.kernel_log.closed:
                return
            self._heard.clear()
        after = f"fell silent after {self._lines} lines" if self._lines else "printed nothing"
        seen = f"the guest kernel {after} under it for {self._seconds:g} s"
        self._vm.abort(MachineError("booting the guest under KVM", seen))


def boot_under_kvm(config: MachineConfig, *, silence: float = TRIAL_SILENCE) -> Verdict:
    """Boot the guest of ``config`` under KVM, without the devices under test.

    It works when the guest says that it is ready.  It does not when QEMU ends, or when nothing is heard
    from the kernel for ``silence`` seconds: a KVM that hangs is killed and found out in seconds.
    """
    plain = dataclasses.replace(config, accelerator=Accelerator.KVM, devices=(), spare_slots=0, keep=False)
    vm = VirtualMachine(plain)
    watch = _Silence(silence * config.timeout_scale, vm)
    try:
        vm.boot(_TRIAL_SECONDS)
    except QemuExitError as error:
        return Verdict(works=False, seen=f"the guest did not boot under it: {_last_word(vm) or error.seen}")
    except MachineError as error:
        return Verdict(works=False, seen=error.seen)
    finally:
        watch.end()
        vm.close()
    return Verdict(works=True, seen=f"the guest booted under it in {vm.boot_seconds:.1f} s")


def _last_word(vm: VirtualMachine) -> str:
    """Return the last line that QEMU wrote, without the program's name and the place in its source."""
    lines = [line for line in vm.complaints() if line]
    return _PLACE.sub("", lines[-1]) if lines else ""


def choose_accelerator(requested: str, config: MachineConfig, *, cache_dir: Path) -> Proof:
    """Decide with which accelerator to run guests like ``config``, trying KVM if that has to be found out.

    Args:
        requested: ``auto``, ``kvm`` or ``tcg``.
        config: a guest; its accelerator and devices do not matter.
        cache_dir: where the outcome is kept.

    Raises:
        SetupError: ``requested`` is unknown, or is ``kvm`` and KVM is not proven.
    """
    return prove(
        requested,
        qemu=config.qemu,
        kernel=config.kernel,
        cache_dir=cache_dir,
        trial=lambda: boot_under_kvm(config),
    )
