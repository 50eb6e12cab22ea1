# SPDX-License-Identifier: GPL-2.0-or-later
"""Which C files of a folder are programs, and what is said where there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.errors import SetupError
from harness.sut.programs import PROGRAMS_VARIABLE, programs_of

if TYPE_CHECKING:
    from pathlib import Path

SOURCES = {
    "two.c": "int\nmain(int argc, char** argv)\n{\n\treturn 0;\n}\n",
    "one.c": "int main() { return 0; }\n",
    "beside.c": "int domain(void);\nint remains(void) { return domain(); }\n",
    "main.h": "int main(void) { return 0; }\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(PROGRAMS_VARIABLE, raising=False)
    for name, text in SOURCES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_programs_are_the_c_files_with_a_main(folder: Path) -> None:
    assert [source.name for source in programs_of(folder)] == ["one.c", "two.c"]


def test_the_variable_names_the_folder_and_the_option_wins(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "three.c").write_text(SOURCES["one.c"])
    monkeypatch.setenv(PROGRAMS_VARIABLE, str(other))
    assert [source.name for source in programs_of(None)] == ["three.c"]
    assert [source.name for source in programs_of(folder)] == ["one.c", "two.c"]


def test_no_folder_is_no_programs(folder: Path) -> None:
    assert programs_of(None) == []


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_a_folder_without_programs_is_one_line(folder: Path, name: str) -> None:
    for program in ("one.c", "two.c"):
        (folder / program).unlink()
    with pytest.raises(SetupError, match=r"--programs: there is no C file with a main\(\) in"):
        programs_of(folder / name)
