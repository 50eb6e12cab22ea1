# SPDX-License-Identifier: GPL-2.0-or-later
"""Sessions carried from one open file of the C library to another, as by a machine saved and restored."""

from __future__ import annotations

import ctypes
import errno
import os

import pytest

from harness.reference import abi
from harness.reference.cipher import aes_cbc, next_iv
from scenarios.devcrypto_calls import Library, SessionState

AES = abi.Cipher.AES_CBC
ENCRYPT, DECRYPT = abi.Op.ENCRYPT, abi.Op.DECRYPT
UPDATE = abi.CopFlag.UPDATE
KEYS = {length: bytes(range(length, 2 * length)) for length in (16, 24, 32)}
SHA256, SHA256_HMAC = abi.Mac.SHA2_256, abi.Mac.SHA2_256_HMAC
KEY, IV = KEYS[16], bytes(range(100, 116))
A, B = os.urandom(160), os.urandom(1600)


@pytest.fixture
def library(devcrypto):
    return Library(devcrypto.library)


@pytest.fixture
def file(library):
    with library.open() as opened:
        yield opened


@pytest.fixture
def other(library):
    with library.open() as opened:
        yield opened


def state(ses=0x5E5, cipher=AES, key=KEY, iv=IV, keylen=None, **mac):
    """A session's state; good unless told otherwise."""
    return SessionState.of(ses, cipher, key, iv, keylen=keylen, **mac)


@pytest.mark.parametrize("op", [ENCRYPT, DECRYPT])
@pytest.mark.parametrize("key", KEYS.values(), ids=len)
def test_a_chain_goes_on_in_another_place(file, other, key, op):
    """What is enciphered half here and half there is what one go gives; the id stays, the last IV too."""
    ses = file.gsession(AES, key).ses
    first = file.crypt(ses, op, A, iv=IV).dst
    (exported,) = file.export()
    assert exported.fields() == (ses, AES, key, next_iv(op, IV, A, first))
    assert other.load(exported) == 0
    assert first + other.crypt(ses, op, B).dst == aes_cbc(op, key, IV, A + B)
    assert first + file.crypt(ses, op, B).dst == aes_cbc(op, key, IV, A + B), (
        "the first is no longer what it was"
    )


def test_each_session_keeps_its_own(file, other):
    """A hundred sessions with keys of all lengths and IVs of their own arrive, each as it was."""
    made = {}
    for number in range(100):
        key, iv = os.urandom((16, 24, 32)[number % 3]), os.urandom(16)
        ses = file.gsession(AES, key).ses
        file.crypt(ses, ENCRYPT, b"", iv=iv)
        made[ses] = (ses, AES, key, iv)
    exported = file.export()
    assert {each.ses: each.fields() for each in exported} == made
    assert [other.load(each) for each in exported] == [0] * 100
    assert {each.ses: each.fields() for each in other.export()} == made


def test_one_that_was_never_used_goes_on_from_zeros(file, other):
    """A session without an IV so far has the one that the first call would have had: zeros."""
    ses = file.gsession(AES, KEY).ses
    (exported,) = file.export()
    assert exported.fields() == (ses, AES, KEY, bytes(16))
    assert other.load(exported) == 0
    assert other.crypt(ses, ENCRYPT, A).dst == aes_cbc(ENCRYPT, KEY, bytes(16), A)


def test_what_was_carried_lives_as_any_session_does(file, other):
    """It can be freed, once, and then its id may be carried again; new ones get other ids."""
    assert file.load(state()) == 0
    assert file.gsession(AES, KEY).ses != 0x5E5
    assert file.sessions == 2
    assert file.fsession(0x5E5).errno == 0
    assert file.crypt(0x5E5, ENCRYPT, A).errno == errno.EINVAL
    assert file.load(state()) == 0
    assert other.crypt(0x5E5, ENCRYPT, A).errno == errno.EINVAL


def test_the_key_is_gone_from_what_follows_it(file):
    """Bytes after a key are zero in what is exported, and nobody looks at them in what is imported."""
    given = state()
    given.key[16:] = os.urandom(48)
    assert file.load(given) == 0
    (exported,) = file.export()
    assert bytes(exported.key) == KEY + bytes(48)
    assert file.crypt(0x5E5, ENCRYPT, A).dst == aes_cbc(ENCRYPT, KEY, IV, A)


# ---- what is refused ----

REFUSED = {
    "id 0": state(ses=0),
    "no cipher": state(cipher=0),
    "a cipher that there is not": state(cipher=9999),
    "a mac for a cipher": state(cipher=SHA256_HMAC),
    "a mac that there is not": state(mac=9999),
    "a cipher for a mac": state(mac=AES),
    "neither": state(cipher=0, key=b"", keylen=0),
    "a mac that the cipher does not need": state(cipher=abi.Cipher.AES_GCM, mac=SHA256_HMAC),
    **{f"a mac key of {n}": state(mac=SHA256_HMAC, mackeylen=n) for n in (513, 2**31, 2**32 - 1)},
    **{f"a key of {n}": state(key=bytes(64), keylen=n) for n in (0, 15, 17, 33, 64, 65, 2**31, 2**32 - 1)},
}


@pytest.mark.parametrize("bad", REFUSED.values(), ids=REFUSED.keys())
def test_a_bad_state_is_refused(file, bad):
    """It is EINVAL, there is no session afterwards, and a good state is still taken."""
    assert file.load(bad) == errno.EINVAL
    assert file.sessions == 0
    assert file.load(state()) == 0


def test_an_id_in_use_is_refused(file):
    """It is EEXIST, and the session that was there keeps its key and its IV."""
    ses = file.gsession(AES, KEY).ses
    file.crypt(ses, ENCRYPT, b"", iv=IV)
    assert file.load(state(ses=ses, key=KEYS[32], iv=bytes(16))) == errno.EEXIST
    assert file.sessions == 1
    assert file.crypt(ses, ENCRYPT, A).dst == aes_cbc(ENCRYPT, KEY, IV, A)


def test_the_limit_of_sessions_holds(library):
    """A session beyond the limit is ENOMEM, until one is freed; an id in use is EEXIST even then."""
    with library.open(max_sessions=2) as file:
        assert [file.load(state(ses=ses)) for ses in (1, 2, 3, 2)] == [0, 0, errno.ENOMEM, errno.EEXIST]
        assert file.gsession(AES, KEY).errno == errno.ENOMEM
        assert file.fsession(1).errno == 0
        assert file.load(state(ses=3)) == 0


@pytest.mark.parametrize("room", [0, 1, 2])
def test_too_little_room(file, room):
    """With room for fewer than there are it is ENOSPC: no key is written, and not a byte past the room."""
    for _ in range(3):
        file.gsession(AES, KEY)
    states = (SessionState * 3)()
    assert file.export_into(states, room) == (errno.ENOSPC, 0)
    written = ctypes.string_at(states, ctypes.sizeof(states))
    assert KEY not in written
    assert not any(written[room * ctypes.sizeof(SessionState) :])


@pytest.mark.parametrize("cipher", [0, AES])
@pytest.mark.parametrize("mac", [SHA256, SHA256_HMAC])
def test_a_hash_that_has_begun_stays_where_it_is(file, cipher, mac):
    """With such a session it is EOPNOTSUPP and no key is left behind; when it has ended all is well."""
    ids = [file.gsession(AES, KEY).ses for _ in range(20)]
    ses = file.gsession(cipher, KEY, mac=mac, mackey=KEYS[32]).ses
    ids.append(ses)
    for flags in (UPDATE, UPDATE | abi.CopFlag.RESET):
        assert file.crypt(ses, ENCRYPT, A, flags=flags).errno == 0
        states = (SessionState * 30)()
        assert file.export_into(states, 30) == (errno.EOPNOTSUPP, 0)
        written = bytes(ctypes.string_at(states, ctypes.sizeof(states)))
        assert KEY not in written
        assert KEYS[32] not in written
    assert file.crypt(ses, ENCRYPT, A, flags=abi.CopFlag.FINAL).errno == 0
    assert sorted(each.ses for each in file.export()) == sorted(ids)


@pytest.mark.parametrize("cipher", [0, AES, abi.Cipher.AES_CTR])
@pytest.mark.parametrize(("mac", "mackey"), [(SHA256, b""), (SHA256_HMAC, b""), (SHA256_HMAC, KEYS[32] * 16)])
def test_a_hash_that_has_not_begun_is_carried(file, other, cipher, mac, mackey):
    """A session with a mac, new or when its digest was taken, gives the same digests in the other place."""
    ses = file.gsession(cipher, KEY, mac=mac, mackey=mackey).ses
    for _ in range(2):
        (exported,) = file.export()
        assert exported.mac_fields() == (mac, mackey)
        assert other.load(exported) == 0
        here, there = (each.crypt(ses, ENCRYPT, A, iv=IV) for each in (file, other))
        assert here == there
        assert here.mac is not None
        assert other.fsession(ses).errno == 0
