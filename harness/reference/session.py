# SPDX-License-Identifier: GPL-2.0-or-later
"""The semantics of /dev/crypto: an open file, its sessions, and the errno of every call.

The authority is cryptodev-linux 1.14 (``ioctl.c``: ``crypto_create_session``, ``crypto_finish_session``,
``fill_kcop_from_cop``; ``main.c``: ``crypto_run``).  Where it crashes on bad input this model gives an error.

The order of the checks is part of the semantics, since a call can be wrong in two ways at once:

* CIOCGSESSION: no algorithm at all, unknown cipher, unknown mac, key too long for any cipher (EINVAL); the
  key's address (EFAULT); its length for this cipher, mac key too long (EINVAL); the mac key's address
  (EFAULT).
* CIOCCRYPT: the session (EINVAL), the IV's address (EFAULT), op, whole blocks (EINVAL).  From here on a given
  IV is the session's, whatever comes next.  Then the addresses of source, destination and digest (EFAULT).
"""

from __future__ import annotations

import enum
import errno
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.reference.abi import Cipher, CopFlag, Mac, Op
from harness.reference.cipher import BLOCK_BYTES, KEY_BYTES, aes_cbc, next_iv

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_KEY_BYTES = 64
MAX_MACKEY_BYTES = 512

_HASH_NAMES = {
    Mac.SHA1: "sha1",
    Mac.SHA2_256: "sha256",
    Mac.MD5_HMAC: "md5",
    Mac.SHA1_HMAC: "sha1",
    Mac.SHA2_256_HMAC: "sha256",
}
_KEYED = frozenset({Mac.MD5_HMAC, Mac.SHA1_HMAC, Mac.SHA2_256_HMAC})

REFERENCE_WIRE: frozenset[Cipher | Mac] = frozenset({Cipher.AES_CBC})
"""What the reference wire can carry, and so what a guest has without extensions."""

ALL: frozenset[Cipher | Mac] = REFERENCE_WIRE | frozenset(_HASH_NAMES)
"""Everything that this model knows."""


class Pointer(enum.Enum):
    """Addresses in user memory that are no buffer."""

    NULL = "null"
    BAD = "bad"


@dataclass(frozen=True)
class Answer:
    """What a call gives back.

    Attributes:
        errno: 0 for success.
        ses: the id of the session that was made.
        dst: what was written to the destination, None if it was left as it was.
        iv: what was copied to ``*iv``, None if it was left as it was.
        mac: the digest that was written to ``*mac``, None if there was none.
    """

    errno: int
    ses: int | None = None
    dst: bytes | None = None
    iv: bytes | None = None
    mac: bytes | None = None


class _Refused(Exception):  # noqa: N818 -- never leaves this module
    """Ends a call with an errno."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.errno = number


def _read(pointer: bytes | Pointer, length: int) -> bytes:
    """Copy ``length`` bytes from user memory: EFAULT unless they are there; nothing is always there."""
    if length == 0:
        return b""
    if isinstance(pointer, Pointer):
        raise _Refused(errno.EFAULT)
    if len(pointer) < length:
        raise ValueError(f"the model was given {len(pointer)} bytes where the call reads {length}")
    return pointer[:length]


@dataclass
class _Session:
    key: bytes
    mac: Mac | None
    mackey: bytes
    has_cipher: bool
    iv: bytes = bytes(BLOCK_BYTES)
    hashed: bytes = b""
    finished: bool = False

    def digest(self) -> bytes:
        """Return hash or HMAC (FIPS 180-4, FIPS 198-1) of what was taken in since the last start."""
        assert self.mac is not None  # noqa: S101 -- only asked for hash sessions
        name = _HASH_NAMES[self.mac]
        if self.mac in _KEYED:
            return hmac.digest(self.mackey, self.hashed, name)
        return hashlib.new(name, self.hashed).digest()


class OpenFile:
    """One open file of /dev/crypto with its sessions; duplicates and forks of a descriptor share it."""

    def __init__(
        self, algorithms: frozenset[Cipher | Mac] = ALL, ids: Callable[[], int] | None = None
    ) -> None:
        """Open the device.

        Args:
            algorithms: those that exist here; a known one that is missing is EINVAL.
            ids: gives candidates for session ids; random u32 by default.
        """
        self._algorithms = algorithms
        self._ids = ids or (lambda: secrets.randbits(32))
        self._sessions: dict[int, _Session] = {}

    @property
    def sessions(self) -> frozenset[int]:
        """The ids of all sessions."""
        return frozenset(self._sessions)

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
            ValueError: the adopted id is no u32, or a session of this open file already has it.
        """
        keylen = (0 if isinstance(key, Pointer) else len(key)) if keylen is None else keylen
        if mackeylen is None:
            mackeylen = 0 if isinstance(mackey, Pointer) else len(mackey)
        try:
            made = self._make(cipher, key, keylen, mac, mackey, mackeylen)
        except _Refused as refusal:
            return Answer(refusal.errno)
        if ses is not None and (ses in self._sessions or not 0 <= ses <= 0xFFFFFFFF):
            raise ValueError(f"{ses:#x} cannot be the id of a new session")
        while ses is None or ses in self._sessions:
            ses = self._ids() & 0xFFFFFFFF
        self._sessions[ses] = made
        return Answer(0, ses=ses)

    def _make(
        self,
        cipher: int,
        key: bytes | Pointer,
        keylen: int,
        mac: int,
        mackey: bytes | Pointer,
        mackeylen: int,
    ) -> _Session:
        if cipher == 0 and mac == 0:
            raise _Refused(errno.EINVAL)
        known: set[int] = {int(number) for number in self._algorithms}
        macs = {int(number) for number in Mac}
        if cipher and (cipher not in known or cipher in macs):
            raise _Refused(errno.EINVAL)
        if mac and (mac not in known or mac not in macs):
            raise _Refused(errno.EINVAL)
        secret = b""
        if cipher:
            if keylen > MAX_KEY_BYTES:
                raise _Refused(errno.EINVAL)
            secret = _read(key, keylen)
            if keylen not in KEY_BYTES:
                raise _Refused(errno.EINVAL)
        macsecret = b""
        if mac:
            if mackeylen > MAX_MACKEY_BYTES:
                raise _Refused(errno.EINVAL)
            if mac in _KEYED:
                macsecret = _read(mackey, mackeylen)
        return _Session(secret, Mac(mac) if mac else None, macsecret, has_cipher=bool(cipher))

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

        Args:
            ses: the session's id.
            op: :class:`~harness.reference.abi.Op`; anything else is refused.
            src: the source bytes, or a pointer that is none.
            iv: the 16 bytes at ``*iv``; NULL goes on from the session's last IV.
            length: ``len`` in bytes, where it is not the source's own.
            dst, mac: None for buffers that are there, else a pointer that is none.
            flags: :class:`~harness.reference.abi.CopFlag`.

        Returns:
            What was written where, or EINVAL or EFAULT.  EFAULT for ``mac`` comes when the destination has
            already been written.

        Raises:
            ValueError: fewer bytes were given than the call would read.
        """
        session = self._sessions.get(ses)
        if session is None:
            return Answer(errno.EINVAL)
        size = (0 if isinstance(src, Pointer) else len(src)) if length is None else length
        try:
            reads_iv = session.has_cipher and iv is not Pointer.NULL
            given = _read(iv, BLOCK_BYTES) if reads_iv else None
            if op not in (Op.ENCRYPT, Op.DECRYPT) or (session.has_cipher and size % BLOCK_BYTES):
                raise _Refused(errno.EINVAL)
            if given is not None:
                session.iv = given
            return self._run(session, op, src, size, dst, mac, flags, writes_iv=given is not None)
        except _Refused as refusal:
            return Answer(refusal.errno)

    @staticmethod
    def _run(
        session: _Session,
        op: int,
        src: bytes | Pointer,
        size: int,
        dst: Pointer | None,
        mac: Pointer | None,
        flags: int,
        *,
        writes_iv: bool,
    ) -> Answer:
        # A digest that was taken leaves nothing to go on from, so what follows it starts anew too.
        if session.mac and (flags == 0 or flags & CopFlag.RESET or session.finished):
            session.hashed, session.finished = b"", False
        data = _read(src, size)
        if size and session.has_cipher and dst is not None:
            raise _Refused(errno.EFAULT)
        out = None
        if size and session.has_cipher:
            out = aes_cbc(op, session.key, session.iv, data)
            session.iv = next_iv(op, session.iv, data, out)
        # Encryption hashes what goes in, decryption what comes out: always the plaintext.
        session.hashed += out if out is not None and op == Op.DECRYPT else data
        digest = None
        if session.mac and (flags & CopFlag.FINAL or not flags & CopFlag.UPDATE):
            digest, session.finished = session.digest(), True
            if mac is not None:
                return Answer(errno.EFAULT, dst=out)
        written = session.iv if writes_iv and flags & CopFlag.WRITE_IV else None
        return Answer(0, dst=out, iv=written, mac=digest)
