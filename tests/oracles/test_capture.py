# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures made here, byte by byte, and put together again."""

from __future__ import annotations

import io
import socket
import struct
from typing import TYPE_CHECKING

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import MachineError
from harness.oracles.wire import Capture, Endpoint, Side

if TYPE_CHECKING:
    from pathlib import Path


PORT = 35001
TH = dpkt.tcp


def segment(
    data: bytes = b"",
    *,
    seq: int,
    flags: int = TH.TH_ACK,
    back: bool = False,
    client_port: int = 40000,
    v6: bool = False,
) -> bytes:
    ports = (PORT, client_port) if back else (client_port, PORT)
    tcp = dpkt.tcp.TCP(sport=ports[0], dport=ports[1], seq=seq % 2**32, flags=flags, data=data)
    if v6:
        here = socket.inet_pton(socket.AF_INET6, "::1")
        ip = dpkt.ip6.IP6(src=here, dst=here, nxt=6, plen=len(tcp), data=tcp)
        return bytes(dpkt.ethernet.Ethernet(type=dpkt.ethernet.ETH_TYPE_IP6, data=ip))
    here = socket.inet_aton("127.0.0.1")
    packet = dpkt.ip.IP(src=here, dst=here, p=6, data=tcp)
    packet.len = len(packet)
    return bytes(dpkt.ethernet.Ethernet(type=dpkt.ethernet.ETH_TYPE_IP, data=packet))


def pcap(*packets: bytes, link: int = dpkt.pcap.DLT_EN10MB) -> bytes:
    file = io.BytesIO()
    writer = dpkt.pcap.Writer(file, linktype=link)
    for number, packet in enumerate(packets):
        writer.writepkt(packet, ts=1000 + number / 1000)
    return file.getvalue()


OPEN = (
    segment(seq=99, flags=TH.TH_SYN),
    segment(seq=499, flags=TH.TH_SYN | TH.TH_ACK, back=True),
    segment(seq=100),
)


@pytest.mark.parametrize("v6", [False, True])
def test_both_directions(v6: bool) -> None:
    capture = Capture(
        pcap(
            segment(seq=99, flags=TH.TH_SYN, v6=v6),
            segment(seq=499, flags=TH.TH_SYN | TH.TH_ACK, back=True, v6=v6),
            segment(b"hello", seq=100, v6=v6),
            segment(b"there", seq=500, back=True, v6=v6),
        )
    )
    (stream,) = capture.on_port(PORT)
    assert (stream.sent, stream.received, stream.missing) == (b"hello", b"there", 0)
    assert stream.client == Endpoint("::1" if v6 else "127.0.0.1", 40000)


def test_out_of_order_and_retransmitted_and_overlapping() -> None:
    capture = Capture(
        pcap(
            *OPEN,
            segment(b"cdef", seq=102),
            segment(b"ab", seq=100),
            segment(b"abcd", seq=100),
            segment(b"efgh", seq=104),
        )
    )
    assert capture.streams[0].sent == b"abcdefgh"


def test_sequence_numbers_wrap() -> None:
    capture = Capture(
        pcap(segment(seq=2**32 - 3, flags=TH.TH_SYN), segment(b"abc", seq=2**32 - 2), segment(b"def", seq=1))
    )
    assert capture.streams[0].sent == b"abcdef"


def test_a_gap_is_told_of_and_not_glued_over() -> None:
    capture = Capture(pcap(*OPEN, segment(b"ab", seq=100), segment(b"xy", seq=107)))
    assert (capture.streams[0].sent, capture.streams[0].missing) == (b"ab", 5)


def test_a_capture_that_begins_in_the_middle() -> None:
    capture = Capture(pcap(segment(b"answer", seq=5, back=True), segment(b"more", seq=77)))
    assert len(capture.on_port(PORT)) == 1
    assert capture.contains("answer")


def test_frames_come_in_the_order_of_their_completion() -> None:
    capture = Capture(
        pcap(
            *OPEN,
            segment(b"aa", seq=100),
            segment(b"BBBB", seq=500, back=True),
            segment(b"aa", seq=102),
            segment(b"cccc", seq=104),
            segment(b"d", seq=108),
        )
    )
    assert capture.frames(PORT, 4) == [b"BBBB", b"aaaa", b"cccc", b"d"]
    assert [frame.side for frame in capture.exchange(PORT, 4)][:2] == [Side.SERVER, Side.CLIENT]


def test_the_same_ports_used_twice_are_two_streams_but_a_repeated_syn_is_not() -> None:
    again = segment(seq=7999, flags=TH.TH_SYN)
    capture = Capture(
        pcap(
            OPEN[0],
            *OPEN,
            segment(b"one", seq=100),
            again,
            segment(b"two", seq=8000),
            segment(b"!", seq=8003),
        )
    )
    assert [stream.sent for stream in capture.streams] == [b"one", b"two!"]


def test_a_text_is_found_across_packets_and_in_what_is_not_tcp() -> None:
    udp = dpkt.udp.UDP(sport=1, dport=2, data=b"plain secret")
    udp.ulen = len(udp)
    ip = dpkt.ip.IP(src=b"\x7f\0\0\1", dst=b"\x7f\0\0\1", p=17, data=udp)
    ip.len = len(ip)
    datagram = bytes(dpkt.ethernet.Ethernet(type=dpkt.ethernet.ETH_TYPE_IP, data=ip))
    capture = Capture(
        pcap(*OPEN, segment("καλη".encode(), seq=100), segment("μέρα".encode(), seq=108), datagram)
    )
    assert capture.contains("καλημέρα")
    assert capture.contains(b"secret")
    assert not capture.contains("other")
    assert b"secret" in capture.octets


def test_a_live_capture_may_end_in_the_middle_of_a_packet() -> None:
    data = pcap(*OPEN, segment(b"whole", seq=100), segment(b"cut", seq=105))
    for cut in range(1, 40):
        assert Capture(data[:-cut]).streams[0].sent == b"whole"


def test_other_link_types() -> None:
    ip = segment(b"raw", seq=100)[14:]
    assert Capture(pcap(ip, link=101)).streams[0].sent == b"raw"
    sll = struct.pack(">HHH8sH", 0, 772, 6, b"", 0x0800) + ip
    assert Capture(pcap(sll, link=dpkt.pcap.DLT_LINUX_SLL)).streams[0].sent == b"raw"


def test_what_is_no_capture(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="no pcap file"):
        Capture(b"nonsense, and long enough to be a header of 24 bytes")
    with pytest.raises(MachineError, match="reading the capture"):
        Capture.read(tmp_path / "absent")


@given(st.binary(min_size=1, max_size=60), st.randoms(use_true_random=False), st.integers(0, 2**32 - 1))
def test_any_cut_order_and_repetition_gives_the_same_stream(data: bytes, random: object, start: int) -> None:
    assert hasattr(random, "shuffle")
    assert hasattr(random, "randint")
    pieces = []
    for _ in range(8):
        begin = random.randint(0, len(data) - 1)
        pieces.append((begin, data[begin : begin + random.randint(1, 20)]))
    pieces += [(at, data[at : at + 7]) for at in range(0, len(data), 7)]
    random.shuffle(pieces)
    packets = [segment(seq=start - 1, flags=TH.TH_SYN)]
    packets += [segment(piece, seq=start + at) for at, piece in pieces]
    (stream,) = Capture(pcap(*packets)).streams
    assert (stream.sent, stream.missing) == (data, 0)
