# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the guests of a run live: restored or booted, each for one user, and watched as long as they live."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from harness.artifacts import KernelKind
from harness.errors import GuestPanicError, QemuExitError
from harness.machine import MEMORY_MIB, Accelerator, MachineConfig, VirtualMachine, choose_accelerator
from harness.machine.entrances import NO_ENTRANCES, Entrances
from harness.machine.lan import Lan
from harness.machine.ready import give_back, save_at_rest
from harness.machine.snapshot import Snapshot, machine_key
from harness.oracles.expectation import dying_of
from harness.oracles.kernel_log import Explainer, KernelLogOracle
from harness.oracles.leaks import look_for_leaks
from harness.oracles.symbols import Symbols
from harness.sut.bundled import OurGuests
from harness.sut.foreign import NOLOAD, Guests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from harness.artifacts import Artifacts
    from harness.machine import Proof
    from harness.oracles.crash import Crash
    from harness.oracles.expectation import Excuse, Expectation
    from harness.report.guests import Guests as Audience


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


READY = "the guest that others are restored from"


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
    of each guest's context asks its oracle, unless ``told`` gives the guest's loss as the error that the
    test has failed with already.
    With the debug kernel it also fails if the driver has leaked memory.
    """

    def __init__(
        self,
        artifacts: Artifacts,
        proof: Proof,
        timeout_scale: float = 1.0,
        guests: OurGuests | Guests | None = None,
        audience: Audience | None = None,
        care: Care = NO_CARE,
    ) -> None:
        """Make a room whose guests run what ``artifacts`` builds on the accelerator of ``proof``.

        ``guests`` gives them what is under test; what the artifacts have of ours without it.  ``audience``
        hears of each of them, ``care`` is what a person wants of them.
        """
        self._care = care
        self._artifacts = artifacts
        self._guests, self._audience = guests, audience
        self._proof = proof
        self._scale = timeout_scale
        self._oracles: dict[VirtualMachine, KernelLogOracle] = {}
        self._crashes: WeakKeyDictionary[VirtualMachine, tuple[Crash, ...]] = WeakKeyDictionary()
        self._excuses: list[Excuse] = []
        self._prepared = False

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
            with self._watched(VirtualMachine(config), bool, READY, alone=True) as machine:
                saved = save_at_rest(machine, folder)
            give_back(saved)

        return Snapshot(self._artifacts.guest(machine_key(config), make))

    @contextmanager
    def cold(self, told: Callable[[], object] = bool, **wishes: Any) -> Iterator[VirtualMachine]:
        """Boot a guest for one user and end it afterwards."""
        config = self.config(booted=True, **wishes)
        with self._watched(VirtualMachine(config), told) as machine:
            self._give(machine.boot(), wishes, booted=True)
            self._care.greet(machine)
            yield machine
            self._search(machine, told)

    @contextmanager
    def fresh(
        self, told: Callable[[], object] = bool, *, lan: Lan | None = None, **wishes: Any
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
        self, snapshot: Snapshot, told: Callable[[], object] = bool, **wishes: Any
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
        """Let a guest's kernel report what matches in its first line: a scenario provokes it on purpose."""
        return self._oracles[machine].allow(pattern)

    @contextmanager
    def expecting(self, machine: VirtualMachine, pattern: str) -> Iterator[Expectation]:
        """Let a guest's kernel report what matches in any line, and see that it does before the end.

        A guest that dies of it ends the context, and no test.

        Raises:
            KernelSilentError: it did not report it.
        """
        with self._oracles[machine].expect(pattern) as expectation, dying_of(expectation):
            yield expectation

    @contextmanager
    def excused(self, *excuses: Excuse) -> Iterator[None]:
        """Let reports pass in all guests that live now, and in those that come to life in the context."""
        with ExitStack() as stack:
            for excuse in excuses:
                for oracle in self._oracles.values():
                    stack.enter_context(oracle.excuse(excuse))
                self._excuses.append(excuse)
                stack.callback(self._excuses.remove, excuse)
            yield

    def crashes_of(self, machine: VirtualMachine) -> tuple[Crash, ...]:
        """Return what a guest's kernel and its QEMU have reported, also after its end.

        What a scenario has said may come is not in it.
        """
        oracle = self._oracles.get(machine)
        return oracle.crashes if oracle else self._crashes.get(machine, ())

    def verdict(self, machine: VirtualMachine) -> None:
        """Raise what the kernel of a living guest has reported since it was last asked.

        Raises:
            KernelReportError: the first report.
        """
        self._oracles[machine].verdict()

    def _give(self, machine: VirtualMachine, wishes: Mapping[str, Any], *, booted: bool) -> None:
        """Give a guest the parts under test that its image has not."""
        load = NOLOAD not in wishes.get("kernel_args", ())
        self.guests.enter(machine, booted=booted, load=load)

    def _search(self, machine: VirtualMachine, told: Callable[[], object]) -> None:
        """Look for leaks at the end of a guest with the debug kernel, if it still runs."""
        if self._artifacts.settings.kernel is not KernelKind.DEBUG or told():
            return
        if machine.lifeline.error is None and machine.qmp.execute("query-status")["running"]:
            # The kernel tells of its own leaks, too: those are not what is tested.
            with self.allow(machine, r"kmemleak: "):
                look_for_leaks(machine)

    @contextmanager
    def _watched(
        self, machine: VirtualMachine, told: Callable[[], object], name: str = "", *, alone: bool = False
    ) -> Iterator[VirtualMachine]:
        """Watch a guest from its first byte to its last; a report calls it ``name``, or by a number.

        One that is left ``alone`` never lingers.
        """
        explainer = Explainer(machine.identity.hostname, lambda: self._symbols, partial(_doing, machine))
        oracle = KernelLogOracle(machine, explainer)
        self._oracles[machine] = oracle
        self._prepare(explainer)
        if self._audience is not None:
            self._audience.enters(machine, name)

        def end() -> None:
            machine.close()
            self._crashes[machine] = oracle.crashes
            oracle.close()
            self._oracles.pop(machine, None)

        lingers = False
        with ExitStack() as excuses:
            for excuse in self._excuses:
                excuses.enter_context(oracle.excuse(excuse))
            try:
                yield machine
                # A command that failed for what the kernel reported has not told that.
                if not isinstance(told(), GuestPanicError | QemuExitError):
                    oracle.verdict()
            except (GeneratorExit, KeyboardInterrupt):
                raise
            except BaseException:
                lingers = not alone and self._care.lingers(machine, end)
                raise
            finally:
                if self._audience is not None:
                    # What is to be seen of it, as long as there is something to see.
                    self._audience.leaves(machine, oracle.crashes)
                if not lingers:
                    end()

    def _prepare(self, explainer: Explainer) -> None:
        """Read what a report will need, beside the first guest's start: a test is to fail in a moment."""
        if not self._prepared:
            self._prepared = True
            threading.Thread(target=explainer.prepare, name="symbols", daemon=True).start()

    @cached_property
    def _symbols(self) -> Symbols:
        """Return what finds places in the source of the module under test."""
        parts = self._artifacts.unstripped()
        return Symbols(parts.module, parts.sources, parts.changed)


def _doing(machine: VirtualMachine) -> str:
    """Return what is being done to a guest: the wait that began last."""
    reason = machine.deadlines.latest
    return f"waiting for {reason}" if reason else ""
