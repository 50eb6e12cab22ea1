/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/virtio-pci.h"
