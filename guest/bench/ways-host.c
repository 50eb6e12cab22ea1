// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What this machine has besides: libcrypto, and devcrypto called directly.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "cryptobench.h"
#include "devcrypto.h"

struct native {
	EVP_CIPHER_CTX *context;
	const struct job *job;
};

static int native_open(const struct job *job, void **state)
{
	struct native *native = calloc(1, sizeof(*native));

	if (!native)
		return -ENOMEM;
	native->job = job;
	native->context = EVP_CIPHER_CTX_new();
	if (!native->context ||
	    !EVP_EncryptInit_ex(native->context, EVP_aes_128_cbc(), NULL, bench_key, bench_iv)) {
		EVP_CIPHER_CTX_free(native->context);
		free(native);
		return -ENOMEM;
	}
	EVP_CIPHER_CTX_set_padding(native->context, 0);
	*state = native;
	return 0;
}

static int native_encrypt(void *state)
{
	struct native *native = state;
	const struct job *job = native->job;
	int bytes;

	if (!EVP_EncryptInit_ex(native->context, NULL, NULL, NULL, bench_iv) ||
	    !EVP_EncryptUpdate(native->context, job->dst, &bytes, job->src, job->size) ||
	    (size_t)bytes != job->size)
		return -EIO;
	return 0;
}

struct library {
	struct devcrypto_file *file;
	const struct job *job;
	uint32_t ses;
};

static int library_open(const struct job *job, void **state)
{
	struct library *library = calloc(1, sizeof(*library));
	int err;

	if (!library)
		return -ENOMEM;
	library->job = job;
	err = devcrypto_open(NULL, &library->file);
	if (!err)
		err = devcrypto_session_create(library->file, DEVCRYPTO_AES_CBC, bench_key,
					       KEY_BYTES, 0, NULL, 0, &library->ses);
	if (err) {
		devcrypto_unref(library->file);
		free(library);
		return err;
	}
	*state = library;
	return 0;
}

static int library_encrypt(void *state)
{
	struct library *library = state;
	const struct job *job = library->job;

	return devcrypto_crypt(library->file, library->ses, DEVCRYPTO_OP_ENCRYPT, 0, bench_iv,
			       NULL, job->src, job->dst, job->size);
}

static const struct way native_way = {"libcrypto", native_open, native_encrypt};
static const struct way library_way = {"devcrypto", library_open, library_encrypt};

const struct way *const ways[] = {
	&cryptodev_way, &afalg_way, &native_way, &library_way, NULL,
};
