// SPDX-License-Identifier: GPL-2.0-or-later
/* Does not compile: the type in line 12 was never defined. */
#include <linux/module.h>

static int __init init(void)
{
	return 0;
}

static void __exit fini(void)
{
	crypto_device_t *crdev = NULL;

	pr_info("%p\n", crdev);
}

module_init(init);
module_exit(fini);
MODULE_LICENSE("GPL");
