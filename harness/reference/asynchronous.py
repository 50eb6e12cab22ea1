# SPDX-License-Identifier: GPL-2.0-or-later
"""CIOCASYNCCRYPT and CIOCASYNCFETCH: calls of one open file that are done later, and fetched in their order.

Source: ``crypto_async_run``, ``crypto_async_fetch``, ``cryptask_routine`` and ``cryptodev_poll`` in
cryptodev-linux's ``ioctl.c``, where they are built with ``ENABLE_ASYNC``; without it both are EINVAL.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING

from harness.reference.abi import CopFlag
from harness.reference.calls import Answer, Pointer, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.reference.session import OpenFile

MOST_CALLS = 64
"""Calls that were given and not fetched yet (``MAX_COP_RINGSIZE``)."""


class AsyncQueue:
    """The calls of one open file that are under way.

    Two things happen when a call is given: its session is looked up and its IV is read.  All else is found
    out when it is done, and told when it is fetched.
    """

    def __init__(self, file: OpenFile, most: int = MOST_CALLS) -> None:
        """Begin with nothing under way.

        Args:
            file: the open file whose sessions are used.
            most: how many calls may be given and not fetched.
        """
        self._file, self._most = file, most
        self._given: deque[Callable[[], Answer]] = deque()
        self._done: deque[Answer] = deque()

    @property
    def readable(self) -> bool:
        """Whether poll(2) tells POLLIN: a call is done."""
        return bool(self._done)

    @property
    def writable(self) -> bool:
        """Whether poll(2) tells POLLOUT: there is room for a call."""
        return len(self._given) + len(self._done) < self._most

    def give(
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
        """CIOCASYNCCRYPT, with the arguments of :meth:`harness.reference.session.OpenFile.crypt`.

        Returns:
            Success; EINVAL for an unknown session, EFAULT for the IV's address, EINVAL for NO_ZC, EBUSY
            without room, checked in this order.
        """
        try:
            self._file.read_iv(ses, iv)
        except Refused as refusal:
            return Answer(refusal.errno)
        if flags & CopFlag.NO_ZC:
            return Answer(errno.EINVAL)
        if not self.writable:
            return Answer(errno.EBUSY)
        file = self._file
        self._given.append(
            lambda: file.crypt(ses, op, src, iv=iv, length=length, dst=dst, flags=flags, mac=mac)
        )
        return Answer(0)

    def work(self, calls: int | None = None) -> int:
        """Do calls in the order in which they were given, all or so many; return how many were done."""
        before = len(self._done)
        while self._given and (calls is None or len(self._done) - before < calls):
            self._done.append(self._given.popleft()())
        return len(self._done) - before

    def fetch(self) -> Answer:
        """CIOCASYNCFETCH: return the answer of the oldest call that is done, EBUSY if none is."""
        return self._done.popleft() if self._done else Answer(errno.EBUSY)
