# SPDX-License-Identifier: GPL-2.0-or-later
"""What kmemleak writes, and whose leaks count."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import MachineError
from harness.oracles.leaks import look_for_leaks, parse

# As mm/kmemleak.c writes it: print_unreferenced(), hex_dump_object().
HEAD = """\
unreferenced object 0xffff888004a1c300 (size 192):
  comm "cryptoctl", pid 214, jiffies 4294912345 (age 7.120s)
  hex dump (first 32 bytes):
    00 c3 a1 04 80 88 ff ff 00 c3 a1 04 80 88 ff ff  ................
    01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................
  backtrace:
    [<000000001f2e3d4c>] kmalloc_trace+0x25/0x90
"""
OURS = "    [<00000000aabbccdd>] session_alloc+0x31/0x80 [virtio_cryptodev]\n"
CALLER = "    [<0000000011223344>] crypto_ioctl+0x88/0x400 [virtio_cryptodev]\n"
GONE = "    [<0000000055667788>] 0xffffffffa0001234\n"
KERNELS = "    [<0000000099887766>] kobject_set_name_vargs+0x1f/0xa0\n"


def test_the_function_that_allocated_is_named() -> None:
    (leak,) = parse(HEAD + OURS + CALLER + KERNELS)
    assert (leak.size, leak.program) == (192, "cryptoctl")
    assert leak.function == "session_alloc() of virtio_cryptodev"
    assert leak.text.startswith("unreferenced object")


def test_leaks_of_the_kernel_itself_do_not_count() -> None:
    assert [leak.function for leak in parse(HEAD + KERNELS + HEAD + OURS)] == [
        "session_alloc() of virtio_cryptodev"
    ]


def test_what_the_kernel_leaks_for_a_module_does_not_count() -> None:
    registering = "    [<0000000099887766>] __class_register+0x114/0x450\n"
    assert parse(HEAD + KERNELS + registering + OURS) == []


def test_a_module_that_is_gone_is_one_all_the_same() -> None:
    (leak,) = parse(HEAD + GONE)
    assert "no longer loaded" in leak.function


def _guest(report: str) -> Any:
    return SimpleNamespace(succeed=lambda *_, **__: report)


def test_a_leak_is_an_error_with_its_function_and_the_kernels_words() -> None:
    look_for_leaks(_guest(HEAD + KERNELS))
    with pytest.raises(MachineError, match=r"session_alloc\(\) .*192 bytes .*and 1 more") as error:
        look_for_leaks(_guest((HEAD + OURS) * 2))
    assert "session_alloc+0x31" in "\n".join(error.value.evidence)
