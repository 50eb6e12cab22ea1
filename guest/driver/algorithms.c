// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the driver knows of algorithms: what programs are told about them, and
 * what has to be known before the device is asked. Whether there is one, the
 * device decides.
 */
#include <linux/kernel.h>

#include "driver.h"

static const struct crypto_algorithm ciphers[] = {
	{ CRYPTO_AES_CBC, 0, "cbc(aes)", { 16, 24, 32 } },
	{ CRYPTO_AES_CTR, ALGORITHM_STREAM, "ctr(aes)", { 16, 24, 32 } },
	{ CRYPTO_AES_XTS, 0, "xts(aes)", { 32, 48, 64 } },
	{ CRYPTO_AES_ECB, 0, "ecb(aes)", { 16, 24, 32 } },
	{ CRYPTO_AES_GCM, ALGORITHM_AEAD, "gcm(aes)", { 16, 24, 32 } },
	{ CRYPTO_3DES_CBC, 0, "cbc(des3_ede)", { 24, 24, 24 } },
	{ CRYPTO_NULL, ALGORITHM_STREAM, "ecb(cipher_null)", { 0, 0, 0 } },
};

static const struct crypto_algorithm macs[] = {
	{ CRYPTO_MD5_HMAC, ALGORITHM_KEYED, "hmac(md5)" },
	{ CRYPTO_SHA1_HMAC, ALGORITHM_KEYED, "hmac(sha1)" },
	{ CRYPTO_SHA2_224_HMAC, ALGORITHM_KEYED, "hmac(sha224)" },
	{ CRYPTO_SHA2_256_HMAC, ALGORITHM_KEYED, "hmac(sha256)" },
	{ CRYPTO_SHA2_384_HMAC, ALGORITHM_KEYED, "hmac(sha384)" },
	{ CRYPTO_SHA2_512_HMAC, ALGORITHM_KEYED, "hmac(sha512)" },
	{ CRYPTO_MD5, 0, "md5" },
	{ CRYPTO_SHA1, 0, "sha1" },
	{ CRYPTO_SHA2_224, 0, "sha224" },
	{ CRYPTO_SHA2_256, 0, "sha256" },
	{ CRYPTO_SHA2_384, 0, "sha384" },
	{ CRYPTO_SHA2_512, 0, "sha512" },
};

static const struct crypto_algorithm *find(const struct crypto_algorithm *all,
					   size_t n, u32 number)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (all[i].number == number)
			return &all[i];
	return NULL;
}

/* NULL for a number that is no cipher's; 0 is none's. */
const struct crypto_algorithm *crypto_find_cipher(u32 number)
{
	return find(ciphers, ARRAY_SIZE(ciphers), number);
}

/* NULL for a number that is neither a mac's nor a hash's. */
const struct crypto_algorithm *crypto_find_mac(u32 number)
{
	return find(macs, ARRAY_SIZE(macs), number);
}

bool crypto_good_keylen(const struct crypto_algorithm *cipher, u32 keylen)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cipher->keylens); i++)
		if (cipher->keylens[i] == keylen)
			return true;
	return false;
}

/* The rest of what the program gave stays, as on /dev/crypto. */
static void tell_names(struct alg_info *info, const struct crypto_algorithm *alg)
{
	snprintf(info->cra_name, sizeof(info->cra_name), "%s", alg->name);
	snprintf(info->cra_driver_name, sizeof(info->cra_driver_name),
		 "%s-virtio", alg->name);
}

/* CIOCGSESSINFO for one session. No driver of the kernel's alone is used. */
void crypto_tell(struct session_info_op *info, u32 cipher, u32 mac)
{
	const struct crypto_algorithm *alg = crypto_find_cipher(cipher);

	if (alg)
		tell_names(&info->cipher_info, alg);
	if (mac)
		tell_names(&info->hash_info, crypto_find_mac(mac));
	info->alignmask = 0;
	info->flags = 0;
}
