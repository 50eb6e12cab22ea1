# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the guests of a run live: one shared guest at a time, watched while a test has it."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Self

from harness.machine import Accelerator, MachineConfig, VirtualMachine, choose_accelerator
from harness.oracles.kernel_log import KernelLogOracle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.artifacts import Artifacts
    from harness.machine import Proof


def machine_config(artifacts: Artifacts, **wishes: Any) -> MachineConfig:
    """Return a machine made of the artifacts; ``wishes`` are further fields of :class:`MachineConfig`."""
    image = artifacts.image()
    return MachineConfig(
        qemu=artifacts.qemu(),
        kernel=artifacts.kernel(),
        image=image,
        ssh_key=artifacts.ssh_key(),
        kernel_args=(*image.kernel_args, *wishes.pop("kernel_args", ())),
        **wishes,
    )


def prove_accelerator(artifacts: Artifacts, request: str, timeout_scale: float = 1.0) -> Proof:
    """Decide between KVM and TCG by a boot of the very guest that the run will use.

    Raises:
        SetupError: ``request`` is not auto, kvm or tcg, or is kvm and KVM does not boot the guest.
        ArtifactError: a build failed.
    """
    config = machine_config(artifacts, accelerator=Accelerator.TCG, timeout_scale=timeout_scale)
    return choose_accelerator(request, config, cache_dir=artifacts.settings.cache_dir)


class Room:
    """Boots guests and ends them; keeps one healthy guest from one test to the next of the same owner."""

    def __init__(self, artifacts: Artifacts, proof: Proof, timeout_scale: float = 1.0) -> None:
        """Make a room whose guests run what ``artifacts`` builds on the accelerator of ``proof``."""
        self._artifacts = artifacts
        self._proof = proof
        self._scale = timeout_scale
        self._shared: tuple[object, VirtualMachine, KernelLogOracle] | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def clear(self) -> None:
        """End the shared guest, if there is one."""
        self._shared = None
        self._stack.close()

    def config(self, **wishes: Any) -> MachineConfig:
        """Return the machine with the wishes of a test's ``machine`` marker."""
        return machine_config(
            self._artifacts, accelerator=self._proof.accelerator, timeout_scale=self._scale, **wishes
        )

    @contextmanager
    def own(self, told: Callable[[], bool] = bool, **wishes: Any) -> Iterator[VirtualMachine]:
        """Boot a guest for one test and end it with the test; ``told`` as for :meth:`shared`."""
        with self._booted(**wishes) as (machine, oracle):
            yield machine
            if not told():
                oracle.verdict()

    @contextmanager
    def shared(self, owner: str, told: Callable[[], bool] = bool, **wishes: Any) -> Iterator[VirtualMachine]:
        """Lend the shared guest: another owner, other wishes or a guest that is not well get a new one.

        A test in whose time the kernel reported something fails, even if all that it asserted was true.

        Args:
            owner: who shares it, a file of tests.
            told: says whether the test has failed with such a report already.
            wishes: further fields of the machine's configuration.
        """
        key = (owner, repr(sorted(wishes.items())))
        if self._shared is None or self._shared[0] != key or self._shared[1].lifeline.error is not None:
            self.clear()
            machine, oracle = self._stack.enter_context(self._booted(**wishes))
            self._shared = (key, machine, oracle)
        _, machine, oracle = self._shared
        yield machine
        if not told():
            oracle.verdict()

    @contextmanager
    def _booted(self, **wishes: Any) -> Iterator[tuple[VirtualMachine, KernelLogOracle]]:
        """Boot a guest that is watched from its first byte to its last."""
        machine = VirtualMachine(self.config(**wishes))
        oracle = KernelLogOracle(machine)
        try:
            with machine:
                yield machine, oracle
        finally:
            oracle.close()
