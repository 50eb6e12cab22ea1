/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Moved in 2.6.33. */
#include <generated/utsrelease.h>
