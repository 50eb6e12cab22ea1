# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said of sources that do not build: the first error, with its file and line."""

import pytest

from harness.artifacts.foreign import first_error


@pytest.mark.parametrize(
    ("output", "file", "line", "message"),
    [
        (
            "  CC [M]  x.o\n/b/work/crypto-chrdev.c:41:5: warning: unused\n"
            "/b/work/crypto-chrdev.c:42:9: error: too few arguments to function 'f'\n"
            "/b/work/crypto-chrdev.c:50:9: error: another\n",
            "crypto-chrdev.c",
            42,
            "too few arguments to function 'f'",
        ),
        ("/b/work/sub/a.c:3:10: fatal error: no.h: No such file\n", "sub/a.c", 3, "no.h: No such file"),
        ("a.c:9: undefined reference to `g'\n", "a.c", 9, "undefined reference to `g'"),
        ('ERROR: modpost: "h" [m.ko] undefined!\n', "", 0, '"h" [m.ko] undefined!'),
        ("ld: x.o: in function `f':\nx.c:(.text+0x5): undefined reference to `i'\n", "", 0,
         "undefined reference to `i'"),
    ],
    ids=["gcc", "header", "ld with a line", "modpost", "ld"],
)  # fmt: skip
def test_the_first_error(output: str, file: str, line: int, message: str) -> None:
    error = first_error("the driver", output, "/b/work", "x.log")
    assert error is not None
    assert (error.file, error.line, error.message) == (file, line, message)
    assert str(error).startswith("building the driver: does not build: ")
    assert str(error).endswith("the log is x.log")


def test_no_error_is_none() -> None:
    assert first_error("the driver", "a.c:1:1: warning: error-prone\nKilled\n", "/b") is None
