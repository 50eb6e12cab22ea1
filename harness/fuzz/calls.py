# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests of ``VIRTIO_CRYPTODEV_F_CALLS`` for fuzz cases, and their fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.reference.abi import Cipher, CopFlag, Mac, Op
from harness.reference.algorithms import ALGORITHMS, session_sizes
from harness.reference.wire_calls import (
    HOLD,
    CallCopy,
    CallCrypt,
    CallFree,
    CallSession,
    CallType,
    destination_bytes,
)

if TYPE_CHECKING:
    from random import Random

    from harness.reference.wire_calls import Call

Kind = tuple[int, int]
"""Cipher and mac of a session, 0 for none."""

CBC: Kind = (Cipher.AES_CBC, 0)
"""What the reference wire makes sessions of."""
KINDS: tuple[Kind, ...] = (
    CBC,
    (Cipher.AES_CTR, 0),
    (Cipher.AES_XTS, 0),
    (Cipher.AES_ECB, 0),
    (Cipher.AES_GCM, 0),
    (Cipher.DES3_CBC, 0),
    (Cipher.NULL, 0),
    (Cipher.AES_CBC, Mac.SHA1_HMAC),
    (Cipher.AES_CTR, Mac.SHA1_HMAC),
    (Cipher.NULL, Mac.SHA2_256_HMAC),
    (0, Mac.SHA1),
    (0, Mac.SHA2_512),
    (0, Mac.MD5_HMAC),
)

_HASH_FLAGS = (0, 0, CopFlag.UPDATE, CopFlag.FINAL, CopFlag.RESET, CopFlag.UPDATE | CopFlag.RESET)
_HEADER = ((0, 4), (4, 4))
FIELDS: dict[int, tuple[tuple[int, int], ...]] = {
    CallType.CRYPT: (
        *_HEADER,
        *((8, 4), (12, 2), (14, 2), (16, 4), (20, 4), (24, 4), (28, 4)),
        *((32, 2), (34, 2), (36, 2), (38, 2), (40, 4), (56, 4), (60, 4)),
    ),
    CallType.SESSION: (*_HEADER, (8, 4), (12, 4), (16, 4), (20, 4)),
    CallType.FREE: (*_HEADER, (8, 4)),
    CallType.COPY: (*_HEADER, (8, 4), (12, 4)),
}
"""Offset and width of the fields of each type of request, in bytes."""


def new_call_session(random: Random, handle: int, kind: Kind) -> CallSession:
    """Return a request for a session of this kind, with keys of lengths that there are."""
    cipher, mac = kind
    key = random.randbytes(random.choice(tuple(ALGORITHMS[cipher].key_bytes))) if cipher else b""
    keyed = mac and ALGORITHMS[mac].keyed
    return CallSession(
        handle, cipher, key, mac, random.randbytes(random.choice((1, 20, 512))) if keyed else b""
    )


def call_crypt(random: Random, handle: int, kind: Kind, size: int) -> CallCrypt:
    """Return a request for ``size`` bytes in whichever session of this kind, as a right driver sends it."""
    cipher, mac = kind
    op = random.choice(tuple(Op))
    if not cipher:
        return CallCrypt(handle, 0, op, random.randbytes(size), 0, flags=random.choice(_HASH_FLAGS))
    sizes = session_sizes(cipher, mac)
    auth = cipher == Cipher.AES_GCM or (bool(mac) and random.random() < 0.7)
    flags, aad, tail, tag = 0, b"", b"", b""
    if auth:
        aad = random.randbytes(random.choice((0, 1, 13, 200)))
        if mac:
            flags = random.choice((CopFlag.AEAD_TLS, CopFlag.AEAD_SRTP))
    if flags == CopFlag.AEAD_SRTP:
        tail = random.randbytes(random.choice((0, 4)))
        tag = random.randbytes(sizes.digest_len) if op == Op.DECRYPT else b""
    room = destination_bytes(sizes, op, flags, size, 0, auth=auth)
    iv = random.randbytes(random.choice((sizes.iv_len, sizes.iv_len, 0)))
    return CallCrypt(
        *(handle, 0, op, random.randbytes(size), max(0, room), iv, flags, auth, aad, tail, 0, tag),
        hints=random.choice((0, HOLD)),
    )


def other_call(random: Random, handle: int) -> Call:
    """Return a request that frees a session or copies a hash into it."""
    if random.random() < 0.5:
        return CallFree(handle, 0)
    return CallCopy(handle, 0, random.getrandbits(32))
