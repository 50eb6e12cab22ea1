# SPDX-License-Identifier: GPL-2.0-or-later
"""Archives in the kernel's initramfs format (cpio "newc"), the same bytes for the same content.

The format is described in the kernel's Documentation/driver-api/early-userspace/buffer-format.rst.  To write
it here, not with the program cpio, needs no root for owners and device nodes and no folder with them in it.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAGIC = b"070701"
_TRAILER = "TRAILER!!!"


@dataclass(frozen=True)
class Node:
    """One thing in an archive, owned by root.

    Attributes:
        path: without a leading slash.
        mode: type and permissions, as in ``st_mode``.
        data: a file's content, or where a link points.
        device: major and minor of a device node.
    """

    path: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def directory(path: str, mode: int = 0o755) -> Node:
    """Return a folder."""
    return Node(path, stat.S_IFDIR | mode)


def regular(path: str, data: bytes, mode: int = 0o644) -> Node:
    """Return a file."""
    return Node(path, stat.S_IFREG | mode, data)


def symlink(path: str, target: str) -> Node:
    """Return a symbolic link."""
    return Node(path, stat.S_IFLNK | 0o777, target.encode())


def character_device(path: str, major: int, minor: int, mode: int = 0o600) -> Node:
    """Return a character device's node."""
    return Node(path, stat.S_IFCHR | mode, device=(major, minor))


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _record(inode: int, node: Node) -> bytes:
    name = node.path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(node.mode) else 1
    # inode mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
    numbers = (inode, node.mode, 0, 0, links, 0, len(node.data), 0, 0, *node.device, len(name), 0)
    header = _MAGIC + b"".join(b"%08X" % number for number in numbers)
    return _padded(header + name) + _padded(node.data)


def archive(nodes: Iterable[Node]) -> bytes:
    """Return an archive of the nodes, in the order of their paths, with folders made for those without one.

    Raises:
        ValueError: two nodes have the same path.
    """
    by_path: dict[str, Node] = {}
    for node in nodes:
        if node.path in by_path:
            raise ValueError(f"{node.path} is in the archive twice")
        by_path[node.path] = node
    for path in list(by_path):
        for end in (index for index, letter in enumerate(path) if letter == "/"):
            by_path.setdefault(path[:end], directory(path[:end]))
    records = [_record(inode, by_path[path]) for inode, path in enumerate(sorted(by_path), 1)]
    return b"".join((*records, _record(0, Node(_TRAILER, 0))))
