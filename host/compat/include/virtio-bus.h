/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/virtio-bus.h"
