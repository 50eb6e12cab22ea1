# SPDX-License-Identifier: GPL-2.0-or-later
"""The model of the device with ``F_CALLS``: every request, what can be wrong with it, and in which order."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field, replace

import pytest

from harness.reference import wire
from harness.reference.abi import Cipher, CopFlag, CryptOp, Mac, Op, SessionOp
from harness.reference.algorithms import Sizes
from harness.reference.device import Completion, Device
from harness.reference.session import OpenFile
from harness.reference.wire_calls import (
    F_CALLS,
    F_MQ,
    Call,
    CallCopy,
    CallCrypt,
    CallFree,
    CallReply,
    CallSession,
    sizes_written,
)

EINVAL, EBADF, EBADMSG, ENOMEM, ENOENT, EDEADLK = (
    errno.EINVAL, errno.EBADF, errno.EBADMSG, errno.ENOMEM, errno.ENOENT, errno.EDEADLK,
)  # fmt: skip
KEY, MACKEY, IV, OTHER_IV = bytes(range(16)), b"mackey", bytes(range(16, 32)), b"\xee" * 16
DATA = bytes(range(48))


def chain(request: Call | wire.Request) -> tuple[bytes, bytes]:
    return b"".join(request.readable), b"".join(request.initial)


def result(done: Completion) -> int:
    return int.from_bytes(done.written[-4:], "little", signed=True)


def cut(request: Call | wire.Request, written: bytes) -> tuple[bytes, ...]:
    pieces, at = [], 0
    for size in request.writable:
        pieces.append(written[at : at + size])
        at += size
    return tuple(pieces)


def there(part: bytes | None) -> bytes:
    """Return a part of an answer that has to be there."""
    assert part is not None
    return part


@dataclass
class Asker:
    """A device with one open file, handle 0."""

    device: Device = field(default_factory=lambda: Device(features=F_CALLS))

    def __post_init__(self) -> None:
        self.device.request(*chain(wire.Open()))

    def raw(self, readable: bytes, writable: bytes) -> int:
        done = self.device.request(readable, writable)
        if result(done):
            assert done.written[:-4] == writable[:-4], "an error changed more than the result"
        return -result(done)

    def session(self, cipher: int = 0, key: bytes = b"", mac: int = 0, mackey: bytes = b"") -> int:
        reply = self.make(CallSession(0, cipher, key, mac, mackey))
        assert reply.ses is not None
        return reply.ses

    def make(self, request: CallSession) -> CallReply:
        return request.reply(cut(request, self.device.request(*chain(request)).written))

    def crypt(self, request: CallCrypt) -> CallReply:
        return request.reply(cut(request, self.device.request(*chain(request)).written))

    def said(self, request: CallFree | CallCopy) -> int:
        return -request.reply(cut(request, self.device.request(*chain(request)).written)).result

    def iv(self, ses: int) -> bytes:
        """Return the session's last IV."""
        return there(self.crypt(CallCrypt(0, ses, 0, b"", 0)).iv)


def test_without_the_feature_these_types_are_unknown() -> None:
    for features in (0, F_MQ):
        asker = Asker(Device(features=features))
        for request in (
            CallSession(0, 11, KEY),
            CallFree(0, 1),
            CallCopy(9, 1, 2),
            CallCrypt(9, 1, 0, b"", 0),
        ):
            assert asker.raw(*chain(request)) == EINVAL, request


def test_the_next_driver_may_not_have_the_feature() -> None:
    asker = Asker()
    asker.device.reset()
    asker.device.negotiate(F_MQ)
    asker.device.request(*chain(wire.Open()))
    assert asker.raw(*chain(CallFree(0, 1))) == EINVAL
    asker.device.negotiate(F_CALLS)
    assert asker.raw(*chain(CallFree(0, 1))) == 0


def test_the_reference_wire_stays_valid() -> None:
    """A session made over it serves both; one that it could not have made is no session to it."""
    asker = Asker()
    made = wire.Session(0, SessionOp(cipher=Cipher.AES_CBC, keylen=16), KEY)
    old = made.reply(cut(made, asker.device.request(*chain(made)).written)).ses
    assert old is not None
    new = asker.session(Cipher.AES_CBC, KEY)
    expected = OpenFile()
    expected.gsession(Cipher.AES_CBC, KEY, ses=1)
    right = expected.crypt(1, 0, DATA, iv=IV).dst
    for ses in (old, new):
        request = wire.Crypt(0, CryptOp(ses=ses, len=48), DATA, IV)
        done = asker.device.request(*chain(request))
        assert (result(done), done.written[:-4]) == (0, right)
        assert asker.crypt(CallCrypt(0, ses, 0, DATA, 48, IV)).data == right
    for cipher, mac in ((Cipher.AES_CTR, 0), (Cipher.AES_CBC, Mac.SHA1), (Cipher.AES_XTS, 0), (0, Mac.SHA1)):
        ses = asker.session(cipher, bytes(range(32)) if cipher else b"", mac)
        assert asker.raw(*chain(wire.Crypt(0, CryptOp(ses=ses, len=48), DATA, IV))) == EINVAL
    for cipher, mac in ((Cipher.AES_CTR, 0), (Cipher.AES_CBC, Mac.SHA1)):
        bad = wire.Session(0, SessionOp(cipher=cipher, mac=mac, keylen=16), KEY)
        assert asker.raw(*chain(bad)) == EINVAL


# ---- sessions ----


@pytest.mark.parametrize(
    ("cipher", "keylen", "mac", "sizes"),
    [
        (Cipher.AES_CBC, 16, 0, Sizes(16, 16, 0, 0)),
        (Cipher.AES_CTR, 32, Mac.SHA1_HMAC, Sizes(1, 16, 20, 0)),
        (Cipher.AES_ECB, 24, 0, Sizes(16, 0, 0, 0)),
        (Cipher.DES3_CBC, 24, 0, Sizes(8, 8, 0, 0)),
        (Cipher.AES_GCM, 16, 0, Sizes(1, 12, 0, 16)),
        (Cipher.NULL, 0, Mac.SHA2_512, Sizes(1, 0, 64, 0)),
        (0, 0, Mac.MD5, Sizes(1, 0, 16, 0)),
    ],
)
def test_what_a_session_answers(cipher: int, keylen: int, mac: int, sizes: Sizes) -> None:
    made = Asker().make(CallSession(0, cipher, bytes(range(keylen)), mac))
    assert (made.result, made.sizes) == (0, sizes)


def test_an_id_that_was_seen_is_taken_over() -> None:
    device = Asker().device
    request = CallSession(0, Cipher.AES_CBC, KEY)
    seen = sizes_written(0x77, Sizes(16, 16, 0, 0))
    done = device.request(*chain(request), Completion(32, seen))
    assert done == Completion(32, seen)
    assert device.made == [0x77]
    assert device.sessions(0) == {0x77}
    # A second time it cannot have that id.
    again = device.request(*chain(request), Completion(32, seen))
    assert result(again) == 0
    assert again.written != seen


def test_sessions_that_cannot_be() -> None:
    asker = Asker(Device(features=F_CALLS, max_sessions=1))
    for wrong in (
        CallSession(0),
        CallSession(0, 999, KEY),
        CallSession(0, 11, KEY[:15]),
        CallSession(0, 0, b"", 8),
    ):
        assert asker.make(wrong) == CallReply(-EINVAL)
    asker.session(mac=Mac.SHA1_HMAC, mackey=bytes(512))
    assert asker.make(CallSession(0, 11, KEY)) == CallReply(-ENOMEM)
    assert asker.make(CallSession(0, 11, KEY[:15])) == CallReply(-EINVAL)


# ---- order ----

RIGHT: dict[str, Call] = {
    "crypt": CallCrypt(0, 1, 0, DATA, 48, IV),
    "session": CallSession(0, 11, KEY),
    "free": CallFree(0, 1),
    "copy": CallCopy(0, 1, 2),
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_wrong_decides_in_order(name: str) -> None:
    asker, right = Asker(), RIGHT[name]
    nobody = replace(right, handle=1)
    readable, writable = chain(nobody)
    fixed = {"crypt": 64, "session": 24, "free": 12, "copy": 16}[name]
    # No room for a result: it comes back, and so does whatever else is wrong.
    for size in range(4):
        assert asker.device.request(readable, bytes(size)) == Completion(0, bytes(size))
    # Its fixed part, then its handle, then lengths.
    for size in range(4, fixed):
        assert asker.raw(readable[:size], writable) == EINVAL, size
    for data, room in (
        (readable[:fixed], writable),
        (readable + b"\0", writable),
        (readable, writable + b"\0"),
    ):
        assert asker.raw(data, room) == EBADF
    assert asker.raw(readable, writable[-4:]) == EBADF
    good, room = chain(right)
    for data in (good + b"\0", *([] if len(good) == fixed else [good[:-1], good[:fixed]])):
        assert asker.raw(data, room) == EINVAL
    assert asker.raw(good, room + b"\0") == EINVAL
    assert asker.raw(good[:2], room) == EINVAL


def test_a_chain_without_room_for_a_result_is_carried_out() -> None:
    """It cannot add up, so nothing comes of it."""
    asker = Asker()
    ses = asker.session(Cipher.AES_CBC, KEY)
    readable, _ = chain(CallFree(0, ses))
    assert asker.device.request(readable, b"abc") == Completion(0, b"abc")
    assert asker.device.sessions(0) == {ses}


def test_limits_come_before_what_dev_crypto_says() -> None:
    asker = Asker(Device(features=F_CALLS, max_request=32))
    ses = asker.session(Cipher.AES_CTR, KEY)
    assert asker.crypt(CallCrypt(0, ses, 0, DATA[:32], 32, IV)).result == 0
    assert asker.raw(*chain(CallCrypt(0, ses, 0, DATA, 48, OTHER_IV))) == EINVAL
    assert asker.raw(*chain(CallCrypt(0, ses, 0, b"", 0, OTHER_IV, aad=bytes(4097)))) == EINVAL
    assert asker.iv(ses) == (int.from_bytes(IV) + 2).to_bytes(16)


# ---- data ----


def test_the_iv_goes_on_and_comes_back_without_being_asked_for() -> None:
    asker = Asker()
    ses = asker.session(Cipher.DES3_CBC, bytes(range(24)))
    first = asker.crypt(CallCrypt(0, ses, 0, DATA[:24], 24, IV[:8]))
    assert first.iv == there(first.data)[-8:] + bytes(8)
    second = asker.crypt(CallCrypt(0, ses, 0, DATA[24:], 24))
    both = asker.crypt(CallCrypt(0, ses, 0, DATA, 48, IV[:8]))
    assert there(first.data) + there(second.data) == both.data
    assert (both.mac, both.out_len) == (b"", 48)


@pytest.mark.parametrize("size", [1, 8, 15])
def test_an_iv_of_another_length_changes_nothing(size: int) -> None:
    asker = Asker()
    ses = asker.session(Cipher.AES_CBC, KEY)
    asker.crypt(CallCrypt(0, ses, 0, b"", 0, IV))
    assert asker.crypt(CallCrypt(0, ses, 0, DATA, 48, bytes(size))) == CallReply(-EINVAL)
    assert asker.iv(ses) == IV
    hashing = asker.session(mac=Mac.SHA1)
    assert asker.crypt(CallCrypt(0, hashing, 0, DATA, 0, bytes(size))) == CallReply(-EINVAL)


@pytest.mark.parametrize(
    "wrong",
    [
        {"dst_len": 47},
        {"dst_len": 0},
        {"dst_len": 49},
        {"aad": b"a"},
        {"tail": b"t"},
        {"op": 2},
        {"source": DATA[:47], "dst_len": 47},
    ],
)
def test_a_crypt_that_is_refused_leaves_the_iv(wrong: dict[str, object]) -> None:
    asker = Asker()
    ses = asker.session(Cipher.AES_CBC, KEY)
    right = CallCrypt(0, ses, 0, DATA, 48, OTHER_IV)
    asker.crypt(CallCrypt(0, ses, 0, b"", 0, IV))
    assert asker.crypt(replace(right, **wrong)) == CallReply(-EINVAL)  # type: ignore[arg-type]
    assert asker.iv(ses) == IV


def test_a_hash_has_no_destination_and_a_digest_when_one_is_due() -> None:
    asker = Asker()
    ses = asker.session(mac=Mac.SHA2_256)
    file = OpenFile()
    file.gsession(mac=Mac.SHA2_256, ses=1)
    assert asker.crypt(CallCrypt(0, ses, 0, DATA, 0, flags=CopFlag.UPDATE)).mac == b""
    done = asker.crypt(CallCrypt(0, ses, 0, DATA, 0, flags=CopFlag.FINAL))
    assert (done.data, done.out_len, done.iv) == (b"", 0, bytes(16))
    assert done.mac == file.crypt(1, 0, DATA * 2).mac
    assert asker.crypt(CallCrypt(0, ses, 0, DATA, 48)) == CallReply(-EINVAL)


def test_a_tag_that_nobody_asked_for_means_nothing() -> None:
    asker = Asker()
    ses = asker.session(Cipher.AES_CBC, KEY)
    right = asker.crypt(CallCrypt(0, ses, 0, DATA, 48, IV))
    assert asker.crypt(CallCrypt(0, ses, 0, DATA, 48, IV, tag=bytes(64), tag_len=3)) == right


# ---- CIOCAUTHCRYPT ----


def auth(ses: int, op: int, source: bytes, dst_len: int, **rest: object) -> CallCrypt:
    return CallCrypt(0, ses, op, source, dst_len, auth=True, **rest)  # type: ignore[arg-type]


@pytest.mark.parametrize("tag_len", [0, 4, 16])
def test_an_aead_cipher_both_ways(tag_len: int) -> None:
    asker, size = Asker(), tag_len or 16
    ses = asker.session(Cipher.AES_GCM, KEY)
    sealed = asker.crypt(auth(ses, 0, DATA, 48 + size, iv=IV[:12], aad=b"head", tag_len=tag_len))
    assert (sealed.result, sealed.out_len, sealed.iv, sealed.mac) == (0, 48 + size, IV[:12] + bytes(4), b"")
    opened = auth(ses, 1, there(sealed.data), 48, iv=IV[:12], aad=b"head", tag_len=tag_len)
    assert asker.crypt(opened) == CallReply(0, data=DATA, out_len=48, iv=IV[:12] + bytes(4), mac=b"")
    assert asker.crypt(replace(opened, aad=b"heap")) == CallReply(-EBADMSG)
    assert asker.crypt(replace(opened, source=there(sealed.data)[:-1] + b"\0")).result in (0, -EBADMSG)


def test_tls_both_ways() -> None:
    asker = Asker()
    ses = asker.session(Cipher.AES_CBC, KEY, Mac.SHA1_HMAC, MACKEY)
    sealed = asker.crypt(auth(ses, 0, DATA[:10], 32, iv=IV, aad=b"head", flags=CopFlag.AEAD_TLS))
    assert (sealed.result, sealed.out_len, sealed.mac, sealed.iv) == (0, 32, b"", there(sealed.data)[-16:])
    opened = auth(ses, 1, there(sealed.data), 32, iv=IV, aad=b"head", flags=CopFlag.AEAD_TLS)
    done = asker.crypt(opened)
    assert (done.result, done.out_len, there(done.data)[:10], there(done.data)[30:]) == (
        0,
        10,
        DATA[:10],
        b"\1\1",
    )
    assert asker.crypt(replace(opened, aad=b"heap")) == CallReply(-EBADMSG)
    assert asker.iv(ses) == IV


def test_srtp_both_ways() -> None:
    asker = Asker()
    ses = asker.session(Cipher.AES_CTR, KEY, Mac.SHA1_HMAC, MACKEY)
    right = auth(ses, 0, DATA, 48, iv=IV, aad=b"head", tail=b"tail", flags=CopFlag.AEAD_SRTP, tag_len=10)
    sealed = asker.crypt(right)
    assert (sealed.result, sealed.out_len, len(there(sealed.mac))) == (0, 48, 10)
    opened = replace(right, op=Op.DECRYPT, source=there(sealed.data), tag=there(sealed.mac))
    assert asker.crypt(opened) == CallReply(0, data=DATA, out_len=48, iv=sealed.iv, mac=b"")
    assert asker.crypt(replace(opened, tail=b"tall")) == CallReply(-EBADMSG)
    assert asker.crypt(replace(opened, tag=there(sealed.mac) + b"1")) == CallReply(-EINVAL)
    assert asker.crypt(replace(opened, tag=b"")) == CallReply(-EINVAL)


@pytest.mark.parametrize(
    "wrong",
    [{"dst_len": 63}, {"dst_len": 65}, {"tag_len": 17}, {"tag_len": 5, "dst_len": 53}, {"tail": b"t"}],
)
def test_an_authcrypt_that_is_refused_for_a_length_keeps_the_iv_that_it_brought(
    wrong: dict[str, object],
) -> None:
    asker = Asker()
    ses = asker.session(Cipher.AES_GCM, KEY)
    right = auth(ses, 0, DATA, 64, iv=OTHER_IV[:12])
    asker.crypt(replace(right, iv=IV[:12]))
    assert asker.crypt(replace(right, **wrong)) == CallReply(-EINVAL)  # type: ignore[arg-type]
    assert asker.crypt(replace(right, iv=b"")) == asker.crypt(right)


@pytest.mark.parametrize("wrong", [{"op": 2}, {"op": 0xFFFF}])
def test_an_authcrypt_that_is_refused_before_leaves_the_iv(wrong: dict[str, object]) -> None:
    asker = Asker()
    ses = asker.session(Cipher.AES_GCM, KEY)
    right = auth(ses, 0, DATA, 64, iv=IV[:12])
    expected = asker.crypt(right)
    assert asker.crypt(replace(right, iv=OTHER_IV[:12], **wrong)) == CallReply(-EINVAL)  # type: ignore[arg-type]
    assert asker.crypt(replace(right, iv=b"")) == expected


def test_an_authcrypt_without_a_cipher() -> None:
    asker = Asker()
    ses = asker.session(mac=Mac.SHA1)
    for flags in (0, CopFlag.AEAD_TLS, CopFlag.AEAD_SRTP):
        assert asker.crypt(auth(ses, 0, DATA, 48, flags=flags)) == CallReply(-EINVAL)


# ---- free and copy ----


def test_a_free_is_a_success_of_any_session() -> None:
    asker = Asker()
    ses = asker.session(Cipher.AES_CBC, KEY)
    assert [asker.said(CallFree(0, ses)), asker.said(CallFree(0, ses))] == [0, 0]
    assert asker.crypt(CallCrypt(0, ses, 0, DATA, 48, IV)) == CallReply(-EINVAL)


def test_a_copy_and_its_errors() -> None:
    asker = Asker()
    first, second = asker.session(mac=Mac.SHA1), asker.session(mac=Mac.SHA1)
    other, plain = asker.session(mac=Mac.MD5), asker.session(Cipher.AES_CBC, KEY)
    asker.crypt(CallCrypt(0, first, 0, DATA, 0, flags=CopFlag.UPDATE))
    assert asker.said(CallCopy(0, second, first)) == 0
    ends = [asker.crypt(CallCrypt(0, ses, 0, b"x", 0, flags=CopFlag.FINAL)).mac for ses in (first, second)]
    assert ends[0] == ends[1] != b""
    assert asker.said(CallCopy(0, first, first)) == EDEADLK
    assert asker.said(CallCopy(0, 99, 99)) == EDEADLK
    assert asker.said(CallCopy(0, first, 99)) == asker.said(CallCopy(0, 99, first)) == ENOENT
    assert asker.said(CallCopy(0, first, other)) == asker.said(CallCopy(0, plain, first)) == EINVAL
    assert asker.said(CallCopy(7, first, second)) == EBADF
