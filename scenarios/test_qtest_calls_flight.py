# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests of F_CALLS in flight: in several queues, answered in any order, met by resets and saves."""

import errno
import functools
import random
import struct
from typing import Any

import pytest

from harness.qtest import KNOWN_FEATURES, DescFlag, Descriptor, Feature, Interrupt, Status, chain
from harness.qtest.machine import INTERRUPT_CONTROLLER
from harness.reference import wire
from harness.reference.abi import Cipher, CopFlag, CryptOp, Mac, Op
from harness.reference.wire_calls import Call, CallCopy, CallCrypt, CallFree, CallSession
from scenarios.qtest_calls import MACKEY, begin, crypt, started
from scenarios.qtest_helpers import BLANK, IV, KEY, assert_alive, lay_apart, offer_raw, result_of, settle

POOL = "inline-max=0,hold-max=0"
"""All work with data is done by other threads than QEMU's main one."""
MIB = 1 << 20


@pytest.fixture
def simple(qtest):
    """Return a function that starts a device with an open file, and its model."""
    return functools.partial(started, qtest)


def finish(flights):
    """Wait for the answers of requests that were begun; return what is written for each."""
    rings = {id(ring): ring for ring, _ in flights}
    for ring in rings.values():
        heads = sorted(laid.head for other, laid in flights if other is ring)
        assert sorted(used.id for used in ring.wait(len(heads))) == heads
    return [b"".join(laid.written()) for _, laid in flights]


def foretold(pair, request):
    """Return what the model writes for a request."""
    return pair.model.request(b"".join(request.readable), b"".join(request.initial)).written


def works(pair, size=4096):
    """Make a session of each kind; return a request of about ``size`` bytes for each."""
    kinds: list[tuple[int, int, dict[str, Any]]] = [
        (Cipher.AES_CBC, 0, {"iv": IV}),
        (Cipher.AES_CTR, Mac.SHA2_256, {"iv": IV}),
        (Cipher.AES_XTS, 0, {"iv": IV}),
        (Cipher.AES_GCM, 0, {"iv": IV[:12], "auth": True, "aad": b"header"}),
        (Cipher.AES_CBC, Mac.SHA1_HMAC, {"iv": IV, "auth": True, "flags": CopFlag.AEAD_TLS}),
        (0, Mac.SHA2_512, {}),
    ]
    requests = []
    for number, (cipher, mac, rest) in enumerate(kinds):
        keys = {"key": bytes(range(32)) if cipher else b"", "mackey": MACKEY if mac == Mac.SHA1_HMAC else b""}
        ses = pair.session(cipher=cipher, mac=mac, **keys)
        requests.append(crypt(ses, cipher, mac, bytes([number]) * size, **rest))
    return requests


@pytest.mark.parametrize("kind", ["split", "packed", "legacy"])
@pytest.mark.parametrize("size", [16, 4096, 65536])
def test_many_requests_in_three_queues(simple, kind, size):
    """Requests of all kinds in all queues at once, more than there are threads: each is right."""
    pair = simple(f"queues=3,{POOL}", kind=kind, memory_mib=64)
    requests = works(pair, size) * 9
    flights = [begin(pair.driver, request, number % 3) for number, request in enumerate(requests)]
    answers = finish(flights)
    for request, answer in zip(requests, answers, strict=True):
        assert answer == foretold(pair, request)
    assert pair.driver.transport.interrupt_status == Interrupt.USED_BUFFER


@pytest.mark.parametrize("kind", ["split", "packed", "legacy"])
@pytest.mark.parametrize("properties", ["", f",{POOL}"], ids=["here", "in the pool"])
def test_an_interrupt_tells_of_its_own_queue(simple, kind, properties):
    """2.7.7: an answer interrupts, whoever did the work, if the driver wants that of this queue."""
    pair = simple(f"queues=3{properties}", kind=kind)
    driver = pair.driver
    driver.bring_up_calls(KNOWN_FEATURES & ~Feature.EVENT_IDX, queues=3)
    pair.model.reset()
    assert pair.ask(wire.Open()) == 0
    ses = pair.session(cipher=Cipher.AES_CBC, key=KEY)
    driver.queue(0).suppress(interrupts=True)
    for queue in (1, 2, 0, 1):
        driver.transport.acknowledge(driver.transport.interrupt_status)
        finish([begin(driver, CallCrypt(0, ses, Op.ENCRYPT, bytes(4096), 4096, IV), queue)])
        assert driver.transport.interrupt_status == (Interrupt.USED_BUFFER if queue else 0), queue


def test_small_requests_go_on_while_large_ones_are_at_work(simple):
    """Requests of other open files, and of the reference wire, are answered beside the largest ones."""
    pair = simple("queues=2", memory_mib=64)
    assert pair.ask(wire.Open()) == 1
    large = works(pair, MIB)
    ses = pair.session(1, cipher=Cipher.AES_CBC, key=KEY)
    flights = [begin(pair.driver, request, number % 2) for number, request in enumerate(large)]
    small: list[wire.Request | Call] = [
        CallCrypt(1, ses, Op.DECRYPT, bytes(64), 64, IV),
        wire.Crypt(1, CryptOp(ses=ses, len=32), bytes(32), IV),
        CallFree(1, 12345),
        CallFree(9, 1),
        CallCopy(0, 1, 1),
    ]
    flights += [begin(pair.driver, request, number % 2) for number, request in enumerate(small)]
    for request, answer in zip([*large, *small], finish(flights), strict=True):
        assert answer == foretold(pair, request)


def test_requests_in_one_session_each_with_its_iv(simple):
    """Twenty requests of one session, encrypted and decrypted, at work at once: none meets another's IV."""
    pair = simple(f"queues=3,{POOL}", memory_mib=32)
    for cipher in (Cipher.AES_CBC, Cipher.AES_CTR):
        ses = pair.session(cipher=cipher, key=KEY)
        requests = [
            CallCrypt(0, ses, number % 2, bytes([number]) * 8192, 8192, bytes([number]) * 16)
            for number in range(20)
        ]
        with pair.driver.machine.memory.borrowed():
            flights = [begin(pair.driver, request, number % 3) for number, request in enumerate(requests)]
            for request, answer in zip(requests, finish(flights), strict=True):
                assert answer == foretold(pair, request)


@pytest.mark.parametrize("what", ["free", "close"])
def test_a_session_that_ends_while_it_works(simple, what):
    """Work that was begun is answered, as if it had come before the end or, of a freed session, after it."""
    pair = simple(f"queues=1,{POOL}", memory_mib=32)
    ses = pair.session(cipher=Cipher.AES_CBC, key=KEY)
    request = CallCrypt(0, ses, Op.ENCRYPT, bytes(MIB), MIB, IV)
    right = foretold(pair, request)
    end: wire.Request | Call = CallFree(0, ses) if what == "free" else wire.Close(0)
    flights = [begin(pair.driver, request), begin(pair.driver, end), begin(pair.driver, wire.Open())]
    flights.append(begin(pair.driver, CallCrypt(0, ses, Op.ENCRYPT, bytes(16), 16, IV)))
    answer, _, opened, after = finish(flights)
    assert result_of([answer]) in (0, -errno.EINVAL)
    assert answer == right or result_of([answer])
    assert result_of([opened]) == (1 if what == "free" else 0)
    assert result_of([after]) == -errno.EINVAL


def test_memory_that_changes_while_it_is_worked_on(simple):
    """A guest that writes into what it gave away spoils its own data, and nothing else."""
    pair = simple(f"queues=1,{POOL}", memory_mib=32)
    client, chance = pair.driver.machine.client, random.Random(1)  # noqa: S311 -- the same each time
    for request in works(pair, 256 << 10):
        with pair.driver.machine.memory.borrowed():
            ring, laid = begin(pair.driver, request)
            for address, buffer in zip(laid.addresses, laid.laid.buffers, strict=True):
                for _ in range(8):
                    at = chance.randrange(len(buffer.data))
                    client.writeb(address + at, chance.randrange(256))
            client.flush()
            (used,) = ring.wait()
            assert used.length == sum(request.writable)
    for request in works(pair):
        assert pair.ask(request) == 0


@pytest.mark.parametrize("kind", ["split", "packed", "legacy"])
def test_a_reset_while_requests_are_at_work(simple, kind):
    """2.4.1: when the device says that it is reset no byte changes any more, and nothing is open."""
    pair = simple(f"queues=3,{POOL}", kind=kind, memory_mib=64)
    driver = pair.driver
    client = driver.machine.client
    client.intercept_interrupts(INTERRUPT_CONTROLLER)
    before = driver.machine.descriptors()
    for _ in range(3):
        requests = works(pair, 512 << 10)
        start = driver.machine.memory.mark()
        for number, request in enumerate(requests):
            begin(driver, request, number % 3)
        size = driver.machine.memory.mark() - start
        driver.transport.status = 0
        assert driver.status == 0
        seen, raised = client.read(start, size), dict(client.interrupts)
        driver.transport.notify(0)
        settle(driver)
        assert client.read(start, size) == seen
        assert client.interrupts == raised
        assert driver.transport.interrupt_status == 0
        driver.bring_up_calls(queues=3)
        pair.model.reset()
        assert pair.ask(wire.Open()) == 0
    assert driver.machine.descriptors() == before


def test_a_reset_of_the_whole_machine_while_requests_are_at_work(simple):
    """2.4.1: a reset of the machine ends the work, too; the device comes up as new."""
    pair = simple(f"queues=3,{POOL}", memory_mib=64)
    driver, qmp = pair.driver, pair.driver.machine.qmp
    for number, request in enumerate(works(pair, 512 << 10)):
        begin(driver, request, number % 3)
    mark = qmp.mark()
    driver.machine.client.flush()
    qmp.execute("system_reset")
    qmp.wait_event("RESET", since=mark)
    assert driver.status == 0
    assert_alive(driver)


def test_a_machine_that_stops_has_answered_what_it_took(simple):
    """2.7.13: a machine that stands still writes nothing; what it has not taken is answered later."""
    pair = simple(f"queues=3,{POOL}", memory_mib=64)
    driver, qmp = pair.driver, pair.driver.machine.qmp
    client, start = driver.machine.client, driver.machine.memory.mark()
    requests = works(pair, 256 << 10)
    flights = [begin(driver, request, number % 3) for number, request in enumerate(requests)]
    client.flush()
    qmp.execute("stop")
    size = driver.machine.memory.mark() - start
    seen = client.read(start, size)
    late = CallFree(0, 7)
    flights.append(begin(driver, late, 1))
    settle(driver)
    assert client.read(start, size) == seen
    qmp.execute("cont")
    for request, answer in zip([*requests, late], finish(flights), strict=True):
        assert answer == foretold(pair, request)


@pytest.mark.parametrize("kind", ["split", "packed", "legacy"])
def test_a_machine_that_is_saved_and_restored_while_requests_are_at_work(simple, kind):
    """Each request is answered once, before the save or after it, in the machine that was restored."""
    pair = simple(f"queues=3,{POOL}", kind=kind, memory_mib=32)
    # A hash that goes on cannot be carried; these begin and end in one request.
    requests = works(pair, 128 << 10) * 3
    flights = [begin(pair.driver, request, number % 3) for number, request in enumerate(requests)]
    stream = pair.driver.machine.save()
    right = [foretold(pair, request) for request in requests]
    pair.driver.machine.restore(stream)
    assert finish(flights) == right
    for request in works(pair, 64):
        assert pair.ask(request) == 0


def test_a_broken_queue_while_another_is_at_work(simple):
    """2.1.2: a chain that is none puts the device in need of a reset; what is at work ends well."""
    pair = simple(f"queues=2,{POOL}", memory_mib=32)
    driver = pair.driver
    for _ in range(3):
        ses = pair.session(cipher=Cipher.AES_CBC, key=KEY)
        begin(driver, CallCrypt(0, ses, Op.ENCRYPT, bytes(MIB), MIB, IV))
        ring = driver.split_queue(1)
        laid = ring.lay(chain([bytes(4)], [BLANK]))
        driver.machine.client.writel(ring.descriptors + 16 * laid.slots[0] + 8, 0)
        ring.offer(laid)
        ring.kick()
        settle(driver)
        assert Status.NEEDS_RESET in driver.status
        assert ring.take() == []
        driver.bring_up_calls(queues=2)
        pair.model.reset()
        assert pair.ask(wire.Open()) == 0


def begin_long(driver, ses, queue):
    """Begin a request that takes about a second: the same MiB 32 times over, in the slowest cipher."""
    most = 32 * MIB
    head = CallCrypt(0, ses, Op.ENCRYPT, bytes(most), most, IV[:8]).readable[0]
    laid = lay_apart(driver, chain([head], [bytes(96)]))
    first, last = laid.addresses
    place = driver.machine.memory.allocate(MIB)
    parts = [Descriptor(first, len(head)), *[Descriptor(place, MIB)] * 32]
    parts += [*[Descriptor(place, MIB, DescFlag.WRITE)] * 32, Descriptor(last, 96, DescFlag.WRITE)]
    ring = driver.split_queue(queue)
    offer_raw(ring, parts)
    ring.kick()
    return ring


def test_a_long_request_does_not_hold_the_others_up(simple):
    """Another queue's request is answered while a long one is at work: QEMU's main loop is free."""
    driver = simple(f"queues=2,max-request={64 * MIB}").driver
    session = CallSession(0, cipher=Cipher.DES3_CBC, key=bytes(range(24)))
    ses = struct.unpack_from("<I", driver.send(session.readable, session.initial, queue=1).written[0])[0]
    long = begin_long(driver, ses, 0)
    assert result_of(driver.send(wire.Open().readable, wire.Open().initial, queue=1).written) == 1
    assert not long.take(), "the others waited until the long request was answered: the main loop works on it"
    long.wait()


def test_files_that_are_closed_at_work_are_limited(simple):
    """A guest that closes files whose requests are at work has twice as many as its limit, and no more."""
    driver = simple(f"queues=3,max-open-files=1,max-request={64 * MIB}").driver
    working = []

    def ask(request):
        done = driver.send(request.readable, request.initial, queue=1)
        return result_of(done.written) if request.writable else 0

    for queue, expected in ((0, 0), (2, -errno.EMFILE)):
        session = CallSession(0, cipher=Cipher.DES3_CBC, key=bytes(range(24)))
        ses = struct.unpack_from("<I", driver.send(session.readable, session.initial, queue=1).written[0])[0]
        working.append(begin_long(driver, ses, queue))
        assert ask(wire.Close(0)) == 0
        assert ask(wire.Open()) == expected
    for ring in working:
        ring.wait()
    assert ask(wire.Open()) == 0
