/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gone with 2.6.27. */
#include <linux/semaphore.h>
