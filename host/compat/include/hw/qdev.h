/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/hw.h"
#include "hw/qdev-core.h"
#include "hw/qdev-properties.h"
