# SPDX-License-Identifier: GPL-2.0-or-later
"""libdevcrypto.so called through ctypes, with every buffer watched, in the model's own terms."""

from __future__ import annotations

import ctypes
import mmap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from harness.reference import abi
from harness.reference.session import Answer, Pointer

if TYPE_CHECKING:
    from pathlib import Path

PAGE = mmap.PAGESIZE
FILL = 0xA5
"""What a destination holds before a call: a byte that a call must not leave behind by accident."""

BAD_ADDRESSES = (8, 1 << 47, 0xFFFF_8000_0000_0000, 2**64 - 1)
"""The first page, the first address that is no user's, a kernel's, and the last of all."""

LONGEST = 1 << 24
"""A longer length comes without a destination of its size: it is there to be refused."""

NONE, READ, WRITE = 0, 1, 2


class Limits(ctypes.Structure):
    """What one open file may use; 0 means no limit."""

    _fields_ = (("max_sessions", ctypes.c_uint), ("max_len", ctypes.c_size_t))


class SessionState(ctypes.Structure):
    """A session as it is carried to another place."""

    _fields_ = (
        *(("ses", ctypes.c_uint32), ("cipher", ctypes.c_uint32), ("keylen", ctypes.c_uint32)),
        *(("key", ctypes.c_uint8 * 64), ("iv", ctypes.c_uint8 * 16)),
        *(("mac", ctypes.c_uint32), ("mackeylen", ctypes.c_uint32), ("mackey", ctypes.c_uint8 * 512)),
    )

    @classmethod
    def of(
        cls,
        ses: int,
        cipher: int,
        key: bytes,
        iv: bytes,
        *,
        keylen: int | None = None,
        mac: int = 0,
        mackey: bytes = b"",
        mackeylen: int | None = None,
    ) -> Self:
        """Describe one; ``keylen`` and ``mackeylen`` say other lengths than the keys have."""
        lengths = [len(key) if keylen is None else keylen, len(mackey) if mackeylen is None else mackeylen]
        secrets = (ctypes.c_uint8 * 64)(*key), (ctypes.c_uint8 * 16)(*iv)
        return cls(ses, cipher, lengths[0], *secrets, mac, lengths[1], (ctypes.c_uint8 * 512)(*mackey))

    def fields(self) -> tuple[int, int, bytes, bytes]:
        """Return id, cipher, key and last IV."""
        return self.ses, self.cipher, bytes(self.key[: self.keylen]), bytes(self.iv)

    def mac_fields(self) -> tuple[int, bytes]:
        """Return mac and its key."""
        return self.mac, bytes(self.mackey[: self.mackeylen])


class Library:
    """The shared library with its functions declared."""

    def __init__(self, path: Path) -> None:
        self.c = ctypes.CDLL(str(path), use_errno=True)
        for name, arguments in {
            "devcrypto_open": (ctypes.c_void_p, ctypes.c_void_p),
            "devcrypto_ref": (ctypes.c_void_p,),
            "devcrypto_unref": (ctypes.c_void_p,),
            "devcrypto_session_count": (ctypes.c_void_p,),
            "devcrypto_session_free": (ctypes.c_void_p, ctypes.c_uint32),
            "devcrypto_session_create": (
                *(ctypes.c_void_p, ctypes.c_uint32, ctypes.c_char_p, ctypes.c_size_t),
                *(ctypes.c_uint32, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p),
            ),
            "devcrypto_export": (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p),
            "devcrypto_import": (ctypes.c_void_p, ctypes.c_void_p),
            "devcrypto_ioctl": (ctypes.c_void_p, ctypes.c_ulong, ctypes.c_uint64, ctypes.c_void_p),
            "devcrypto_crypt": (
                *(ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32),
                *(ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t),
            ),
        }.items():
            getattr(self.c, name).argtypes = arguments
        for name in ("devcrypto_ref", "devcrypto_unref"):
            getattr(self.c, name).restype = None

    def open(self, *, max_sessions: int = 0, max_len: int = 0) -> File:
        """Open the device once more."""
        handle = ctypes.c_void_p()
        limits = Limits(max_sessions, max_len)
        assert self.c.devcrypto_open(ctypes.byref(limits), ctypes.byref(handle)) == 0
        return File(self.c, handle)


class Buffer:
    """Bytes at an address that the library is given."""

    def __init__(self, content: bytes) -> None:
        self.memory = ctypes.create_string_buffer(content, max(len(content), 1))
        self.length = len(content)

    @property
    def address(self) -> int:
        """Where the bytes are."""
        return ctypes.addressof(self.memory)

    @property
    def content(self) -> bytes:
        """What is there now."""
        return self.memory.raw[: self.length]


class Pages:
    """Pages of memory, each with its own protection; a context manager that gives them back."""

    def __init__(self, count: int) -> None:
        self.memory = mmap.mmap(-1, count * PAGE)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)

    def protect(self, first: int, count: int, protection: int) -> None:
        """Give ``count`` pages from the ``first`` another protection."""
        assert self.libc.mprotect(self.address + first * PAGE, count * PAGE, protection) == 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.protect(0, len(self.memory) // PAGE, READ | WRITE)


@dataclass
class File:
    """One open file of the library.

    Attributes:
        c: the library.
        handle: its ``struct devcrypto_file *``.
        bad: the address that stands for a bad pointer.
    """

    c: ctypes.CDLL
    handle: ctypes.c_void_p
    bad: int = BAD_ADDRESSES[0]

    def close(self) -> None:
        """Give the reference back."""
        self.c.devcrypto_unref(self.handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def sessions(self) -> int:
        """How many sessions are open."""
        return int(self.c.devcrypto_session_count(self.handle))

    def export_into(self, states: ctypes.Array[SessionState], room: int) -> tuple[int, int]:
        """Describe all sessions there; return the errno, 0 for success, and how many there are."""
        count = ctypes.c_uint(FILL)
        result = int(self.c.devcrypto_export(self.handle, states, room, ctypes.byref(count)))
        return -result, count.value

    def export(self) -> list[SessionState]:
        """Describe all sessions."""
        states = (SessionState * self.sessions)()
        assert self.export_into(states, len(states)) == (0, len(states))
        return list(states)

    def load(self, state: SessionState) -> int:
        """Make the session that is described; return the errno, 0 for success."""
        return -int(self.c.devcrypto_import(self.handle, ctypes.byref(state)))

    def create(
        self,
        cipher: int = 0,
        key: bytes | Pointer = b"",
        *,
        keylen: int | None = None,
        mac: int = 0,
        mackey: bytes | Pointer = b"",
        mackeylen: int | None = None,
    ) -> tuple[int, int]:
        """Make a session by the direct call, NULL for a key that is a pointer; return errno and id."""
        ses = ctypes.c_uint32()
        keys = [None if isinstance(each, Pointer) else each for each in (key, mackey)]
        lengths = [
            len(each or b"") if given is None else given
            for each, given in zip(keys, (keylen, mackeylen), strict=True)
        ]
        call = self.c.devcrypto_session_create
        result = call(self.handle, cipher, keys[0], lengths[0], mac, keys[1], lengths[1], ctypes.byref(ses))
        return -int(result), ses.value

    def direct(
        self, ses: int, op: int, src: bytes, *, iv: bytes | None = None, in_place: bool = False
    ) -> tuple[int, bytes, bytes]:
        """Encrypt or decrypt by the direct call; return errno, updated IV and destination, filled before."""
        source = Buffer(src)
        target = source if in_place else Buffer(bytes([FILL]) * len(src))
        updated = Buffer(bytes([FILL]) * 16)
        result = self.c.devcrypto_crypt(
            self.handle, ses, op, 0, iv, updated.address, source.address, target.address, len(src)
        )
        return -int(result), updated.content, target.content

    def ioctl(self, command: int, argument: int) -> int:
        """Call with an address as it is; return the errno, 0 for success."""
        result = int(self.c.devcrypto_ioctl(self.handle, command, argument, None))
        assert -4096 < result <= 0, f"{command:#x} gave {result}"
        return -result

    def _address(self, what: Buffer | Pointer) -> int:
        if isinstance(what, Buffer):
            return what.address
        return 0 if what is Pointer.NULL else self.bad

    def gsession(
        self,
        cipher: int = 0,
        key: bytes | Pointer = b"",
        *,
        keylen: int | None = None,
        mac: int = 0,
        mackey: bytes | Pointer = Pointer.NULL,
        mackeylen: int | None = None,
    ) -> Answer:
        """CIOCGSESSION; asserts that nothing but ``ses`` changes, and that only on success."""
        keys = [Buffer(each) if isinstance(each, bytes) else each for each in (key, mackey)]
        lengths = [each.length if isinstance(each, Buffer) else 0 for each in keys]
        before = abi.SessionOp(
            cipher=cipher,
            mac=mac,
            keylen=lengths[0] if keylen is None else keylen,
            key=self._address(keys[0]),
            mackeylen=lengths[1] if mackeylen is None else mackeylen,
            mackey=self._address(keys[1]),
            ses=0x5E5E5E5E,
        )
        argument = Buffer(before.pack())
        errno = self.ioctl(abi.Ioctl.CIOCGSESSION, argument.address)
        ses = abi.SessionOp.unpack(argument.content).ses
        expected = bytearray(before.pack())
        if errno == 0:
            expected[40:44] = ses.to_bytes(4, "little")
        assert argument.content == bytes(expected), "CIOCGSESSION changed more than ses"
        for given, now in zip((key, mackey), keys, strict=True):
            assert not isinstance(now, Buffer) or now.content == given, "CIOCGSESSION changed a key"
        return Answer(errno=errno, ses=None if errno else ses, dst=None, iv=None, mac=None)

    def fsession(self, ses: int) -> Answer:
        """CIOCFSESSION."""
        argument = Buffer(ses.to_bytes(4, "little"))
        errno = self.ioctl(abi.Ioctl.CIOCFSESSION, argument.address)
        return Answer(errno=errno, ses=None, dst=None, iv=None, mac=None)

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
        in_place: bool = False,
    ) -> Answer:
        """CIOCCRYPT; the answer tells what each buffer holds that no longer holds what it did."""
        source = Buffer(src) if isinstance(src, bytes) else src
        size = length if length is not None else source.length if isinstance(source, Buffer) else 16
        filled = Buffer(bytes([FILL]) * ((size if size <= LONGEST else 0) + PAGE))
        target: Buffer | Pointer = source if in_place else filled if dst is None else dst
        vector = Buffer(iv) if isinstance(iv, bytes) else iv
        digest: Buffer | Pointer = Buffer(bytes([FILL]) * 64) if mac is None else mac
        fields = abi.CryptOp(
            ses=ses,
            op=op,
            flags=flags,
            len=size,
            src=self._address(source),
            dst=self._address(target),
            mac=self._address(digest),
            iv=self._address(vector),
        ).pack()
        argument = Buffer(fields)
        errno = self.ioctl(abi.Ioctl.CIOCCRYPT, argument.address)
        assert argument.content == fields, "CIOCCRYPT changed the crypt_op"
        return Answer(
            errno=errno,
            ses=None,
            dst=self._written(source, src, target, size),
            iv=vector.content if isinstance(vector, Buffer) and vector.content != iv else None,
            mac=self._digest(digest),
        )

    @staticmethod
    def _written(
        source: Buffer | Pointer, src: bytes | Pointer, target: Buffer | Pointer, size: int
    ) -> bytes | None:
        """What was written to the destination; asserts that nothing was written anywhere else."""
        if isinstance(source, Buffer) and isinstance(src, bytes) and target is source:
            assert source.content[size:] == src[size:], "written past the end of the data"
            return source.content[:size] if source.content != src else None
        if isinstance(source, Buffer):
            assert source.content == src, "the source was written to"
        if not isinstance(target, Buffer):
            return None
        assert set(target.content[size:]) <= {FILL}, "written past the end of the destination"
        return target.content[:size] if set(target.content) != {FILL} else None

    @staticmethod
    def _digest(digest: Buffer | Pointer) -> bytes | None:
        if not isinstance(digest, Buffer) or set(digest.content) == {FILL}:
            return None
        return digest.content
