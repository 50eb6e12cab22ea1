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
        (
            "In file included from /k/include/linux/kernel.h:22,\n                 from <command-line>:\n"
            "/b/work/a.c: In function 'f':\n"
            "/k/include/linux/list.h:538:25: error: invalid type argument of '->'\n"
            "  538 |         list_entry((ptr)->next, type, member)\n"
            "/k/include/linux/list.h:696:20: note: in expansion of macro 'list_first_entry'\n"
            "/b/work/a.c:7:9: note: in expansion of macro 'list_for_each_entry'\n"
            "/b/work/a.c:9:9: error: another\n",
            "a.c", 7, "invalid type argument of '->'",
        ),
        (
            "/b/work/a.c:2:2: warning: unused\n"
            "In file included from /k/include/linux/preempt.h:79,\n"
            "                 from /k/include/linux/swait.h:7:\n"
            "In function 'check_copy_size',\n"
            "    inlined from 'copy_from_user' at /k/include/linux/uaccess.h:160:6,\n"
            "    inlined from 'memory' at /b/work/a.c:51:6:\n"
            "/k/include/linux/thread_info.h:230:25: error: call to '__bad_copy_to' declared with attribute\n"
            "/b/work/a.c:90:9: note: somewhere else\n",
            # What is told below comes first: it is about this error, too.
            "a.c", 90, "call to '__bad_copy_to' declared with attribute",
        ),
        (
            "In function 'g',\n    inlined from 'f' at /b/work/a.c:51:6:\n/k/k.h:230:25: error: bad copy\n",
            "a.c", 51, "bad copy",
        ),
        (
            "In file included from /b/work/a.h:3,\n                 from /b/work/a.c:1:\n"
            "/k/k.h:5:1: error: expected ';'\n",
            "a.h", 3, "expected ';'",
        ),
        ("In file included from /k/l.h:3:\n/k/k.h:5:1: error: nobody's\n", "/k/k.h", 5, "nobody's"),
        ("/b/work/Makefile:3: *** missing separator.  Stop.\n", "Makefile", 3, "missing separator."),
        ("make[2]: *** No rule to make target '/b/work/x.o', needed by '/b/work/m.o'.  Stop.\n", "", 0,
         "No rule to make target 'x.o', needed by 'm.o'."),
        ("/b/work/a.c:12: Error: no such instruction: `nop2'\n", "a.c", 12, "no such instruction: `nop2'"),
        ("cc1: fatal error: no.h: No such file or directory\n", "", 0, "no.h: No such file or directory"),
        ("ERROR: modpost: missing MODULE_LICENSE() in /b/work/x.o\n", "", 0,
         "missing MODULE_LICENSE() in x.o"),
        ("/usr/bin/ld: cannot find -lx: No such file\n", "", 0, "cannot find -lx: No such file"),
    ],
    ids=["gcc", "header", "ld with a line", "modpost", "ld", "macro of a header", "inlined, and a note",
         "inlined", "included", "nothing of theirs", "makefile", "no rule", "assembler", "cc1", "licence",
         "no library"],
)  # fmt: skip
def test_the_first_error(output: str, file: str, line: int, message: str) -> None:
    error = first_error("the driver", output, "/b/work", "x.log")
    assert error is not None
    assert (error.file, error.line, error.message) == (file, line, message)
    assert str(error).startswith("building the driver: does not build: ")
    assert str(error).endswith("the log is x.log")


def test_no_error_is_none() -> None:
    assert first_error("the driver", "a.c:1:1: warning: error-prone\nKilled\n", "/b") is None
