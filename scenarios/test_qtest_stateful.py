# SPDX-License-Identifier: GPL-2.0-or-later
"""Random lives of a device, right and wrong, with every answer foretold by the reference model.

A profile of hypothesis makes them more, and ``--hypothesis-seed`` makes them those of another run.  A failure
ends with a trace: save it and play it again with ``python -m harness replay FILE``.
"""

import pytest


@pytest.mark.parametrize(
    "device",
    [
        pytest.param("", id="as it comes"),
        pytest.param("max-open-files=2 max-sessions=2 max-request=64 queue-size=8", id="with small limits"),
        pytest.param("ring=packed max-open-files=3", id="packed ring"),
        pytest.param("legacy max-sessions=3", id="legacy registers"),
        pytest.param("event-idx=off indirect=off queue-size=16", id="nothing negotiated"),
    ],
)
def test_a_device_does_what_the_model_says_all_its_life(lives, device):
    """Whatever a driver sends and in whatever order, the device answers as the model does."""
    lives(device)


OPEN = "chain < 00000000 > ffffffff"


@pytest.mark.parametrize(
    ("believed", "really", "last"),
    [
        ("max-open-files=2", "max-open-files=1", [OPEN, OPEN, "kick"]),
        ("max-request=4096", "max-request=16", ["kick"]),
    ],
    ids=["open files", "data"],
)
def test_a_device_that_differs_is_found_and_the_shortest_way_to_it_is_told(lives, believed, really, last):
    """One limit of the device is not what the model believes: only a right request shows that."""
    with pytest.raises(AssertionError, match="the model says") as found:
        lives(believed, really=really)
    _, begin, trace = str(found.value).partition("virtio-cryptodev-trace 1\n")
    steps = [line for line in trace.splitlines() if not line.startswith("device ")]
    assert begin
    assert steps[-len(last) :] == last
    assert len(steps) <= 6


TRACE = """\
virtio-cryptodev-trace 1
{device}
# an open, a session, some data in pieces, all with one kick but the data
chain < 00000000 > ffffffff
chain < 02000000 00000000 666330c0 16*01 > 0b000000 00000000 10000000 36*00 ffffffff
kick
chain indirect < 02000000 00000000 < 686330c0 {{s0}} 0000 0000 10000000 36*00 16*07 16*08 > 16*00 ff > ffffff
save
# a chain that is broken, what comes after it, and a reset
chain > ffffffff < 00000000
chain < 00000000 > ffffffff
kick
save
reset
# a table by hand, which reads as an open; the same with a length of 0
block 00000000
block ffffffff
table b0,2,NEXT,2 b1,4,WRITE,0 b0+2,2,NEXT,1
raw b2,48,INDIRECT,0
kick
raw b0,0,NEXT,1 b1,4,WRITE,0
kick
reset
# what nobody can foretell
poke driver+2 ffff
write QUEUE_DESC_LOW 0x7
raw 0xfeb00000,4294967295,WRITE,0
kick
kick 5
"""


@pytest.mark.parametrize("device", ["device legacy", "device ring=packed"])
def test_a_trace_is_played_again_by_the_command(harness_command, artifacts, tmp_path, device):
    """Every kind of step, on a device that agrees with the model."""
    file = tmp_path / "trace"
    file.write_text(TRACE.format(device=device))
    done = harness_command("replay", str(file), f"--cache-dir={artifacts.settings.cache_dir}", seconds=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "23 steps: the device answers as the model does\n"
