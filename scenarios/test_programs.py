# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that use /dev/crypto as the world does: each says by itself whether it got the right answers."""

from __future__ import annotations

from pathlib import Path

import pytest

BAD = {
    "broken": "#include <crypto/cryptodev.h>\nint main(void) { return CRYPTO_AES_CBD; }",
    "missing": "int beside(void);\nint main(void) { return beside(); }",
    "failing": '#include <stdio.h>\nint main(void) { puts("wrong answer"); return 3; }',
    "loud": '#include <stdio.h>\nint main(void) { fputs("virtio: ouch\\n", fopen("/dev/kmsg", "w")); }',
    "good": "int nothing(void);\nint main(void) { return nothing(); }",
}

PROGRAMS = sorted(Path(__file__).with_name("programs").glob("*.c"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_programs(run_program, program):
    """A program of the usual kind, which knows the answers from the standards, is content."""
    run_program(program)


def test_own_programs(run_program, own_program):
    """Every program in the folder that --programs names ends with status 0, and the kernel says nothing."""
    run_program(own_program)


def test_bad_programs(inner_run, tmp_path):
    """A program that does not compile, fails, or makes the driver talk fails its test, which says why."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name, source in BAD.items():
        (folder / f"{name}.c").write_text(source)
    (folder / "nothing.c").write_text("int nothing(void) { return 0; }")
    source = "def test_own(run_program, own_program): run_program(own_program)"
    run = inner_run(source, "--programs", str(folder))
    output = run.finish(seconds=240)
    assert run.status == 1
    assert "4 failed, 1 passed" in output
    assert "test_own[good] PASSED" in output
    assert "compiling broken.c: " in output
    assert "error: 'CRYPTO_AES_CBD' undeclared" in output
    assert "undefined reference to `beside'" in output
    assert "'/run/failing 2>&1' ended with status 3" in output
    assert "stdout| wrong answer" in output
    assert "loud.c made the kernel say:" in output
    assert "virtio: ouch" in output


def test_no_programs(inner_run, tmp_path):
    """Without the option there is one skipped test and its reason; a folder without programs ends the run."""
    source = "def test_own(own_program): raise AssertionError"
    run = inner_run(source, "-rs", prefix=("env", "-u", "HARNESS_PROGRAMS"))
    assert "neither --programs nor HARNESS_PROGRAMS names a folder of programs" in run.finish(seconds=60)
    assert run.status == 0
    run = inner_run(source, "--programs", str(tmp_path / "nowhere"))
    assert "there is no C file with a main() in" in run.finish(seconds=60)
    assert run.status == 4
