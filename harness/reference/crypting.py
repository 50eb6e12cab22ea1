# SPDX-License-Identifier: GPL-2.0-or-later
"""CIOCCRYPT in a session.  Source: ``crypto_run`` and ``hash_n_crypt`` in cryptodev-linux's ``main.c``."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from harness.reference.abi import CopFlag, Op
from harness.reference.calls import Answer, Pointer, Refused, read_user, require, size_of

if TYPE_CHECKING:
    from harness.reference.state import Session


def crypt(
    session: Session,
    op: int,
    src: bytes | Pointer,
    *,
    iv: bytes | Pointer,
    length: int | None,
    dst: Pointer | None,
    flags: int,
    mac: Pointer | None,
) -> Answer:
    """Encrypt, decrypt or hash; see :meth:`harness.reference.session.OpenFile.crypt`.

    Raises:
        Refused: with EINVAL or EFAULT, and nothing was written.
    """
    size = size_of(src, length)
    given = session.given_iv(iv)
    require(op in (Op.ENCRYPT, Op.DECRYPT))
    # The kernel would write a tag behind the destination.
    require(session.cipher is None or not session.cipher.aead)
    require(size % session.block == 0)
    if given is not None:
        session.iv = given
    out = _work(session, op, src, size, dst, flags)
    digest = None
    if session.mac and (flags & CopFlag.FINAL or not flags & CopFlag.UPDATE or size == 0):
        digest = session.digest()
        if mac is not None:
            return Answer(errno.EFAULT, dst=out)
    written = session.iv if given is not None and flags & CopFlag.WRITE_IV else None
    return Answer(0, dst=out, iv=written, mac=digest)


def _work(
    session: Session, op: int, src: bytes | Pointer, size: int, dst: Pointer | None, flags: int
) -> bytes | None:
    """Take the data in; return what was written to the destination, None for nothing."""
    if session.mac and (flags == 0 or flags & CopFlag.RESET):
        session.restart()
    data = read_user(src, size)
    if session.cipher is None or not size:
        session.hashed += data
        return None
    if dst is not None:
        raise Refused(errno.EFAULT)
    out = session.run(op, data)
    # Encryption hashes what goes in, decryption what comes out: always the plaintext.
    session.hashed += out if op == Op.DECRYPT else data
    return out
