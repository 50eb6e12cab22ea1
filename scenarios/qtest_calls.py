# SPDX-License-Identifier: GPL-2.0-or-later
"""A device without a guest and the model beside it: each answer to each chain is held against the model's."""

from __future__ import annotations

import itertools
import struct
from typing import TYPE_CHECKING, Any

from harness.qtest import Cryptodev, DescFlag, Descriptor, chain
from harness.reference import wire
from harness.reference.abi import Op
from harness.reference.algorithms import ALGORITHMS, Algorithm, Sizes, session_sizes
from harness.reference.device import Completion, Device
from harness.reference.wire_calls import F_CALLS, F_MQ, CallCrypt, CallSession, destination_bytes
from scenarios.qtest_helpers import lay_apart, offer_raw, result_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from harness.qtest import Chain, QtestMachine, Queue
    from harness.reference.wire_calls import Call, CallReply

MACKEY = bytes(range(200, 220))
CIPHERS = tuple(each for each in ALGORITHMS.values() if each.digest_bytes == 0)
MACS = tuple(each for each in ALGORITHMS.values() if each.digest_bytes)


class Pair:
    """A device and the model of it, asked the same."""

    def __init__(self, driver: Cryptodev, **limits: Any) -> None:
        self.driver, self.model = driver, Device(features=driver.features, **limits)

    def send(
        self, readable: Sequence[bytes], writable: Sequence[bytes], queue: int = 0, *, indirect: bool = False
    ) -> bytes:
        """Send any bytes; the device answers as the model does.  Return what was written."""
        done = self.driver.send(readable, writable, queue=queue, indirect=indirect)
        seen = Completion(done.length, b"".join(done.written))
        right = self.model.request(b"".join(readable), b"".join(writable), seen)
        assert seen == right, f"not what the model foretold of {b''.join(readable)[:64].hex()}"
        return seen.written

    def ask(self, request: wire.Request | Call, queue: int = 0) -> int:
        """Send a request as it is; return the result."""
        return result_of([self.send(request.readable, request.initial, queue)])

    def reply(self, request: Call, queue: int = 0) -> CallReply:
        """Send a request as it is; return its answer."""
        written = self.send(request.readable, request.initial, queue)
        edges = [0, *itertools.accumulate(request.writable)]
        return request.reply(tuple(written[start:end] for start, end in itertools.pairwise(edges)))

    def raw(self, readable: bytes, writable: bytes) -> int:
        """Send any bytes, in one buffer each; return the errno."""
        return -result_of([self.send([readable] if readable else [], [writable])])

    def session(self, handle: int = 0, **parts: Any) -> int:
        """Make a session; return its id."""
        request = CallSession(handle, **parts)
        written = self.send(request.readable, request.initial)
        assert written[-4:] == bytes(4), parts
        ses: int = struct.unpack_from("<I", written)[0]
        return ses


def started(
    qtest: Callable[..., QtestMachine],
    properties: str = "",
    *,
    kind: str = "split",
    memory_mib: int = 16,
    **limits: int,
) -> Pair:
    """Return a fresh device with F_CALLS, up to three queues and an open file, and its model.

    Args:
        qtest: starts QEMU.
        properties: the device's.
        kind: of ring and registers, ``split``, ``packed`` or ``legacy``.
        memory_mib: the guest's memory.
        limits: the model's; they must be what the properties say.
    """
    if kind == "packed":
        properties = ",".join(filter(None, [properties, "packed=on"]))
    driver = Cryptodev(qtest(properties=properties, legacy=kind == "legacy", memory_mib=memory_mib))
    driver.bring_up_calls(queues=min(driver.num_queues, 3))
    assert driver.features & F_CALLS
    assert bool(driver.features & F_MQ) == (driver.num_queues > 1)
    pair = Pair(driver, **limits)
    assert pair.ask(wire.Open()) == 0
    return pair


def crypt(ses: int, cipher: int, mac: int, source: bytes, op: int = Op.ENCRYPT, **rest: Any) -> CallCrypt:
    """Return a request whose destination has the right length."""
    sizes = sizes_of(cipher, mac)
    auth, flags = rest.get("auth", False), rest.get("flags", 0)
    right = destination_bytes(sizes, op, flags, len(source), rest.get("tag_len", 0), auth=auth)
    if not auth and not cipher:
        right = 0
    return CallCrypt(0, ses, op, source, max(right, 0), **rest)


def sizes_of(cipher: int, mac: int) -> Sizes:
    """Return the sizes of a session, and something for one that there cannot be."""
    return session_sizes(cipher, mac) if cipher or mac else Sizes(1, 0, 0, 0)


def key_of(algorithm: Algorithm, size: int | None = None) -> bytes:
    """Return a key of this length, of the longest by default."""
    return bytes(range(size if size is not None else max(algorithm.key_bytes)))


def pieces(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Cut data at these offsets; those outside of it are left out."""
    edges = [0, *sorted(place for place in set(places) if 0 < place < len(data)), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def begin(driver: Cryptodev, request: wire.Request | Call, queue: int = 0) -> tuple[Queue, Chain]:
    """Give the device a request and do not wait for its answer; it lies in memory until a reset."""
    ring = driver.queue(queue)
    laid = ring.lay(driver.buffers(request))
    ring.offer(laid)
    ring.kick()
    return ring, laid


def send_at(driver: Cryptodev, request: CallCrypt, source: int, target: int, step: int) -> bytes:
    """Send a crypt whose source and destination lie at given addresses, which may be the same.

    Args:
        driver: its queue 0 is a split ring with nothing in it.
        request: its other parts lie in buffers of their own.
        source, target: addresses; the source is written there.
        step: bytes of each descriptor of either.

    Returns:
        Destination and answer.
    """
    client = driver.machine.client
    readable = dict(zip(("head", "aad", "source", "tail", "tag"), request.readable, strict=True))
    names = [name for name in ("head", "aad", "tail", "tag") if readable[name]]
    laid = lay_apart(driver, chain([readable[name] for name in names], [request.initial[1]]))
    places = dict(zip([*names, "answer"], laid.addresses, strict=True))
    client.write(source, request.source)

    def area(start: int, length: int, flags: int = 0) -> list[Descriptor]:
        return [Descriptor(start + at, min(step, length - at), flags) for at in range(0, length, step)]

    parts: list[Descriptor] = []
    for name, data in readable.items():
        parts += area(source, len(data)) if name == "source" else []
        parts += [Descriptor(places[name], len(data))] if name in places else []
    parts += area(target, request.dst_len, DescFlag.WRITE)
    parts.append(Descriptor(places["answer"], request.writable[1], DescFlag.WRITE))
    ring = driver.split_queue()
    offer_raw(ring, parts)
    ring.kick()
    ring.wait()
    return client.read(target, request.dst_len) + laid.written()[-1]
