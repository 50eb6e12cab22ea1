/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cut into pieces in 3.4. */
#include <linux/irqflags.h>
#include <asm/barrier.h>
#include <asm/cmpxchg.h>
