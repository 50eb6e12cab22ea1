# SPDX-License-Identifier: GPL-2.0-or-later
"""CIOCAUTHCRYPT in a session: AEAD ciphers, TLS records, SRTP packets.

Source: ``authenc.c`` of cryptodev-linux (``fill_kcaop_from_caop``, ``crypto_auth_run``, ``auth_n_crypt``,
``tls_auth_n_crypt``, ``srtp_auth_n_crypt``); RFC 5246, 6.2.3.2, for records and RFC 3711, 3.1, for packets.

What is decided here, because it crashes there, or tells an attacker something:

* Lengths are checked before addresses, and an address that is no buffer is EFAULT, NULL or not.
* A tag is never longer than the mac, or has a length that the AEAD cipher allows, for this one call.
* Padding that is not right is EBADMSG, with and without a mac, as is a mac that padding leaves no room for.
* A call that fails leaves the session's IV at the one that it was given.
* AEAD_TLS is for ciphers that do not authenticate by themselves: EINVAL for the others.
* No more than 4096 bytes of an SRTP packet are outside of its encrypted part.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.reference.abi import Cipher, CopFlag, Op
from harness.reference.algorithms import GCM_TAG_BYTES
from harness.reference.calls import Answer, Pointer, Refused, read_user, require
from harness.reference.cipher import gcm_open, gcm_seal

if TYPE_CHECKING:
    from harness.reference.state import Session

MAX_AUTH_BYTES = 4096
MAX_SRTP_HEADER = 256
_IN_PLACE = CopFlag.AEAD_TLS | CopFlag.AEAD_SRTP
_STREAMS = frozenset({Cipher.AES_CTR, Cipher.NULL})


@dataclass(frozen=True)
class Places:
    """The addresses of a call; see :meth:`harness.reference.session.OpenFile.authcrypt`."""

    src: bytes | Pointer
    auth: bytes | Pointer
    src_at: int | None
    iv: bytes | Pointer
    dst: Pointer | None
    tag: bytes | Pointer | None


@dataclass(frozen=True)
class Lengths:
    """The lengths of a call in bytes: source, what is authenticated, and the tag, 0 for the session's own."""

    src: int
    auth: int
    tag: int


def authcrypt(
    session: Session, op: int, flags: int, where: Places, asked: Lengths, *, in_place: bool | None
) -> Answer:
    """Do what :meth:`harness.reference.session.OpenFile.authcrypt` says.

    Raises:
        Refused: with EINVAL, EFAULT or EBADMSG, and nothing was written.
        ValueError: fewer bytes were given than the call would read, or ``auth`` has not ``src`` there.
    """
    if flags & _IN_PLACE:
        require(in_place is not False and (where.dst is None or where.dst is where.src))
    if (flags & _IN_PLACE or in_place) and isinstance(where.src, Pointer):
        where = replace(where, dst=where.src)
    given = session.given_iv(where.iv)
    require(op in (Op.ENCRYPT, Op.DECRYPT))
    require(session.cipher is not None)
    session.restart()
    if given is not None:
        session.iv = given
    lengths = Lengths(asked.src, asked.auth, _tag_bytes(session, asked.tag))
    if flags & CopFlag.AEAD_SRTP:
        answer = _srtp(session, op, where, lengths)
    elif flags & CopFlag.AEAD_TLS:
        answer = _tls(session, op, where, lengths)
    else:
        answer = _aead(session, op, where, lengths)
    dst, length, tag = answer
    written = session.iv if given is not None and flags & CopFlag.WRITE_IV else None
    return Answer(0, dst=dst, iv=written, length=length, tag=tag)


_Result = tuple[bytes | None, int, bytes | None]
"""What was written to the destination, ``len`` afterwards, and what was written to the tag."""


def _tag_bytes(session: Session, asked: int) -> int:
    """Return the length of the tag (``cryptodev_get_tag_len``); without mac and AEAD cipher there is none."""
    assert session.cipher is not None  # noqa: S101 -- was checked
    own = session.mac.digest_bytes if session.mac else session.cipher.tag_bytes
    require(asked <= own or not own)
    return (asked or own) if own else 0


def _fetch(where: Places, lengths: Lengths, result: int) -> tuple[bytes, bytes]:
    """Read the source and what is authenticated, after all addresses were found good."""
    data = read_user(where.src, lengths.src)
    require(where.dst is None or result == 0, errno.EFAULT)
    return data, read_user(where.auth, lengths.auth)


# ---- AEAD ----


def _aead(session: Session, op: int, where: Places, lengths: Lengths) -> _Result:
    assert session.cipher is not None  # noqa: S101 -- was checked
    require(session.cipher.aead and lengths.auth <= MAX_AUTH_BYTES and lengths.tag in GCM_TAG_BYTES)
    if op == Op.ENCRYPT:
        data, aad = _fetch(where, lengths, lengths.src + lengths.tag)
        sealed = gcm_seal(session.key, session.iv, aad, data, lengths.tag)
        return sealed, len(sealed), None
    require(lengths.src >= lengths.tag)
    data, aad = _fetch(where, lengths, lengths.src - lengths.tag)
    plain = gcm_open(session.key, session.iv, aad, data, lengths.tag)
    require(plain is not None, errno.EBADMSG)
    return plain or None, lengths.src - lengths.tag, None


# ---- TLS ----


def _tls(session: Session, op: int, where: Places, lengths: Lengths) -> _Result:
    assert session.cipher is not None  # noqa: S101 -- was checked
    require(not session.cipher.aead and lengths.auth <= MAX_AUTH_BYTES)
    if op == Op.ENCRYPT:
        return _tls_seal(session, where, lengths)
    # Room for the mac, and for the length of the padding.
    least = max(lengths.tag + (session.block > 1), 1)
    require(lengths.src >= least and lengths.src % session.block == 0)
    data, header = _fetch(where, lengths, lengths.src)
    before = session.iv
    record = session.run(op, data)
    content = _without_padding(record, session.block, lengths.tag)
    if content is not None:
        plain = content[: len(content) - lengths.tag]
        if _mac(session, header + plain, lengths.tag) == content[len(plain) :]:
            return record, len(plain), None
    session.iv = before
    raise Refused(errno.EBADMSG)


def _tls_seal(session: Session, where: Places, lengths: Lengths) -> _Result:
    padding = session.block - (lengths.src + lengths.tag) % session.block if session.block > 1 else 0
    result = lengths.src + lengths.tag + padding
    data, header = _fetch(where, lengths, result)
    body = data + _mac(session, header + data, lengths.tag) + bytes([max(padding - 1, 0)]) * padding
    return session.run(Op.ENCRYPT, body) or None, result, None


def _without_padding(record: bytes, block: int, tag_bytes: int) -> bytes | None:
    """Return what stands before the padding, None if that is not right or leaves no room for the mac."""
    if block == 1:
        return record
    padding = record[-1] + 1
    if padding + tag_bytes > len(record) or set(record[-padding:]) != {padding - 1}:
        return None
    return record[:-padding]


def _mac(session: Session, data: bytes, tag_bytes: int) -> bytes:
    """Return the session's mac of this data, cut to the tag's length; nothing without a mac."""
    if session.mac is None:
        return b""
    session.hashed += data
    return session.digest()[:tag_bytes]


# ---- SRTP ----


def _srtp(session: Session, op: int, where: Places, lengths: Lengths) -> _Result:
    assert session.cipher is not None  # noqa: S101 -- was checked
    require(session.cipher.number in _STREAMS and lengths.auth > 0)
    at = -1 if where.src_at is None else where.src_at
    end = at + lengths.src
    require(0 <= at <= MAX_SRTP_HEADER and end <= lengths.auth)
    require(lengths.auth - lengths.src <= MAX_AUTH_BYTES)
    if op == Op.DECRYPT:
        require(lengths.src > 0 and lengths.tag <= lengths.src)
    else:
        require(lengths.src > 0 or lengths.tag > 0)
    packet, given = _fetch_packet(where, lengths, at)
    if op == Op.DECRYPT:
        if session.mac is not None:
            if where.tag is None:
                raise ValueError("the model was given no tag to decrypt with")
            require(_mac(session, packet, lengths.tag) == given, errno.EBADMSG)
        return session.run(op, packet[at:end]), lengths.src, None
    out = session.run(op, packet[at:end])
    tag = _mac(session, packet[:at] + out + packet[end:], lengths.tag)
    return out or None, lengths.src, tag or None


def _fetch_packet(where: Places, lengths: Lengths, at: int) -> tuple[bytes, bytes]:
    """Read the packet and the tag, if one was given, after all addresses were found good."""
    data, packet = _fetch(where, lengths, lengths.src)
    if packet[at : at + lengths.src] != data:
        raise ValueError(f"the packet has other bytes at {at} than the model was given for them")
    return packet, b"" if where.tag is None else read_user(where.tag, lengths.tag)
