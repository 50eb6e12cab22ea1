# SPDX-License-Identifier: GPL-2.0-or-later
"""Broken devices: our own with one fault each, as implementations in the wild have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import ArtifactError

if TYPE_CHECKING:
    from pathlib import Path

REQUEST = "host/qemu/virtio-cryptodev-request.c"
DEVICE = "host/qemu/virtio-cryptodev.c"
QUEUE = "host/qemu/virtio-cryptodev-queue.c"


@dataclass(frozen=True)
class Edit:
    """One change of a file of the repository: a text that occurs once in it, and what is there instead."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """A device with one fault.

    Attributes:
        name: for files and reports.
        fault: what it does wrong, as a sentence without its subject.
        edits: how it is made of ours.
    """

    name: str
    fault: str
    edits: tuple[Edit, ...]

    def changes(self, repository: Path) -> dict[str, str]:
        """Return the files that differ: path in the repository → text.

        Raises:
            ArtifactError: the sources have changed so that an edit fits no more, or in two places.
        """
        texts: dict[str, str] = {}
        for edit in self.edits:
            text = texts.get(edit.file) or (repository / edit.file).read_text("utf-8")
            if (count := text.count(edit.old)) != 1:
                line = edit.old.strip().partition("\n")[0]
                seen = f"{line!r} occurs {count} times in {edit.file}"
                raise ArtifactError(f"making the mutant {self.name}", seen, "adapt harness/sut/mutants.py")
            texts[edit.file] = text.replace(edit.old, edit.new)
        return texts


_SHORT = """    if (req->writable < sizeof(sop) + RESULT_BYTES) {
        return virtio_cryptodev_short(req, "CIOCGSESSION", HEADER_BYTES,
                                      sizeof(sop) + RESULT_BYTES);
    }
    iov_to_buf(req->elem.in_sg, req->elem.in_num, 0, sop, sizeof(sop));
"""
_ADDS_UP = """    if (!virtio_cryptodev_adds_up(req, "CIOCGSESSION",
                                  (uint64_t)HEADER_BYTES + keylen,
                                  sizeof(sop) + RESULT_BYTES)) {
"""
_ANSWER = "    virtio_cryptodev_write(req, req->writable - sizeof(buf), buf, sizeof(buf));\n"
_LONG_ANSWER = """    const struct iovec *last = &req->elem.in_sg[req->elem.in_num - 1];
    const uint64_t wide = (int64_t)req->result;

    memcpy((uint8_t *)last->iov_base + last->iov_len - sizeof(buf), &wide,
           sizeof(wide));
"""

TRUSTS_LENGTH = Mutant(
    "trusts-length",
    "reads the 48 bytes of session_op where a descriptor of 1 byte begins",
    (
        Edit(REQUEST, _SHORT, "    memcpy(sop, req->elem.in_sg[0].iov_base, sizeof(sop));\n"),
        Edit(REQUEST, _ADDS_UP, "    if (req->readable < HEADER_BYTES + keylen) {\n"),
    ),
)
WIDE_RESULT = Mutant(
    "wide-result", "writes a result of 8 bytes into a buffer of 4", (Edit(REQUEST, _ANSWER, _LONG_ANSWER),)
)
GUEST_FD = Mutant(
    "guest-fd",
    "takes the handle that the guest names for a file descriptor of QEMU's",
    (
        Edit(
            REQUEST,
            "    if (virtio_cryptodev_file(c, handle)) {\n",
            "    close(handle);\n    if (virtio_cryptodev_file(c, handle)) {\n",
        ),
    ),
)
KEEPS_SESSIONS = Mutant(
    "keeps-sessions",
    "forgets to end the sessions when it is reset",
    (
        Edit(
            DEVICE,
            "    virtio_cryptodev_drain(c);\n    virtio_cryptodev_close_all(c);\n}",
            "    virtio_cryptodev_drain(c);\n}",
        ),
    ),
)
ONE_A_KICK = Mutant(
    "one-a-kick",
    "answers one chain a kick",
    (
        Edit(QUEUE, "        while (done < most && bytes <", "        while (done < 1 && bytes <"),
        Edit(
            QUEUE,
            "    } while (more && done < most && bytes < BATCH_BYTES && ready(c, vq));",
            "    } while (0);",
        ),
        Edit(
            QUEUE,
            "    if (more) {\n        qemu_bh_schedule",
            "    if (more && !done) {\n        qemu_bh_schedule",
        ),
    ),
)
NO_USED_LENGTH = Mutant(
    "no-used-length",
    "leaves the used length 0",
    (Edit(REQUEST, "    return MIN(req->writable, UINT32_MAX);\n", "    return 0;\n"),),
)

MUTANTS = {
    mutant.name: mutant
    for mutant in (TRUSTS_LENGTH, WIDE_RESULT, GUEST_FD, KEEPS_SESSIONS, ONE_A_KICK, NO_USED_LENGTH)
}
