/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The big kernel lock, gone with 2.6.39: whoever still includes it uses none of it. */
#include <linux/sched/signal.h>
