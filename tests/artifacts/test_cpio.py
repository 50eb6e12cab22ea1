# SPDX-License-Identifier: GPL-2.0-or-later
"""The image's archive: its format, and that it depends on nothing but the content."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from harness.artifacts import cpio
from harness.artifacts.image import ImageRecipe, key_archive, recipe_nodes
from harness.artifacts.settings import REPOSITORY
from harness.errors import ArtifactError

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """\
packages = ["a", "b | c"]
modules = ["m1"]
kernel_args = ["quiet"]
[files]
"bin/tool" = "**/bin/tool"
[texts]
"etc/name" = "guest\\n"
[links]
"bin/sh" = "tool"
[folders]
"tmp" = "1777"
"""


def parse(data: bytes) -> dict[str, tuple[int, bytes, tuple[int, ...]]]:
    """Read a newc archive by the format's description: path -> mode, data, all header fields."""
    found: dict[str, tuple[int, bytes, tuple[int, ...]]] = {}
    place = 0
    while True:
        assert data[place : place + 6] == b"070701"
        fields = tuple(int(data[place + 6 + 8 * n : place + 14 + 8 * n], 16) for n in range(13))
        name = data[place + 110 : place + 110 + fields[11]]
        assert name.endswith(b"\0")
        place = (place + 110 + fields[11] + 3) & ~3
        content = data[place : place + fields[6]]
        place = (place + fields[6] + 3) & ~3
        if name == b"TRAILER!!!\0":
            assert place == len(data)
            return found
        found[name[:-1].decode()] = (fields[1], content, fields)


def test_what_is_put_in_comes_out() -> None:
    nodes = [
        cpio.regular("usr/bin/x", b"12345", 0o755),
        cpio.symlink("bin", "usr/bin"),
        cpio.character_device("dev/console", 5, 1),
        cpio.directory("tmp", 0o1777),
    ]
    found = parse(cpio.archive(nodes))
    assert list(found) == ["bin", "dev", "dev/console", "tmp", "usr", "usr/bin", "usr/bin/x"]
    assert found["usr/bin/x"][:2] == (0o100755, b"12345")
    assert found["bin"][:2] == (0o120777, b"usr/bin")
    assert found["dev/console"][0] == 0o020600
    assert found["dev/console"][2][9:11] == (5, 1)
    assert found["tmp"][0] == 0o041777
    assert found["usr"][0] == 0o040755
    for _, _, fields in found.values():
        uid, gid, mtime = fields[2], fields[3], fields[5]
        assert (uid, gid, mtime) == (0, 0, 0)


def test_the_order_of_making_does_not_matter() -> None:
    nodes = [cpio.regular(f"{letter}/{number}", bytes([number])) for letter in "ab" for number in range(9)]
    first = cpio.archive(nodes)
    assert cpio.archive(reversed(nodes)) == first


def test_the_same_path_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        cpio.archive([cpio.regular("a", b""), cpio.symlink("a", "b")])


@pytest.mark.skipif(
    shutil.which("cpio") is None, reason="compares with the program cpio, which is not installed"
)
def test_cpio_reads_it() -> None:
    data = cpio.archive([cpio.regular("a/b", b"x" * 1000), cpio.symlink("c", "a")])
    listed = subprocess.run(
        ["cpio", "-t", "--quiet"], input=data, capture_output=True, check=True, timeout=20
    )
    assert listed.stdout.decode().split() == ["a", "a/b", "c"]


def unpacked(folder: Path, umask: int) -> Path:
    previous = os.umask(umask)
    try:
        (folder / "usr" / "bin").mkdir(parents=True)
        (folder / "usr" / "bin" / "tool").write_bytes(b"ELF")
    finally:
        os.umask(previous)
    return folder


def test_an_image_from_the_same_files_is_the_same_whoever_makes_it(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(RECIPE)
    recipe = ImageRecipe.load(tmp_path / "r.toml")
    first = cpio.archive(recipe_nodes(recipe, unpacked(tmp_path / "one", 0o022)))
    second = cpio.archive(recipe_nodes(recipe, unpacked(tmp_path / "two", 0o077)))
    assert first == second
    found = parse(first)
    assert found["bin/tool"][:2] == (0o100755, b"ELF")
    assert found["etc/name"][1] == b"guest\n"
    assert found["bin/sh"][1] == b"tool"
    assert found["tmp"][0] == 0o041777


def test_a_file_that_no_package_has_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(RECIPE)
    with pytest.raises(ArtifactError, match=r"no package has \*\*/bin/tool"):
        list(recipe_nodes(ImageRecipe.load(tmp_path / "r.toml"), tmp_path))


@pytest.mark.parametrize(
    "text", ["packages = [", 'packages = ["a"]', RECIPE.replace("[links]", "links = 3\n[x]")]
)
def test_a_recipe_that_is_none_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(ArtifactError, match=r"r\.toml"):
        ImageRecipe.load(tmp_path / "r.toml")


def test_the_project_s_recipe_can_be_read() -> None:
    recipe = ImageRecipe.load(REPOSITORY / "images" / "initramfs.toml")
    assert (
        recipe.modules.index("virtio_ring")
        < recipe.modules.index("virtio")
        < recipe.modules.index("virtio_net")
    )
    assert recipe.links["bin/sh"] == "busybox"


def test_the_key_is_for_root_only() -> None:
    found = parse(key_archive("ssh-ed25519 AAAA harness"))
    assert found["root/.ssh/authorized_keys"][:2] == (0o100600, b"ssh-ed25519 AAAA harness\n")
    assert found["root/.ssh"][0] == found["root"][0] == 0o040700
