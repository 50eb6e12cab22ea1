# SPDX-License-Identifier: GPL-2.0-or-later
"""A chat's programs, compiled as they are: what is told when one does not compile."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from harness.artifacts.foreign import DoesNotBuildError
from harness.errors import SetupError
from harness.sut.chat_build import build
from harness.sut.chat_spec import ChatSpec

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "int main(void) { return 7; }\n"
# As it was written before C99: no compiler of today takes it without being told.
OLD = "main() { char *p = 5; return twice(p); }\ntwice(n) { return 2 * n; }\n"


def spec(folder: Path, **keys: object) -> ChatSpec:
    table = {"client": ["client.c"], "server": ["server.c"], **keys}
    return ChatSpec.from_table(table, folder, "sut.toml")


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "client.c").write_text(GOOD)
    (folder / "server.c").write_text(OLD)
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "built"
    folder.mkdir()
    return folder


def status(program: Path | None) -> int:
    assert program is not None
    return subprocess.run([program], check=False, timeout=10).returncode


@pytest.mark.parametrize("checked", [False, True])
def test_programs_run(sources: Path, target: Path, checked: bool) -> None:
    programs = build(spec(sources), target, checked=checked)
    assert (status(programs.client), status(programs.end("server"))) == (7, 10)
    assert programs.shim.is_file()


def test_it_is_compiled_from_our_header_and_libcrypto(sources: Path, target: Path) -> None:
    (sources / "client.c").write_text(
        "#include <crypto/cryptodev.h>\n#include <cryptodev.h>\n"
        "int RAND_status(void);\nint main(void) { return RAND_status() ? CRYPTO_AES_CBC : 1; }\n"
    )
    assert status(build(spec(sources), target).client) == 11


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("int main(void)\n{ return nobody; }\n", 2, "'nobody' undeclared"),
        ('\n#include "nowhere.h"\n', 2, "nowhere.h: No such file"),
        ("int missing();\nint main(void)\n{\n\treturn missing();\n}\n", 4, "undefined reference to"),
    ],
)  # fmt: skip
def test_the_first_error_is_told(sources: Path, target: Path, source: str, line: int, message: str) -> None:
    (sources / "client.c").write_text(source)
    with pytest.raises(DoesNotBuildError) as caught:
        build(spec(sources), target)
    assert (caught.value.file, caught.value.line) == ("client.c", line)
    assert message in caught.value.message
    assert "building the chat's client: does not build: " in str(caught.value)


def test_what_is_already_compiled_is_taken(sources: Path, target: Path) -> None:
    command = ["cc", "-w", "client.c", "-o", "mine"]
    subprocess.run(command, cwd=sources, check=True, timeout=60)
    programs = build(spec(sources, client=[], client_command="./mine {port}"), target)
    assert programs.client == sources.resolve() / "mine"
    subprocess.run([*command, "-static"], cwd=sources, check=True, timeout=60)
    with pytest.raises(SetupError, match="mine: it is linked statically"):
        build(spec(sources, client=[], client_command="./mine {port}"), target)
