# SPDX-License-Identifier: GPL-2.0-or-later
"""How a module that is not ours is built: what is taken, what make is told, what comes out."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.artifacts import foreign_driver
from harness.artifacts.cache import Store
from harness.artifacts.foreign import DoesNotBuildError, DriverSources
from harness.artifacts.foreign_driver import (
    ForeignDriverBuilder,
    chosen,
    first_folders,
    flags,
    kbuild,
    own_files,
    plan,
)
from harness.artifacts.kernel import Kernel
from harness.artifacts.progress import Progress
from harness.errors import ArtifactError, HarnessError, SetupError

if TYPE_CHECKING:
    from harness.artifacts.process import Job

OBJ = "obj-m := a.o\n"


def write(folder: Path, **files: str) -> DriverSources:
    """Write files, whose dots are double underscores, and return them as sources."""
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return DriverSources(folder=folder)


def test_what_a_build_by_hand_left_is_no_source(tmp_path: Path) -> None:
    left = ("a.o", "a.ko", "a.mod", "a.mod.c", ".a.o.cmd", "Module.symvers", "modules.order", ".git/HEAD")
    own = ("Makefile", "a.c", "sub/b.h", "words.txt", "ko.c", ".config")
    for name in (*left, *own):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert {path.relative_to(tmp_path).as_posix() for path in own_files(tmp_path)} == set(own)
    with pytest.raises(SetupError, match="no folder"):
        own_files(tmp_path / "none")


@pytest.mark.parametrize(
    "text",
    [
        OBJ,
        "obj-m+=a.o\n",
        "ifneq ($(KERNELRELEASE),)\n\tobj-m := a.o\nelse\nall:\n\tmake -C x\nendif\n",
        "a-objs := b.o\noverride obj-m := a.o\n",
    ],
)
def test_a_makefile_that_says_what_there_is(tmp_path: Path, text: str) -> None:
    for name in ("Makefile", "Kbuild"):
        (tmp_path / name).write_text(text)
        assert plan(DriverSources(folder=tmp_path)) == foreign_driver.Plan({})


def test_parts_that_a_configuration_selects_are_selected(tmp_path: Path) -> None:
    text = "obj-$(CONFIG_B) += b.o\nobj-${CONFIG_A} := a.o\nx-$(CONFIG_C) += c.o\nobj-$(CONFIG_B) += c.o\n"
    assert plan(write(tmp_path, Makefile=text)).options == ("CONFIG_A=m", "CONFIG_B=m")


def test_a_makefile_of_programs_says_nothing_of_a_module(tmp_path: Path) -> None:
    sources = write(tmp_path, Makefile="# obj-m\nall: test\ntest: test.o\n", driver__c="")
    assert plan(sources).files == {"Kbuild": "obj-m := driver.o\n"}
    # Kbuild reads no other file then.
    assert plan(write(tmp_path, Kbuild="obj-y := x.o\n")).files == {}


def test_the_name_is_that_of_the_only_file_or_the_one_given(tmp_path: Path) -> None:
    sources = write(tmp_path, one__c="")
    assert plan(sources).files["Kbuild"] == "obj-m := one.o\n"
    named = DriverSources(folder=tmp_path, module="other")
    assert plan(named).files["Kbuild"] == "obj-m := other.o\nother-y := one.o\n"
    write(tmp_path, two__c="", rest__h="")
    assert plan(sources).files["Kbuild"] == "obj-m := foreign.o\nforeign-y := one.o two.o\n"


def test_patterns_choose_the_files(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.c").write_text("")
    write(tmp_path, a__c="", b__c="", a__o="", a__mod__c="")
    assert "sub/c.o" in plan(DriverSources(folder=tmp_path)).files["Kbuild"]
    some = DriverSources(folder=tmp_path, sources=("a.c", "sub/*.c"))
    assert plan(some).files["Kbuild"] == "obj-m := foreign.o\nforeign-y := a.o sub/c.o\n"
    with pytest.raises(ArtifactError, match=r"is called z\*\.c"):
        plan(DriverSources(folder=tmp_path, sources=("*.c", "z*.c")))


def test_a_file_of_the_modules_name_gets_another() -> None:
    files = kbuild("m", ["a.c", "m.c", "m-file.c"])
    assert files["Kbuild"] == "obj-m := m.o\nm-y := a.o m-file-.o m-file.o\n"
    assert files["m-file-.c"] == '#include "m.c"\n'
    assert kbuild("m", ["m.c"]) == {"Kbuild": "obj-m := m.o\n"}
    # In a folder of its own its object has another name anyway.
    assert kbuild("m", ["sub/m.c", "x.c"]) == {"Kbuild": "obj-m := m.o\nm-y := sub/m.o x.o\n"}


def test_nothing_to_build_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="called"):
        plan(DriverSources(folder=tmp_path))
    sources = write(tmp_path, **{"my driver__c": ""})
    with pytest.raises(ArtifactError, match="my driver"):
        plan(sources)
    with pytest.raises(ArtifactError, match="no name for a module"):
        plan(DriverSources(folder=write(tmp_path, a__c="").folder, sources=("a.c",), module="../x"))


def test_the_module_among_those_that_were_built() -> None:
    one, two = Path("x/one-a.ko"), Path("two.ko")
    assert chosen([one], "") == one
    assert chosen([two, one], "one_a") == one
    with pytest.raises(ArtifactError, match="makes one-a, two --"):
        chosen([two, one], "")
    with pytest.raises(ArtifactError, match="makes one-a, two, and not three"):
        chosen([two, one], "three")
    with pytest.raises(ArtifactError, match="no module at all"):
        chosen([], "")


def test_what_the_compiler_is_told(tmp_path: Path) -> None:
    sources = DriverSources(folder=tmp_path, include=(tmp_path,), defines=("A", 'B="x $y"'))
    told = list(flags(sources, str))
    assert told[-2:] == ["-DA", "'-DB=\"x $$y\"'"]
    assert any(option.endswith("guest/compat/driver-compat.h") for option in told)
    mine, compat = first_folders(sources)
    assert mine == f"-I{tmp_path}"
    assert compat.endswith("guest/compat/include")
    plain = DriverSources(folder=tmp_path, defines=("A",), compat=False)
    assert (list(flags(plain, str)), first_folders(plain)) == (["-DA"], [])
    for name, odd in (("a b", "a space"), ("it's", "'"), ("$(id)", r"\$")):
        (tmp_path / name).mkdir()
        with pytest.raises(SetupError, match=f"cannot have {odd} in"):
            first_folders(DriverSources(folder=tmp_path, include=(tmp_path / name,)))
    with pytest.raises(SetupError, match="there is no"):
        first_folders(DriverSources(folder=tmp_path, include=(tmp_path / "none",)))


class Make:
    """Stands for make: has ``output`` to say and fails when that has an error, else makes ``a.ko``."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.output = ""

    def __call__(self, command: list[object], job: Job) -> str:
        words = [str(word) for word in command]
        self.commands.append(words)
        if self.output:
            assert job.explain is not None
            raise job.explain(self.output.format(root=self.argument("M"))) or ArtifactError("x", "y")
        Path(self.argument("M"), "a.ko").write_text("module")
        return ""

    def argument(self, name: str) -> str:
        return next(word for word in self.commands[-1] if word.startswith(f"{name}=")).partition("=")[2]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    stand_in = Make()
    monkeypatch.setattr(foreign_driver, "run", stand_in)
    monkeypatch.setattr(foreign_driver, "compiler_version", lambda compiler: f"{compiler} 1")
    return stand_in


def kernel(folder: Path, identity: str = "k") -> Kernel:
    return Kernel(folder / "vmlinuz", "6.1", folder, folder / "headers", identity, ("KCOV=y",))


def builder(folder: Path, jobs: int = 1) -> ForeignDriverBuilder:
    return ForeignDriverBuilder(Store(folder / "cache", Progress(io.StringIO())), jobs)


def test_a_module_is_built_once_for_what_it_depends_on(tmp_path: Path, make: Make) -> None:
    (tmp_path / "s").mkdir()
    sources = write(tmp_path / "s", a__c="int a;")
    first = builder(tmp_path).get(sources, kernel(tmp_path))
    assert first.module.name == "a.ko"
    assert first.module.read_text() == "module"
    assert "KCOV=y" in make.commands[0]
    assert builder(tmp_path).get(sources, kernel(tmp_path)) == first
    assert len(make.commands) == 1

    (tmp_path / "headers").mkdir()
    (tmp_path / "headers" / "x.h").write_text("")
    others = [
        (sources, kernel(tmp_path, "another")),
        (DriverSources(folder=sources.folder, defines=("X",)), kernel(tmp_path)),
        (DriverSources(folder=sources.folder, include=(tmp_path / "headers",)), kernel(tmp_path)),
        (DriverSources(folder=sources.folder, compat=False), kernel(tmp_path)),
        (DriverSources(folder=sources.folder, module="a"), kernel(tmp_path)),
    ]
    identities = {builder(tmp_path).get(*other).identity for other in others}
    (sources.folder / "a.c").write_text("int b;")
    identities.add(builder(tmp_path).get(sources, kernel(tmp_path)).identity)
    assert len(identities | {first.identity}) == 7
    assert [path.name for path in sources.folder.iterdir()] == ["a.c"]


def test_all_that_can_be_included_counts(tmp_path: Path, make: Make) -> None:
    for name in ("s", "headers"):
        (tmp_path / name).mkdir()
    sources = write(tmp_path / "s", a__c='#include "table.inc"')
    sources = DriverSources(folder=sources.folder, include=(tmp_path / "headers",))
    identities = set()
    for text in ("1", "2"):
        (tmp_path / "headers" / "table.inc").write_text(text)
        identities.add(builder(tmp_path).get(sources, kernel(tmp_path)).identity)
    assert len(identities) == len(make.commands) == 2


def test_any_name_will_do_for_what_is_no_source(tmp_path: Path, make: Make) -> None:
    (tmp_path / "s").mkdir()
    sources = write(tmp_path / "s", a__c="")
    # As archives from other systems leave them.
    for name in (b"\xe1\xed\xe1.txt", b"a\nb.txt", b"'$x\".txt"):
        Path(os.fsdecode(os.fsencode(sources.folder) + b"/" + name)).write_text("")
    assert builder(tmp_path).get(sources, kernel(tmp_path)).module.name == "a.ko"
    assert len(make.commands) == 1


@pytest.mark.parametrize("pattern", ["/etc/*.c", "", "../*.c"])
def test_patterns_stay_in_the_folder(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(HarnessError):
        plan(DriverSources(folder=tmp_path, sources=(pattern,)))


def test_what_does_not_build_is_a_finding_with_its_place(tmp_path: Path, make: Make) -> None:
    make.output = "{root}/sub/a.c:7:3: error: 'x' undeclared\n"
    (tmp_path / "s").mkdir()
    sources = write(tmp_path / "s", a__c="", Makefile=OBJ)
    with pytest.raises(DoesNotBuildError) as caught:
        builder(tmp_path, jobs=4).get(sources, kernel(tmp_path))
    assert (caught.value.file, caught.value.line, caught.value.message) == ("sub/a.c", 7, "'x' undeclared")
    # With several compilers at once any error may be the first: it is looked for with one.
    assert [word for command in make.commands for word in command if word.startswith("-j")] == ["-j4", "-j1"]
    assert not list((tmp_path / "cache").glob("store/*"))
