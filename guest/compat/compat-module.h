/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is written around a module's functions, and its class of devices. */
#ifndef COMPAT_MODULE_H
#define COMPAT_MODULE_H

/* 3.10: every kernel can take devices in and give them up as it runs. */
#ifndef __devinit
#define __devinit
#define __devinitdata
#define __devinitconst
#define __devexit
#define __devexitdata
#define __devexitconst
#define __devexit_p(function) (function)
#endif

/* 5.12: nobody ever read it. */
#ifndef MODULE_SUPPORTED_DEVICE
#define MODULE_SUPPORTED_DEVICE(name)
#endif

/* 4.1: interrupts are always off in a handler. */
#ifndef IRQF_DISABLED
#define IRQF_DISABLED	0
#endif

/* 6.4: a class belongs to no module. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define compat_class_create_1(name)		(class_create)(name)
#define compat_class_create_2(owner, name)	(class_create)(name)
#define class_create(...) COMPAT_BY_COUNT(compat_class_create_, __VA_ARGS__)
#endif

#endif /* COMPAT_MODULE_H */
