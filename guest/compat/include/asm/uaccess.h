/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nothing for a driver alone since 4.12: copy_from_user() is in the other one. */
#include <linux/uaccess.h>
#include_next <asm/uaccess.h>
