# SPDX-License-Identifier: GPL-2.0-or-later
"""virtio 1.2, section 2.7.4.1: how a driver cuts a request into buffers means nothing to the device."""

from __future__ import annotations

import errno
import struct

import pytest

from harness.qtest import DescFlag, Descriptor, chain
from harness.reference import wire
from harness.reference.abi import Cipher, CryptOp, Op, SessionOp
from harness.reference.cipher import aes_cbc
from scenarios.qtest_helpers import (
    BLANK,
    IV,
    KEY,
    cut,
    descriptors_of,
    fresh,
    lay_apart,
    offer_raw,
    result_of,
)

DATA = bytes(range(16))
SESSION = SessionOp(cipher=Cipher.AES_CBC, keylen=16)


def bytewise(data):
    """Cut into single bytes."""
    return [data[index : index + 1] for index in range(len(data))]


def oddly(data):
    """Cut where no field ends: after 3 bytes, 5 more, 7 more, and so on."""
    places = [3, 8, 15, 24, 35, 48, 63]
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


CUTS = {
    "one piece": lambda data: [data],
    "single bytes": bytewise,
    "odd places": oddly,
    "all but one byte": lambda data: [data[:1], data[1:]],
    "one byte at last": lambda data: [data[:-1], data[-1:]],
}


def call(driver, request, pieces, *, indirect):
    """Send a request in other pieces than its own; return what the device wrote, in one piece."""
    readable, initial = b"".join(request.readable), b"".join(request.initial)
    done = driver.send(pieces(readable), pieces(initial) if initial else [], indirect=indirect)
    return b"".join(done.written)


@pytest.mark.parametrize("indirect", [False, True], ids=["direct", "indirect"])
def test_2_7_4_1_every_request_cut_in_every_way(cryptodev_any, indirect):
    """2.7.4.1: each request is the same request over any arrangement of its descriptors."""
    driver = cryptodev_any
    for pieces in CUTS.values():
        converse(lambda request, cut=pieces: call(driver, request, cut, indirect=indirect))


def converse(sent):
    """Send every request once and more, and close all; ``sent`` returns all that the device wrote."""
    assert sent(wire.Open()) == struct.pack("<i", 0)
    assert sent(wire.Open()) == struct.pack("<i", 1)
    made = sent(wire.Session(1, SESSION, KEY))
    ses = SessionOp.unpack(made[:48]).ses
    assert made == SessionOp(**{**vars(SESSION), "ses": ses}).pack() + bytes(4)
    encrypt = CryptOp(ses=ses, op=Op.ENCRYPT, len=len(DATA))
    assert sent(wire.Crypt(1, encrypt, DATA, IV)) == aes_cbc(Op.ENCRYPT, KEY, IV, DATA) + bytes(4)
    decrypt = CryptOp(ses=ses, op=Op.DECRYPT, len=len(DATA))
    assert sent(wire.Crypt(1, decrypt, DATA, IV)) == aes_cbc(Op.DECRYPT, KEY, IV, DATA) + bytes(4)
    assert sent(wire.Crypt(1, CryptOp(ses=ses), b"", IV)) == bytes(4)
    assert sent(wire.Free(1, ses)) == bytes(4)
    assert sent(wire.Crypt(1, encrypt, DATA, IV))[-4:] == struct.pack("<i", -errno.EINVAL)
    assert sent(wire.Close(1)) == b""
    assert sent(wire.Free(1, ses)) == struct.pack("<i", -errno.EBADF)
    assert sent(wire.Close(0)) == b""


@pytest.mark.parametrize("indirect", [False, True], ids=["direct", "indirect"])
def test_2_7_4_1_as_many_descriptors_as_the_queue_has(qtest, indirect):
    """2.7.4.1: a request of 1024 descriptors, the largest queue, is a request like any other."""
    driver = fresh(qtest, "queue-size=1024")
    driver.bring_up(size=1024)
    handle = driver.open()
    data = bytes(range(256)) * 2
    ses = driver.session(handle, KEY)
    request = wire.Crypt(handle, CryptOp(ses=ses, op=Op.ENCRYPT, len=len(data)), data, IV)
    readable, initial = b"".join(request.readable), b"".join(request.initial)
    done = driver.send(cut(readable, 512), cut(initial, 512), indirect=indirect)
    assert b"".join(done.written) == aes_cbc(Op.ENCRYPT, KEY, IV, data) + bytes(4)


def test_2_7_4_1_a_border_at_every_place(cryptodev):
    """2.7.4.1: a border of two buffers beside or within a field of a request changes nothing."""
    handle = cryptodev.open()
    ses = cryptodev.session(handle, KEY)
    request = wire.Crypt(handle, CryptOp(ses=ses, op=Op.ENCRYPT, len=len(DATA)), DATA, IV)
    readable, initial = b"".join(request.readable), b"".join(request.initial)
    for first in range(1, len(readable)):
        second = 1 + first % (len(initial) - 1)
        done = cryptodev.send([readable[:first], readable[first:]], [initial[:second], initial[second:]])
        assert b"".join(done.written) == aes_cbc(Op.ENCRYPT, KEY, IV, DATA) + bytes(4), (first, second)


@pytest.mark.parametrize("what", ["session_op", "crypt_op", "key", "source", "IV", "destination"])
def test_2_7_5_a_short_descriptor_is_not_read_beyond_its_end(cryptodev, what):
    """2.7.5: a descriptor of 1 byte where a structure of 48 is needed is refused, and nothing behind it read.

    What lies behind the short buffer in memory is what would make the request a good one.
    """
    driver = cryptodev
    handle = driver.open()
    ses = driver.session(handle, KEY)
    request: wire.Request
    if what in ("session_op", "key"):
        request = wire.Session(handle, SESSION, KEY)
    else:
        request = wire.Crypt(handle, CryptOp(ses=ses, op=Op.ENCRYPT, len=48), bytes(48), IV)
    place = {"session_op": 4, "key": 3, "crypt_op": 3, "source": 4, "IV": 5, "destination": 6}[what]
    parts = lay_apart(driver, chain(request.readable, request.initial))
    whole, ring = descriptors_of(parts), driver.split_queue()
    for short in {0, 1, 4, 8, whole[place].length - 4, whole[place].length - 1}:
        descriptors = list(whole)
        descriptors[place] = Descriptor(whole[place].address, short, whole[place].flags)
        if short == 0:
            del descriptors[place]
        offer_raw(ring, descriptors)
        ring.kick()
        ring.wait()
        written = parts.written()
        assert result_of(written) == -errno.EINVAL, short
        assert written[:-1] == tuple(request.initial[:-1]), short


@pytest.mark.parametrize("number", [0, 1, 2])
def test_2_7_5_a_short_header_is_not_read_beyond_its_end(cryptodev, number):
    """2.7.5: a type, a handle or an ioctl number of 1 byte is no whole one, whatever lies behind it."""
    driver = cryptodev
    driver.open()
    for size in (1, 2, 3):
        request = wire.Free(0, 7)
        parts = lay_apart(driver, chain(request.readable, request.initial))
        ring = driver.split_queue()
        descriptors = descriptors_of(parts)
        descriptors[number] = Descriptor(descriptors[number].address, size)
        # Nothing more to read, which would make up for it.
        offer_raw(ring, [*descriptors[: number + 1], descriptors[-1]])
        ring.kick()
        ring.wait()
        assert result_of(parts.written()) == -errno.EINVAL


def test_2_7_5_the_last_byte_of_the_memory(cryptodev):
    """2.7.5: a buffer that ends with the memory is a good one; a short one there is refused."""
    client, memory = cryptodev.machine.client, cryptodev.machine.memory
    parts = lay_apart(cryptodev, chain([bytes(4)], [BLANK]))
    _, writable = parts.addresses
    ring = cryptodev.split_queue()
    for size, expected in ((4, 0), (3, -errno.EINVAL), (2, -errno.EINVAL), (1, -errno.EINVAL), (4, 1)):
        client.write(memory.end - size, bytes(size))
        offer_raw(ring, [Descriptor(memory.end - size, size), Descriptor(writable, 4, DescFlag.WRITE)])
        ring.kick()
        ring.wait()
        assert result_of(parts.written()) == expected


def test_2_7_5_a_result_is_four_bytes(cryptodev_any):
    """2.7.5.1: a result is written into the last 4 writable bytes, and not one byte behind them.

    The driver holds every byte around the buffers against what was there before.
    """
    driver = cryptodev_any
    for _ in range(3):
        assert driver.call(wire.Open()).result >= 0
    ses = driver.session(0, KEY)
    operation = CryptOp(ses=ses, op=Op.ENCRYPT, len=16)
    for request in (
        wire.Open(),
        wire.Session(0, SESSION, KEY),
        wire.Session(9, SESSION, KEY),
        wire.Crypt(0, operation, DATA, IV),
        wire.Crypt(9, operation, DATA, IV),
        wire.Free(0, ses),
        wire.Free(9, ses),
    ):
        for pieces in CUTS.values():
            call(driver, request, pieces, indirect=False)
    for kind in (0, 1, 2, 3, 0xFFFFFFFF):
        done = driver.send([kind.to_bytes(4, "little")], [BLANK])
        assert done.written != (BLANK,)


@pytest.mark.parametrize("size", [5, 8, 12, 52, 53, 4096])
def test_2_7_5_more_room_than_an_answer_needs(cryptodev_any, size):
    """2.7.8.2: the answer lies in the last four writable bytes; what is before them stays as it was."""
    before = bytes(index & 0x7F for index in range(size))
    done = cryptodev_any.send([bytes(4)], [before])
    assert done.written[0][:-4] == before[:-4]
    assert result_of(done.written) == -errno.EINVAL


def test_no_address_of_the_host_in_an_answer(cryptodev_any):
    """CIOCGSESSION gives back what was sent but for the id: no address of the host in its pointers."""
    driver = cryptodev_any
    operation = SessionOp(cipher=Cipher.AES_CBC, keylen=16, key=0x1111_2222_3333, mackey=0x4444_5555_6666)
    (filled, _) = driver.send(*_sides(wire.Session(driver.open(), operation, KEY))).written
    told = SessionOp.unpack(filled)
    assert (told.key, told.mackey) == (operation.key, operation.mackey), (
        "an address of the host in session_op"
    )


def test_no_address_of_the_host_in_a_request(cryptodev_any):
    """CIOCCRYPT leaves the crypt_op that it reads as it is: no address of the host is stored there.

    The driver holds every byte that the device may only read against what was there before.
    """
    driver = cryptodev_any
    handle = driver.open()
    ses = driver.session(handle, KEY)
    operation = CryptOp(ses=ses, op=Op.ENCRYPT, len=16, src=0x1111_2222_3333, dst=0x4444_5555_6666)
    done = driver.send(*_sides(wire.Crypt(handle, operation, DATA, IV)))
    assert result_of(done.written) == 0


def _sides(request):
    return list(request.readable), list(request.initial)


def test_2_7_4_1_buffers_that_overlap(cryptodev):
    """2.7.5: source and destination in the same memory, shifted or not, give what separate ones would."""
    driver = cryptodev
    handle = driver.open()
    ses = driver.session(handle, KEY)
    size = 256
    data = bytes(range(size))
    header = b"".join(wire.Crypt(handle, CryptOp(ses=ses, op=Op.ENCRYPT, len=size), data, IV).readable[:4])
    client, memory = driver.machine.client, driver.machine.memory
    for shift in (0, 1, 15, 16, 100, -1, -16, -100):
        ring = driver.split_queue()
        parts = lay_apart(driver, chain([header, IV], [BLANK]))
        area = memory.allocate(3 * size)
        source = area + size
        client.write(source, data)
        head, iv, result = parts.addresses
        offer_raw(
            ring,
            [
                Descriptor(head, len(header)),
                Descriptor(source, size),
                Descriptor(iv, 16),
                Descriptor(source + shift, size, DescFlag.WRITE),
                Descriptor(result, 4, DescFlag.WRITE),
            ],
        )
        ring.kick()
        ring.wait()
        assert result_of(parts.written()) == 0
        assert client.read(source + shift, size) == aes_cbc(Op.ENCRYPT, KEY, IV, data), shift
