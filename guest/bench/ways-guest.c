// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a guest has.
 */
#include "cryptobench.h"

const struct way *const ways[] = {&cryptodev_way, &afalg_way, NULL};
