# SPDX-License-Identifier: GPL-2.0-or-later
"""Saved devices without a guest: what goes on, and each thing in a stream that is not believed."""

import re
import struct

import pytest

from harness.errors import MachineError
from harness.reference.abi import Cipher, Mac, Op
from harness.reference.cipher import aes_cbc
from scenarios.qtest_helpers import IV, KEY, fresh

DATA = bytes(range(64))
LIMITS = "max-open-files=4,max-sessions=2"
NO_MAC = bytes(8)
"""Number and key length of a mac: none."""


class OpenFiles:
    """The device's own part of a stream: open file 0 with one session, in its place among QEMU's bytes."""

    def __init__(self, stream, ses):
        self.stream, self.ses = stream, ses
        self.session = struct.pack(">III", ses, Cipher.AES_CBC, len(KEY)) + KEY + bytes(16) + NO_MAC
        self.right = struct.pack(">III", 1, 0, 1) + self.session
        assert stream.count(self.right) == 1

    def with_files(self, files):
        """Return the stream with other open files in it; what follows them moves."""
        return self.stream.replace(self.right, files)

    def cut_after(self, count):
        """Return the stream as far as ``count`` bytes of the open files."""
        return self.stream[: self.stream.index(self.right) + count]


def files(count, *rest):
    """Return a list of open files: big-endian u32, bytes as they are."""
    return b"".join(part if isinstance(part, bytes) else struct.pack(">I", part) for part in (count, *rest))


@pytest.fixture
def saved(qtest):
    """Return a function that saves a device with an open file and a session in it."""

    def save(*properties, **wishes):
        driver = fresh(qtest, ",".join((LIMITS, *properties)), **wishes)
        ses = driver.session(driver.open(), KEY)
        return driver, OpenFiles(driver.machine.save(), ses)

    return save


@pytest.mark.parametrize("legacy", [False, True], ids=["modern", "legacy"])
def test_open_files_sessions_and_ivs_go_along(qtest, legacy):
    """What a saved device had open is open in the restored one, under the same handles and ids."""
    driver = fresh(qtest, LIMITS, legacy=legacy)
    handles = [driver.open(), driver.open(), driver.open()]
    driver.close(handles[1])
    ses = [driver.session(handle, KEY) for handle in (0, 0, 2)]
    driver.machine.restore(driver.machine.save())
    for handle, one in zip((0, 0, 2), ses, strict=True):
        reply = driver.crypt(handle, one, Op.ENCRYPT, DATA, IV)
        assert (reply.result, reply.data) == (0, aes_cbc(Op.ENCRYPT, KEY, IV, DATA))
    assert driver.open() == handles[1]


def test_a_device_with_nothing_open_goes_along(qtest):
    """A device that has nothing open is saved without a word about it, and works where it is restored."""
    driver = fresh(qtest)
    stream = driver.machine.save()
    assert b"virtio-cryptodev-device/open-files" not in stream
    driver.machine.restore(stream)
    assert driver.open() == 0


REFUSED = {
    "no open file": ((0,), "0 open files, must be 1 to max-open-files=4"),
    "too many open files": ((5, 0, 0), "5 open files, must be 1 to max-open-files=4"),
    "a handle too large": ((1, 4, 0), "handle 4, handles are less than max-open-files=4"),
    "a handle twice": ((2, 1, 0, 1, 0), "open file 1 comes twice"),
    "too many sessions": ((1, 0, 3), "3 sessions, no more than max-sessions=2"),
    "an id of 0": ((1, 0, 1, 0, Cipher.AES_CBC, 16, KEY, IV, NO_MAC), "a session with the id 0"),
    "an id twice": ((1, 0, 2, *(7, Cipher.AES_CBC, 16, KEY, IV, NO_MAC) * 2), "session 7 comes twice"),
    "an unknown cipher": ((1, 0, 1, 7, 999, 16, KEY, IV, NO_MAC), "cipher 999"),
    "a key of no length": ((1, 0, 1, 7, Cipher.AES_CBC, 15, KEY[:15], IV, NO_MAC), "a key of 15 bytes"),
    "a key longer than any": ((1, 0, 1, 7, Cipher.AES_CBC, 65, bytes(65), IV, NO_MAC), "a key of 65 bytes"),
    "an unknown mac": ((1, 0, 1, 7, 0, 0, IV, 999, 0), "mac 999"),
    "a mac key longer than any": (
        (1, 0, 1, 7, 0, 0, IV, Mac.SHA1_HMAC, 513, bytes(513)),
        "a mac key of 513 bytes",
    ),
}


@pytest.mark.parametrize(("parts", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused(saved, parts, words):
    """Open files that cannot be are refused by one line that says what is wrong."""
    driver, stream = saved()
    with pytest.raises(MachineError) as refusal:
        driver.machine.restore(stream.with_files(files(*parts)))
    assert any("virtio-cryptodev: " in line and words in line for line in refusal.value.evidence), (
        refusal.value
    )


@pytest.mark.parametrize("count", [2, 6, 11, 14, 20, 23, 30, 45, 58, 62])
def test_a_stream_that_ends_in_the_middle_is_refused(saved, count):
    """A stream cut off within the open files is refused, wherever it ends."""
    driver, stream = saved()
    assert count < len(stream.right)
    with pytest.raises(MachineError) as refusal:
        driver.machine.restore(stream.cut_after(count))
    assert any("virtio-cryptodev: the stream ends within" in line for line in refusal.value.evidence), (
        refusal.value
    )


def test_open_files_that_come_twice_are_refused(saved):
    """A stream with two lists of open files is refused."""
    driver, stream = saved()
    name = b"virtio-cryptodev-device/open-files"
    begin = stream.stream.index(name) - 2
    end = stream.stream.index(stream.right) + len(stream.right)
    section = stream.stream[begin:end]
    with pytest.raises(MachineError) as refusal:
        driver.machine.restore(stream.stream.replace(section, section * 2))
    assert any("open files come in two lists" in line for line in refusal.value.evidence), refusal.value


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ([0], "queue 0 of 0 descriptors, must be 1 to 1024"),
        ([128, 8], "a queue 1, there are 1"),
    ],
    ids=["without descriptors", "one too many"],
)
def test_a_queue_that_cannot_be_is_refused(saved, sizes, words):
    """A queue that this device cannot have, and over which QEMU's core would abort, is refused."""
    driver, stream = saved("queues=1")
    ring = driver.split_queue()
    # hw/virtio/virtio.c, virtio_save(): number of queues; of each size, alignment, address, place.
    rest = re.escape(struct.pack(">Q", ring.descriptors)) + b".."
    found = re.findall(
        re.escape(struct.pack(">II", 1, 128)) + b"(...." + rest + b")", stream.stream, re.DOTALL
    )
    assert len(found) == 1
    right = struct.pack(">II", 1, 128) + found[0]
    wrong = struct.pack(">I", len(sizes)) + b"".join(struct.pack(">I", size) + found[0] for size in sizes)
    with pytest.raises(MachineError) as refusal:
        driver.machine.restore(stream.stream.replace(right, wrong))
    assert any(words in line for line in refusal.value.evidence), refusal.value
