# SPDX-License-Identifier: GPL-2.0-or-later
"""The tap, compiled with a stand-in for QEMU's virtqueues, at the hands of a hostile guest."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from harness.artifacts import REPOSITORY
from harness.oracles import tap

if TYPE_CHECKING:
    from pathlib import Path

COMPAT = REPOSITORY / "host" / "compat"
OSDEP = """
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include <glib.h>
"""
# The queue has one chain of so many buffers of so many bytes, again and again.
VIRTIO = """
typedef struct VirtQueue { unsigned buffers, bytes, index, given; } VirtQueue;
typedef struct VirtQueueElement {
    unsigned index, out_num, in_num;
    struct iovec *in_sg, *out_sg;
} VirtQueueElement;

void *virtqueue_pop(VirtQueue *vq, size_t size);
void virtqueue_push(VirtQueue *vq, const VirtQueueElement *elem, unsigned len);
void virtqueue_fill(VirtQueue *vq, const VirtQueueElement *elem, unsigned len, unsigned idx);
int virtio_get_queue_index(VirtQueue *vq);
"""
QUEUE = """
#include "qemu/osdep.h"
#include "hw/virtio/virtio.h"

static char memory[4096];

void *virtqueue_pop(VirtQueue *vq, size_t size)
{
    VirtQueueElement *elem = g_malloc0(size + vq->buffers * sizeof(struct iovec));
    unsigned i;

    elem->out_sg = (void *)((char *)elem + size);
    elem->out_num = vq->buffers;
    elem->index = vq->index++ % 64;
    for (i = 0; i < vq->buffers; i++) {
        elem->out_sg[i].iov_base = memory;
        elem->out_sg[i].iov_len = vq->bytes;
    }
    return elem;
}

void virtqueue_push(VirtQueue *vq, const VirtQueueElement *elem, unsigned len)
{
    vq->given += elem->out_sg[elem->out_num - 1].iov_len == vq->bytes;
}

void virtqueue_fill(VirtQueue *vq, const VirtQueueElement *elem, unsigned len, unsigned idx)
{
    virtqueue_push(vq, elem, len);
}

int virtio_get_queue_index(VirtQueue *vq)
{
    return 0;
}
"""
# NUMBER BUFFERS BYTES HELD: takes HELD chains at once, gives them back, and so on.
DEVICE = """
#include "wiretap.h"

int main(int argc, char **argv)
{
    unsigned number = atoi(argv[1]), held = atoi(argv[4]), done, i;
    VirtQueue queue = { .buffers = atoi(argv[2]), .bytes = atoi(argv[3]) };
#ifdef OLD
    VirtQueueElement *elems = g_new0(VirtQueueElement, held);
#else
    VirtQueueElement **elems = g_new0(VirtQueueElement *, held);
#endif

    for (done = 0; done < number; done += held) {
        for (i = 0; i < held; i++) {
#ifdef OLD
            if (!virtqueue_pop(&queue, &elems[i])) {
                return 1;
            }
#else
            elems[i] = virtqueue_pop(&queue, sizeof(**elems));
#endif
        }
        for (i = 0; i < held; i++) {
#ifdef OLD
            virtqueue_push(&queue, &elems[i], 0);
#else
            virtqueue_push(&queue, elems[i], 0);
            g_free(elems[i]);
#endif
        }
    }
    g_free(elems);
    return queue.given != done;
}
"""


@pytest.fixture(scope="module", params=["2.5", "10"])
def device(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tap")
    files = {"qemu/osdep.h": OSDEP, "hw/virtio/virtio.h": VIRTIO, "queue.c": QUEUE, "device.c": DEVICE}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    glib = ["pkg-config", "--cflags", "--libs", "glib-2.0"]
    flags = subprocess.run(glib, check=True, capture_output=True, text=True).stdout.split()
    old = ["-DOLD"] if request.param == "2.5" else []
    command = ["cc", "-O1", "-g", *old, "-I.", f"-I{COMPAT}", "queue.c", "device.c"]
    subprocess.run(
        [*command, COMPAT / "wiretap.c", "-o", "device", *flags], cwd=folder, check=True, timeout=60
    )
    return folder / "device"


def recorded(device: Path, file: Path, *numbers: int) -> tap.Recording:
    environment = {**os.environ, "HARNESS_WIRETAP": str(file)}
    subprocess.run([device, *map(str, numbers)], env=environment, check=True, timeout=60)
    return tap.record(file)


def test_what_is_recorded_is_understood(device: Path, tmp_path: Path) -> None:
    found = recorded(device, tmp_path / "tap", 128, 3, 100, 64)
    assert not found.notes
    assert [chain.id for chain in found.chains] == list(range(1, 129))
    assert all(chain.shape == (100,) * 3 and chain.used == 0 for chain in found.chains)
    assert found.chains[0].readable[0].before == bytes(tap.RECORDED)


def test_a_guest_that_fills_the_disk_does_not(device: Path, tmp_path: Path) -> None:
    found = recorded(device, tmp_path / "tap", 4096, tap.MAX_BUFFERS, 4096, 64)
    assert (tmp_path / "tap").stat().st_size <= tap.MAX_FILE
    # Of none that is told it looks as if the device had kept it.
    assert not found.notes
    assert found.chains
    assert all(chain.used == 0 for chain in found.chains)


def test_without_a_file_nothing_is_told(device: Path, tmp_path: Path) -> None:
    subprocess.run([device, "128", "3", "100", "64"], cwd=tmp_path, check=True, timeout=60)
    assert not list(tmp_path.iterdir())
