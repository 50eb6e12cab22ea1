# SPDX-License-Identifier: GPL-2.0-or-later
"""What is required of any chat, whoever wrote it, in the words and frames of its own specification."""

from __future__ import annotations

import pytest

ENDS = ("client", "server")
PRIVATE = "a hidden text"
NEWLINE = ord("\n")
PIECES = pytest.mark.parametrize(
    "wishes", [{"cut_behind": NEWLINE}, {"at_most": 1}], ids=["cut", "one by one"]
)


def ends(chat, first):
    return (chat.client, chat.server) if first == "client" else (chat.server, chat.client)


def both_ways(chat, texts):
    """Let the client say the first text, the server the second, and so on; return what was said."""
    said = []
    for number, text in enumerate(texts):
        speaker, listener = ends(chat, ENDS[number % 2])
        speaker.say(text)
        assert listener.heard() == text, f"what the {speaker.name} said is not what the {listener.name} shows"
        said.append(f"{text}\n")
    return said


@pytest.mark.requirement("plain chat")
def test_each_hears_the_other(sut_chat, otherwise):
    """What is typed at one end is shown at the other, three turns each way."""
    with otherwise("the two programs do not carry a conversation both ways"):
        both_ways(sut_chat, [f"this is turn {turn}" for turn in range(6)])


@pytest.mark.requirement("plain chat")
@pytest.mark.parametrize("leaver", ENDS)
def test_a_farewell_ends_both(sut_chat, otherwise, leaver):
    """The farewell at either prompt ends both programs, and is not sent."""
    texts = ["hello"] if leaver == "server" else ["hello", "hello yourself"]
    speaker, listener = ends(sut_chat, leaver)
    with otherwise("the two programs do not carry a conversation"):
        said = both_ways(sut_chat, texts)
    with otherwise(f"the farewell does not end the {leaver}, which has said it"):
        speaker.leave()
        assert 0 <= speaker.left() < 128, "a signal ended it"
    with otherwise(f"the {listener.name} does not notice that the {leaver} has left"):
        assert 0 <= listener.left() < 128, "a signal ended it"
    assert len(sut_chat.wire.frames) == len(said), "more was sent than was said"


@pytest.mark.requirement("plain chat")
def test_frames(sut_chat, chat_spec, otherwise):
    """Each message is one frame of the specification's length and end; of a plain chat, byte for byte."""
    with otherwise("the two programs do not carry a conversation both ways"):
        said = both_ways(sut_chat, ["a", "bb", "ccc", "dddd"])
    frames = sut_chat.wire.frames
    sizes = [len(frame) for frame in frames]
    assert sizes == [chat_spec.frame_bytes] * 4, "frames of other sizes than said, or more or fewer of them"
    for number, (text, frame) in enumerate(zip(said, frames, strict=True)):
        end = frame[chat_spec.message_bytes :]
        assert end == chat_spec.trailer, f"frame {number} ends with {end!r}, not with {chat_spec.trailer!r}"
        right = chat_spec.encrypted or frame == chat_spec.frame(text)
        assert right, _difference(chat_spec, text, frame, number)


@pytest.mark.requirement("encrypted chat")
@pytest.mark.usefixtures("only_encrypted")
def test_only_who_has_the_key_reads(sut_chat, chat_spec, otherwise):
    """Every frame is, byte for byte, what the specification's cipher, key and IV make of what was typed."""
    with otherwise("the two programs do not carry a conversation both ways"):
        said = both_ways(sut_chat, [PRIVATE, f"{PRIVATE} either"])
    frames = sut_chat.wire.frames
    assert len(frames) == len(said), "more or fewer frames than messages"
    for number, (text, frame) in enumerate(zip(said, frames, strict=True)):
        assert frame == chat_spec.frame(text), _difference(chat_spec, text, frame, number)


def _difference(chat_spec, text, frame, number):
    """Tell in what a frame differs from the one that is right."""
    if text.encode() in frame and chat_spec.encrypted:
        return f"frame {number} carries its message unencrypted"
    try:
        message = chat_spec.unframe(frame)
    except ValueError as error:
        return f"frame {number} is none: {error}"
    if message == text.encode():
        return f"frame {number} is right but for its padding"
    if message.startswith(text.encode()):
        return f"frame {number} has something behind its message where zeros are to be"
    return f"frame {number} is not what the agreed cipher, key and IV make of {text!r}"


@pytest.mark.requirement("ciphertext on the wire")
@pytest.mark.usefixtures("only_encrypted")
def test_nothing_readable_on_the_wire(sut_chat, chat_spec, otherwise):
    """Neither a text that was typed, nor a part of it, nor the key is in what crossed the network."""
    texts = [f"{PRIVATE} of {end}" for end in ENDS]
    with otherwise("the two programs do not carry a conversation both ways"):
        both_ways(sut_chat, texts)
    seen = sut_chat.wire.octets
    assert len(seen) >= 2 * chat_spec.frame_bytes, "the capture missed the conversation"
    for text in texts:
        half = text[len(text) // 2 :]
        for part in (text, PRIVATE, half):
            assert part.encode() not in seen, f"plaintext on the wire: {part!r} was sent unencrypted"
    assert chat_spec.key not in seen, "the key was sent"


@pytest.mark.requirement("chat robustness")
@PIECES
def test_a_frame_in_pieces(sut_chats, chat_spec, otherwise, wishes):
    """A frame that comes in pieces is waited for, also where a piece ends with a byte 0x0a of ciphertext."""
    with_newline = chat_spec.text_whose(lambda sent: NEWLINE in sent[:100])
    chat = sut_chats(**wishes)
    where = "behind a byte 0x0a inside it" if "cut_behind" in wishes else "behind each byte"
    with otherwise(f"a frame whose arrival is cut {where} is taken for whole, or never is"):
        both_ways(chat, [with_newline, with_newline, "and more", "and still more"])


@pytest.mark.requirement("chat robustness")
@pytest.mark.usefixtures("only_encrypted")
def test_bytes_that_end_a_c_string(sut_chat, chat_spec, otherwise):
    """Frames with a NUL or a 0x0a, as the first byte or early on, in either order, arrive whole."""
    half = chat_spec.message_bytes // 2
    texts = [
        chat_spec.text_whose(lambda sent: 0 in sent[:half] and NEWLINE not in sent[: sent.index(0)]),
        chat_spec.text_whose(lambda sent: NEWLINE in sent[:half]),
        chat_spec.text_whose(lambda sent: sent[0] == 0),
        chat_spec.text_whose(lambda sent: sent[0] == NEWLINE),
    ]
    with otherwise("a NUL or newline byte among what is sent ends it: it is handled as a C string"):
        said = both_ways(sut_chat, texts)
        frames = [len(frame) for frame in sut_chat.wire.frames]
        assert frames == [chat_spec.frame_bytes] * len(said), "frames are cut short"


@pytest.mark.requirement("chat robustness")
def test_a_message_of_full_length(sut_chat, chat_spec, otherwise):
    """A line that just fits a message arrives whole, and nothing of it is left in the short one after it."""
    longest = ("0123456789" * chat_spec.text_bytes)[: chat_spec.text_bytes]
    with otherwise(f"a message of {chat_spec.text_bytes} bytes and a newline does not fit"):
        both_ways(sut_chat, ["short", "short", longest, longest, "short", "short"])
    frames = sut_chat.wire.frames
    assert frames[4:] == frames[:2], "what is left of a long message is sent with a short one"


@pytest.mark.requirement("chat robustness")
def test_nothing_is_written_past_an_end(sut_chats, chat_spec, otherwise):
    """Compiled so that a write past the end of a buffer ends a program, both live through what is usual."""
    with otherwise("a program writes past the end of a buffer, or does not work when compiled with checks"):
        chat = sut_chats(checked=True)
        both_ways(chat, ["x" * chat_spec.text_bytes, "x" * chat_spec.text_bytes, "", "short"])
        chat.client.leave()
        for end in (chat.client, chat.server):
            assert 0 <= end.left() < 128, f"the {end.name} was aborted"


@pytest.mark.requirement("chat robustness")
def test_typed_in_a_pipe(sut_chats, otherwise):
    """A client whose standard input is a pipe sends what comes through it."""
    with otherwise("the client does not read its standard input, but whatever a terminal is at"):
        chat = sut_chats(piped="through a pipe", meet=False)
        assert chat.server.heard() == "through a pipe"


@pytest.mark.requirement("chat robustness")
@pytest.mark.parametrize("end", ENDS)
def test_without_a_device_nothing_is_sent(without_device, end):
    """An end that finds no crypto device fails, or at least sends nothing of what is typed."""
    attempt = without_device(end, PRIVATE)
    assert PRIVATE.encode() not in attempt.octets, (
        f"with no device the {end} sends plaintext: the device's errors are ignored"
    )
    assert not attempt.frames, (
        f"with no device the {end} sends {len(attempt.frames[0])} bytes of garbage: its errors are ignored"
    )


@pytest.mark.requirement("chat robustness")
@pytest.mark.parametrize("killed", ENDS)
def test_a_killed_program_ends_the_other(sut_chat, otherwise, killed):
    """An end that is killed in its turn ends the other, which waits for its words."""
    victim, survivor = ends(sut_chat, killed)
    with otherwise("the two programs do not carry a conversation"):
        both_ways(sut_chat, ["hello"] if killed == "server" else ["hello", "hello yourself"])
        victim.prompted()
    victim.kill()
    with otherwise(f"the {survivor.name} does not see the end of the {killed}, which was killed"):
        assert 0 <= survivor.left() < 128, "a signal ended it"
