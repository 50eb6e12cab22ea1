# SPDX-License-Identifier: GPL-2.0-or-later
"""Asynchronous calls: what is found out when one is given and when it is fetched, and how many there are."""

import errno
from typing import Any

import pytest

from harness.reference.abi import Cipher, CopFlag, Mac
from harness.reference.asynchronous import MOST_CALLS, AsyncQueue
from harness.reference.session import Answer, OpenFile, Pointer

EINVAL, EFAULT, EBUSY = errno.EINVAL, errno.EFAULT, errno.EBUSY
KEY, IV, TEXT = bytes(range(16)), bytes(range(16, 32)), bytes(range(48))
SES = 3


@pytest.fixture
def file() -> OpenFile:
    opened = OpenFile()
    opened.gsession(Cipher.AES_CBC, KEY, mac=Mac.SHA1, ses=SES)
    return opened


def test_answers_come_in_the_order_of_the_calls(file: OpenFile) -> None:
    """And are those that CIOCCRYPT gives, a chain of IVs included."""
    queue, plain = AsyncQueue(file), OpenFile()
    plain.gsession(Cipher.AES_CBC, KEY, mac=Mac.SHA1, ses=SES)
    calls: list[dict[str, Any]] = [
        {"iv": IV, "flags": CopFlag.WRITE_IV},
        {},
        {"length": 17},
        {"flags": CopFlag.UPDATE},
        {"op": 2},
    ]
    for call in calls:
        assert queue.give(**{"ses": SES, "op": 0, "src": TEXT, **call}) == Answer(0)
    assert queue.fetch() == Answer(EBUSY)
    assert (queue.work(2), queue.readable) == (2, True)
    expected = [plain.crypt(**{"ses": SES, "op": 0, "src": TEXT, **call}) for call in calls]
    assert [queue.fetch() for _ in range(3)] == [*expected[:2], Answer(EBUSY)]
    assert (queue.work(), queue.readable) == (3, True)
    assert [queue.fetch() for _ in range(4)] == [*expected[2:], Answer(EBUSY)]
    assert not queue.readable


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"ses": 4, "iv": Pointer.BAD}, EINVAL),
        ({"iv": Pointer.BAD, "flags": CopFlag.NO_ZC}, EFAULT),
        ({"flags": CopFlag.NO_ZC}, EINVAL),
        # these are found out later
        ({"op": 2}, 0),
        ({"length": 17}, 0),
        ({"src": Pointer.BAD, "length": 16}, 0),
    ],
    ids=str,
)
def test_what_is_found_out_at_once(file: OpenFile, asked: dict[str, Any], expected: int) -> None:
    queue = AsyncQueue(file)
    call: dict[str, Any] = {"ses": SES, "op": 0, "src": TEXT, **asked}
    assert queue.give(**call) == Answer(expected)
    assert queue.work() == (expected == 0)
    if expected == 0:
        assert queue.fetch().errno in (EINVAL, EFAULT)


def test_a_session_that_is_freed_meanwhile(file: OpenFile) -> None:
    queue = AsyncQueue(file)
    assert queue.give(SES, 0, TEXT) == Answer(0)
    file.fsession(SES)
    queue.work()
    assert queue.fetch() == Answer(EINVAL)


def test_a_queue_has_an_end(file: OpenFile) -> None:
    """64 calls, done or not; only a fetch makes room; a call that finds none changes nothing."""
    queue = AsyncQueue(file)
    for _ in range(MOST_CALLS):
        assert queue.writable
        assert queue.give(SES, 0, TEXT) == Answer(0)
    for _ in range(2):
        assert not queue.writable
        assert queue.give(SES, 0, TEXT) == Answer(EBUSY)
        assert queue.give(SES, 0, TEXT, flags=CopFlag.NO_ZC) == Answer(EINVAL)
        queue.work()
    assert queue.fetch().errno == 0
    assert queue.writable
    assert queue.give(SES, 0, TEXT) == Answer(0)
    assert [queue.fetch().errno for _ in range(64)] == [0] * 63 + [EBUSY]
    assert MOST_CALLS == 64
