# SPDX-License-Identifier: GPL-2.0-or-later
"""cryptoctl's lines as Python sees them, and the twin that compares with the model."""

from __future__ import annotations

import errno

import pytest

from harness.oracles.twin import Twin
from harness.reference.abi import Cipher, Op
from harness.reference.session import Answer, OpenFile, Pointer
from harness.sut.cryptoctl import Cryptoctl, CryptoFile
from harness.sut.lines import CryptoctlError, Reply


class Script:
    """A channel that answers with prepared lines and keeps the questions."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def ask(self, line: str) -> str:
        self.asked.append(line)
        return self.answers.pop(0)

    def close(self) -> None:
        self.asked.append("(closed)")


@pytest.mark.parametrize(
    ("line", "number", "values"),
    [
        ("ok", 0, {}),
        ("ok fd=3", 0, {"fd": "3"}),
        ("ok dst=00ff iv=11", 0, {"dst": "00ff", "iv": "11"}),
        ("err EINVAL", errno.EINVAL, {}),
        ("err EDEADLK", errno.EDEADLK, {}),
        ("err EFAULT dst=touched", errno.EFAULT, {"dst": "touched"}),
    ],
)
def test_an_answer_is_taken_apart(line: str, number: int, values: dict[str, str]) -> None:
    assert Reply.parse(line, "question") == Reply(number, values)


@pytest.mark.parametrize("line", ["", "bad overrun", "err", "err NOSUCH", "okay", "err errorcode"])
def test_anything_else_is_an_error_with_the_question(line: str) -> None:
    with pytest.raises(CryptoctlError, match="the question"):
        Reply.parse(line, "the question")


def test_a_call_is_one_line() -> None:
    script = Script("ok ses=0x10", "ok dst=aabb", "err EINVAL")
    file = CryptoFile(Cryptoctl(script), 5)
    assert file.gsession(Cipher.AES_CBC, b"\x01\x02", keylen=16).ses == 0x10
    assert file.crypt(0x10, Op.ENCRYPT, b"\x0f", iv=Pointer.BAD, in_place=True, flags=4).dst == b"\xaa\xbb"
    assert file.crypt(0x10, 9, Pointer.NULL, length=16, dst=Pointer.BAD).errno == errno.EINVAL
    assert script.asked == [
        "session 5 cipher=11 key=0102 mac=0 mackey=null keylen=16",
        "crypt 5 0x10 op=0 src=0f iv=bad dst=inplace flags=0x4",
        "crypt 5 0x10 op=9 src=null iv=null len=16 dst=bad",
    ]


def test_a_child_is_asked_through_its_parent() -> None:
    script = Script("ok child=1 pid=9", "ok child=2 pid=10", "ok")
    grandchild = Cryptoctl(script).fork().fork()
    CryptoFile(grandchild, 3).close()
    assert script.asked == ["fork", "child 1 fork", "child 1 child 2 close 3"]


def test_a_touched_destination_and_a_changed_key_are_errors() -> None:
    with pytest.raises(CryptoctlError, match="destination"):
        CryptoFile(Cryptoctl(Script("err EINVAL dst=touched")), 3).crypt(1, 0, bytes(16))
    with pytest.raises(CryptoctlError, match="session_op"):
        CryptoFile(Cryptoctl(Script("ok ses=1 key=changed")), 3).gsession(11, bytes(16))


def test_open_raises_the_errno() -> None:
    with pytest.raises(OSError, match="ENODEV"):
        Cryptoctl(Script("err ENODEV")).open("/dev/cryptodev9")


class Faulty:
    """The model with one answer replaced."""

    def __init__(self, change: dict[str, Answer]) -> None:
        self.model = OpenFile()
        self.change = change

    def gsession(self, *args: object, **kwargs: object) -> Answer:
        return self.change.get("gsession") or self.model.gsession(*args, **kwargs)  # type: ignore[arg-type]

    def fsession(self, ses: int) -> Answer:
        return self.change.get("fsession") or self.model.fsession(ses)

    def crypt(self, *args: object, in_place: bool = False, **kwargs: object) -> Answer:
        return self.change.get("crypt") or self.model.crypt(*args, **kwargs)  # type: ignore[arg-type]

    def authcrypt(self, *args: object, **kwargs: object) -> Answer:
        return self.change.get("authcrypt") or self.model.authcrypt(*args, **kwargs)  # type: ignore[arg-type]

    def cphash(self, dst_ses: int, src_ses: int) -> Answer:
        return self.change.get("cphash") or self.model.cphash(dst_ses, src_ses)

    def sessinfo(self, ses: int) -> Answer:
        return self.change.get("sessinfo") or self.model.sessinfo(ses)


def test_the_twin_agrees_with_the_model_itself() -> None:
    twin = Twin(Faulty({}))
    ses = twin.session(Cipher.AES_CBC, bytes(16))
    twin.crypt(ses, Op.ENCRYPT, bytes(32), iv=bytes(16), flags=4)
    twin.crypt(ses, Op.DECRYPT, bytes(32))
    twin.crypt(ses, 7, bytes(32))
    twin.fsession(ses)


@pytest.mark.parametrize(
    "wrong",
    [
        Answer(0, dst=bytes(32)),
        Answer(0, dst=None),
        Answer(errno.EPERM),
        Answer(errno.EFAULT),
    ],
    ids=["an identity cipher", "nothing written", "another errno", "a fault"],
)
def test_the_twin_sees_a_wrong_answer(wrong: Answer) -> None:
    twin = Twin(Faulty({"crypt": wrong}))
    ses = twin.session(Cipher.AES_CBC, bytes(16))
    with pytest.raises(AssertionError, match="CIOCCRYPT"):
        twin.crypt(ses, Op.ENCRYPT, bytes(32), iv=bytes(16))


def test_the_twin_sees_a_wrong_iv() -> None:
    right = OpenFile()
    ses = right.gsession(Cipher.AES_CBC, bytes(16)).ses
    assert ses is not None
    dst = right.crypt(ses, Op.ENCRYPT, bytes(32), iv=bytes(16)).dst
    twin = Twin(Faulty({"crypt": Answer(0, dst=dst, iv=None)}))
    ses = twin.session(Cipher.AES_CBC, bytes(16))
    with pytest.raises(AssertionError, match="IV"):
        twin.crypt(ses, Op.ENCRYPT, bytes(32), iv=bytes(16), flags=4)


def test_the_twin_sees_a_success_that_should_fail() -> None:
    twin = Twin(Faulty({"gsession": Answer(0, ses=3)}))
    with pytest.raises(AssertionError, match="CIOCGSESSION"):
        twin.gsession(Cipher.AES_CBC, bytes(5))
