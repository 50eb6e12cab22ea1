/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where sources have no copy of their own. */
#include <crypto/cryptodev.h>
