# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the guests of a run live: restored or booted, each for one user, and watched as long as they live."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.artifacts import KernelKind
from harness.machine import MEMORY_MIB, Accelerator, MachineConfig, VirtualMachine, choose_accelerator
from harness.machine.entrances import NO_ENTRANCES, Entrances
from harness.machine.lan import Lan
from harness.machine.ready import give_back, save_at_rest
from harness.machine.snapshot import Snapshot, machine_key
from harness.oracles.kernel_log import KernelLogOracle
from harness.oracles.leaks import look_for_leaks
from harness.sut.bundled import OurGuests
from harness.sut.foreign import NOLOAD, Guests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from harness.artifacts import Artifacts
    from harness.machine import Proof


def machine_config(artifacts: Artifacts, **wishes: Any) -> MachineConfig:
    """Return a machine made of the artifacts; ``wishes`` are further fields of :class:`MachineConfig`."""
    image, kind = artifacts.image(), artifacts.settings.kernel
    wishes["memory_mib"] = kind.memory_mib(wishes.get("memory_mib", MEMORY_MIB))
    wishes["timeout_scale"] = kind.slowness * wishes.get("timeout_scale", 1.0)
    return MachineConfig(
        qemu=artifacts.qemu(),
        kernel=artifacts.kernel(),
        image=image,
        ssh_key=artifacts.ssh_key(),
        kernel_args=(*image.kernel_args, *kind.arguments, *wishes.pop("kernel_args", ())),
        **wishes,
    )


def prove_accelerator(artifacts: Artifacts, request: str, timeout_scale: float = 1.0, **wishes: Any) -> Proof:
    """Decide between KVM and TCG by a boot of the very guest that the run will use.

    ``wishes`` are further fields of the machine, for a QEMU whose device is not ours.

    Raises:
        SetupError: ``request`` is not auto, kvm or tcg, or is kvm and KVM does not boot the guest.
        ArtifactError: a build failed.
    """
    config = machine_config(artifacts, accelerator=Accelerator.TCG, timeout_scale=timeout_scale, **wishes)
    return choose_accelerator(request, config, cache_dir=artifacts.settings.cache_dir)


def _greet_nobody(machine: VirtualMachine) -> None:
    """Say nothing."""


def _linger_nowhere(machine: VirtualMachine, end: Callable[[], None]) -> bool:  # noqa: ARG001
    """Let every guest end in its time."""
    return False


@dataclass(frozen=True)
class Care:
    """What a person wants of a run's guests, besides what tests want of them.

    Attributes:
        entrances: what each has for a person to come in.
        kernel_args: what each is told besides.
        greet: called with each guest when it is there.
        lingers: called with each guest whose user failed, and with what ends it: returns whether it sees to
            that itself, later.
    """

    entrances: Entrances = NO_ENTRANCES
    kernel_args: tuple[str, ...] = ()
    greet: Callable[[VirtualMachine], None] = _greet_nobody
    lingers: Callable[[VirtualMachine, Callable[[], None]], bool] = _linger_nowhere


NO_CARE = Care()


class Room:
    """Brings guests to life and ends them.

    A test in whose time the kernel reported something fails, even if all that it asserted was true: the end
    of each guest's context asks its oracle, unless ``told`` says that the test has failed with it already.
    With the debug kernel it also fails if the driver has leaked memory.
    """

    def __init__(
        self,
        artifacts: Artifacts,
        proof: Proof,
        timeout_scale: float = 1.0,
        guests: OurGuests | Guests | None = None,
        care: Care = NO_CARE,
    ) -> None:
        """Make a room whose guests run what ``artifacts`` builds on the accelerator of ``proof``.

        ``guests`` gives them what is under test; what the artifacts have of ours without it.  ``care`` is
        what a person wants of them.
        """
        self._care = care
        self._artifacts = artifacts
        self._guests = guests
        self._proof = proof
        self._scale = timeout_scale
        self._oracles: dict[VirtualMachine, KernelLogOracle] = {}

    @property
    def machines(self) -> tuple[VirtualMachine, ...]:
        """The guests that are there now, the oldest first."""
        return tuple(self._oracles)

    @property
    def guests(self) -> OurGuests | Guests:
        """How guests get what is under test."""
        if self._guests is None:
            self._guests = OurGuests(self._artifacts.replaced())
        return self._guests

    def config(self, *, booted: bool = False, **wishes: Any) -> MachineConfig:
        """Return the machine with the wishes of a test's ``machine`` marker.

        Args:
            booted: whether it is to be booted for its user, and not restored.
            wishes: fields of the machine's configuration, and ``smap``.
        """
        told = {"entrances": self._care.entrances, **self.guests.machine(wishes, booted=booted)}
        told["kernel_args"] = (*told.get("kernel_args", ()), *self._care.kernel_args)
        return machine_config(
            self._artifacts, accelerator=self._proof.accelerator, timeout_scale=self._scale, **told
        )

    def ready(self, **wishes: Any) -> Snapshot:
        """Return the snapshot that fresh guests of this machine come from; it is made if it is missing."""
        # Nobody is to enter it.
        config = self.config(entrances=NO_ENTRANCES, **wishes)

        def make(folder: Path) -> None:
            # What its kernel reported would be in every guest, and in no guest's log.
            with self._watched(VirtualMachine(config), bool, alone=True) as machine:
                saved = save_at_rest(machine, folder)
            give_back(saved)

        return Snapshot(self._artifacts.guest(machine_key(config), make))

    @contextmanager
    def cold(self, told: Callable[[], bool] = bool, **wishes: Any) -> Iterator[VirtualMachine]:
        """Boot a guest for one user and end it afterwards."""
        config = self.config(booted=True, **wishes)
        with self._watched(VirtualMachine(config), told) as machine:
            self._give(machine.boot(), wishes, booted=True)
            self._care.greet(machine)
            yield machine
            self._search(machine, told)

    @contextmanager
    def fresh(
        self, told: Callable[[], bool] = bool, *, lan: Lan | None = None, **wishes: Any
    ) -> Iterator[VirtualMachine]:
        """Restore a guest from the ready snapshot for one user and end it afterwards.

        Args:
            told: see the class.
            lan: a private network that it is on.
            wishes: further fields of the machine's configuration.
        """
        cable, identity = lan.join() if lan else (None, None)
        config = self.config(lan=lan is not None, **wishes)
        snapshot = self.ready(lan=lan is not None, **wishes)
        with self._watched(VirtualMachine(config, identity=identity, cable=cable), told) as machine:
            self._give(machine.restore(snapshot), wishes, booted=False)
            self._care.greet(machine)
            yield machine
            self._search(machine, told)

    @contextmanager
    def restored(
        self, snapshot: Snapshot, told: Callable[[], bool] = bool, **wishes: Any
    ) -> Iterator[VirtualMachine]:
        """Restore a guest from a snapshot of the user's own and end it afterwards."""
        with self._watched(VirtualMachine(self.config(**wishes)), told) as machine:
            machine.restore(snapshot)
            self._care.greet(machine)
            yield machine
            self._search(machine, told)

    def network(self) -> Lan:
        """Return a new private network, for the ``lan`` of :meth:`fresh`; a context manager."""
        return Lan()

    def allow(self, machine: VirtualMachine, pattern: str) -> AbstractContextManager[None]:
        """Let lines that match pass in a guest's kernel log, for a scenario that provokes them on purpose."""
        return self._oracles[machine].allow(pattern)

    def verdict(self, machine: VirtualMachine) -> None:
        """Raise what the kernel of a living guest has reported since it was last asked.

        Raises:
            GuestPanicError: the first report.
        """
        self._oracles[machine].verdict()

    def _give(self, machine: VirtualMachine, wishes: Mapping[str, Any], *, booted: bool) -> None:
        """Give a guest the parts under test that its image has not."""
        load = NOLOAD not in wishes.get("kernel_args", ())
        self.guests.enter(machine, booted=booted, load=load)

    def _search(self, machine: VirtualMachine, told: Callable[[], bool]) -> None:
        """Look for leaks at the end of a guest with the debug kernel, if it still runs."""
        if self._artifacts.settings.kernel is not KernelKind.DEBUG or told():
            return
        if machine.lifeline.error is None and machine.qmp.execute("query-status")["running"]:
            # The kernel tells of its own leaks, too: those are not what is tested.
            with self.allow(machine, r"kmemleak: "):
                look_for_leaks(machine)

    @contextmanager
    def _watched(
        self, machine: VirtualMachine, told: Callable[[], bool], *, alone: bool = False
    ) -> Iterator[VirtualMachine]:
        """Watch a guest from its first byte to its last; one that is left ``alone`` never lingers."""
        oracle = KernelLogOracle(machine)
        self._oracles[machine] = oracle

        def end() -> None:
            machine.close()
            oracle.close()
            self._oracles.pop(machine, None)

        lingers = False
        try:
            yield machine
            if not told():
                oracle.verdict()
        except (GeneratorExit, KeyboardInterrupt):
            raise
        except BaseException:
            lingers = not alone and self._care.lingers(machine, end)
            raise
        finally:
            if not lingers:
                end()
