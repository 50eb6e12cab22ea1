/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/qemu-file-types.h"
