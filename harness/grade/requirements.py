# SPDX-License-Identifier: GPL-2.0-or-later
"""What is asked of a system under test: the rows of the report."""

from __future__ import annotations

import enum

from harness.errors import SetupError

MARKER = "requirement"
"""The marker by which a scenario says what it asks for."""


class Requirement(enum.StrEnum):
    """One requirement; scenarios name it by its value: ``@pytest.mark.requirement("CIOCCRYPT")``.

    They stand in the order of the report: from what all else needs to what few ask for.
    """

    BUILDS = "builds"
    PLAIN_CHAT = "plain chat"
    ENCRYPTED_CHAT = "encrypted chat"
    CIPHERTEXT = "ciphertext on the wire"
    CHAT_ROBUSTNESS = "chat robustness"
    LOADING = "nodes and loading"
    OPENING = "open and close"
    GSESSION = "CIOCGSESSION"
    FSESSION = "CIOCFSESSION"
    CRYPT = "CIOCCRYPT"
    CRIOGET = "CRIOGET"
    GSESSINFO = "CIOCGSESSINFO"
    ASYMFEAT = "CIOCASYMFEAT"
    HASHES = "hashes"
    AUTHCRYPT = "CIOCAUTHCRYPT"
    ASYNCHRONOUS = "asynchronous calls"
    COMPAT = "32-bit callers"
    ERRNO = "errno"
    SESSIONS = "sessions shared and kept apart"
    CONCURRENCY = "concurrency"
    LEAKS = "leaks"
    UNLOAD = "unload"
    HOSTILE = "hostile descriptors"
    SMAP = "SMAP"
    SPEED = "speed"
    WIRE = "wire"

    @classmethod
    def named(cls, text: str) -> Requirement:
        """Return the requirement of a name.

        Raises:
            SetupError: there is none of that name.
        """
        try:
            return cls(text)
        except ValueError:
            known = ", ".join(repr(str(requirement)) for requirement in cls)
            raise SetupError(
                f"reading the requirement {text!r}", "there is none of that name", f"it is one of {known}"
            ) from None

    @property
    def order(self) -> int:
        """Where it stands in the report, from 0."""
        return list(Requirement).index(self)

    @property
    def sentence(self) -> str:
        """What it asks for, in a sentence."""
        return _SENTENCES[self]


_SENTENCES = {
    Requirement.BUILDS: "The sources compile, and the module and the device fit the kernel and QEMU.",
    Requirement.PLAIN_CHAT: "Two people talk over TCP, in both directions, until one says bye.",
    Requirement.ENCRYPTED_CHAT: "They talk the same way when the cryptodev node encrypts for them.",
    Requirement.CIPHERTEXT: "A capture of the network shows the expected ciphertext, and no plaintext.",
    Requirement.CHAT_ROBUSTNESS: "Torn, merged and hostile frames, long lines or no device do no harm.",
    Requirement.LOADING: "The module loads, its nodes appear with their numbers, and they go when it does.",
    Requirement.OPENING: "A node opens and closes as often as one likes, and each open file is its own.",
    Requirement.GSESSION: "A session is opened with a good key and refused with a bad one; only ses changes.",
    Requirement.FSESSION: "A session is freed, and is gone then; freeing what is not there is 0.",
    Requirement.CRYPT: "Every byte that is encrypted and decrypted, and every IV, is the model's.",
    Requirement.CRIOGET: "CRIOGET gives a new descriptor of the same open file.",
    Requirement.GSESSINFO: "CIOCGSESSINFO names the algorithms of a session.",
    Requirement.ASYMFEAT: "CIOCASYMFEAT stores 0 and returns 0.",
    Requirement.HASHES: "Hashes and keyed hashes by CIOCCRYPT are the model's, whole and in pieces.",
    Requirement.AUTHCRYPT: "Authenticated encryption is the model's, and a wrong tag is refused.",
    Requirement.ASYNCHRONOUS: "CIOCASYNCCRYPT, CIOCASYNCFETCH and poll work as in cryptodev-linux.",
    Requirement.COMPAT: "32-bit programs make the same calls on the same node.",
    Requirement.ERRNO: "Every call that cannot succeed fails with the errno that cryptodev-linux gives.",
    Requirement.SESSIONS: "Sessions are shared by dup, fork and CRIOGET, and by nobody else.",
    Requirement.CONCURRENCY: "Many processes work at once, and each gets its own answers.",
    Requirement.LEAKS: "After very many operations the guest has the memory that it had before.",
    Requirement.UNLOAD: "The module unloads, is refused while a node is open, and leaves nothing behind.",
    Requirement.HOSTILE: "No chain of descriptors, however malformed, harms QEMU or stops the device.",
    Requirement.SMAP: "The driver reads and writes a program's memory only by the functions made for it.",
    Requirement.SPEED: "How much of the host's own speed is left in the guest is measured, and told.",
    Requirement.WIRE: "What driver and device say to each other is the reference wire format.",
}
