# SPDX-License-Identifier: GPL-2.0-or-later
"""Anybody's sources: what may not be read is told, and what is written to take long does not."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from harness.errors import SetupError
from harness.sut.looking import first_manifest

MODULE = "static int i(void) { return misc_register(&m); }\nmodule_init(i);\n"
MANY = 20000


def _refusing(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, refused: Path) -> None:
    """Let a function refuse one path, as the kernel does for everybody but root."""
    real = getattr(owner, name)

    def function(path: object, *rest: object, **named: object) -> object:
        if os.fspath(path) == os.fspath(refused):  # type: ignore[call-overload]
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, *rest, **named)

    monkeypatch.setattr(owner, name, function)


@pytest.mark.parametrize("name", ["x.c", "sub/Makefile"])
def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / "x.c").write_text(MODULE)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "Makefile").write_text("obj-m := x.o\n")
    _refusing(monkeypatch, Path, "read_text", tmp_path / name)
    with pytest.raises(SetupError, match=f"{name}: Permission denied -- make it readable"):
        first_manifest(tmp_path)


@pytest.mark.parametrize("name", [".", "sub"])
def test_a_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Half of a system may be in it: it is not passed over."""
    (tmp_path / "x.c").write_text(MODULE)
    (tmp_path / "sub").mkdir()
    _refusing(monkeypatch, os, "scandir", tmp_path / name)
    with pytest.raises(SetupError, match=f"{tmp_path / name}: Permission denied -- make it readable"):
        first_manifest(tmp_path)


def test_a_folder_below_one_that_may_not_be_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _refusing(monkeypatch, os, "stat", tmp_path / "sub")
    with pytest.raises(SetupError, match=r"sub: Permission denied -- make it readable"):
        first_manifest(tmp_path / "sub")


def test_what_is_hidden_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is a link that leads nowhere, or a file that is no folder."""
    (tmp_path / "x.c").write_text(MODULE)
    (tmp_path / "gone.c").symlink_to("nowhere.c")
    (tmp_path / ".git").mkdir()
    _refusing(monkeypatch, os, "scandir", tmp_path / ".git")
    assert 'kind = "native"' in first_manifest(tmp_path)
    for none in ("x.c", "x.c/y", "z"):
        with pytest.raises(SetupError, match="there is no such folder"):
            first_manifest(tmp_path / none)


@pytest.mark.parametrize(
    "text",
    [
        "struct miscdevice a;\n" * MANY,
        "struct miscdevice " * MANY,
        "struct miscdevice a = {\n" * MANY,
        "static const TypeInfo a = {\n" * MANY,
        "static const TypeInfo a = { .name = NAME, .parent = TYPE_VIRTIO_DEVICE };\n" * (MANY // 4),
        "/* a\n" * MANY,
        'char *s = "/*\n' * MANY,
        '\\"' * MANY * 5,
        "int main(" * MANY,
        '#include "y.h"\n' * MANY + "int main(void) {",
        "#define A_MAJOR B_MAJOR\n" * MANY,
        "".join(f"#define A{i}_MAJOR A{i + 1}_MAJOR\n" for i in range(MANY)),
        "\n" * MANY * 10,
        "{" * MANY * 10,
        "(" * MANY * 10,
    ],
    ids=[
        "declared",
        "words",
        "braces",
        "types",
        "macros-of-types",
        "comments",
        "strings",
        "quotes",
        "mains",
        "headers",
        "macro",
        "chain",
        "lines",
        "open",
        "parentheses",
    ],
)
def test_no_text_takes_long(tmp_path: Path, text: str) -> None:
    """One pass over 20 000 lines is a fraction of a second; each of them up to the end is a minute."""
    (tmp_path / "a.c").write_text(f"{MODULE}void d(void) {{ type_init(r); }}\n")
    (tmp_path / "x.c").write_text(text)
    (tmp_path / "y.h").write_text("int y;\n" * MANY)
    (tmp_path / "Makefile").write_text(text)
    start = time.process_time()
    first_manifest(tmp_path)
    assert time.process_time() - start < 5
