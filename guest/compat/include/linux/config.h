/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gone with 2.6.19: kbuild includes it by itself. */
#include <generated/autoconf.h>
