# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line, with nothing built and nothing installed."""

from __future__ import annotations

import runpy
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from harness.cli import main

if TYPE_CHECKING:
    from pathlib import Path


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    for command in ("doctor", "build", "shell", "replay", "fuzz", "grade", "bench", "coverage", "clean"):
        assert command in out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["build", "everything"],
        ["doctor", "--install", "--json"],
        ["shell", "--accel", "hvf"],
        ["fuzz", "--requests", "0"],
        ["fuzz", "--requests", "many"],
        ["fuzz", "--seconds", "-1"],
        ["fuzz", "--seconds", "1", "--requests", "1"],
        ["fuzz", "--seed", "-1"],
        ["fuzz", "--most-findings", "0"],
        ["fuzz", "--jobs", "0"],
        ["fuzz", "--mutant", "none"],
        ["grade"],
        ["grade", "sut.toml", "-n", "0"],
        ["bench", "crypto", "--only", "nobody"],
        ["bench", "crypto", "--sizes", "100"],
    ],
)
def test_wrong_usage_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_an_error_is_one_line_and_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "qemu", f"--cache-dir={tmp_path}", f"--qemu-source={tmp_path}/none"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_clean_says_what_it_freed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "entry").write_bytes(bytes(2_000_000))
    assert main(["clean", f"--cache-dir={tmp_path}"]) == 0
    assert "2 MB" in capsys.readouterr().out
    assert not (tmp_path / "store" / "entry").exists()


def test_a_python_that_is_too_old_is_told_before_anything_is_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))
    with pytest.raises(SystemExit, match=r"^FAIL    python: 3.9, .* needs 3.11 .*python3.11 -m venv"):
        runpy.run_module("harness", run_name="__main__")


def test_the_module_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "--help"], capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0


@pytest.mark.parametrize("option", ["--rounds=0", "--clones=x", "--json"])
def test_a_wrong_bench_is_status_2(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["bench", "start", option])
    assert end.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(("bench", "option"), [("start", "--json"), ("start", "--svg"), ("crypto", "--json")])
def test_a_file_that_cannot_be_written_is_refused_before_measuring(
    bench: str,
    option: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("harness.bench.chart.require_matplotlib", lambda: None)
    assert main(["bench", bench, option, f"{tmp_path}/none/file", f"--cache-dir={tmp_path}/cache"]) == 1
    seen = capsys.readouterr()
    assert "No such file" in seen.err
    assert seen.err.count("\n") == 1
    assert not (tmp_path / "cache").exists()


def test_the_help_loads_no_bench() -> None:
    code = (
        "import sys; from harness.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in sys.modules if 'bench' in name or 'matplotlib' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    assert done.stdout.decode().splitlines()[-1] == "[]"


def test_a_folder_whose_name_is_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The folder above is called by a byte that is no UTF-8: the manifest is written, and shown."""
    folder = tmp_path / "a\udcff" / "b"
    folder.mkdir(parents=True)
    (folder / "x.c").write_text("module_virtio_driver(d);\n")
    assert main(["init-sut", str(folder)]) == 0
    assert "a\\xff/b/sut.toml" in capsys.readouterr().out
