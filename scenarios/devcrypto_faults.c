// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lets the nth call fail that one library makes for memory, random numbers, a pipe or to libcrypto, and counts
 * what the library has and did not give back.  Loaded into the same process; other libraries notice nothing,
 * since only the addresses change that this one library calls through (x86-64).
 *
 * fault_watch(PATH)	the library, loaded with RTLD_NOW; gives how many functions can fail
 * fault_arm(N, ERRNO)	the Nth call from now on fails, with that errno where it sets one; 0: none
 * fault_fired()	the name of the function that failed since the last was armed, NULL if none did
 * fault_live()		how many things the library holds now
 */
#define _GNU_SOURCE
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/uio.h>
#include <unistd.h>

#include <openssl/evp.h>

#define PAGE 4096ul

static long left, live;
static int error;
static const char *fired;

static int fails(const char *name)
{
	if (!left || --left)
		return 0;
	fired = name;
	errno = error;
	return 1;
}

/* A function that fails when it is its turn; one that makes or gives back something also counts it. */
#define DOES(type, failure, name, arguments, ...)		\
	static type (*real_##name)(__VA_ARGS__);		\
	static type fault_##name(__VA_ARGS__)			\
	{							\
		return fails(#name) ? failure : real_##name arguments; \
	}

#define MAKES(type, name, arguments, ...)			\
	static type (*real_##name)(__VA_ARGS__);		\
	static type fault_##name(__VA_ARGS__)			\
	{							\
		type made = fails(#name) ? NULL : real_##name arguments; \
								\
		live += made != NULL;				\
		return made;					\
	}

#define GIVES_BACK(name, type)					\
	static void (*real_##name)(type *thing);		\
	static void fault_##name(type *thing)			\
	{							\
		live -= thing != NULL;				\
		real_##name(thing);				\
	}

MAKES(void *, malloc, (size), size_t size)
MAKES(void *, calloc, (count, size), size_t count, size_t size)
DOES(void *, NULL, realloc, (old, size), void *old, size_t size)
GIVES_BACK(free, void)
MAKES(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_new, (), void)
GIVES_BACK(EVP_CIPHER_CTX_free, EVP_CIPHER_CTX)
MAKES(EVP_MD_CTX *, EVP_MD_CTX_new, (), void)
GIVES_BACK(EVP_MD_CTX_free, EVP_MD_CTX)
MAKES(EVP_CIPHER *, EVP_CIPHER_fetch, (context, name, wishes), OSSL_LIB_CTX *context, const char *name,
      const char *wishes)
GIVES_BACK(EVP_CIPHER_free, EVP_CIPHER)
MAKES(EVP_MD *, EVP_MD_fetch, (context, name, wishes), OSSL_LIB_CTX *context, const char *name,
      const char *wishes)
GIVES_BACK(EVP_MD_free, EVP_MD)

DOES(int, 0, EVP_CipherInit_ex, (ctx, type, engine, key, iv, enc), EVP_CIPHER_CTX *ctx,
     const EVP_CIPHER *type, ENGINE *engine, const unsigned char *key, const unsigned char *iv, int enc)
DOES(int, 0, EVP_CIPHER_CTX_set_padding, (ctx, pad), EVP_CIPHER_CTX *ctx, int pad)
DOES(int, 0, EVP_CipherUpdate, (ctx, out, outl, in, inl), EVP_CIPHER_CTX *ctx, unsigned char *out,
     int *outl, const unsigned char *in, int inl)
DOES(int, 0, EVP_DigestInit_ex2, (ctx, type, params), EVP_MD_CTX *ctx, const EVP_MD *type,
     const OSSL_PARAM params[])
DOES(int, 0, EVP_DigestUpdate, (ctx, data, len), EVP_MD_CTX *ctx, const void *data, size_t len)
DOES(int, 0, EVP_DigestFinal_ex, (ctx, md, len), EVP_MD_CTX *ctx, unsigned char *md, unsigned int *len)
DOES(int, 0, EVP_MD_CTX_copy_ex, (out, in), EVP_MD_CTX *out, const EVP_MD_CTX *in)
DOES(int, 0, EVP_Digest, (data, len, md, size, type, engine), const void *data, size_t len,
     unsigned char *md, unsigned int *size, const EVP_MD *type, ENGINE *engine)
DOES(int, 0, EVP_CipherFinal_ex, (ctx, out, outl), EVP_CIPHER_CTX *ctx, unsigned char *out, int *outl)
DOES(int, 0, EVP_CIPHER_CTX_ctrl, (ctx, type, arg, ptr), EVP_CIPHER_CTX *ctx, int type, int arg, void *ptr)

DOES(int, error, pthread_mutex_init, (mutex, attributes), pthread_mutex_t *mutex,
     const pthread_mutexattr_t *attributes)

/* With EEXIST it does not fail: it gives the bytes that it gave before. */
static ssize_t (*real_getrandom)(void *data, size_t len, unsigned int flags);
static ssize_t fault_getrandom(void *data, size_t len, unsigned int flags)
{
	static unsigned char last[4];
	int again = fails("getrandom");

	if (again && error != EEXIST)
		return -1;
	if (again && len == sizeof(last)) {
		memcpy(data, last, len);
		return len;
	}
	real_getrandom(data, len, flags);
	if (len == sizeof(last))
		memcpy(last, data, len);
	return len;
}

DOES(int, -1, pipe2, (ends, flags), int ends[2], int flags)
DOES(ssize_t, -1, read, (fd, data, len), int fd, void *data, size_t len)
DOES(ssize_t, -1, write, (fd, data, len), int fd, const void *data, size_t len)
DOES(int, -1, epoll_create1, (flags), int flags)
DOES(ssize_t, -1, process_vm_readv, (pid, local, nlocal, remote, nremote, flags), pid_t pid,
     const struct iovec *local, unsigned long nlocal, const struct iovec *remote, unsigned long nremote,
     unsigned long flags)
DOES(ssize_t, -1, process_vm_writev, (pid, local, nlocal, remote, nremote, flags), pid_t pid,
     const struct iovec *local, unsigned long nlocal, const struct iovec *remote, unsigned long nremote,
     unsigned long flags)

#define ENTRY(name) {#name, (void *)fault_##name, (void **)&real_##name}
static const struct {
	const char *name;
	void *ours;
	void **real;
} functions[] = {
	ENTRY(malloc), ENTRY(calloc), ENTRY(realloc), ENTRY(free),
	ENTRY(EVP_CIPHER_CTX_new), ENTRY(EVP_CIPHER_CTX_free), ENTRY(EVP_MD_CTX_new), ENTRY(EVP_MD_CTX_free),
	ENTRY(EVP_CIPHER_fetch), ENTRY(EVP_CIPHER_free), ENTRY(EVP_MD_CTX_copy_ex), ENTRY(EVP_Digest),
	ENTRY(EVP_CipherFinal_ex), ENTRY(EVP_CIPHER_CTX_ctrl),
	ENTRY(EVP_MD_fetch), ENTRY(EVP_MD_free), ENTRY(EVP_CipherInit_ex), ENTRY(EVP_CIPHER_CTX_set_padding),
	ENTRY(EVP_CipherUpdate), ENTRY(EVP_DigestInit_ex2), ENTRY(EVP_DigestUpdate), ENTRY(EVP_DigestFinal_ex),
	ENTRY(pthread_mutex_init),
	ENTRY(getrandom), ENTRY(pipe2), ENTRY(read), ENTRY(write), ENTRY(epoll_create1),
	ENTRY(process_vm_readv), ENTRY(process_vm_writev),
};

static int replace(const char *name, void **slot)
{
	void *page = (void *)((uintptr_t)slot & ~(PAGE - 1));

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		if (!strcmp(functions[i].name, name)) {
			if (mprotect(page, PAGE, PROT_READ | PROT_WRITE))
				abort();
			*functions[i].real = *slot;
			*slot = functions[i].ours;
			return 1;
		}
	return 0;
}

static int replace_in(uintptr_t base, const ElfW(Rela) *table, size_t size, const ElfW(Sym) *symbols,
		      const char *strings)
{
	int done = 0;

	for (size_t i = 0; i < size / sizeof(*table); i++)
		if (ELF64_R_TYPE(table[i].r_info) == R_X86_64_JUMP_SLOT ||
		    ELF64_R_TYPE(table[i].r_info) == R_X86_64_GLOB_DAT)
			done += replace(strings + symbols[ELF64_R_SYM(table[i].r_info)].st_name,
					(void **)(base + table[i].r_offset));
	return done;
}

static int look(struct dl_phdr_info *info, size_t size, void *path)
{
	uintptr_t entry[DT_NUM] = {0};
	int done = 0;

	(void)size;
	if (!strstr(info->dlpi_name, path))
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
			for (const ElfW(Dyn) *d = (void *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
			     d->d_tag != DT_NULL; d++)
				if (d->d_tag < DT_NUM)
					entry[d->d_tag] = d->d_un.d_ptr;
	done += replace_in(info->dlpi_addr, (void *)entry[DT_JMPREL], entry[DT_PLTRELSZ], (void *)entry[DT_SYMTAB],
			   (void *)entry[DT_STRTAB]);
	done += replace_in(info->dlpi_addr, (void *)entry[DT_RELA], entry[DT_RELASZ], (void *)entry[DT_SYMTAB],
			   (void *)entry[DT_STRTAB]);
	return done;
}

int fault_watch(const char *path)
{
	left = live = 0;
	return dl_iterate_phdr(look, (void *)path);
}

void fault_arm(long nth, int number)
{
	left = nth;
	error = number;
	if (nth)
		fired = NULL;
}

const char *fault_fired(void)
{
	return fired;
}

long fault_live(void)
{
	return live;
}
