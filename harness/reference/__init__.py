# SPDX-License-Identifier: GPL-2.0-or-later
"""What is right: pure Python, no input or output, nothing imported from the rest of the harness."""

from harness.reference import (
    abi,
    abi32,
    algorithms,
    asynchronous,
    chat,
    cipher,
    device,
    packed,
    session,
    vectors,
    virtqueue,
    wire,
)

__all__ = [
    "abi",
    "abi32",
    "algorithms",
    "asynchronous",
    "chat",
    "cipher",
    "device",
    "packed",
    "session",
    "vectors",
    "virtqueue",
    "wire",
]
