# SPDX-License-Identifier: GPL-2.0-or-later
"""Hashes and keyed hashes through /dev/cryptodev0: known answers, data in pieces, copies, beside a cipher."""

from __future__ import annotations

import errno
import random

import pytest

from harness.oracles.twin import streamed
from harness.reference.abi import Cipher, CopFlag, Mac, Op
from harness.reference.calls import Pointer

pytestmark = [pytest.mark.requirement("hashes"), pytest.mark.feature("hashes")]

KEYED = (
    Mac.MD5_HMAC,
    Mac.SHA1_HMAC,
    Mac.SHA2_224_HMAC,
    Mac.SHA2_256_HMAC,
    Mac.SHA2_384_HMAC,
    Mac.SHA2_512_HMAC,
)
PLAIN = (Mac.MD5, Mac.SHA1, Mac.SHA2_224, Mac.SHA2_256, Mac.SHA2_384, Mac.SHA2_512)

# RFC 1321, A.5 for MD5; FIPS 180-4's examples, one block, for the others.
OF_ABC = {
    Mac.MD5: "900150983cd24fb0d6963f7d28e17f72",
    Mac.SHA1: "a9993e364706816aba3e25717850c26c9cd0d89d",
    Mac.SHA2_224: "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
    Mac.SHA2_256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    Mac.SHA2_384: "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded163"
    "1a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
    Mac.SHA2_512: "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
}

# RFC 2202 for MD5 and SHA-1, RFC 4231 for the others: test case 2.
OF_JEFE = {
    Mac.MD5_HMAC: "750c783e6ab0b503eaa86e310a5db738",
    Mac.SHA1_HMAC: "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
    Mac.SHA2_224_HMAC: "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44",
    Mac.SHA2_256_HMAC: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    Mac.SHA2_384_HMAC: "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47"
    "e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
    Mac.SHA2_512_HMAC: "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
    "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
}

# The same RFCs' test case 6: a key longer than a block.
OF_LONG_KEY = {
    Mac.MD5_HMAC: (80, "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"),
    Mac.SHA1_HMAC: (80, "aa4ae5e15272d00e95705637ce8a3b55ed402112"),
    Mac.SHA2_224_HMAC: (131, "95e9a0db962095adaebe9b2d6f0dbce2d499f112f2d2b7273fa6870e"),
    Mac.SHA2_256_HMAC: (131, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
    Mac.SHA2_384_HMAC: (
        131,
        "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
    ),
    Mac.SHA2_512_HMAC: (
        131,
        "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
        "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
    ),
}


def _chance(seed: object) -> random.Random:
    return random.Random(str(seed))  # noqa: S311 -- test data, the same in every run


def _name(value: object) -> str:
    return getattr(value, "name", str(value)).lower()


@pytest.mark.parametrize("mac", PLAIN, ids=_name)
def test_known_hashes(twin_module, mac):
    """Each hash of "abc" is the one that its standard prints."""
    ses = twin_module.session(0, mac=mac)
    assert twin_module.crypt(ses, Op.ENCRYPT, b"abc").mac == bytes.fromhex(OF_ABC[mac])


@pytest.mark.parametrize("mac", KEYED, ids=_name)
def test_known_keyed_hashes(twin_module, mac):
    """Each HMAC is the one that RFC 2202 or RFC 4231 prints, with a short key and with a long one."""
    ses = twin_module.session(0, mac=mac, mackey=b"Jefe")
    answer = twin_module.crypt(ses, Op.ENCRYPT, b"what do ya want for nothing?")
    assert answer.mac == bytes.fromhex(OF_JEFE[mac])
    length, digest = OF_LONG_KEY[mac]
    ses = twin_module.session(0, mac=mac, mackey=b"\xaa" * length)
    text = b"Test Using Larger Than Block-Size Key - Hash Key First"
    assert twin_module.crypt(ses, Op.ENCRYPT, text).mac == bytes.fromhex(digest)


@pytest.mark.parametrize("mac", list(Mac), ids=_name)
def test_every_size(twin_module, mac):
    """From nothing to 1 MiB, across blocks, pages and the size from which pages are pinned, either op."""
    chance = _chance(mac)
    ses = twin_module.session(0, mac=mac, mackey=b"k" if mac in KEYED else b"")
    for size in (0, 1, 55, 56, 63, 64, 65, 111, 112, 127, 128, 129, 4095, 4096, 4097, 65537, 1 << 20):
        twin_module.crypt(ses, size % 2, chance.randbytes(size))
        twin_module.crypt(ses, Op.ENCRYPT, chance.randbytes(size), flags=CopFlag.NO_ZC | CopFlag.RESET)


@pytest.mark.parametrize("mac", list(Mac), ids=_name)
def test_data_in_pieces(twin_module, mac):
    """Pieces of any size, the last one empty or not, give the digest of the whole; again after a RESET."""
    chance = _chance(mac)
    ses = twin_module.session(0, mac=mac, mackey=bytes(300) if mac in KEYED else b"")
    for sizes in ((1, 2, 3), (64, 64), (4096, 5000, 17, 0), (70000, 1)):
        pieces = [chance.randbytes(size) for size in sizes]
        assert streamed(twin_module, ses, pieces) == twin_module.crypt(ses, Op.ENCRYPT, b"".join(pieces)).mac


def test_flags_of_a_hash(twin_module):
    """Every pair of two calls' flags gives the model's digests: what starts anew, what goes on, what ends."""
    flags = [
        reset | update | final
        for reset in (0, CopFlag.RESET)
        for update in (0, CopFlag.UPDATE)
        for final in (0, CopFlag.FINAL)
    ]
    for first in flags:
        for second in flags:
            ses = twin_module.session(0, mac=Mac.SHA1)
            twin_module.crypt(ses, Op.ENCRYPT, b"first", flags=first)
            twin_module.crypt(ses, Op.ENCRYPT, b"second", flags=second)
            twin_module.crypt(ses, Op.ENCRYPT, b"", flags=CopFlag.FINAL)
            twin_module.fsession(ses)


@pytest.mark.parametrize("size", [64, 65536])
def test_a_refused_beginning_is_a_beginning(twin_module, size):
    """A call that starts a hash anew and then fails for its source has started it anew all the same."""
    for flags in (0, CopFlag.RESET):
        ses = twin_module.session(0, mac=Mac.SHA1)
        twin_module.crypt(ses, Op.ENCRYPT, b"before", flags=CopFlag.UPDATE)
        assert twin_module.crypt(ses, Op.ENCRYPT, Pointer.BAD, length=size, flags=flags).errno == errno.EFAULT
        twin_module.crypt(ses, Op.ENCRYPT, b"after", flags=CopFlag.FINAL)


def test_an_update_without_data_is_an_end(twin_module):
    """UPDATE with no data gives the digest of what was taken in so far."""
    ses = twin_module.session(0, mac=Mac.SHA2_256)
    twin_module.crypt(ses, Op.ENCRYPT, b"something", flags=CopFlag.UPDATE)
    assert twin_module.crypt(ses, Op.ENCRYPT, b"", flags=CopFlag.UPDATE).mac is not None


@pytest.mark.parametrize("mac", list(Mac), ids=_name)
def test_a_hash_is_copied(twin_module, mac):
    """CIOCCPHASH: what one session has hashed so far goes on in the other, and in itself too."""
    one, other = (
        twin_module.session(0, mac=mac, mackey=b"the same" if mac in KEYED else b"") for _ in range(2)
    )
    twin_module.crypt(one, Op.ENCRYPT, b"begun " * 100, flags=CopFlag.UPDATE)
    twin_module.crypt(other, Op.ENCRYPT, b"forgotten", flags=CopFlag.UPDATE)
    assert twin_module.cphash(other, one).errno == 0
    here = twin_module.crypt(one, Op.ENCRYPT, b"and ended", flags=CopFlag.FINAL).mac
    assert twin_module.crypt(other, Op.ENCRYPT, b"and ended", flags=CopFlag.FINAL).mac == here
    assert here is not None


@pytest.mark.parametrize("which", ["source", "destination"])
def test_a_copy_where_a_hash_began_anew(twin_module, which):
    """What CIOCCPHASH copies counts, also if one of the two had just begun anew with bad data."""
    one, other = (twin_module.session(0, mac=Mac.SHA1) for _ in range(2))
    twin_module.crypt(one, Op.ENCRYPT, b"one", flags=CopFlag.UPDATE)
    twin_module.crypt(other, Op.ENCRYPT, b"other", flags=CopFlag.UPDATE)
    twin_module.crypt(one if which == "source" else other, Op.ENCRYPT, Pointer.BAD, length=3)
    assert twin_module.cphash(other, one).errno == 0
    twin_module.crypt(other, Op.ENCRYPT, b"more", flags=CopFlag.FINAL)
    twin_module.crypt(one, Op.ENCRYPT, b"more", flags=CopFlag.FINAL)


def test_a_hash_that_cannot_be_copied(twin_module):
    """CIOCCPHASH: EDEADLK onto itself, ENOENT for a session that is none, EINVAL for another hash or none."""
    sha1 = twin_module.session(0, mac=Mac.SHA1)
    md5 = twin_module.session(0, mac=Mac.MD5)
    keyed = twin_module.session(0, mac=Mac.SHA1_HMAC, mackey=b"k")
    aes = twin_module.session(Cipher.AES_CBC, bytes(16))
    assert twin_module.cphash(sha1, sha1).errno == errno.EDEADLK
    assert twin_module.cphash(0, 0).errno == errno.EDEADLK
    for pair in ((sha1, 0), (0, sha1), (sha1, sha1 ^ 1)):
        assert twin_module.cphash(*pair).errno == errno.ENOENT
    for pair in ((sha1, md5), (sha1, keyed), (sha1, aes), (aes, sha1)):
        assert twin_module.cphash(*pair).errno == errno.EINVAL
    twin_module.crypt(sha1, Op.ENCRYPT, b"still good")


@pytest.mark.parametrize("cipher", [Cipher.AES_CBC, Cipher.AES_CTR, Cipher.NULL, Cipher.DES3_CBC], ids=_name)
@pytest.mark.parametrize("mac", [Mac.SHA1, Mac.SHA2_256_HMAC], ids=_name)
def test_a_hash_beside_a_cipher(twin_module, cipher, mac):
    """One session encrypts and hashes: the digest is the plaintext's, both ways, whole and in pieces."""
    key = {Cipher.NULL: b"", Cipher.DES3_CBC: bytes(range(24))}.get(cipher, bytes(range(16)))
    chance = _chance((cipher, mac))
    ses = twin_module.session(cipher, key, mac=mac, mackey=b"k" if mac in KEYED else b"")
    for size in (0, 16, 4096, 65536):
        text = chance.randbytes(size)
        hidden = twin_module.crypt(ses, Op.ENCRYPT, text, iv=bytes(16))
        seen = twin_module.crypt(ses, Op.DECRYPT, hidden.dst or b"", iv=bytes(16), in_place=True)
        assert (seen.dst or text, seen.mac) == (text, hidden.mac)
    streamed(twin_module, ses, [chance.randbytes(size) for size in (48, 8000, 16)])


def test_nowhere_to_put_a_digest(twin_module):
    """A digest that is due and has no place is EFAULT; one that is not due needs none."""
    ses = twin_module.session(0, mac=Mac.SHA1)
    for place in Pointer:
        assert twin_module.crypt(ses, Op.ENCRYPT, b"abc", mac=place).errno == errno.EFAULT
        assert twin_module.crypt(ses, Op.ENCRYPT, b"abc", flags=CopFlag.UPDATE, mac=place).errno == 0
    both = twin_module.session(Cipher.AES_CBC, bytes(16), mac=Mac.SHA1)
    assert twin_module.crypt(both, Op.ENCRYPT, bytes(32), iv=bytes(16), mac=Pointer.BAD).errno == errno.EFAULT
    twin_module.crypt(both, Op.ENCRYPT, bytes(32))


def test_a_hash_has_no_destination(twin_module):
    """A session without cipher looks at neither destination nor IV, whatever they are."""
    ses = twin_module.session(0, mac=Mac.SHA1)
    for pointer in Pointer:
        answer = twin_module.crypt(ses, Op.DECRYPT, b"abc", dst=pointer, iv=pointer)
        assert answer.mac == bytes.fromhex(OF_ABC[Mac.SHA1])
    assert twin_module.crypt(ses, 2, b"abc").errno == errno.EINVAL
    for pointer in Pointer:
        assert twin_module.crypt(ses, Op.ENCRYPT, pointer, length=3).errno == errno.EFAULT
        assert twin_module.crypt(ses, Op.ENCRYPT, pointer, length=70000).errno == errno.EFAULT


def test_keys_of_a_hash(twin_module):
    """A key of up to 512 bytes, none too; longer is EINVAL before it is read; a bad pointer is EFAULT."""
    for length in (0, 1, 64, 65, 128, 129, 511, 512):
        ses = twin_module.session(0, mac=Mac.SHA2_512_HMAC, mackey=bytes(length))
        twin_module.crypt(ses, Op.ENCRYPT, b"abc")
    for key in (bytes(16), *Pointer):
        for length in (513, 0x7FFFFFFF, 0xFFFFFFFF):
            answer = twin_module.gsession(0, mac=Mac.SHA1_HMAC, mackey=key, mackeylen=length)
            assert answer.errno == errno.EINVAL
    for length in (1, 512):
        answer = twin_module.gsession(0, mac=Mac.SHA1_HMAC, mackey=Pointer.BAD, mackeylen=length)
        assert answer.errno == errno.EFAULT
        twin_module.gsession(0, mac=Mac.SHA1, mackey=Pointer.BAD, mackeylen=length)
        twin_module.gsession(0, mac=Mac.SHA1_HMAC, mackey=Pointer.NULL, mackeylen=length)
    twin_module.gsession(0, mac=Mac.MD5, mackeylen=513)
