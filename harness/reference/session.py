# SPDX-License-Identifier: GPL-2.0-or-later
"""The semantics of /dev/crypto: an open file, its sessions, and the errno of every call.

The authority is cryptodev-linux 1.14 (``ioctl.c``: ``crypto_create_session``, ``crypto_finish_session``,
``fill_kcop_from_cop``; ``main.c``: ``crypto_run``; ``authenc.c``: ``crypto_auth_run``).  Where it crashes on
bad input this model gives an error.

The order of the checks is part of the semantics, since a call can be wrong in two ways at once:

* CIOCGSESSION: no algorithm at all, unknown cipher, unknown mac, key too long for any cipher (EINVAL); the
  key's address (EFAULT); its length for this cipher, any mac key beside an AEAD cipher, mac key too long
  (EINVAL); the mac key's address (EFAULT).
* CIOCCRYPT: the session (EINVAL), the IV's address (EFAULT), op, an AEAD cipher, whole blocks (EINVAL).  From
  here on a given IV is the session's, whatever comes next.  Then the addresses of source, destination and
  digest (EFAULT).
* CIOCAUTHCRYPT: the session, TLS or SRTP not in place (EINVAL); the IV's address (EFAULT); op, no cipher
  (EINVAL).  From here on a given IV is the session's, and its hash starts anew.  Then everything about
  lengths (EINVAL), every address (EFAULT), and what was changed on its way (EBADMSG).
* CIOCCPHASH: twice the same session (EDEADLK), one that is unknown (ENOENT), hashes that differ (EINVAL).

A call that fails writes nothing, except that the address of CIOCCRYPT's digest is used last.
"""

from __future__ import annotations

import errno
import secrets
from typing import TYPE_CHECKING

from harness.reference import authenticating, crypting
from harness.reference.abi import MAX_KEY_BYTES, MAX_MACKEY_BYTES, Cipher, Mac
from harness.reference.algorithms import ALGORITHMS, session_sizes
from harness.reference.calls import Answer, Pointer, Refused, SessionInfo, require, size_of
from harness.reference.state import Session, make_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.reference.algorithms import Sizes

__all__ = [
    "ALL",
    "MAX_KEY_BYTES",
    "MAX_MACKEY_BYTES",
    "REFERENCE_WIRE",
    "Answer",
    "OpenFile",
    "Pointer",
    "SessionInfo",
]

REFERENCE_WIRE: frozenset[Cipher | Mac] = frozenset({Cipher.AES_CBC})
"""What the reference wire can carry, and so what a guest has without extensions."""

ALL: frozenset[Cipher | Mac] = frozenset(each.number for each in ALGORITHMS.values())
"""Everything that this model knows."""

_LAST_ID = 0xFFFFFFFF


class OpenFile:
    """One open file of /dev/crypto with its sessions; duplicates and forks of a descriptor share it."""

    def __init__(
        self, algorithms: frozenset[Cipher | Mac] = ALL, ids: Callable[[], int] | None = None
    ) -> None:
        """Open the device.

        Args:
            algorithms: those that exist here; a known one that is missing is EINVAL.
            ids: gives candidates for session ids; random u32 by default.  0 is never taken.
        """
        self._algorithms = algorithms
        self._ids = ids or (lambda: secrets.randbits(32))
        self._sessions: dict[int, Session] = {}

    @property
    def sessions(self) -> frozenset[int]:
        """The ids of all sessions."""
        return frozenset(self._sessions)

    def sizes(self, ses: int) -> Sizes:
        """Return what the calls in a session look like; raise KeyError for an unknown one."""
        session = self._sessions[ses]
        cipher, mac = session.cipher, session.mac
        return session_sizes(int(cipher.number) if cipher else 0, int(mac.number) if mac else 0)

    def has_cipher(self, ses: int) -> bool:
        """Tell whether a session encrypts; raise KeyError for an unknown one."""
        return self._sessions[ses].cipher is not None

    def fits_reference_wire(self, ses: int) -> bool:
        """Tell whether the reference wire could have made this session; False for an unknown one."""
        session = self._sessions.get(ses)
        return (
            session is not None
            and session.mac is None
            and session.cipher is not None
            and session.cipher.number in REFERENCE_WIRE
        )

    def last_iv(self, ses: int) -> bytes:
        """Return the IV that a session goes on from; raise KeyError for an unknown one."""
        return self._sessions[ses].iv

    def gsession(
        self,
        cipher: int = 0,
        key: bytes | Pointer = b"",
        *,
        keylen: int | None = None,
        mac: int = 0,
        mackey: bytes | Pointer = Pointer.NULL,
        mackeylen: int | None = None,
        ses: int | None = None,
    ) -> Answer:
        """CIOCGSESSION: make a session.

        Args:
            cipher, mac: numbers of the algorithms, 0 for none.
            key, mackey: key bytes, or pointers that are none.
            keylen, mackeylen: bytes, where they are not the key's own.
            ses: the id that the system under test chose, for the model to adopt.

        Returns:
            The id, or EINVAL or EFAULT.

        Raises:
            ValueError: the adopted id is 0 or no u32, or a session of this open file already has it.
        """
        lengths = size_of(key, keylen), size_of(mackey, mackeylen)
        try:
            made = make_session(self._algorithms, cipher, key, lengths[0], mac, mackey, lengths[1])
        except Refused as refusal:
            return Answer(refusal.errno)
        if ses is not None and (ses in self._sessions or not 0 < ses <= _LAST_ID):
            raise ValueError(f"{ses:#x} cannot be the id of a new session")
        while not ses or ses in self._sessions:
            ses = self._ids() & _LAST_ID
        self._sessions[ses] = made
        return Answer(0, ses=ses)

    def fsession(self, ses: int) -> Answer:
        """CIOCFSESSION: free a session; an unknown id is success too (their ENOENT branch is dead code)."""
        self._sessions.pop(ses, None)
        return Answer(0)

    def crypt(
        self,
        ses: int,
        op: int,
        src: bytes | Pointer,
        *,
        iv: bytes | Pointer = Pointer.NULL,
        length: int | None = None,
        dst: Pointer | None = None,
        flags: int = 0,
        mac: Pointer | None = None,
    ) -> Answer:
        """CIOCCRYPT: encrypt, decrypt or hash.

        A digest is due unless UPDATE says that more will come, with FINAL always, and always without data.

        Args:
            ses: the session's id.
            op: :class:`~harness.reference.abi.Op`; anything else is refused.
            src: the source bytes, or a pointer that is none.
            iv: the bytes at ``*iv``, as many as the cipher's IV has; NULL goes on from the session's last IV.
            length: ``len`` in bytes, where it is not the source's own.
            dst, mac: None for buffers that are there, else a pointer that is none.
            flags: :class:`~harness.reference.abi.CopFlag`.

        Returns:
            What was written where, or EINVAL or EFAULT.  EFAULT for ``mac`` comes when the destination has
            been written.

        Raises:
            ValueError: fewer bytes were given than the call would read.
        """
        session = self._sessions.get(ses)
        if session is None:
            return Answer(errno.EINVAL)
        try:
            return crypting.crypt(
                session, op, src, iv=iv, length=length, dst=dst, flags=flags, mac=mac
            )  # fmt: skip
        except Refused as refusal:
            return Answer(refusal.errno)

    def authcrypt(
        self,
        ses: int,
        op: int,
        src: bytes | Pointer,
        *,
        auth: bytes | Pointer = Pointer.NULL,
        auth_len: int | None = None,
        src_at: int | None = None,
        iv: bytes | Pointer = Pointer.NULL,
        length: int | None = None,
        dst: Pointer | None = None,
        tag: bytes | Pointer | None = None,
        tag_len: int = 0,
        flags: int = 0,
        in_place: bool | None = None,
    ) -> Answer:
        """CIOCAUTHCRYPT: encrypt or decrypt with a proof that nothing was changed, in one of three ways.

        Without a flag, an AEAD cipher: ``src`` is plaintext, or ciphertext and tag; so is the destination.

        AEAD_TLS: a record in place.  What is encrypted is ``src``, the mac of ``auth`` and ``src``, and
        padding to whole blocks, of at least one byte (of none for a stream).  Decryption writes all that it
        decrypted, and ``length`` tells where the plaintext in it ends.

        AEAD_SRTP: a packet in place.  ``auth`` is the packet, ``src`` the part of it from ``src_at`` on.  The
        tag, the mac of the packet with its part encrypted, has a place of its own.

        Args:
            ses: the session's id.
            op: :class:`~harness.reference.abi.Op`; anything else is refused.
            src: the source bytes, or a pointer that is none.
            auth: what is authenticated, or a pointer that is none.
            auth_len: its bytes, where they are not its own.
            src_at: bytes of ``auth`` before ``src``, may be negative; None if it is somewhere else.
            iv: the bytes at ``*iv``, as many as the cipher's IV has; NULL goes on from the session's last IV.
            length: ``len`` in bytes, where it is not the source's own.
            dst: None for a destination that is there, else a pointer that is none.
            tag: SRTP's, the bytes to decrypt with; None for a place that is there, or a pointer that is none.
            tag_len: in bytes, 0 for the session's own.
            flags: :class:`~harness.reference.abi.CopFlag`.
            in_place: whether source and destination are the same; None for what the flags ask for.

        Returns:
            What was written where, or EINVAL, EFAULT or EBADMSG.

        Raises:
            ValueError: fewer bytes were given than the call would read, or ``auth`` has not ``src`` there.
        """
        session = self._sessions.get(ses)
        if session is None:
            return Answer(errno.EINVAL)
        where = authenticating.Places(src, auth, src_at, iv, dst, tag)
        lengths = authenticating.Lengths(size_of(src, length), size_of(auth, auth_len), tag_len)
        try:
            return authenticating.authcrypt(session, op, flags, where, lengths, in_place=in_place)
        except Refused as refusal:
            return Answer(refusal.errno)

    def cphash(self, dst_ses: int, src_ses: int) -> Answer:
        """CIOCCPHASH: what one session has taken in becomes what the other has.

        A keyed hash goes on from the other's key as well, and ends with its own (Linux, ``hmac_import``).

        Returns:
            Success, EDEADLK, ENOENT or EINVAL.
        """
        to, source = self._sessions.get(dst_ses), self._sessions.get(src_ses)
        try:
            require(dst_ses != src_ses, errno.EDEADLK)
            if to is None or source is None:
                raise Refused(errno.ENOENT)
            require(to.mac is not None and to.mac is source.mac)
        except Refused as refusal:
            return Answer(refusal.errno)
        to.hashed = source.hashed
        return Answer(0)

    def read_iv(self, ses: int, iv: bytes | Pointer) -> bytes | None:
        """Read the IV for a call in a session, as ``fill_kcop_from_cop`` does.

        Returns:
            The IV; None if there is none, or the session has no use for it.

        Raises:
            Refused: with EINVAL for an unknown session, EFAULT for the address.
        """
        session = self._sessions.get(ses)
        if session is None:
            raise Refused(errno.EINVAL)
        return session.given_iv(iv)

    def sessinfo(self, ses: int) -> Answer:
        """CIOCGSESSINFO: the names of a session's algorithms, or EINVAL."""
        session = self._sessions.get(ses)
        if session is None:
            return Answer(errno.EINVAL)
        cipher = session.cipher.name if session.cipher else None
        return Answer(0, info=SessionInfo(cipher, session.mac.name if session.mac else None))
