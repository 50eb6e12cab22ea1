# SPDX-License-Identifier: GPL-2.0-or-later
"""Random sequences of calls to a device, right and wrong, all foretold by the model.

A state machine of hypothesis: a failure is shrunk, and the trace that is left replays it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from harness.qtest import steps
from harness.qtest.finding import Finding
from harness.qtest.mmio import Register
from harness.qtest.player import Mode, Player
from harness.qtest.ring import DescFlag
from harness.reference.abi import Cipher, CryptOp, Ioctl, Mac, SessionOp

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.qtest.machine import QtestMachine
    from harness.qtest.trace import Setup

# Of the examples that the profile of hypothesis asks for: each one here is a life of a device.
SHARE_OF_EXAMPLES = 0.2
STEPS = 30
# A restored machine is another process: a tenth of a second.
MOST_SAVES = 1

_BLOCK = 16
_COMMANDS = [*map(int, Ioctl), 0, 0xFFFFFFFF]


def _words(*numbers: int) -> bytes:
    return b"".join((number & 0xFFFFFFFF).to_bytes(4, "little") for number in numbers)


def _runs(most: int, least: int = 0) -> st.SearchStrategy[bytes]:
    """Bytes that are short to print: a few of any kind, or many of one."""
    few = st.binary(min_size=least, max_size=min(most, max(least, 40)))
    many = st.builds(
        lambda byte, size: bytes([byte]) * size, st.integers(0, 255), st.integers(least, most)
    )  # fmt: skip
    return st.one_of(few, many)


def cut(data: steps.Data, places: list[int]) -> list[steps.Data]:
    """Cut data into pieces that are not empty; an id is not cut, but its beginning is a place, too.

    Args:
        data: any.
        places: distances between two cuts, in bytes; no more cuts after the last.
    """
    whole: list[bytes | steps.SessionId] = list(data)
    pieces: list[steps.Data] = []
    for place in places:
        taken: list[bytes | steps.SessionId] = []
        left = place
        while whole and left > 0:
            first = whole.pop(0)
            if isinstance(first, steps.SessionId) or len(first) <= left:
                taken.append(first)
                left -= 4 if isinstance(first, steps.SessionId) else len(first)
            else:
                taken.append(first[:left])
                whole.insert(0, first[left:])
                left = 0
        pieces.append(tuple(taken))
    pieces.append(tuple(whole))
    return [piece for piece in pieces if steps.size_of(piece)]


class _Way:
    """How a request gets to the device: its buffers, and whether the device is told at once."""

    def __init__(self, readable: list[int], writable: list[int], *, indirect: bool, kick: bool) -> None:
        self.readable, self.writable, self.indirect, self.kick = readable, writable, indirect, kick

    def __repr__(self) -> str:
        words = [f"cut={self.readable}|{self.writable}"] if self.readable or self.writable else []
        words += ["indirect"] * self.indirect + ["wait"] * (not self.kick)
        return f"<{' '.join(words) or 'plain'}>"


_cuts = st.lists(st.integers(1, 70), max_size=5)
_ways = st.builds(_Way, _cuts, _cuts, indirect=st.booleans(), kick=st.sampled_from([True, True, False]))


class Supply:
    """Gives each example a device in its first state, from one QEMU for as long as that one is sound."""

    def __init__(self, start: Callable[[], QtestMachine], setup: Setup) -> None:
        self._start, self._setup = start, setup
        self._machine: QtestMachine | None = None

    def player(self) -> Player:
        """Return a player that has done nothing yet."""
        if self._machine is None:
            self._machine = self._start()
        return Player(self._machine, self._setup)

    def spoiled(self) -> None:
        """Take the next player's device from a new QEMU."""
        if self._machine is not None:
            self._machine.kill()
        self._machine = None


class DeviceMachine(RuleBasedStateMachine):
    """The life of a device, from its reset to the next one."""

    def __init__(self, supply: Supply) -> None:
        super().__init__()
        self._supply = supply
        self._saves = 0
        self._finished = False

    @initialize()
    def start(self) -> None:
        """Bring the device up."""
        self._guarded(lambda: setattr(self, "player", self._supply.player()))

    player: Player

    def _guarded(self, what: Callable[[], Any]) -> None:
        try:
            what()
        except Finding:
            self._finished = True
            self._supply.spoiled()
            raise

    def _play(self, step: steps.Step) -> None:
        self._guarded(lambda: self.player.play(step))

    def _send(self, readable: steps.Data, writable: steps.Data, way: _Way) -> None:
        pieces = [steps.Piece(piece) for piece in cut(readable, way.readable)]
        pieces += [steps.Piece(piece, writable=True) for piece in cut(writable, way.writable)]
        if not pieces:
            return
        self._play(steps.Chain(tuple(pieces), way.indirect))
        if way.kick:
            self._play(steps.Kick())

    def _handle(self, number: int) -> int:
        """Return one of the open handles for most numbers, one that is not open for others."""
        handles = sorted(self.player.model.open_files)
        if number >= 0 and handles:
            return handles[number % len(handles)]
        return {-1: -1, -2: 0x7FFFFFFF}.get(number, self.player.setup.max_open_files)

    def _live(self, number: int) -> tuple[int, steps.SessionId]:
        """Return an open handle and a session of it for most numbers, others that do not fit."""
        model = self.player.model
        last = {ses: index for index, ses in enumerate(model.made)}
        live = sorted((last[ses], handle) for handle in model.open_files for ses in model.sessions(handle))
        if number >= 0 and live:
            index, handle = live[number % len(live)]
            return handle, steps.SessionId(index)
        return self._handle(number), steps.SessionId(abs(number))

    # Requests ----------------------------------------------------------------------------------------------

    _numbers = st.integers(-3, 7)

    @rule(way=_ways)
    def open(self, way: _Way) -> None:
        """Open."""
        self._send((_words(0),), (_words(-1),), way)

    @rule(number=_numbers, way=_ways)
    def close(self, number: int, way: _Way) -> None:
        """Close."""
        self._send((_words(1, self._handle(number)),), (), way)

    @rule(
        number=_numbers,
        keylen=st.sampled_from([16, 24, 32, 16, 24, 32, 0, 15, 64, 65]),
        key=st.integers(0, 255),
        cipher=st.sampled_from([Cipher.AES_CBC] * 5 + [Cipher.AES_CTR, 0]),
        mac=st.sampled_from([0] * 6 + [Mac.SHA1]),
        told=st.sampled_from([0] * 6 + [-1, 1, 1 << 31]),
        way=_ways,
    )
    def session(
        self, number: int, keylen: int, key: int, cipher: int, mac: int, told: int, way: _Way
    ) -> None:
        """CIOCGSESSION."""
        operation = SessionOp(cipher=cipher, mac=mac, keylen=(keylen + told) & 0xFFFFFFFF, key=0x1234, ses=7)
        readable = _words(2, self._handle(number), Ioctl.CIOCGSESSION) + bytes([key]) * keylen
        self._send((readable,), (operation.pack() + _words(-1),), way)

    @rule(number=_numbers, way=_ways)
    def free(self, number: int, way: _Way) -> None:
        """CIOCFSESSION."""
        handle, ses = self._live(number)
        self._send((_words(2, handle, Ioctl.CIOCFSESSION), ses), (_words(-1),), way)

    @rule(
        number=_numbers,
        op=st.sampled_from([0, 1, 0, 1, 0, 1, 2]),
        flags=st.sampled_from([0, 0, 4, 0xFFFF]),
        source=_runs(4096),
        whole=st.sampled_from([True, True, True, False]),
        told=st.sampled_from([0] * 8 + [-16, 16, 1 << 31]),
        iv=st.binary(min_size=16, max_size=16),
        way=_ways,
    )
    def crypt(
        self,
        number: int,
        op: int,
        flags: int,
        source: bytes,
        whole: bool,  # noqa: FBT001 -- hypothesis calls by name
        told: int,
        iv: bytes,
        way: _Way,
    ) -> None:
        """CIOCCRYPT."""
        handle, ses = self._live(number)
        if whole:
            source += bytes(-len(source) % _BLOCK)
        operation = CryptOp(op=op, flags=flags, len=(len(source) + told) & 0xFFFFFFFF, src=1, dst=2, iv=3)
        head = _words(2, handle, Ioctl.CIOCCRYPT)
        readable: steps.Data = (head, ses, operation.pack()[4:] + source + iv)
        self._send(readable, (b"\xa5" * len(source) + _words(-1),), way)

    @rule(kind=st.sampled_from([0, 1, 2, 2, 2, 3]), number=_numbers, command=st.sampled_from(_COMMANDS),
          rest=_runs(200), writable=_runs(100), way=_ways)  # fmt: skip
    def anything(self, kind: int, number: int, command: int, rest: bytes, writable: bytes, way: _Way) -> None:
        """A chain of any lengths, that may look like a request at its beginning."""
        self._send((_words(kind, self._handle(number), command) + rest,), (writable,), way)

    @rule(readable=_runs(16), writable=_runs(8), way=_ways)
    def nothing_much(self, readable: bytes, writable: bytes, way: _Way) -> None:
        """A chain that is no request, or an open or a close by accident."""
        self._send((readable,), (writable,), way)

    # The queue ---------------------------------------------------------------------------------------------

    @rule(queue=st.sampled_from([0, 0, 0, 1, 1024, 0xFFFFFFFF]))
    def kick(self, queue: int) -> None:
        """Notify, perhaps another queue than the one that there is."""
        self._play(steps.Kick(queue))

    @rule(readable=_runs(8, 1), writable=_runs(8, 1), indirect=st.booleans())
    def wrong_order(self, readable: bytes, writable: bytes, indirect: bool) -> None:  # noqa: FBT001
        """What the device may write comes before what it may read (section 2.7.4.2)."""
        pieces = (steps.Piece((writable,), writable=True), steps.Piece((readable,)))
        self._play(steps.Chain(pieces, indirect))
        self._play(steps.Kick())

    @rule(
        fields=st.lists(
            st.tuples(st.sampled_from([4, 4, 4, 0, 3]), st.sampled_from(range(8)), st.sampled_from(range(4))),
            min_size=1,
            max_size=4,
        ),
        size=st.sampled_from([0, 0, 0, -1, -16, 16]),
        indirect=st.booleans(),
        head=st.sampled_from([0, 0, 0, 1, 0xFFFF]),
    )
    def descriptors(
        self,
        fields: list[tuple[int, int, int]],
        size: int,
        indirect: bool,  # noqa: FBT001
        head: int,
    ) -> None:
        """Descriptors that make sense only by chance, over a block each that reads as an open."""
        before = sum(isinstance(step, steps.Block | steps.Table) for step in self._since_reset())
        for _ in fields:
            self._play(steps.Block((bytes(4),)))
        table = tuple(
            steps.RawDescriptor(steps.Place(0, before + number), length, flags, following)
            for number, (length, flags, following) in enumerate(fields)
        )
        if indirect:
            self._play(steps.Table(table))
            there = steps.Place(0, before + len(fields))
            table = (steps.RawDescriptor(there, max(0, 16 * len(fields) + size), DescFlag.INDIRECT),)
        self._play(steps.Raw(table, head))
        self._play(steps.Kick())

    def _since_reset(self) -> list[steps.Step]:
        played = self.player.played
        last = max((at for at, step in enumerate(played) if isinstance(step, steps.Reset)), default=-1)
        return played[last + 1 :]

    # The device --------------------------------------------------------------------------------------------

    @rule()
    def reset(self) -> None:
        """Reset the device and bring it up."""
        self._play(steps.Reset())

    # The more that is known the more is tested: a device that anything may come of is reset soon.
    @precondition(lambda self: self.player.mode is not Mode.UP)
    @rule()
    def mend(self) -> None:
        """Reset a device that has given up."""
        self._play(steps.Reset())

    @rule(
        register=st.sampled_from([Register.STATUS, *Register]), value=st.sampled_from([0, 1, 0x8F, 1 << 31])
    )
    def write(self, register: int, value: int) -> None:
        """Write a register that no driver would, now."""
        self._play(steps.Write(register, value))

    @precondition(lambda self: self._saves < MOST_SAVES)
    @rule()
    def save(self) -> None:
        """Save the machine and go on in another process."""
        self._saves += 1
        self._play(steps.Save())

    def teardown(self) -> None:
        """Reset the device at the end of its life, and see that it works."""
        if not self._finished and hasattr(self, "player"):
            self._guarded(self.player.finish)


def search(start: Callable[[], QtestMachine], setup: Setup) -> None:
    """Play random sequences until one shows a difference, or as many as hypothesis's profile asks for.

    Args:
        start: starts a machine with ``setup``'s properties.
        setup: of the device and its driver.

    Raises:
        Finding: the smallest sequence that shows it is in its trace.
    """
    supply = Supply(start, setup)
    profile = settings()
    chosen = settings(
        profile,
        max_examples=max(1, round(profile.max_examples * SHARE_OF_EXAMPLES)),
        stateful_step_count=STEPS,
        # Some steps start a process, and the time of one step says nothing.
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    # Anything that makes a machine will do, says its documentation.
    run_state_machine_as_test(lambda: DeviceMachine(supply), settings=chosen)  # type: ignore[arg-type]
