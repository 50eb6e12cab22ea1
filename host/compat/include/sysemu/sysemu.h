/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "system/system.h"
#include "system/runstate.h"
#include "system/reset.h"
