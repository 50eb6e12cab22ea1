# SPDX-License-Identifier: GPL-2.0-or-later
"""The pytest plugin: options, the header of a run, and how a failure of the machine is shown."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.artifacts import (
    ALL_OURS,
    NOTHING,
    Artifacts,
    DoesNotBuildError,
    Durations,
    Flavour,
    KernelKind,
    Progress,
    Settings,
)
from harness.errors import HarnessError
from harness.machine import Accelerator, Proof
from harness.machine.accelerator import requested_accelerator
from harness.machine.deadlines import positive, timeout_scale
from harness.pytests import place_of
from harness.report import run as report
from harness.report.text import clean
from harness.room import NO_CARE, Care, Room, prove_accelerator
from harness.sut import mutants, selection
from harness.sut.bundled import OurGuests, SystemUnderTest
from harness.sut.chat_spec import BUNDLED_CHAT, ChatSpec
from harness.sut.foreign import Guests, system_of
from harness.sut.programs import PROGRAMS_VARIABLE, programs_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from harness.sut.manifest import SutFile

pytest_plugins = (
    "harness.fixtures",
    "harness.chat_fixtures",
    "harness.foreign_fixtures",
    "harness.into_plugin",
    "harness.gateways",
    "harness.kernel_reports",
    "harness.report.collector",
    "harness.grade.recorder",
)

ARTIFACTS = pytest.StashKey[Artifacts]()
PROOF = pytest.StashKey[Proof]()
SCALE = pytest.StashKey[float]()
SUT: pytest.StashKey[SutFile | None] = pytest.StashKey()
"""The manifest of what is under test; None: all of it is ours."""
PROGRAMS = pytest.StashKey[list[Path]]()
"""The user's own programs for /dev/crypto."""
CHAT = pytest.StashKey[ChatSpec]()
"""The chat under test."""
CARE = pytest.StashKey[Care]()
"""What a person wants of the run's guests."""
ROOM = pytest.StashKey[Room]()
"""Where the run's guests are, as soon as a test has asked for one."""
TOLD = pytest.StashKey[HarnessError]()
"""The error of a test whose failure has already been told as one of the machine's."""

SETUP_FAILED = 3

NEEDS_GUEST = frozenset({"room", "proof"})
NEEDS_PROGRAMS = frozenset({"devcrypto", "programs"})
NEEDS_QEMU = frozenset({"qtest", "sut_device"})


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the harness's options; each one's default is its environment variable."""
    group = parser.getgroup("harness", "guests and the builds they need")
    group.addoption(
        "--cache-dir", type=Path, default=None, metavar="DIR", help="where builds and keys are kept"
    )
    group.addoption(
        "--qemu-source", type=Path, default=None, metavar="PATH", help="a QEMU tarball or checkout"
    )
    group.addoption("--jobs", type=int, default=None, metavar="N", help="how many compilers run at once")
    group.addoption("--flavour", choices=[*Flavour], help="how QEMU and devcrypto are built")
    group.addoption("--kernel", choices=[*KernelKind], help="what guests run; debug finds more, and is slow")
    group.addoption(
        "--mutant", type=mutants.option, metavar="NAME", help="put a fault into a part that is tested"
    )
    selection.add_to(group)
    group.addoption(
        "--programs",
        type=Path,
        metavar="DIR",
        help="a folder of C programs for /dev/crypto, to run in the guest",
    )
    group.addoption("--accel", choices=["auto", *Accelerator], help="auto takes KVM where it was proven")
    group.addoption("--timeout-scale", type=positive, metavar="X", help="multiplies every deadline")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker and lay out the builds that fixtures will ask for."""
    config.addinivalue_line(
        "markers", "machine(devices, cpus, memory_mib, kernel_args): the machine that this test wants"
    )
    selection.add_markers(config)
    config.addinivalue_line("markers", "kernel(name): the kernel without which this test has no meaning")
    try:
        settings = Settings.from_environment(
            cache_dir=config.getoption("--cache-dir"),
            qemu_source=config.getoption("--qemu-source"),
            jobs=config.getoption("--jobs"),
            flavour=config.getoption("--flavour"),
            kernel=config.getoption("--kernel"),
        )
        config.stash[SCALE] = config.getoption("--timeout-scale") or timeout_scale()
        config.stash[PROGRAMS] = programs_of(config.getoption("--programs"))
        mutant = config.getoption("--mutant")
        changes = mutant.changes() if mutant else NOTHING
        config.stash[SUT] = sut_file = selection.chosen(config)
        config.stash.setdefault(CHAT, (sut_file.chat if sut_file else None) or BUNDLED_CHAT)
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from error
    worker = getattr(config, "workerinput", {}).get("workerid")
    progress = Progress(name=f"harness on {worker}") if worker else Progress()
    not_ours = ALL_OURS if sut_file is None else selection.not_ours(sut_file)
    run = report.of(config)
    run.guests.chat = config.stash[CHAT]
    run.status.durations = Durations(settings.cache_dir)
    if run.reporting and not settings.flavour.counts:
        # A report tells what the device was asked.
        not_ours = replace(not_ours, tapped=True)
    config.stash[ARTIFACTS] = Artifacts(settings, progress, changes=changes, not_ours=not_ours)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test that asks for ``own_program`` one test for each program of ``--programs``."""
    if "own_program" not in metafunc.fixturenames:
        return
    programs = [pytest.param(source, id=source.stem) for source in metafunc.config.stash[PROGRAMS]]
    why = f"neither --programs nor {PROGRAMS_VARIABLE} names a folder of programs"
    none = pytest.param(None, id="none", marks=pytest.mark.skip(reason=why))
    metafunc.parametrize("own_program", programs or [none])


@contextmanager
def skipped_unless_built() -> Iterator[None]:
    """Skip a test whose system under test does not build: one scenario fails for that, not all."""
    try:
        yield
    except DoesNotBuildError as error:
        pytest.skip(f"{selection.NOT_REACHED}: {error.what} does not build")


def proof_of(config: pytest.Config) -> Proof:
    """Return the accelerator's proof, made once a run; it builds what the proof needs.

    Raises:
        HarnessError: a build failed, or the accelerator that was asked for does not work.
    """
    if PROOF not in config.stash:
        request = requested_accelerator(config.getoption("--accel"))
        # A device that is not ours has nothing to do with it.
        wishes = {} if config.stash[SUT] is None else {"devices": ()}
        config.stash[PROOF] = prove_accelerator(
            config.stash[ARTIFACTS], request, config.stash[SCALE], **wishes
        )
    return config.stash[PROOF]


def room_of(config: pytest.Config) -> Room:
    """Return where guests of this run come from.

    Raises:
        HarnessError: something does not build, or the accelerator that was asked for does not work.
    """
    care, scale, audience = config.stash.get(CARE, NO_CARE), config.stash[SCALE], report.of(config).guests
    return Room(
        config.stash[ARTIFACTS], proof_of(config), scale, guests_of(config), audience=audience, care=care
    )


def guests_of(config: pytest.Config) -> OurGuests | Guests:
    """Return how guests get what is under test.

    Raises:
        HarnessError: something does not build.
    """
    file, artifacts = config.stash[SUT], config.stash[ARTIFACTS]
    return OurGuests(artifacts.replaced()) if file is None else Guests.of(file, artifacts)


def system_under_test(config: pytest.Config) -> SystemUnderTest:
    """Return the names of what is under test.  A driver that does not build has no name.

    Raises:
        HarnessError: something of ours does not build.
    """
    file = config.stash[SUT]
    if file is None:
        return SystemUnderTest()
    try:
        module = config.stash[ARTIFACTS].foreign_driver().module.stem if file.driver else ""
    except DoesNotBuildError:
        module = ""
    return system_of(file, module)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what this run's kernel cannot show, and begin with the tests that need no guest.

    What can fail in a moment is to be known in a moment.
    """
    kernel, file = config.stash[ARTIFACTS].settings.kernel, config.stash[SUT]
    other = []
    for item in items:
        if why := selection.why_not(item, file):
            # For a grade, which tells it.
            item.user_properties.append((selection.LEFT_OUT, why))
        if why or _kernel_of(item) not in {None, kernel}:
            other.append(item)
    if other:
        config.hook.pytest_deselected(items=other)
        items[:] = [item for item in items if item not in other]
    items.sort(key=lambda item: not NEEDS_GUEST.isdisjoint(getattr(item, "fixturenames", ())))


def _kernel_of(item: pytest.Item) -> KernelKind | None:
    marker = item.get_closest_marker("kernel")
    return KernelKind(marker.args[0]) if marker else None


@pytest.hookimpl(trylast=True)
def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str]:
    """Build what the collected tests need, with progress, and say what the run stands on."""
    if config.getoption("collectonly"):
        return []
    return _prepare(config, wanted_by(items))


def pytest_report_header(config: pytest.Config) -> list[str]:
    """With pytest-xdist the controller collects nothing: build everything before the workers ask."""
    if not config.getoption("numprocesses", default=None) or config.getoption("collectonly"):
        return []
    if not any("scenarios" in Path(arg.partition("::")[0]).parts for arg in config.args):
        return []
    return _prepare(config, NEEDS_GUEST | NEEDS_PROGRAMS | NEEDS_QEMU)


def wanted_by(items: Iterable[pytest.Item]) -> frozenset[str]:
    """Return the names of all fixtures that some tests use."""
    return frozenset(name for item in items for name in getattr(item, "fixturenames", ()))


def prepared(config: pytest.Config, wanted: frozenset[str]) -> list[str]:
    """Build and prove what fixtures of these names need; return what the run stands on, in lines.

    It is done outside of pytest's capture: progress is seen.

    Raises:
        HarnessError: a build failed, or the accelerator that was asked for does not work.
    """
    with config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        try:
            lines = _header(config, wanted)
        except DoesNotBuildError as error:
            # Of what is under test: a scenario says so.
            lines = [f"{error}"]
    report.of(config).header = tuple(lines)
    return lines


def _prepare(config: pytest.Config, wanted: frozenset[str]) -> list[str]:
    """Build and prove; a failure ends the run with one line."""
    try:
        return prepared(config, wanted)
    except HarnessError as error:
        pytest.exit(f"{error}", returncode=SETUP_FAILED)


def _header(config: pytest.Config, wanted: frozenset[str]) -> list[str]:
    artifacts = config.stash[ARTIFACTS]
    lines = []
    if wanted & NEEDS_PROGRAMS:
        artifacts.devcrypto()
        artifacts.programs()
    if wanted & NEEDS_QEMU:
        artifacts.qemu()
    if wanted & NEEDS_GUEST:
        proof = proof_of(config)
        room_of(config).ready()
        lines += stood_on(config, proof)
    elif wanted & (NEEDS_PROGRAMS | NEEDS_QEMU):
        lines.append(f"cache: {artifacts.settings.cache_dir}")
    return lines


def stood_on(config: pytest.Config, proof: Proof) -> list[str]:
    """Return what guests stand on, in lines."""
    artifacts, file = config.stash[ARTIFACTS], config.stash[SUT]
    return [
        f"system under test: {f'{file.name} ({file.kind.meaning})' if file else 'the bundled one'}",
        f"accelerator: {proof.reason}",
        f"qemu: {artifacts.qemu().version}, guest kernel: {artifacts.kernel().release}",
        f"cache: {artifacts.settings.cache_dir}",
    ]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show a failure of the machine as what it is: its line and its evidence, not our stack."""
    report = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, HarnessError):
        # What is read first, and all that pytest's summary shows, is what went wrong.
        cause, *more = str(call.excinfo.value).split("\n")
        kind = f"{type(call.excinfo.value).__name__} in {item.nodeid} ({call.when})"
        place = place_of(item.path, call.excinfo)
        # What a guest has said may drive a terminal, or the machine that reads our output.
        report.longrepr = clean("\n".join((cause, kind, *filter(None, [place]), *more)))
        item.stash[TOLD] = call.excinfo.value
    return report
