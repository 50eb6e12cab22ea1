/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For headers that programs share with the driver. */
#include <linux/ioctl.h>
