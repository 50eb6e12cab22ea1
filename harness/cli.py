# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line: ``python -m harness COMMAND``; ``--help`` names the commands."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from harness import arguments, doctor, into_commands
from harness.artifacts import (
    ALL_OURS,
    GENERIC_PACKAGE,
    NOTHING,
    Artifacts,
    Flavour,
    KernelKind,
    Progress,
    Settings,
)
from harness.errors import HarnessError, SetupError
from harness.fuzz import arguments as fuzz_arguments
from harness.fuzz.arguments import count_of
from harness.grade import command as grade_command
from harness.machine import Accelerator
from harness.machine.accelerator import requested_accelerator
from harness.machine.deadlines import positive, timeout_scale
from harness.mutants import command as mutants_command
from harness.mutants.scenarios import Runner
from harness.pytests import passed_on
from harness.qtest.finding import Finding
from harness.qtest.player import replay
from harness.sut import looking, manifest, mutants, selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FAILED = 1
MISUSED = 2
INTERRUPTED = 130


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--cache-dir", type=Path, metavar="DIR", help="where builds, downloads and keys are kept"
    )
    common.add_argument(
        "--qemu-source", type=Path, metavar="PATH", help="a QEMU tarball or checkout to build"
    )
    common.add_argument(
        "--jobs", type=count_of, metavar="N", help="how many compilers, or workers, run at once"
    )
    common.add_argument("--flavour", choices=[*Flavour], help="how QEMU and devcrypto are built")
    text = "what guests run; debug finds more, and is slow"
    common.add_argument("--kernel", choices=[*KernelKind], help=text)
    scale = argparse.ArgumentParser(add_help=False)
    scale.add_argument("--timeout-scale", type=positive, metavar="X", help="multiplies every deadline")
    guest = argparse.ArgumentParser(add_help=False, parents=[scale])
    guest.add_argument("--accel", choices=["auto", *Accelerator], help="auto takes KVM where it was proven")

    parser = argparse.ArgumentParser(prog="python -m harness", description=sys.modules["harness"].__doc__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(
        name: str, run: Callable[[argparse.Namespace], int], text: str, *more: argparse.ArgumentParser
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text, parents=[common, *more])
        command.set_defaults(run=run)
        return command

    text = "say what this machine has, what is missing, and what to do; status 1 when something fails"
    arguments.add_doctor(add("doctor", _doctor, text, guest))
    add("build", _build, "build what is missing").add_argument(
        "what",
        nargs="?",
        choices=["qemu", "kernel", "guest", "image"],
        help="only this and what it needs",
    )
    text = "a guest with the device and the driver in this terminal"
    into_commands.add_shell(add("shell", _shell, text, guest))
    into_commands.add_kept(
        add("kept", into_commands.kept_guests, "the guests that pytest --keep has left up")
    )
    faulty = argparse.ArgumentParser(add_help=False)
    text = "put a fault into the device, to see it found"
    faulty.add_argument("--mutant", type=mutants.device_option, metavar="NAME", help=text)
    text = "play a trace on a device without a guest, beside the model; or go through a test by hand"
    into_commands.add_replay(add("replay", _replay, text, guest))
    text = "play hostile requests on the device, and hold every byte of it against the model"
    fuzz_arguments.add_to(add("fuzz", _fuzz, text, scale, faulty))
    text = "put one fault after the other into each part, and see which scenario catches it"
    mutants_command.add_to(add("mutants", _mutants, text, guest), count_of)
    text = "run all scenarios that apply to a system under test, and report which requirements it meets"
    grade_command.add_to(add("grade", _grade, text, guest), count_of)
    text = "look at a folder of sources, and write a first sut.toml for them into it"
    looked = add("init-sut", _init_sut, text)
    looked.add_argument("folder", type=Path, metavar="FOLDER", help="where the sources are")
    _add_bench(commands, [common, guest])
    coverage = add("coverage", _coverage, "pages over what was executed of the host's C (flavour coverage)")
    coverage.add_argument("--reset", action="store_true", help="forget what was counted so far")
    coverage.add_argument(
        "--html", type=Path, default=Path("coverage"), metavar="DIR", help="where the pages go (coverage/)"
    )
    add("clean", _clean, "remove the cache")
    return parser


def _add_bench(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], parents: list[argparse.ArgumentParser]
) -> None:
    text = "measure, and print a table"
    bench = commands.add_parser("bench", help=text, description=text)
    benches = bench.add_subparsers(title="what to measure", required=True, metavar="BENCH")
    text = "how soon a guest is there, booted and restored, and what an idle restored one costs"
    start = benches.add_parser("start", help=text, description=text, parents=parents)
    start.set_defaults(run=_bench_start)
    start.add_argument("--rounds", type=count_of, default=5, metavar="N", help="how often (default 5)")
    start.add_argument(
        "--clones", type=count_of, default=4, metavar="N", help="restored guests alive at once (default 4)"
    )
    start.add_argument("--json", type=Path, metavar="FILE", help="write every value to this file")
    start.add_argument("--svg", type=Path, metavar="FILE", help="draw a chart (needs the extra 'bench')")
    start.add_argument(
        "--virtme-kernel", type=Path, metavar="FILE", help="kernel for virtme-ng, with lib/modules near it"
    )
    text = "how fast the device is driven without a guest: fresh devices and whole requests"
    device = benches.add_parser("device", help=text, description=text, parents=parents[:1])
    device.set_defaults(run=_bench_device)
    device.add_argument("--rounds", type=count_of, default=5, metavar="N", help="how often (default 5)")
    device.add_argument("--json", type=Path, metavar="FILE", help="write every value to this file")
    text = "how fast AES-128-CBC is: our pair, what else a guest has, and the host (takes a second kernel)"
    crypto = benches.add_parser("crypto", help=text, description=text, parents=parents)
    crypto.set_defaults(run=_bench_crypto)
    arguments.add_bench_crypto(crypto, count_of)


def _artifacts(options: argparse.Namespace, kernel: str | None = None) -> Artifacts:
    settings = Settings.from_environment(
        cache_dir=options.cache_dir,
        qemu_source=options.qemu_source,
        jobs=options.jobs,
        flavour=options.flavour,
        kernel=options.kernel,
    )
    mutant, sut = getattr(options, "mutant", None), getattr(options, "sut", None)
    changes = mutant.changes() if mutant else NOTHING
    not_ours = selection.not_ours(manifest.load(sut)) if sut else ALL_OURS
    return Artifacts(settings, Progress(), changes=changes, kernel=kernel, not_ours=not_ours)


def _doctor(options: argparse.Namespace) -> int:
    artifacts = _artifacts(options)
    if options.install:
        doctor.install_packages()
    if options.clean_up:
        # What is ended and removed is told beforehand; a program reads the rest.
        stream = sys.stderr if options.json else sys.stdout
        found = doctor.leftovers(artifacts.settings.cache_dir)
        for line in found.lines():
            print(f"ending or removing {line}", file=stream, flush=True)
        for line in doctor.clean_up(found).lines():
            print(f"still there: {line}", file=stream)
    checks = doctor.examine(
        artifacts, requested_accelerator(options.accel), ask_network=options.network, deep=options.deep
    )
    print(doctor.as_json(checks) if options.json else "\n".join(check.line() for check in checks))
    return FAILED if doctor.worst(checks) is doctor.Status.FAIL else 0


def _build(options: argparse.Namespace) -> int:
    artifacts = _artifacts(options)
    parts: dict[str, tuple[Callable[[], object], ...]] = {
        "qemu": (artifacts.qemu,),
        "kernel": (artifacts.kernel,),
        "guest": (artifacts.driver, artifacts.programs, artifacts.devcrypto),
        "image": (artifacts.image,),
    }
    for name in [options.what] if options.what else list(parts):
        for build in parts[name]:
            print(_told(build()))
    return 0


def _told(built: object) -> str:
    """Return what was built and where its main file is, as one line."""
    path = next(value for value in vars(built).values() if isinstance(value, Path))
    return f"{type(built).__name__}: {path}"


class _WrongUsageError(ValueError):
    """What was typed cannot be done as it is; ends with :data:`MISUSED`."""


@contextlib.contextmanager
def _wrong_usage() -> Iterator[None]:
    """Take an error of the set-up for wrong usage, where status 1 says what was found, or what survived."""
    try:
        yield
    except SetupError as error:
        raise _WrongUsageError(str(error)) from error


def _shell(options: argparse.Namespace) -> int:
    with _wrong_usage():
        into_commands.refuse_misuse(options)
    return into_commands.shell(options, _artifacts(options))


def _replay(options: argparse.Namespace) -> int:
    if into_commands.is_test(options.file):
        return into_commands.replay_test(options)
    with _wrong_usage():
        into_commands.refuse_misuse(options)
        trace = into_commands.trace_of(options.file)
    try:
        replay(trace, _artifacts(options).qemu(), timeout_scale=options.timeout_scale or timeout_scale())
    except Finding as finding:
        print(finding.line)
        return FAILED
    print(f"{len(trace.steps)} steps: the device answers as the model does")
    return 0


def _bench_start(options: argparse.Namespace) -> int:
    # Here and not above: what only a measurement needs does not slow the other commands.
    from harness.bench import command  # noqa: PLC0415
    from harness.bench.table import table  # noqa: PLC0415

    wishes = command.Wishes(
        rounds=options.rounds,
        clones=options.clones,
        json_file=options.json,
        svg_file=options.svg,
        virtme_kernel=options.virtme_kernel,
    )
    wishes.check()
    figures = command.start(
        _artifacts(options),
        wishes,
        Progress(),
        request=requested_accelerator(options.accel),
        scale=options.timeout_scale or timeout_scale(),
    )
    # The table first: it is not lost with a file that cannot be written any more.
    Console().print(table(figures), highlight=False, soft_wrap=True)
    command.write(figures, wishes)
    return 0


def _bench_crypto(options: argparse.Namespace) -> int:
    from harness.bench.crypto import command  # noqa: PLC0415 -- as above
    from harness.bench.crypto.options import plan_of  # noqa: PLC0415
    from harness.bench.crypto.table import table  # noqa: PLC0415

    wishes = command.Wishes(
        plan=plan_of(options), cpus=options.guest_cpus, json_file=options.json, svg_file=options.svg
    )
    wishes.check()
    figures = command.crypto(
        _artifacts(options, GENERIC_PACKAGE),
        wishes,
        Progress(),
        request=requested_accelerator(options.accel),
        scale=options.timeout_scale or timeout_scale(),
    )
    Console().print(table(figures), highlight=False, soft_wrap=True)
    command.write(figures, wishes)
    return 0


def _bench_device(options: argparse.Namespace) -> int:
    from harness.bench import device, outputs  # noqa: PLC0415 -- as above

    if options.json is not None:
        outputs.require_writable(options.json)
    qemu, progress = _artifacts(options).qemu(), Progress()
    with progress.step("measuring the device") as step:
        figures = device.measure(qemu, options.rounds, step)
    Console().print(figures.table(), highlight=False, soft_wrap=True)
    if options.json is not None:
        outputs.write(options.json, figures.text())
    return 0


def _fuzz(options: argparse.Namespace) -> int:
    from harness.bench import outputs  # noqa: PLC0415 -- as above
    from harness.fuzz import command  # noqa: PLC0415

    with _wrong_usage():
        outputs.make_folder(options.findings)
        for path in (options.json, options.findings / ".finding"):
            if path is not None:
                outputs.require_writable(path)
        corpus = command.traces_of(options.corpus) if options.corpus is not None else []
    artifacts = _artifacts(options)
    plan = command.plan_of(options, artifacts.settings.flavour)
    figures = command.fuzz(plan, artifacts.qemu(), Progress(), corpus)
    Console().print(figures.table(), highlight=False, soft_wrap=True)
    if options.json is not None:
        outputs.write(options.json, figures.text())
    if figures.tally.found:
        return FAILED
    return INTERRUPTED if figures.interrupted else 0


def _mutants(options: argparse.Namespace) -> int:
    from harness.bench import outputs  # noqa: PLC0415 -- as above

    chosen = mutants_command.chosen(options.only)
    if options.list:
        for mutant in chosen:
            print(f"{mutant.name}: {mutant.part}: {mutant.breaks}")
        return 0
    if options.json is not None:
        with _wrong_usage():
            outputs.require_writable(options.json)
    runner = Runner(passed_on(options))
    report = mutants_command.try_all(chosen, runner, Progress(), options.n)
    Console().print(mutants_command.table(report), highlight=False)
    if options.json is not None:
        outputs.write(options.json, report.text())
    if not report.good:
        return FAILED
    return INTERRUPTED if report.interrupted else 0


def _grade(options: argparse.Namespace) -> int:
    from harness.bench import outputs  # noqa: PLC0415 -- as above
    from harness.grade.page import page  # noqa: PLC0415
    from harness.grade.report import shown  # noqa: PLC0415

    with _wrong_usage():
        outputs.require_different(options.file, options.json, options.html)
        for path in filter(None, (options.json, options.html)):
            outputs.require_writable(path)
        words = [*passed_on(options, "kernel"), *(f"--requirement={name}" for name in options.only)]
        grade = grade_command.Grader.of(options.file, words, Progress(), options.n).grade()
    Console().print(shown(grade), highlight=False)
    if options.json is not None:
        outputs.write(options.json, grade.text())
    if options.html is not None:
        outputs.write(options.html, page(grade))
    return grade_command.status_of(grade)


def _init_sut(options: argparse.Namespace) -> int:
    path = looking.write(options.folder)
    print(path.read_text("utf-8"), end="")
    # A folder above it may have a name that is no UTF-8.
    shown = os.fsencode(path).decode(errors="backslashreplace")
    print(f"# written to {shown}; next: python -m harness grade {shown}")
    return 0


def _coverage(options: argparse.Namespace) -> int:
    from harness import coverage  # noqa: PLC0415 -- as above

    artifacts = _artifacts(options)
    if options.reset:
        print(f"removed {coverage.reset(artifacts)} counters")
        return 0
    table, enough = coverage.report(artifacts, options.html)
    print(table, end="")
    print(f"pages: {options.html / 'index.html'}")
    if not enough:
        least = f"{coverage.LINES_PERCENT} % of the lines and {coverage.BRANCHES_PERCENT} % of the branches"
        raise HarnessError("counting what was executed", f"it is less than {least}", "test it, or delete it")
    return 0


def _clean(options: argparse.Namespace) -> int:
    freed = _artifacts(options).clean()
    print(f"removed {freed / 1e6:.0f} MB")
    return 0


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code: 0, 1 for a failure, 2 for wrong usage, 130 when interrupted."""
    options = _parser().parse_args(words)
    try:
        run: Callable[[argparse.Namespace], int] = options.run
        return run(options)
    except HarnessError as error:
        print(f"harness: {error}", file=sys.stderr)
        return FAILED
    except _WrongUsageError as error:
        print(f"harness: {error}", file=sys.stderr)
        return MISUSED
    except KeyboardInterrupt:
        print("harness: interrupted", file=sys.stderr)
        return INTERRUPTED
