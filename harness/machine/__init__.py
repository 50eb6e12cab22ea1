# SPDX-License-Identifier: GPL-2.0-or-later
"""One running guest: accelerator, QEMU process and QMP, kernel log, shell, SSH, time-outs."""

from harness.machine.accelerator import Accelerator, Proof
from harness.machine.config import MEMORY_MIB, MachineConfig
from harness.machine.console import KernelLog
from harness.machine.remote import RemoteProcess, Terminal
from harness.machine.result import CommandFailedError, CommandResult
from harness.machine.snapshot import Snapshot
from harness.machine.trial import boot_under_kvm, choose_accelerator
from harness.machine.vm import VirtualMachine

__all__ = [
    "MEMORY_MIB",
    "Accelerator",
    "CommandFailedError",
    "CommandResult",
    "KernelLog",
    "MachineConfig",
    "Proof",
    "RemoteProcess",
    "Snapshot",
    "Terminal",
    "VirtualMachine",
    "boot_under_kvm",
    "choose_accelerator",
]
