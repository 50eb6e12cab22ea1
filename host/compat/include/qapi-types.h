/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qapi/qapi-types-common.h"
