/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/vmstate.h"
#include "migration/qemu-file-types.h"
