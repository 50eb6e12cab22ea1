# SPDX-License-Identifier: GPL-2.0-or-later
"""What the device answers to the requests of ``VIRTIO_CRYPTODEV_F_CALLS`` that add up.

Source: ``docs/virtio-cryptodev.md`` for the requests, :mod:`harness.reference.session` for what they do.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from harness.reference.abi import CopFlag, Op
from harness.reference.calls import Pointer
from harness.reference.wire_calls import (
    MAX_EXTRA,
    CallCopy,
    CallCrypt,
    CallFree,
    CallReply,
    destination_bytes,
    sizes_written,
    tag_bytes,
)

if TYPE_CHECKING:
    from harness.reference.algorithms import Sizes
    from harness.reference.calls import Answer
    from harness.reference.session import OpenFile
    from harness.reference.wire_calls import CallSession

_IV_ROOM = 16


def session(file: OpenFile, request: CallSession, ses: int | None) -> tuple[int, bytes, int | None]:
    """Make a session.

    Args:
        file: the open file.
        request: the request.
        ses: the id that the device under test gave it, for the model to adopt.

    Returns:
        The result, what is written before it, and the id if there is a new session.
    """
    answer = file.gsession(request.cipher, request.key, mac=request.mac, mackey=request.mackey, ses=ses)
    if answer.ses is None:
        return -answer.errno, b"", None
    return 0, sizes_written(answer.ses, file.sizes(answer.ses))[:-4], answer.ses


def work(file: OpenFile, request: CallCrypt | CallFree | CallCopy, most: int) -> tuple[int, bytes]:
    """Carry out a request that makes no session; return the result and what is written before it.

    Args:
        file: the open file.
        request: the request.
        most: bytes of the longest source that is allowed.
    """
    match request:
        case CallFree():
            return -file.fsession(request.ses).errno, b""
        case CallCopy():
            return -file.cphash(request.dst_ses, request.src_ses).errno, b""
        case CallCrypt():
            return _work_on_data(file, request, most)


def _work_on_data(file: OpenFile, request: CallCrypt, most: int) -> tuple[int, bytes]:
    if len(request.source) > most or request.ses not in file.sessions:
        return -errno.EINVAL, b""
    sizes = file.sizes(request.ses)
    if request.iv and len(request.iv) != sizes.iv_len:
        return -errno.EINVAL, b""
    answer = _authcrypt(file, request, sizes) if request.auth else _crypt(file, request)
    if answer is None:
        return -errno.EINVAL, b""
    if answer.errno:
        return -answer.errno, b""
    reply = CallReply(
        0,
        data=answer.dst or b"",
        out_len=answer.length,
        iv=file.last_iv(request.ses).ljust(_IV_ROOM, b"\0"),
        mac=answer.tag if request.auth else answer.mac,
    )
    return 0, reply.written()[:-4]


def _crypt(file: OpenFile, request: CallCrypt) -> Answer | None:
    right = len(request.source) if file.has_cipher(request.ses) else 0
    if request.dst_len != right or request.aad or request.tail:
        return None
    return file.crypt(
        request.ses, request.op, request.source, iv=request.iv or Pointer.NULL, flags=request.flags
    )


def _authcrypt(file: OpenFile, request: CallCrypt, sizes: Sizes) -> Answer:
    srtp = bool(request.flags & CopFlag.AEAD_SRTP)
    if not _fits(request, sizes, srtp=srtp):
        return _refuse(file, request, srtp=srtp)
    auth = request.aad + request.source + request.tail if srtp else request.aad
    return file.authcrypt(
        *(request.ses, request.op, request.source),
        auth=auth,
        src_at=len(request.aad) if srtp else None,
        iv=request.iv or Pointer.NULL,
        tag=request.tag if srtp and request.op == Op.DECRYPT else None,
        tag_len=request.tag_len,
        flags=request.flags,
    )


def _fits(request: CallCrypt, sizes: Sizes, *, srtp: bool) -> bool:
    """Tell whether the request has all that its way wants, and nothing else but a tag."""
    tag = tag_bytes(sizes, request.tag_len)
    wanted = destination_bytes(
        sizes, request.op, request.flags, len(request.source), request.tag_len, auth=True
    )
    if request.dst_len != wanted:
        return False
    if srtp:
        return request.op == Op.ENCRYPT or len(request.tag) == tag
    return not request.tail


def _refuse(file: OpenFile, request: CallCrypt, *, srtp: bool) -> Answer:
    """Let the call be refused where its lengths are: a given IV stays, and a hash starts anew."""
    return file.authcrypt(
        *(request.ses, request.op, request.source),
        auth=request.aad or b"\0",
        auth_len=None if srtp else MAX_EXTRA + 1,
        src_at=None,
        iv=request.iv or Pointer.NULL,
        tag_len=request.tag_len,
        flags=request.flags,
    )
