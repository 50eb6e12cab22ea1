// SPDX-License-Identifier: GPL-2.0-or-later
/* Hashes, whole and in parts, held against FIPS 180's examples and RFC 2202 and 4231. */
#include "known.h"

static const char abc[] = "abc";
static const char longer[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
static const char question[] = "what do ya want for nothing?";

#define JEFE		"4a656665"
#define SHA1_LONGER	"84983e441c3bd26ebaae4aa1f95129e5e54670f1"

static void hash(int fd, uint32_t ses, const char *text, size_t len, uint16_t flags, uint8_t *digest)
{
	struct crypt_op c = {
		.ses = ses,
		.flags = flags,
		.len = len,
		.src = (uint8_t *)text,
		.mac = digest,
	};

	want(ioctl(fd, CIOCCRYPT, &c) == 0);
}

static void known(int fd, uint32_t mac, const char *key, const char *text, size_t len, const char *expected)
{
	uint32_t ses = session(fd, 0, "", mac, key);
	struct session_info_op info = { .ses = ses };
	uint8_t digest[AALG_MAX_RESULT_LEN];
	size_t half = strlen(text) / 2, rest = strlen(text) - half;

	want(ioctl(fd, CIOCGSESSINFO, &info) == 0);
	want(info.hash_info.cra_name[0] && !info.cipher_info.cra_name[0]);
	/* The session is as new each time. */
	for (int i = 0; i < 2; i++) {
		memset(digest, 0xee, sizeof(digest));
		hash(fd, ses, text, strlen(text), 0, digest);
		want(equal(digest, len, expected));
		want(len == sizeof(digest) || digest[len] == 0xee);
	}
	hash(fd, ses, text, half, COP_FLAG_UPDATE, NULL);
	hash(fd, ses, text + half, rest, COP_FLAG_UPDATE, NULL);
	memset(digest, 0, sizeof(digest));
	hash(fd, ses, NULL, 0, COP_FLAG_FINAL, digest);
	want(equal(digest, len, expected));
	end(fd, ses);
}

/* A hash that has begun is copied, and each of the two goes its way. */
static void copied(int fd)
{
	struct cphash_op copy = {
		.src_ses = session(fd, 0, "", CRYPTO_SHA1, ""),
		.dst_ses = session(fd, 0, "", CRYPTO_SHA1, ""),
	};
	uint8_t digest[20];

	hash(fd, copy.src_ses, longer, 20, COP_FLAG_UPDATE, NULL);
	want(ioctl(fd, CIOCCPHASH, &copy) == 0);
	hash(fd, copy.src_ses, abc, 3, COP_FLAG_FINAL, digest);
	want(!equal(digest, 20, SHA1_LONGER));
	hash(fd, copy.dst_ses, longer + 20, strlen(longer) - 20, COP_FLAG_FINAL, digest);
	want(equal(digest, 20, SHA1_LONGER));
	end(fd, copy.src_ses);
	end(fd, copy.dst_ses);
}

int main(void)
{
	int fd = device();

	known(fd, CRYPTO_SHA1, "", abc, 20, "a9993e364706816aba3e25717850c26c9cd0d89d");
	known(fd, CRYPTO_SHA1, "", longer, 20, SHA1_LONGER);
	known(fd, CRYPTO_SHA2_256, "", abc, 32,
	      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	known(fd, CRYPTO_SHA2_256, "", longer, 32,
	      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	known(fd, CRYPTO_MD5_HMAC, JEFE, question, 16, "750c783e6ab0b503eaa86e310a5db738");
	known(fd, CRYPTO_SHA1_HMAC, JEFE, question, 20, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
	known(fd, CRYPTO_SHA2_256_HMAC, JEFE, question, 32,
	      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	copied(fd);
	want(close(fd) == 0);
	return 0;
}
