# SPDX-License-Identifier: GPL-2.0-or-later
"""virtio 1.2, sections 2.7.8 (used ring), 2.7.13, 2.7.14 and 2.8.1 to 2.8.12: what comes back."""

from __future__ import annotations

import errno
import struct

from harness.qtest import Buffer, Feature, Interrupt, chain
from harness.reference import wire
from harness.reference.abi import Cipher, CryptOp, Op, SessionOp
from scenarios.qtest_helpers import BLANK, IV, KEY, fresh, result_of, settle

OPEN = chain([bytes(4)], [BLANK])
# Of a handle that is none: one descriptor, to read, and no answer.
ONE_PIECE = [Buffer(b"".join(wire.Close(-1).readable))]


def requests(handle, ses):
    """Return every request that has an answer, some that succeed and some that do not."""
    good, bad = SessionOp(cipher=Cipher.AES_CBC, keylen=16), SessionOp(cipher=99, keylen=16)
    crypt, wrong = CryptOp(ses=ses, op=Op.ENCRYPT, len=64), CryptOp(ses=ses, op=7, len=64)
    return {
        "open": wire.Open(),
        "session": wire.Session(handle, good, KEY),
        "no such cipher": wire.Session(handle, bad, KEY),
        "session of no file": wire.Session(handle + 5, good, KEY),
        "crypt": wire.Crypt(handle, crypt, bytes(range(64)), IV),
        "no such operation": wire.Crypt(handle, wrong, bytes(range(64)), IV),
        "crypt in no file": wire.Crypt(-1, crypt, bytes(range(64)), IV),
        "free": wire.Free(handle, ses),
    }


def test_2_7_8_2_the_used_length_is_what_was_written_from_the_beginning(cryptodev_any):
    """2.7.8.2: the device has written at least ``len`` bytes from the first device-writable buffer on.

    An answer lies in the last four of them.  So all count as written, those that stay as they were too; and
    the used length is never 0 where there is an answer.
    """
    driver = cryptodev_any
    handle = driver.open()
    for name, request in requests(handle, driver.session(handle, KEY)).items():
        done = driver.send(request.readable, request.initial)
        before, written = b"".join(request.initial), b"".join(done.written)
        assert done.length == len(before) > 0, name
        assert written[-4:] != before[-4:], name
        # What is no answer is as it was, and only a session's or the data's success is one.
        if result_of(done.written) < 0 or name in ("open", "free"):
            assert written[:-4] == before[:-4], name
        else:
            assert written[:-4] != before[:-4], name


def test_2_7_8_2_no_room_for_an_answer(cryptodev_any):
    """2.7.8.2: a chain without room for an answer comes back untouched, with a used length of 0."""
    driver = cryptodev_any
    for room in range(4):
        for name, request in requests(0, 0).items():
            done = driver.send(request.readable, [BLANK[:room]])
            assert done.length == 0, (name, room)
            assert b"".join(done.written) == BLANK[:room], (name, room)


def test_2_7_14_one_kick_uses_all_that_is_offered_once_and_in_order(cryptodev_any):
    """2.7.14, 2.8.12: one notification is enough for all chains; each is given back once, in order."""
    driver = cryptodev_any
    for count in (1, 2, 3, 7, 8, 63, 64):
        driver.bring_up()
        ring = driver.queue()
        # DRIVER_OK makes the device look at its queue, and it may do that later: this is about the kick.
        settle(driver)
        chains = [ring.lay(OPEN) for _ in range(count)]
        for laid in chains:
            ring.offer(laid)
        ring.kick()
        settle(driver)
        assert [used.id for used in ring.take()] == [laid.head for laid in chains]
        assert [result_of(laid.written()) for laid in chains] == list(range(count))
        assert driver.transport.interrupt_status == Interrupt.USED_BUFFER


def test_2_7_13_a_full_queue(cryptodev_any):
    """2.7.13: a queue takes as many buffers as its size, and all come back after one notification."""
    driver = cryptodev_any
    for size in (8, 16, 128, 1024):
        driver.bring_up(size=size)
        ring = driver.queue()
        for _ in range(2):
            chains = [ring.lay(ONE_PIECE) for _ in range(size)]
            for laid in chains:
                ring.offer(laid)
            ring.kick()
            assert [used.id for used in ring.wait(size)] == [laid.head for laid in chains]


def test_2_7_13_a_chain_of_the_whole_queue(cryptodev_any):
    """2.7.5: the queue size is the longest chain that there can be, and it is answered."""
    driver = cryptodev_any
    size = driver.queue().size
    request = b"".join(wire.Open().readable)
    # Four bytes to read, four to write, each a descriptor; the rest of the queue is bytes too many.
    done = driver.send([request[index : index + 1] for index in range(4)], [bytes([b]) for b in BLANK])
    assert result_of(done.written) == 0
    done = driver.send([bytes(1)] * (size - 4), [bytes([b]) for b in BLANK])
    assert result_of(done.written) == -errno.EINVAL


def test_2_7_10_2_notifications_of_nothing(cryptodev_any):
    """2.7.10.2: spurious notifications use nothing and interrupt nobody, and what was used is used once."""
    driver = cryptodev_any
    ring = driver.queue()
    for expected in (0, 1, 2):
        for _ in range(5):
            ring.kick()
        settle(driver)
        assert ring.take() == []
        assert driver.transport.interrupt_status == 0
        laid = ring.lay(OPEN)
        ring.offer(laid)
        for _ in range(5):
            ring.kick()
        settle(driver)
        assert [used.id for used in ring.take()] == [laid.head]
        assert result_of(laid.written()) == expected
        driver.transport.acknowledge(Interrupt.USED_BUFFER)


def test_2_7_14_more_than_one_turn_of_the_device(qtest):
    """2.7.14: 12 MiB of data, three times what the device does in one go, need one notification."""
    driver = fresh(qtest, memory_mib=32)
    driver.bring_up(Feature.VERSION_1)
    handle = driver.open()
    ses = driver.session(handle, KEY)
    ring = driver.queue()
    size = 1 << 20
    operation = CryptOp(ses=ses, op=Op.ENCRYPT, len=size)
    one = wire.Crypt(handle, operation, bytes(size), IV)
    # Chains may share buffers; the last one's destination is looked at.
    laid = ring.lay(chain(one.readable, one.initial))
    for _ in range(6):
        ring.offer(laid)
    driver.transport.acknowledge(Interrupt.USED_BUFFER)
    ring.kick()
    assert [used.id for used in ring.wait(6)] == [laid.head] * 6
    assert result_of(laid.written()) == 0
    assert driver.transport.interrupt_status == Interrupt.USED_BUFFER


def test_2_7_13_the_indices_wrap(cryptodev):
    """2.7.13.3: the indices wrap at 65536, and nothing is lost or repeated there."""
    ring = cryptodev.split_queue()
    chains = [ring.lay(ONE_PIECE) for _ in range(ring.size)]
    for laid in chains:
        ring.offer(laid)
    assert [laid.head for laid in chains] == list(range(ring.size))
    # The available ring stays as it is from here on: its index alone offers all chains again.
    for lap in range(1, 65536 // ring.size + 2):
        ring.set_available_index(lap * ring.size)
        ring.kick()
    assert ring.used_index == (65536 // ring.size + 1) * ring.size & 0xFFFF == ring.size


def test_2_8_1_the_wrap_counters(qtest):
    """2.8.1: at the ring's end the wrap counters change, also in the middle of a chain, at any ring size."""
    driver = fresh(qtest, "packed=on,max-open-files=256")
    for size in (8, 9, 13, 128):
        driver.bring_up(size=size)
        for expected in range(2 * size):
            # Three descriptors: no divisor of these sizes but of 9, where the chain ends with the ring.
            done = driver.request(chain([bytes(2), bytes(2)], [BLANK]))
            assert result_of(done.written) == expected, size


def test_2_8_6_one_used_descriptor_for_a_chain(qtest):
    """2.8.6: the device writes one used descriptor for a chain, in the place of its first one."""
    driver = fresh(qtest, "packed=on")
    ring = driver.queue()
    before = driver.machine.client.read(ring.descriptors, 16 * ring.size)
    laid = ring.lay(chain([b"\0", b"\0", b"\0", b"\0"], [BLANK]))
    ring.offer(laid)
    offered = driver.machine.client.read(ring.descriptors, 16 * ring.size)
    ring.kick()
    settle(driver)
    after = driver.machine.client.read(ring.descriptors, 16 * ring.size)
    assert before != offered != after
    assert after[16:] == offered[16:]
    identity, flags = struct.unpack("<HH", after[12:16])
    assert identity == laid.head
    # QEMU leaves out WRITE, which says that the length counts (section 2.8.3).
    assert flags & (1 << 7 | 1 << 15) == 1 << 7 | 1 << 15


def test_2_8_12_chains_and_tables_in_one_ring(cryptodev_any):
    """2.8.5, 2.7.5.3: direct chains and indirect tables take turns in one ring and come back in order."""
    driver = cryptodev_any
    ring = driver.queue()
    for lap in range(12):
        chains = [ring.lay(OPEN, indirect=number % 2 == 1) for number in range(5)]
        for laid in chains:
            ring.offer(laid)
        ring.kick()
        assert [used.id for used in ring.wait(5)] == [laid.head for laid in chains]
        assert [result_of(laid.written()) for laid in chains] == list(range(5 * lap, 5 * lap + 5))
