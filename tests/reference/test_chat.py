# SPDX-License-Identifier: GPL-2.0-or-later
"""The chat's frames, what a terminal shows of them, and whose turn it is."""

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from harness import reference
from harness.reference import chat
from harness.reference.chat import End, Turns

lines = st.text(st.characters(exclude_characters="\n\0", exclude_categories=["Cs"]), max_size=700)


def test_it_reads_as_prose() -> None:
    assert len(reference.chat.frame("hi")) == 257


def test_constants() -> None:
    assert (chat.PORT, chat.MESSAGE_BYTES, chat.FRAME_BYTES) == (35001, 256, 257)
    assert (chat.KEY.hex(), chat.IV.hex()) == ("68656c6c" * 4, "6c6c6568" * 4)


def test_known_first_bytes() -> None:
    """Sixteen bytes of 0x07 begin with the published bytes of ciphertext."""
    assert chat.frame(b"\x07" * 16)[:4].hex(" ") == "35 83 31 09"


def test_a_frame_byte_by_byte() -> None:
    """Text and newline, zeros up to 256, encrypted whole under the fixed key and IV, one newline in clear."""
    clear = b"hi\n" + bytes(253)
    encryptor = Cipher(algorithms.AES(b"hell" * 4), modes.CBC(b"lleh" * 4)).encryptor()
    assert chat.frame("hi\n") == encryptor.update(clear) + b"\n"
    assert chat.frame("hi\n", plain=True) == clear + b"\n"
    assert chat.frame(b"hi\n") == chat.frame("hi\n")


def test_the_frame_of_greek_text() -> None:
    """Text travels as UTF-8."""
    assert chat.frame("καλη\n", plain=True)[:9] == bytes.fromhex("ceba ceb1 cebb ceb7 0a")


def test_a_frame_has_room_for_256_bytes() -> None:
    assert chat.frame(b"x" * 256, plain=True) == b"x" * 256 + b"\n"
    with pytest.raises(ValueError, match="at most 256 bytes, not 257"):
        chat.frame("x" * 257)
    with pytest.raises(ValueError, match="not 258"):
        chat.frame("έ" * 129)


@pytest.mark.parametrize("plain", [False, True])
def test_unframe_takes_off_padding_and_newline(plain: bool) -> None:
    assert chat.unframe(chat.frame("καλημέρα\n", plain=plain), plain=plain) == "καλημέρα\n".encode()


def test_unframe_of_known_bytes() -> None:
    assert chat.unframe(b"hey\n" + bytes(252) + b"\n", plain=True) == b"hey\n"
    encryptor = Cipher(algorithms.AES(b"hell" * 4), modes.CBC(b"lleh" * 4)).encryptor()
    assert chat.unframe(encryptor.update(b"hey\n" + bytes(252)) + b"\n") == b"hey\n"


@pytest.mark.parametrize("data", [b"", b"\n" * 256, b"\n" * 258, b"\n" * 256 + b"\0"])
@pytest.mark.parametrize("plain", [False, True])
def test_unframe_refuses_what_is_no_frame(data: bytes, plain: bool) -> None:
    with pytest.raises(ValueError, match="257 bytes"):
        chat.unframe(data, plain=plain)


@pytest.mark.parametrize(
    ("text", "lengths"),
    [
        ("", [1]),
        ("a", [2]),
        ("a" * 255, [256]),
        ("a" * 256, [256, 2]),
        ("a" * 510, [256, 256]),
        ("έ" * 128, [255, 3]),  # two bytes each: 127 of them make 254
        ("a" + "έ" * 128, [256, 3]),
        ("€" * 86, [256, 4]),  # three bytes each: 85 of them make 255
        ("a" + "€" * 85, [254 - 1 + 1, 4]),
        ("😀" * 64, [253, 5]),  # four bytes each: 63 of them make 252
    ],
)
def test_lengths_of_messages(text: str, lengths: list[int]) -> None:
    assert [len(message) for message in chat.messages(text)] == lengths


@given(lines)
def test_a_line_survives_its_cutting(text: str) -> None:
    """Joined again it is the line; each piece fits, is UTF-8 by itself, and is as long as it can be."""
    found = chat.messages(text)
    assert b"".join(message[:-1] for message in found).decode() == text
    for message, following in zip(found, [*found[1:], None], strict=True):
        assert message.endswith(b"\n")
        assert message.count(b"\n") == 1
        assert len(message) <= 256
        message.decode()
        if following is not None:
            character = following.decode()[0].encode()
            assert len(message) - 1 + len(character) > 255


def test_two_lines_are_not_one_line() -> None:
    with pytest.raises(ValueError, match="one line"):
        chat.messages("two\nlines")


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (b"hello\n", "hello"),
        (b"hello\nand more", "hello"),
        (b"no end", "no end"),
        (b"cut\0off\n", "cut"),
        (b"\n", ""),
        (b"", ""),
        ("καλημέρα €😀\n".encode(), "καλημέρα €😀"),
        (b"\x1b[2J\n", "\\x1b[2J"),
        (b"a\rb\tc\x7f\n", "a\\x0db\\x09c\\x7f"),
        (b"\x01\x1f \n", "\\x01\\x1f "),
        ("\x9b2J\n".encode(), "\\xc2\\x9b2J"),  # CSI as one character of the C1 set
        (b"\xff\xce\n", "\\xff\\xce"),
        (b"\xc0\x9b\n", "\\xc0\\x9b"),  # an overlong escape
        (b"\xed\xa0\x80\n", "\\xed\\xa0\\x80"),  # a surrogate
    ],
)
def test_what_a_terminal_shows(message: bytes, shown: str) -> None:
    assert chat.displayed(message) == shown


@given(st.binary(max_size=256))
def test_nothing_a_peer_sends_can_drive_the_terminal(message: bytes) -> None:
    shown = chat.displayed(message)
    assert not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in shown)
    shown.encode()


def test_the_client_begins_and_turns_alternate() -> None:
    turns = Turns()
    assert (turns.speaker, turns.over) == (End.CLIENT, False)
    turns, sent = turns.says(End.CLIENT, "hello")
    assert sent == chat.frame("hello\n")
    assert turns == Turns(End.SERVER)
    turns, sent = turns.says(End.SERVER, "yes?", plain=True)
    assert sent == b"yes?\n" + bytes(251) + b"\n"
    assert turns == Turns(End.CLIENT)


@pytest.mark.parametrize("speaker", End)
def test_nobody_speaks_out_of_turn(speaker: End) -> None:
    with pytest.raises(ValueError, match=f"not the turn of the {speaker.other}"):
        Turns(speaker).says(speaker.other, "hello")


@pytest.mark.parametrize("speaker", End)
def test_bye_sends_nothing_and_ends(speaker: End) -> None:
    turns, sent = Turns(speaker).says(speaker, "bye")
    assert sent == b""
    assert turns.over
    for end in End:
        with pytest.raises(ValueError, match="turn"):
            turns.says(end, "still there?")


@pytest.mark.parametrize("line", ["bye ", "Bye", "goodbye", "", "bye bye"])
def test_only_the_word_bye_ends(line: str) -> None:
    turns, sent = Turns().says(End.CLIENT, line)
    assert not turns.over
    assert sent == chat.frame(f"{line}\n")


def test_a_turn_has_one_message() -> None:
    """A long line is said in parts; one part at its longest fits."""
    assert len(Turns().says(End.CLIENT, "x" * 255)[1]) == 257
    with pytest.raises(ValueError, match="takes 2 messages"):
        Turns().says(End.CLIENT, "x" * 256)
    with pytest.raises(ValueError, match="one line"):
        Turns().says(End.CLIENT, "x\ny")


@pytest.mark.parametrize(
    ("frames", "difference"),
    [
        ([chat.frame("a\n")], ""),
        ([], "0 frames for 1 messages"),
        ([chat.frame("b\n")], "frame 0: byte 0 of its message is 0x62 and not 0x61"),
        ([chat.frame("a\n\0\0 ")], "frame 0: byte 4 of its message is 0x20 and not 0x00"),
        ([chat.frame("a\n", plain=True)], r"frame 0 carries its message unencrypted: b'a\n'"),
        ([b"short\n"], "frame 0 has 6 bytes and not 257, or no newline at its end"),
    ],
)
def test_a_difference_is_told_by_its_byte(frames: list[bytes], difference: str) -> None:
    assert chat.difference(frames, ["a\n"]) == difference


def test_a_difference_of_plain_frames() -> None:
    assert chat.difference([chat.frame("b\n", plain=True)], ["a\n"], plain=True) == (
        "frame 0: byte 0 of its message is 0x62 and not 0x61"
    )
