/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is wrong with this chat: one name for each flaw; README.md tells them. */
#define FLAW_STRCHR
#define FLAW_STRING
#define FLAW_UNCHECKED
#define FLAW_MEMSET
#define FLAW_FD1
#define FLAW_ENDLESS
#define FLAW_STALE
