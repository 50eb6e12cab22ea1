# SPDX-License-Identifier: GPL-2.0-or-later
"""The fixtures that scenarios are written with."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from harness import inner, plugin
from harness.errors import GuestPanicError, QemuExitError
from harness.far import FarMachine
from harness.oracles.twin import Twin
from harness.qtest import Cryptodev, QtestMachine
from harness.qtest.stateful import search
from harness.qtest.trace import Setup
from harness.report import run as report
from harness.sut import programs as public_programs
from harness.sut.conversation import HostTerminal, chat_between_guests, guest_chat
from harness.sut.conversation import host_to_guest_chat as talk_from_host
from harness.sut.wire import GuestWire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from harness.artifacts import Artifacts, Devcrypto, Programs
    from harness.machine import Proof, VirtualMachine
    from harness.machine.lan import Lan
    from harness.room import Room
    from harness.sut.bundled import SystemUnderTest
    from harness.sut.chat import Chat
    from harness.sut.cryptoctl import Cryptoctl


@pytest.fixture(scope="session")
def artifacts(pytestconfig: pytest.Config) -> Artifacts:
    """Return the builds: QEMU, kernel, driver, programs, image; each is made when it is first asked for."""
    return pytestconfig.stash[plugin.ARTIFACTS]


@pytest.fixture(scope="session")
def devcrypto(artifacts: Artifacts) -> Devcrypto:
    """Return the C library with the semantics of /dev/crypto: ``.library`` and ``.preload``."""
    return artifacts.devcrypto()


@pytest.fixture(scope="session")
def programs(artifacts: Artifacts) -> Programs:
    """Return the chat programs and the tools, which run on the host as in the guest."""
    return artifacts.programs()


@pytest.fixture
def qtest(artifacts: Artifacts, pytestconfig: pytest.Config) -> Iterator[Callable[..., QtestMachine]]:
    """Return a function that starts a QEMU without a guest, whose device the test drives itself.

    It takes what :class:`harness.qtest.QtestMachine` takes after ``qemu``.  At the end of the test each QEMU
    is asked to end, and the test fails if it does not end well.
    """
    machines: list[QtestMachine] = []

    def start(*args: Any, **wishes: Any) -> QtestMachine:
        scale = pytestconfig.stash[plugin.SCALE]
        machines.append(QtestMachine(artifacts.qemu(), *args, timeout_scale=scale, **wishes))
        return machines[-1]

    with ExitStack() as ending:
        # Each one is asked, even after another one has failed.
        ending.callback(lambda: [ending.callback(machine.stop) for machine in machines])
        yield start


@pytest.fixture
def cryptodev(qtest: Callable[..., QtestMachine]) -> Cryptodev:
    """Return the driver of a fresh device with no guest: negotiated, one queue, started."""
    driver = Cryptodev(qtest())
    driver.bring_up()
    return driver


@pytest.fixture
def lives(qtest: Callable[..., QtestMachine]) -> Callable[..., None]:
    """Return a function that lives random lives of a device beside the model.

    ``lives("max-sessions=4 ring=packed")``: the options of a trace's device, see
    :class:`harness.qtest.trace.Setup`.  The first difference fails the test; the shrunk trace that replays it
    is in the failure.  ``really="max-sessions=3"`` is what the device is when it is not what the model
    believes: such a search is the same each time.
    """

    def live(options: str, *, really: str | None = None) -> None:
        def start(setup: Setup) -> QtestMachine:
            device = setup if really is None else Setup.parse(really)
            return qtest(properties=device.properties, legacy=device.legacy)

        search(start, Setup.parse(options), derandomize=True if really else None)

    return live


@pytest.fixture(params=["split", "packed", "legacy"])
def cryptodev_any(qtest: Callable[..., QtestMachine], request: pytest.FixtureRequest) -> Cryptodev:
    """Return the same as ``cryptodev``, over a split ring, over a packed one, and over legacy registers."""
    kind = request.param
    driver = Cryptodev(qtest(properties="packed=on" if kind == "packed" else "", legacy=kind == "legacy"))
    driver.bring_up()
    return driver


@pytest.fixture(scope="session")
def sut(pytestconfig: pytest.Config) -> SystemUnderTest:
    """Return the names of the system under test."""
    return plugin.system_under_test(pytestconfig)


@pytest.fixture(scope="session")
def proof(pytestconfig: pytest.Config) -> Proof:
    """Return which accelerator was proven, and why."""
    with plugin.skipped_unless_built():
        return plugin.proof_of(pytestconfig)


@pytest.fixture(scope="session")
def room(pytestconfig: pytest.Config) -> Room:
    """Return where this run's guests come from."""
    run = report.of(pytestconfig)
    with plugin.skipped_unless_built():
        pytestconfig.stash[plugin.ROOM] = room = plugin.room_of(pytestconfig)
        run.header = run.header or tuple(plugin.stood_on(pytestconfig, plugin.proof_of(pytestconfig)))
    return room


def _wishes(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return what the test says of its machine, and how to ask whether its failure was told already."""
    marker = request.node.get_closest_marker("machine")
    told = {"told": lambda: request.node.stash.get(plugin.TOLD, default=None)}
    return {**marker.kwargs, **told} if marker else told


@pytest.fixture
def vm(room: Room, request: pytest.FixtureRequest) -> Iterator[VirtualMachine]:
    """Return a guest with the device and the driver, restored for this test: nobody has used it before."""
    with room.fresh(**_wishes(request)) as machine:
        yield machine


@pytest.fixture
def vm_cold(room: Room, request: pytest.FixtureRequest) -> Iterator[VirtualMachine]:
    """Return a guest that was booted for this test alone."""
    with room.cold(**_wishes(request)) as machine:
        yield machine


@pytest.fixture(params=["restored", "booted"])
def vm_any(room: Room, request: pytest.FixtureRequest) -> Iterator[VirtualMachine]:
    """Return a guest for this test; the test runs twice, in a restored guest and in a booted one."""
    with {"restored": room.fresh, "booted": room.cold}[request.param](**_wishes(request)) as machine:
        yield machine


@pytest.fixture(scope="class")
def vm_class(room: Room, request: pytest.FixtureRequest) -> Iterator[VirtualMachine]:
    """Return a fresh guest that the tests of a class share."""
    with room.fresh(**_wishes(request)) as machine:
        yield machine


@pytest.fixture(scope="module")
def vm_module(room: Room, request: pytest.FixtureRequest) -> Iterator[VirtualMachine]:
    """Return a fresh guest that the tests of a file share."""
    with room.fresh(**_wishes(request)) as machine:
        yield machine


@pytest.fixture(autouse=True)
def _verdict_on_shared_guests(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test in whose time the kernel of a shared guest reported something, not the last one."""
    names = {"vm_class", "vm_module"}.intersection(request.fixturenames)
    machines = [request.getfixturevalue(name) for name in names]
    yield
    told = request.node.stash.get(plugin.TOLD, default=None)
    if machines and not isinstance(told, GuestPanicError | QemuExitError):
        room: Room = request.getfixturevalue("room")
        for machine in machines:
            room.verdict(machine)


@pytest.fixture
def run_program(vm: VirtualMachine, tmp_path: Path) -> Callable[[Path], None]:
    """Return a function that compiles a C program, runs it in the guest, and fails if it ends badly."""

    def run(source: Path) -> None:
        # For pytest -rP: some programs say that something is wrong, and end with status 0 all the same.
        sys.stdout.write(public_programs.run(vm, source, tmp_path))

    return run


@pytest.fixture
def lan(room: Room) -> Iterator[Lan]:
    """Return this test's private network; ``.pcap`` has all that has crossed it."""
    with room.network() as network:
        yield network


@pytest.fixture
def vms(
    room: Room, lan: Lan, request: pytest.FixtureRequest
) -> Iterator[Callable[[int], list[VirtualMachine]]]:
    """Return a factory: ``vms(3)`` are three fresh guests on one private network; see ``address``."""
    with ExitStack() as stack:
        yield lambda number: [
            stack.enter_context(room.fresh(lan=lan, **_wishes(request))) for _ in range(number)
        ]


@pytest.fixture
def private_bytes() -> Callable[[VirtualMachine], int]:
    """Return a function that tells how much memory a guest has that it shares with no other."""
    return lambda machine: int(psutil.Process(machine.pid).memory_full_info().uss)


@pytest.fixture
def cryptos(vm: VirtualMachine, sut: SystemUnderTest) -> Iterator[Callable[[int], list[Cryptoctl]]]:
    """Return a factory of any number of ``cryptoctl`` programs in the guest."""
    with ExitStack() as stack:

        def start(number: int) -> list[Cryptoctl]:
            programs = [sut.cryptoctl(vm) for _ in range(number)]
            for program in programs:
                stack.callback(program.close)
            return programs

        yield start


@pytest.fixture
def crypto(cryptos: Callable[[int], list[Cryptoctl]]) -> Cryptoctl:
    """Return one ``cryptoctl`` in the guest."""
    return cryptos(1)[0]


@pytest.fixture
def twin(crypto: Cryptoctl, sut: SystemUnderTest) -> Twin:
    """Return an open device node whose every answer is compared with the reference model's."""
    return Twin(crypto.open(sut.node))


@pytest.fixture(scope="module")
def crypto_module(vm_module: VirtualMachine, sut: SystemUnderTest) -> Iterator[Cryptoctl]:
    """Return one ``cryptoctl`` in the guest that the tests of a file share."""
    program = sut.cryptoctl(vm_module)
    yield program
    program.close()


@pytest.fixture
def twin_module(crypto_module: Cryptoctl, sut: SystemUnderTest) -> Iterator[Twin]:
    """Return the same as ``twin``, in the guest that the tests of a file share; closed afterwards."""
    file = crypto_module.open(sut.node)
    yield Twin(file)
    file.close()


@pytest.fixture
def wire(vm: VirtualMachine) -> Iterator[GuestWire]:
    """Return a capture of what crosses the guest's loopback."""
    with GuestWire(vm, "lo") as capture:
        yield capture


@pytest.fixture
def chat(vm: VirtualMachine, sut: SystemUnderTest) -> Iterator[Chat]:
    """Return an encrypted conversation inside the guest, both ends connected."""
    with guest_chat(vm, sut, plain=False) as conversation:
        yield conversation


@pytest.fixture
def chat_between(
    vms: Callable[[int], list[VirtualMachine]], lan: Lan, sut: SystemUnderTest
) -> Iterator[Chat]:
    """Return an encrypted conversation between two guests on a private network."""
    client, server = vms(2)
    with chat_between_guests(client, server, lan, sut) as conversation:
        yield conversation


@pytest.fixture(params=["within one guest", "between two guests"])
def chat_any(request: pytest.FixtureRequest) -> Chat:
    """Return an encrypted conversation; the test runs twice, within one guest and between two."""
    name = "chat" if request.param == "within one guest" else "chat_between"
    conversation: Chat = request.getfixturevalue(name)
    return conversation


@pytest.fixture
def plain_chat(vm: VirtualMachine, sut: SystemUnderTest) -> Iterator[Chat]:
    """Return the same conversation without encryption."""
    with guest_chat(vm, sut, plain=True) as conversation:
        yield conversation


@pytest.fixture
def host_to_guest_chat(
    vm: VirtualMachine, sut: SystemUnderTest, programs: Programs, devcrypto: Devcrypto
) -> Iterator[Chat]:
    """Return a conversation between a client on the host and a server in the guest."""
    with talk_from_host(vm, sut, programs.chat_client, devcrypto.environment()) as conversation:
        yield conversation


@pytest.fixture
def inner_run(tmp_path: Path, artifacts: Artifacts) -> Iterator[Callable[..., inner.InnerRun]]:
    """Return a function that runs pytest on a source text: ``inner_run(source, *options)``.

    With ``share_cache=False`` it is not told where this run's builds are; ``prefix`` runs its command.
    """
    with ExitStack() as stack:

        def start(
            source: str, *options: str, share_cache: bool = True, prefix: Sequence[str] = ()
        ) -> inner.InnerRun:
            folder = Path(mkdtemp(dir=tmp_path))
            cache = [f"--cache-dir={artifacts.settings.cache_dir}"] if share_cache else []
            run = inner.InnerRun(folder, source, [*cache, *options], prefix)
            stack.callback(run.end)
            return run

        yield start


@pytest.fixture
def inner_terminal(tmp_path: Path, artifacts: Artifacts) -> Iterator[Callable[..., HostTerminal]]:
    """Return a function that does what ``inner_run`` does on a terminal: a pexpect object."""
    with ExitStack() as stack:

        def start(source: str, *options: str) -> HostTerminal:
            folder = Path(mkdtemp(dir=tmp_path))
            words = [f"--cache-dir={artifacts.settings.cache_dir}", "--color=no", *options]
            terminal = HostTerminal(inner.inner_command(folder, source, words))
            stack.callback(terminal.close, force=True)
            terminal.timeout = inner.TERMINAL_SECONDS
            return terminal

        yield start


@pytest.fixture
def far_machines() -> Iterator[Callable[[int], list[FarMachine]]]:
    """Return a function that makes machines to reach by ssh: ``far_machines(2)``."""
    with ExitStack() as stack:

        def start(number: int) -> list[FarMachine]:
            # A guest's sockets lie below, and a socket's path is short.
            folders = [Path(stack.enter_context(TemporaryDirectory(prefix="far-"))) for _ in range(number)]
            return [stack.enter_context(FarMachine(folder)) for folder in folders]

        yield start


@pytest.fixture
def gone() -> Callable[..., bool]:
    """Return a function that tells whether a process ends: ``gone(pid, seconds=10)``."""
    return inner.gone


@pytest.fixture
def vanished() -> Callable[..., bool]:
    """Return a function that tells whether a path is gone soon: ``vanished(path, seconds=10)``."""
    return inner.vanished


@pytest.fixture(scope="session")
def own_mounts() -> list[str]:
    """Return the command that runs another where it can mount file systems that nobody else sees."""
    return inner.own_mounts()


@pytest.fixture(scope="session")
def harness_command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs ``python -m harness`` to its end.

    ``harness_command(*arguments, prefix=[…], seconds=30)``: ``prefix`` is a command that runs it.
    """

    def run(
        *arguments: str, prefix: Sequence[str] = (), seconds: float = 30
    ) -> subprocess.CompletedProcess[str]:
        command = [*prefix, sys.executable, "-m", "harness", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=seconds, stdin=subprocess.DEVNULL
        )

    return run
