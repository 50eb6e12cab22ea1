# SPDX-License-Identifier: GPL-2.0-or-later
"""What is built is built once, the same everywhere, and not trusted after it was damaged."""

from __future__ import annotations

import hashlib
import re

import pytest


@pytest.fixture(scope="module")
def another_cache(harness_command, tmp_path_factory):
    """Return a cache in which everything in the guest was built a second time."""
    cache = tmp_path_factory.mktemp("cache")
    done = harness_command("build", "image", f"--cache-dir={cache}", seconds=300)
    assert done.returncode == 0, done.stderr
    return cache


def test_the_image_is_the_same_bit_for_bit(artifacts, another_cache):
    """Built a second time, in another cache, driver and programs included, the image has the same bytes."""
    (again,) = another_cache.glob("store/image-*/base.cpio")
    first = artifacts.image().base
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(first.read_bytes()).digest()


def test_a_damaged_entry_is_noticed_and_built_anew(harness_command, another_cache):
    """A program in the cache that lost a byte is said to be damaged, and is there whole again afterwards."""
    (program,) = another_cache.glob("store/programs-*/cryptoctl")
    whole = program.read_bytes()
    program.chmod(0o755)
    program.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    done = harness_command("build", "guest", f"--cache-dir={another_cache}", seconds=300)
    assert done.returncode == 0
    assert re.search(r"damaged|corrupt", done.stderr)
    assert program.read_bytes() == whole


def test_nothing_changed_is_no_work(harness_command, artifacts):
    """With everything in the cache a build says nothing: no download, no compiler."""
    artifacts.image()
    artifacts.devcrypto()
    done = harness_command("build", "guest", f"--cache-dir={artifacts.settings.cache_dir}")
    assert done.returncode == 0
    assert done.stderr == ""
