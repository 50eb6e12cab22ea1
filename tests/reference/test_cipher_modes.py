# SPDX-License-Identifier: GPL-2.0-or-later
"""Each mode against its definition over single blocks, and the IV that each leaves for the next call."""

import errno
from typing import Any

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher as Primitive
from cryptography.hazmat.primitives.ciphers import algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from harness.reference.abi import Cipher, CopFlag, Mac, Op
from harness.reference.algorithms import ALGORITHMS, Sizes, session_sizes
from harness.reference.cipher import aes_xts, following_iv, transform
from harness.reference.session import Answer, OpenFile, Pointer

EINVAL = errno.EINVAL
SES = 3
KEY = bytes(range(64))
IV = bytes(range(100, 116))
DATA = bytes(range(256)) * 3
KEYS = {each: KEY[: min(ALGORITHMS[each].key_bytes)] for each in Cipher}
PLAIN = [each for each in Cipher if each is not Cipher.AES_GCM]
IVS = [each for each in PLAIN if ALGORITHMS[each].iv_bytes]


def aes(key: bytes, block: bytes) -> bytes:
    return Primitive(algorithms.AES(key), modes.ECB()).encryptor().update(block)  # noqa: S305 -- one block


def opened(cipher: Cipher, mac: int = 0) -> OpenFile:
    file = OpenFile()
    assert file.gsession(cipher, KEYS[cipher], mac=mac, ses=SES).errno == 0
    return file


def xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=False))


# ---- modes ----


@given(st.sampled_from([16, 24, 32]), st.binary(min_size=16, max_size=16), st.binary(max_size=100))
def test_ctr_is_what_its_definition_says(size: int, counter: bytes, data: bytes) -> None:
    """SP 800-38A 6.5, with the standard incrementing function on all 128 bits (appendix B.1)."""
    expected, number = b"", int.from_bytes(counter)
    for at in range(0, len(data), 16):
        expected += xor(data[at : at + 16], aes(KEY[:size], number.to_bytes(16)))
        number = (number + 1) % 2**128
    for op in Op:
        assert transform(Cipher.AES_CTR, op, KEY[:size], counter, data) == expected
        assert following_iv(Cipher.AES_CTR, op, counter, data, expected) == number.to_bytes(16)


@pytest.mark.parametrize(
    ("counter", "blocks", "after"),
    [
        ("ff" * 16, 1, "00" * 16),
        ("ff" * 16, 3, "00" * 15 + "02"),
        ("00" * 8 + "ff" * 8, 1, "00" * 7 + "01" + "00" * 8),
        ("00" * 12 + "ffffffff", 2, "00" * 11 + "01" + "00000001"),
        ("00" * 15 + "ff", 257, "00" * 14 + "0200"),
    ],
)
def test_the_counter_carries_over_all_its_bytes(counter: str, blocks: int, after: str) -> None:
    """Across 8, 32, 64 bits and around at 128: the same by one call and by single ones, whole or torn."""
    start = bytes.fromhex(counter)
    file, single = opened(Cipher.AES_CTR), opened(Cipher.AES_CTR)
    single.crypt(SES, 0, b"", iv=start)
    data = bytes(16 * blocks)
    whole = file.crypt(SES, 0, data, iv=start, flags=CopFlag.WRITE_IV)
    assert whole.iv == bytes.fromhex(after)
    assert whole.dst == b"".join(single.crypt(SES, 0, bytes(16)).dst or b"" for _ in range(blocks))
    assert file.crypt(SES, 0, data[:-15], iv=start, flags=CopFlag.WRITE_IV).iv == bytes.fromhex(after)


def test_the_rest_of_a_counter_block_is_not_used() -> None:
    """A call that ends within a block takes the whole counter: the next one begins with the next."""
    file = opened(Cipher.AES_CTR)
    stream = xor(file.crypt(SES, 0, bytes(64), iv=IV).dst or b"", bytes(64))
    assert file.crypt(SES, 0, bytes(5), iv=IV).dst == stream[:5]
    assert file.crypt(SES, 0, bytes(17)).dst == stream[16:33]
    assert file.crypt(SES, 0, bytes(16)).dst == stream[48:64]


@given(
    st.sampled_from(Op),
    st.sampled_from([32, 64]).flatmap(lambda n: st.binary(min_size=n, max_size=n)),
    st.binary(min_size=16, max_size=16),
    st.integers(1, 9).flatmap(lambda n: st.binary(min_size=16 * n, max_size=16 * n)),
)
def test_xts_is_what_another_implementation_gives(op: Op, key: bytes, iv: bytes, data: bytes) -> None:
    if key[: len(key) // 2] == key[len(key) // 2 :]:
        return  # which that one does not take
    other = Primitive(algorithms.AES(key), modes.XTS(iv))
    context = other.encryptor() if op is Op.ENCRYPT else other.decryptor()
    assert aes_xts(op, key, iv, data) == context.update(data)


def test_xts_with_keys_that_other_implementations_refuse() -> None:
    """48 bytes, and equal halves: by IEEE 1619, 5.3.1, block by block."""
    for key in (KEY[:48], KEY[:16] * 2, KEY[:24] * 2):
        half, tweak, expected = len(key) // 2, 0, b""
        for at in range(0, 64, 16):
            if at == 0:
                tweak = int.from_bytes(aes(key[half:], IV), "little")
            mask = tweak.to_bytes(16, "little")
            expected += xor(aes(key[:half], xor(DATA[at : at + 16], mask)), mask)
            tweak = (tweak << 1) ^ (1 << 128 | 0x87) if tweak >> 127 else tweak << 1
        file = OpenFile()
        file.gsession(Cipher.AES_XTS, key, ses=SES)
        assert file.crypt(SES, 0, DATA[:64], iv=IV).dst == expected
        assert file.crypt(SES, 1, expected, iv=IV).dst == DATA[:64]


def test_triple_des_chains_as_cbc_says() -> None:
    single = Primitive(TripleDES(KEY[:24]), modes.ECB())  # noqa: S305 -- one block
    before, expected = IV[:8], b""
    for at in range(0, 64, 8):
        before = single.encryptor().update(xor(DATA[at : at + 8], before))
        expected += before
    assert opened(Cipher.DES3_CBC).crypt(SES, 0, DATA[:64], iv=IV[:8]).dst == expected


def test_the_null_cipher_changes_nothing() -> None:
    for op in Op:
        for length in (1, 15, 16, 700):
            assert opened(Cipher.NULL).crypt(SES, op, DATA[:length]) == Answer(0, dst=DATA[:length])


def test_a_list_of_modes_without_an_aead_one() -> None:
    with pytest.raises(ValueError, match="more than it takes"):
        transform(Cipher.AES_GCM, 0, KEY[:16], IV[:12], DATA)


# ---- the IV ----


@pytest.mark.parametrize("cipher", [Cipher.AES_CBC, Cipher.AES_CTR, Cipher.DES3_CBC])
def test_a_long_chain_without_ivs_is_one_call(cipher: Cipher) -> None:
    """Hundreds of calls that go on from each other, both ways."""
    block = 16 if cipher is Cipher.AES_CTR else ALGORITHMS[cipher].block
    iv = IV[: ALGORITHMS[cipher].iv_bytes]
    whole = opened(cipher).crypt(SES, 0, DATA * 8, iv=iv).dst
    assert whole is not None
    for op, source, result in ((Op.ENCRYPT, DATA * 8, whole), (Op.DECRYPT, whole, DATA * 8)):
        file, out = opened(cipher), b""
        assert file.crypt(SES, op, b"", iv=iv).errno == 0
        at = 0
        while at < len(source):
            step = block * (1 + at // block % 3)
            out += file.crypt(SES, op, source[at : at + step]).dst or b""
            at += step
        assert out == result


@pytest.mark.parametrize("cipher", IVS)
def test_write_iv_gives_what_the_next_call_would_begin_with(cipher: Cipher) -> None:
    size = ALGORITHMS[cipher].iv_bytes
    for op in Op:
        file = opened(cipher)
        first = file.crypt(SES, op, DATA[:48], iv=IV[:size], flags=CopFlag.WRITE_IV)
        assert first.iv is not None
        assert len(first.iv) == size
        going_on = file.crypt(SES, op, DATA[48:96])
        assert going_on == opened(cipher).crypt(SES, op, DATA[48:96], iv=first.iv)


@pytest.mark.parametrize("cipher", IVS)
def test_the_first_iv_is_zeros(cipher: Cipher) -> None:
    size = ALGORITHMS[cipher].iv_bytes
    assert opened(cipher).crypt(SES, 0, DATA[:16]) == opened(cipher).crypt(SES, 0, DATA[:16], iv=bytes(size))


def test_xts_stays_in_its_data_unit() -> None:
    """A call without an IV is of the same data unit again, from its beginning."""
    file = opened(Cipher.AES_XTS)
    first = file.crypt(SES, 0, DATA[:32], iv=IV, flags=CopFlag.WRITE_IV)
    assert first.iv == IV
    assert file.crypt(SES, 0, DATA[:32]).dst == first.dst


@pytest.mark.parametrize("cipher", [Cipher.AES_ECB, Cipher.NULL])
def test_a_cipher_without_an_iv_reads_and_writes_none(cipher: Cipher) -> None:
    for iv in (IV, b"", Pointer.BAD):
        answer = opened(cipher).crypt(SES, 0, DATA[:32], iv=iv, flags=CopFlag.WRITE_IV)
        assert (answer.errno, answer.iv) == (0, None)


def test_only_the_bytes_of_an_iv_are_read() -> None:
    """8 of 3DES; the model would complain about fewer."""
    assert opened(Cipher.DES3_CBC).crypt(SES, 0, DATA[:8], iv=IV).errno == 0
    with pytest.raises(ValueError, match="7 bytes where the call reads 8"):
        opened(Cipher.DES3_CBC).crypt(SES, 0, DATA[:8], iv=IV[:7])


# ---- lengths ----


@pytest.mark.parametrize("cipher", PLAIN)
@pytest.mark.parametrize("op", Op)
def test_lengths_are_whole_blocks(cipher: Cipher, op: Op) -> None:
    """Streams take any; nothing is taken by all; XTS has no torn data units, and none below a block."""
    for length in range(49):
        answer = opened(cipher).crypt(SES, op, DATA[:length], iv=IV)
        expected = 0 if length % ALGORITHMS[cipher].block == 0 else EINVAL
        assert answer.errno == expected, length
        assert len(answer.dst or b"") == (0 if expected else length)


@pytest.mark.parametrize(
    "asked", [{}, {"src": b""}, {"src": Pointer.BAD, "length": 16}, {"dst": Pointer.BAD}], ids=str
)
def test_an_aead_cipher_is_not_for_ciocrypt(asked: dict[str, Any]) -> None:
    """The kernel would write a tag behind the destination: EINVAL, and the IV is not taken."""
    file = opened(Cipher.AES_GCM)
    call = {"src": DATA[:16], "iv": IV, **asked}
    assert file.crypt(SES, 0, **call) == Answer(EINVAL)
    assert file.crypt(SES, 0, b"", iv=Pointer.BAD) == Answer(errno.EFAULT)
    with_zeros = opened(Cipher.AES_GCM).authcrypt(SES, 0, b"x", iv=bytes(12))
    assert file.authcrypt(SES, 0, b"x") == with_zeros


# ---- the table ----


def test_the_kernels_names() -> None:
    assert {int(number): each.name for number, each in ALGORITHMS.items()} == {
        2: "cbc(des3_ede)",
        11: "cbc(aes)",
        21: "ctr(aes)",
        22: "xts(aes)",
        23: "ecb(aes)",
        50: "gcm(aes)",
        16: "ecb(cipher_null)",
        13: "md5",
        6: "hmac(md5)",
        14: "sha1",
        7: "hmac(sha1)",
        103: "sha224",
        107: "hmac(sha224)",
        104: "sha256",
        18: "hmac(sha256)",
        105: "sha384",
        19: "hmac(sha384)",
        106: "sha512",
        20: "hmac(sha512)",
    }
    assert set(ALGORITHMS) == {*Cipher, *Mac}


@pytest.mark.parametrize(
    ("cipher", "mac", "sizes"),
    [
        (11, 0, (16, 16, 0, 0)),
        (21, 0, (1, 16, 0, 0)),
        (22, 0, (16, 16, 0, 0)),
        (23, 0, (16, 0, 0, 0)),
        (2, 0, (8, 8, 0, 0)),
        (16, 0, (1, 0, 0, 0)),
        (50, 0, (1, 12, 0, 16)),
        (0, 13, (1, 0, 16, 0)),
        (0, 14, (1, 0, 20, 0)),
        (0, 107, (1, 0, 28, 0)),
        (0, 104, (1, 0, 32, 0)),
        (0, 19, (1, 0, 48, 0)),
        (0, 20, (1, 0, 64, 0)),
        (11, 7, (16, 16, 20, 0)),
        (50, 18, (1, 12, 0, 16)),
    ],
)
def test_sizes_of_sessions(cipher: int, mac: int, sizes: tuple[int, int, int, int]) -> None:
    assert session_sizes(cipher, mac) == Sizes(*sizes)


@pytest.mark.parametrize(("cipher", "mac"), [(0, 0), (7, 0), (0, 11), (1234, 0), (11, 1234)])
def test_sizes_of_no_session(cipher: int, mac: int) -> None:
    with pytest.raises(ValueError, match="no session"):
        session_sizes(cipher, mac)


@pytest.mark.parametrize(
    ("cipher", "mac", "names"),
    [
        (Cipher.AES_XTS, 0, ("xts(aes)", None)),
        (0, Mac.SHA2_384_HMAC, (None, "hmac(sha384)")),
        (Cipher.NULL, Mac.MD5, ("ecb(cipher_null)", "md5")),
        (Cipher.AES_GCM, Mac.SHA1, ("gcm(aes)", None)),
    ],
)
def test_session_info(cipher: int, mac: int, names: tuple[str | None, str | None]) -> None:
    file = OpenFile()
    file.gsession(cipher, KEYS[Cipher(cipher)] if cipher else b"", mac=mac, ses=SES)
    info = file.sessinfo(SES).info
    assert info is not None
    assert (info.cipher, info.mac, info.flags) == (*names, 0)
    assert file.sessinfo(SES + 1) == Answer(EINVAL)
