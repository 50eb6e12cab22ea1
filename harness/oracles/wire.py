# SPDX-License-Identifier: GPL-2.0-or-later
"""A capture as what it carried: TCP streams, frames, and whether a text is anywhere in it."""

from __future__ import annotations

import enum
import io
import ipaddress
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dpkt

from harness.errors import MachineError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FRAME_BYTES = 257  # the chat's: 256 bytes of ciphertext and a line feed
_RING = 1 << 32
# pcap-savefile(5): headers of the file and of each packet; how a little-endian file begins.
_FILE_HEADER, _PACKET_HEADER = 24, 16
_LITTLE = (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1")
_NANO = (b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d")
_HALF = 1 << 31


class Side(enum.StrEnum):
    """Who sent something."""

    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True, order=True)
class Endpoint:
    """One end of a connection."""

    address: str
    port: int


@dataclass(frozen=True)
class Chunk:
    """Bytes that the receiver could read at one moment (``at``, the capture's clock in seconds)."""

    side: Side
    data: bytes
    at: float


@dataclass(frozen=True)
class Frame:
    """One frame of fixed size, at the moment its last byte was there."""

    side: Side
    data: bytes
    at: float


@dataclass(frozen=True)
class TcpStream:
    """One connection.

    Attributes:
        client: who sent the first SYN, or the first packet if that is missing.
        server: the other end.
        chunks: what each side sent, in the order in which it could be read.
        missing: bytes that were announced by later ones but never captured.
    """

    client: Endpoint
    server: Endpoint
    chunks: tuple[Chunk, ...]
    missing: int

    def bytes_from(self, side: Side) -> bytes:
        """Return everything that one side sent."""
        return b"".join(chunk.data for chunk in self.chunks if chunk.side is side)

    @property
    def sent(self) -> bytes:
        """Everything that the client sent."""
        return self.bytes_from(Side.CLIENT)

    @property
    def received(self) -> bytes:
        """Everything that the server sent."""
        return self.bytes_from(Side.SERVER)

    def frames(self, size: int = _FRAME_BYTES) -> Iterator[Frame]:
        """Cut both directions into frames of ``size`` bytes, in the order of their completion.

        What is left at the end of a direction and is no whole frame comes last, as a short frame.
        """
        rest = {Side.CLIENT: b"", Side.SERVER: b""}
        last = {Side.CLIENT: 0.0, Side.SERVER: 0.0}
        for chunk in self.chunks:
            data = rest[chunk.side] + chunk.data
            whole = len(data) - len(data) % size
            for start in range(0, whole, size):
                yield Frame(chunk.side, data[start : start + size], chunk.at)
            rest[chunk.side], last[chunk.side] = data[whole:], chunk.at
        for side, data in rest.items():
            if data:
                yield Frame(side, data, last[side])


@dataclass
class _Direction:
    """Puts one direction together by sequence numbers (RFC 9293, 3.4); whoever came first wins an overlap."""

    expected: int | None = None
    waiting: dict[int, bytes] = field(default_factory=dict)

    def take(self, sequence: int, data: bytes, *, syn: bool) -> bytes:
        """Take in a segment; returns what can be read now."""
        if syn:
            sequence = (sequence + 1) % _RING
        if self.expected is None:
            self.expected = sequence
        if data:
            known = self.waiting.get(sequence, b"")
            self.waiting[sequence] = known if len(known) >= len(data) else data
        return b"".join(self._ready())

    def _ready(self) -> Iterator[bytes]:
        expected = self.expected or 0
        while True:
            found = next((start for start in self.waiting if (expected - start) % _RING < _HALF), None)
            if found is None:
                break
            segment = self.waiting.pop(found)
            fresh = segment[(expected - found) % _RING :]
            expected = (expected + len(fresh)) % _RING
            if fresh:
                yield fresh
        self.expected = expected

    @property
    def missing(self) -> int:
        """Bytes between what can be read and the first segment behind a gap."""
        if not self.waiting or self.expected is None:
            return 0
        expected = self.expected
        return min((start - expected) % _RING for start in self.waiting)


@dataclass
class _Connection:
    client: Endpoint
    server: Endpoint
    first: int
    directions: dict[Side, _Direction] = field(default_factory=lambda: {side: _Direction() for side in Side})
    chunks: list[Chunk] = field(default_factory=list)

    def take(self, source: Endpoint, segment: dpkt.tcp.TCP, at: float) -> None:
        side = Side.CLIENT if source == self.client else Side.SERVER
        syn = bool(segment.flags & dpkt.tcp.TH_SYN)
        if data := self.directions[side].take(segment.seq, bytes(segment.data), syn=syn):
            self.chunks.append(Chunk(side, data, at))

    def stream(self) -> TcpStream:
        missing = sum(direction.missing for direction in self.directions.values())
        return TcpStream(self.client, self.server, tuple(self.chunks), missing)


class Capture:
    """A capture.

    Attributes:
        packets: how many packets it holds.
        streams: its TCP connections, in the order of their beginning.
    """

    def __init__(self, pcap: bytes) -> None:
        """Read a pcap file's bytes; a last packet that is not complete is left out, as in a live capture.

        Raises:
            MachineError: it is no pcap file.
        """
        self._raw: list[bytes] = []
        connections: list[_Connection] = []
        latest: dict[frozenset[Endpoint], _Connection] = {}
        for at, link, packet in _packets(pcap):
            self._raw.append(packet)
            if (found := _tcp(link, packet)) is None:
                continue
            source, target, segment = found
            key = frozenset((source, target))
            connection = latest.get(key)
            if connection is None or _begins_anew(connection, segment):
                connection = latest[key] = _opened(source, target, segment)
                connections.append(connection)
            connection.take(source, segment, at)
        self.packets = len(self._raw)
        self.streams = tuple(connection.stream() for connection in connections)

    @classmethod
    def read(cls, path: Path) -> Capture:
        """Read a pcap file; raises as the constructor."""
        try:
            return cls(path.read_bytes())
        except OSError as error:
            raise MachineError(f"reading the capture {path}", error.strerror or str(error)) from error

    def on_port(self, port: int) -> tuple[TcpStream, ...]:
        """Return the connections with ``port`` at one end: without a SYN, the server cannot be told."""
        return tuple(stream for stream in self.streams if port in {stream.server.port, stream.client.port})

    def exchange(self, port: int, size: int = _FRAME_BYTES) -> tuple[Frame, ...]:
        """Return the frames of all connections to ``port`` and their senders, in the order of completion."""
        frames = [frame for stream in self.on_port(port) for frame in stream.frames(size)]
        return tuple(sorted(frames, key=lambda frame: frame.at))

    def frames(self, port: int, size: int = _FRAME_BYTES) -> list[bytes]:
        """Return the bytes of :meth:`exchange`."""
        return [frame.data for frame in self.exchange(port, size)]

    @property
    def octets(self) -> bytes:
        """Every byte of every packet, headers included, one packet behind the other."""
        return b"".join(self._raw)

    def contains(self, text: bytes | str) -> bool:
        """Return whether ``text`` is anywhere: across the packets of a stream, or in one of any protocol."""
        wanted = text.encode() if isinstance(text, str) else text
        streams = (stream.bytes_from(side) for stream in self.streams for side in Side)
        return any(wanted in data for data in streams) or any(wanted in packet for packet in self._raw)


def _packets(pcap: bytes) -> Iterator[tuple[float, int, bytes]]:
    """Yield time, link type and bytes of each whole packet."""
    try:
        reader = dpkt.pcap.Reader(io.BytesIO(pcap[: _whole(pcap)]))
    except (ValueError, dpkt.dpkt.Error, struct.error) as error:
        raise MachineError(
            "reading a capture", f"{len(pcap)} bytes that are no pcap file ({error})"
        ) from error
    link = reader.datalink()
    for at, packet in reader:
        yield float(at), link, packet


def _whole(pcap: bytes) -> int:
    """Return where the last whole packet of a pcap file ends."""
    return max((end for end, _ in packet_ends(pcap)), default=0)


def packet_ends(pcap: bytes) -> Iterator[tuple[int, float]]:
    """Yield where each whole packet of a pcap file ends, and its time; the file's header first, at 0."""
    order = "<" if pcap[:4] in _LITTLE else ">"
    fraction = 1e-9 if pcap[:4] in _NANO else 1e-6
    end, at = _FILE_HEADER, 0.0
    while end <= len(pcap):
        yield end, at
        if end + _PACKET_HEADER > len(pcap):
            break
        seconds, rest, captured = struct.unpack_from(f"{order}III", pcap, end)
        at = seconds + rest * fraction
        end += _PACKET_HEADER + captured


def _tcp(link: int, packet: bytes) -> tuple[Endpoint, Endpoint, dpkt.tcp.TCP] | None:
    """Return both ends and the TCP segment of a packet, or None if it carries none."""
    try:
        network = _network(link, packet)
        if not isinstance(network, dpkt.ip.IP | dpkt.ip6.IP6) or not isinstance(network.data, dpkt.tcp.TCP):
            return None
    except (dpkt.dpkt.Error, struct.error, IndexError):
        return None
    segment = network.data
    source = Endpoint(str(ipaddress.ip_address(network.src)), segment.sport)
    target = Endpoint(str(ipaddress.ip_address(network.dst)), segment.dport)
    return source, target, segment


def _network(link: int, packet: bytes) -> object:
    match link:
        case dpkt.pcap.DLT_EN10MB:
            return dpkt.ethernet.Ethernet(packet).data
        case dpkt.pcap.DLT_LINUX_SLL:
            return dpkt.sll.SLL(packet).data
        case dpkt.pcap.DLT_RAW | 101 | 14:  # raw IP, by the numbers of different systems
            return dpkt.ip6.IP6(packet) if packet[0] >> 4 == 6 else dpkt.ip.IP(packet)
        case _:
            return None


def _begins_anew(connection: _Connection, segment: dpkt.tcp.TCP) -> bool:
    """Return whether a segment opens a new connection, and is not the SYN of this one sent again."""
    opens = segment.flags & (dpkt.tcp.TH_SYN | dpkt.tcp.TH_ACK) == dpkt.tcp.TH_SYN
    return bool(opens and segment.seq != connection.first)


def _opened(source: Endpoint, target: Endpoint, segment: dpkt.tcp.TCP) -> _Connection:
    answers = segment.flags & (dpkt.tcp.TH_SYN | dpkt.tcp.TH_ACK) == dpkt.tcp.TH_SYN | dpkt.tcp.TH_ACK
    client, server = (target, source) if answers else (source, target)
    return _Connection(client, server, segment.seq)
