# SPDX-License-Identifier: GPL-2.0-or-later
"""Every algorithm against answers that others published: NIST's validation program, and the RFCs.

The files are large: of each, a bounded number of records is taken, from its beginning on.
"""

from __future__ import annotations

import errno
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from harness.reference import vectors
from harness.reference.abi import Cipher, CopFlag, Mac, Op
from harness.reference.session import Answer, OpenFile
from tests.reference.cavp import FAILS, blob, records

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("cryptography_vectors")

SES = 3
AES, DES = "ciphers/AES", "ciphers/3DES/CBC"
ECB_AND_CBC = ["GFSbox", "KeySbox", "VarKey", "VarTxt", "MMT"]


def session(cipher: int = 0, key: bytes = b"", mac: int = 0, mackey: bytes = b"") -> OpenFile:
    file = OpenFile()
    assert file.gsession(cipher, key, mac=mac, mackey=mackey, ses=SES).errno == 0
    return file


def both_ways(cipher: Cipher, key: bytes, iv: bytes, plain: bytes, ciphertext: bytes) -> None:
    """Encryption gives one, decryption the other, and so they do cut in two."""
    file = session(cipher, key)
    cut = len(plain) // 2 // 16 * 16
    if cipher is Cipher.AES_XTS:
        cut = 0
    for op, source, result in ((Op.ENCRYPT, plain, ciphertext), (Op.DECRYPT, ciphertext, plain)):
        assert file.crypt(SES, op, source, iv=iv).dst == result
        first = file.crypt(SES, op, source[:cut], iv=iv).dst or b""
        assert first + (file.crypt(SES, op, source[cut:]).dst or b"") == result


@pytest.mark.parametrize(
    ("cipher", "known"),
    [
        (Cipher.AES_ECB, vectors.ECB),
        (Cipher.AES_CBC, vectors.CBC),
        (Cipher.AES_CTR, vectors.CTR),
        (Cipher.AES_XTS, vectors.XTS),
    ],
)
def test_what_is_in_the_standards_themselves(cipher: Cipher, known: tuple[vectors.Vector, ...]) -> None:
    assert len(known) == 6
    for vector in known:
        answer = session(cipher, vector.key).crypt(SES, vector.op, vector.source, iv=vector.iv)
        assert answer == Answer(0, dst=vector.result), vector.name


@pytest.mark.parametrize("bits", [128, 192, 256])
@pytest.mark.parametrize("kind", ECB_AND_CBC)
@pytest.mark.parametrize(("mode", "cipher"), [("CBC", Cipher.AES_CBC), ("ECB", Cipher.AES_ECB)])
def test_aes_cbc_and_ecb(mode: str, cipher: Cipher, kind: str, bits: int) -> None:
    seen = 0
    for record in islice(records(f"{AES}/{mode}/{mode}{kind}{bits}.rsp"), 12):
        iv = blob(record, "iv") if mode == "CBC" else b""
        both_ways(cipher, blob(record, "key"), iv, blob(record, "plaintext"), blob(record, "ciphertext"))
        seen += 1
    assert seen >= 10


@pytest.mark.parametrize("bits", [128, 192, 256])
def test_aes_ctr(bits: int) -> None:
    """RFC 3686; its third vector ends within a block."""
    found = list(records(f"{AES}/CTR/aes-{bits}-ctr.txt"))
    assert [len(blob(record, "plaintext")) for record in found] == [16, 32, 36]
    for record in found:
        both_ways(Cipher.AES_CTR, *(blob(record, name) for name in ("key", "iv", "plaintext", "ciphertext")))


@pytest.mark.parametrize("bits", [128, 256])
def test_aes_xts(bits: int) -> None:
    """Data units of whole blocks; /dev/crypto has no others, and says so."""
    whole = torn = 0
    for record in islice(records(f"{AES}/XTS/tweak-128hexstr/XTSGenAES{bits}.rsp"), 400):
        key, iv, plain, ciphertext = (blob(record, name) for name in ("key", "i", "pt", "ct"))
        if int(record["dataunitlen"]) % 8:
            continue  # the last byte of these is torn
        if len(plain) % 16:
            assert session(Cipher.AES_XTS, key).crypt(SES, 0, plain, iv=iv) == Answer(errno.EINVAL)
            torn += 1
        else:
            both_ways(Cipher.AES_XTS, key, iv, plain, ciphertext)
            whole += 1
    assert whole >= 100
    assert torn or bits == 256  # which has none that are torn between bytes


@pytest.mark.parametrize("kind", ["MMT1", "MMT2", "MMT3", "varkey", "vartext", "permop", "subtab", "invperm"])
def test_triple_des(kind: str) -> None:
    """With three keys, two, and one three times."""
    seen = 0
    for record in islice(records(f"{DES}/TCBC{kind}.rsp"), 12):
        keys = ("key1", "key2", "key3") if "key1" in record else ("keys",) * 3
        both_ways(
            Cipher.DES3_CBC,
            blob(record, *keys),
            *(blob(record, name) for name in ("iv", "plaintext", "ciphertext")),
        )
        seen += 1
    assert seen >= 10


def gcm_records(name: str) -> Iterator[dict[str, str]]:
    """Some of all lengths of plaintext, AAD and tag, with the one length of IV that there is."""
    count: dict[tuple[str, ...], int] = {}
    for record in islice(records(f"{AES}/GCM/{name}.rsp"), 2800):
        kind = tuple(record[field] for field in ("ivlen", "ptlen", "aadlen", "taglen"))
        count[kind] = count.get(kind, 0) + 1
        if record["ivlen"] == "96" and count[kind] <= 2:
            yield record


@pytest.mark.parametrize("bits", [128, 192, 256])
def test_aes_gcm_encryption(bits: int) -> None:
    tags = set()
    for record in gcm_records(f"gcmEncryptExtIV{bits}"):
        key, iv, plain, aad, sealed = (
            blob(record, *names) for names in (["key"], ["iv"], ["pt"], ["aad"], ["ct", "tag"])
        )
        tag = int(record["taglen"]) // 8
        tags.add(tag)
        file = session(Cipher.AES_GCM, key)
        answer = file.authcrypt(SES, Op.ENCRYPT, plain, auth=aad, iv=iv, tag_len=tag)
        assert answer == Answer(0, dst=sealed, length=len(sealed))
        answer = file.authcrypt(SES, Op.DECRYPT, sealed, auth=aad, iv=iv, tag_len=tag)
        assert answer == Answer(0, dst=plain or None, length=len(plain))
    assert tags == {4, 8, 12, 13, 14, 15, 16}


@pytest.mark.parametrize("bits", [128, 192, 256])
def test_aes_gcm_decryption(bits: int) -> None:
    """Half of these were changed on their way: EBADMSG, and nothing is given out."""
    verdicts = []
    for record in gcm_records(f"gcmDecrypt{bits}"):
        key, iv, aad, sealed = (blob(record, *names) for names in (["key"], ["iv"], ["aad"], ["ct", "tag"]))
        tag = int(record["taglen"]) // 8
        answer = session(Cipher.AES_GCM, key).authcrypt(
            SES, Op.DECRYPT, sealed, auth=aad, iv=iv, tag_len=tag
        )  # fmt: skip
        verdicts.append(FAILS in record)
        if FAILS in record:
            assert answer == Answer(errno.EBADMSG)
        else:
            assert answer == Answer(0, dst=blob(record, "pt") or None, length=len(sealed) - tag)
    assert verdicts.count(True) > 20
    assert verdicts.count(False) > 20


@pytest.mark.parametrize(
    ("mac", "path", "most"),
    [
        (Mac.MD5, "hashes/MD5/rfc-1321.txt", 10),
        (Mac.SHA1, "hashes/SHA1/SHA1ShortMsg.rsp", 70),
        (Mac.SHA1, "hashes/SHA1/SHA1LongMsg.rsp", 6),
        (Mac.SHA2_224, "hashes/SHA2/SHA224ShortMsg.rsp", 70),
        (Mac.SHA2_224, "hashes/SHA2/SHA224LongMsg.rsp", 6),
        (Mac.SHA2_256, "hashes/SHA2/SHA256ShortMsg.rsp", 70),
        (Mac.SHA2_256, "hashes/SHA2/SHA256LongMsg.rsp", 6),
        (Mac.SHA2_384, "hashes/SHA2/SHA384ShortMsg.rsp", 130),
        (Mac.SHA2_384, "hashes/SHA2/SHA384LongMsg.rsp", 6),
        (Mac.SHA2_512, "hashes/SHA2/SHA512ShortMsg.rsp", 130),
        (Mac.SHA2_512, "hashes/SHA2/SHA512LongMsg.rsp", 6),
    ],
    ids=str,
)
def test_hashes(mac: Mac, path: str, most: int) -> None:
    """In one call, and in three."""
    file, seen = session(mac=mac), 0
    for record in islice(records(path), most):
        data, digest = blob(record, "msg")[: int(record["len"]) // 8], blob(record, "md")
        assert file.crypt(SES, 0, data) == Answer(0, mac=digest)
        if len(data) > 2:
            assert file.crypt(SES, 0, data[:1], flags=CopFlag.UPDATE | CopFlag.RESET) == Answer(0)
            assert file.crypt(SES, 0, data[1:-1], flags=CopFlag.UPDATE) == Answer(0)
            assert file.crypt(SES, 0, data[-1:], flags=CopFlag.FINAL) == Answer(0, mac=digest)
        seen += 1
    assert seen >= 6


@pytest.mark.parametrize(
    ("mac", "path"),
    [
        (Mac.MD5_HMAC, "rfc-2202-md5"),
        (Mac.SHA1_HMAC, "rfc-2202-sha1"),
        (Mac.SHA2_224_HMAC, "rfc-4231-sha224"),
        (Mac.SHA2_256_HMAC, "rfc-4231-sha256"),
        (Mac.SHA2_384_HMAC, "rfc-4231-sha384"),
        (Mac.SHA2_512_HMAC, "rfc-4231-sha512"),
    ],
)
def test_keyed_hashes(mac: Mac, path: str) -> None:
    """Some of the keys are longer than a block of the hash."""
    lengths = set()
    for record in records(f"HMAC/{path}.txt"):
        key, data, digest = (blob(record, name) for name in ("key", "msg", "md"))
        assert session(mac=mac, mackey=key).crypt(SES, 0, data) == Answer(0, mac=digest)
        lengths.add(len(key))
    assert max(lengths) > 64 > min(lengths)


@pytest.mark.parametrize(
    ("mac", "one", "two"),
    [
        (
            Mac.SHA1,
            "a9993e364706816aba3e25717850c26c9cd0d89d",
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
        ),
        (
            Mac.SHA2_224,
            "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
            "75388b16512776cc5dba5da1fd890150b0c6455cb4f58b1952522525",
        ),
        (
            Mac.SHA2_256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
    ],
    ids=str,
)
def test_the_examples_of_fips_180(mac: Mac, one: str, two: str) -> None:
    """Its messages of one block and of two."""
    file = session(mac=mac)
    assert file.crypt(SES, 0, b"abc").mac == bytes.fromhex(one)
    text = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"
    assert file.crypt(SES, 0, text).mac == bytes.fromhex(two)
