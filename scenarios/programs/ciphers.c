// SPDX-License-Identifier: GPL-2.0-or-later
/* Ciphers, with a tag and without, held against NIST SP 800-38A and the test cases of GCM's specification. */
#include "known.h"

#define LEN	64

static void work(int fd, uint32_t ses, uint16_t op, uint16_t flags,
		 uint8_t *src, uint8_t *dst, uint32_t len, uint8_t *iv)
{
	struct crypt_op c = {
		.ses = ses,
		.op = op,
		.flags = flags,
		.len = len,
		.src = src,
		.dst = dst,
		.iv = iv,
	};

	want(ioctl(fd, CIOCCRYPT, &c) == 0);
}

/* Where the session's algorithms say that data should begin. */
static uint8_t *aligned(int fd, uint32_t ses, const char *name, uint8_t *raw)
{
	struct session_info_op info = { .ses = ses };

	want(ioctl(fd, CIOCGSESSINFO, &info) == 0);
	want(strcmp(info.cipher_info.cra_name, name) == 0);
	want(info.cipher_info.cra_driver_name[0] != 0);
	want(info.alignmask < 64);
	return (uint8_t *)(((uintptr_t)raw + info.alignmask) & ~(uintptr_t)info.alignmask);
}

static void mode(int fd, uint32_t cipher, const char *name, const char *vector, const char *expected)
{
	uint32_t ses = session(fd, cipher, KEY_128, 0, "");
	uint8_t raw[2][LEN + 63], iv[16] = { 0 };
	uint8_t *text = aligned(fd, ses, name, raw[0]);
	uint8_t *other = aligned(fd, ses, name, raw[1]);

	unhex(BLOCKS, text);
	unhex(vector, iv);
	/* Apart: the source stays as it is, and the IV too. */
	work(fd, ses, COP_ENCRYPT, 0, text, other, LEN, iv);
	want(equal(other, LEN, expected));
	want(equal(text, LEN, BLOCKS));
	want(!*vector || equal(iv, 16, vector));
	/* In place, and back in two parts: the IV of the second is the one that the first one wrote. */
	work(fd, ses, COP_ENCRYPT, 0, text, text, LEN, iv);
	want(equal(text, LEN, expected));
	work(fd, ses, COP_DECRYPT, *vector ? COP_FLAG_WRITE_IV : 0, text, text, LEN / 2, iv);
	work(fd, ses, COP_DECRYPT, COP_FLAG_NO_ZC, text + LEN / 2, text + LEN / 2, LEN / 2, iv);
	want(equal(text, LEN, BLOCKS));
	end(fd, ses);
}

static void large(int fd)
{
	enum { MEBIBYTE = 1 << 20 };
	uint32_t ses = session(fd, CRYPTO_AES_CBC, KEY_128, 0, "");
	uint8_t *text = malloc(MEBIBYTE), *other = malloc(MEBIBYTE);
	uint8_t iv[16];
	size_t at;

	want(text && other);
	for (at = 0; at < MEBIBYTE; at++)
		text[at] = (uint8_t)(at * 7 >> 3);
	unhex(BLOCKS, text);
	unhex(CBC_IV, iv);
	work(fd, ses, COP_ENCRYPT, 0, text, other, MEBIBYTE, iv);
	want(equal(other, LEN, CBC_128));
	work(fd, ses, COP_DECRYPT, 0, other, other, MEBIBYTE, iv);
	want(memcmp(text, other, MEBIBYTE) == 0);
	end(fd, ses);
	free(text);
	free(other);
}

/* Test case 4 of the specification of GCM. */
static void gcm(int fd)
{
	static const char plain[] =
		"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
		"1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
	uint8_t text[80], out[80], aad[20], iv[12];
	struct crypt_auth_op c = {
		.ses = session(fd, CRYPTO_AES_GCM, "feffe9928665731c6d6a8f9467308308", 0, ""),
		.op = COP_ENCRYPT,
		.auth_src = aad,
		.src = text,
		.dst = out,
		.iv = iv,
		.iv_len = sizeof(iv),
	};

	c.len = unhex(plain, text);
	c.auth_len = unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2", aad);
	unhex("cafebabefacedbaddecaf888", iv);
	want(ioctl(fd, CIOCAUTHCRYPT, &c) == 0);
	want(c.len == 76 && c.tag_len == 16);
	want(equal(out, c.len,
		   "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
		   "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
		   "5bc94fbc3221a5db94fae95ae7121a47"));

	c.op = COP_DECRYPT;
	c.src = out;
	out[5] ^= 1;
	want(ioctl(fd, CIOCAUTHCRYPT, &c) == -1 && errno == EBADMSG);
	out[5] ^= 1;
	want(ioctl(fd, CIOCAUTHCRYPT, &c) == 0);
	want(c.len == 60 && equal(out, 60, plain));
	end(fd, c.ses);
}

/* A TLS record is the data, its MAC and a padding, encrypted: taken apart by a session that knows no TLS. */
static void tls(int fd)
{
	static const char jefe[] = "4a656665";
	uint8_t record[64], iv[16], plain[16], mac[20];
	uint32_t cbc = session(fd, CRYPTO_AES_CBC, KEY_128, 0, "");
	uint32_t hmac = session(fd, 0, "", CRYPTO_SHA1_HMAC, jefe);
	struct crypt_auth_op c = {
		.ses = session(fd, CRYPTO_AES_CBC, KEY_128, CRYPTO_SHA1_HMAC, jefe),
		.flags = COP_FLAG_AEAD_TLS_TYPE,
		.len = sizeof(plain),
		.src = record,
		.dst = record,
		.iv = iv,
	};
	struct crypt_op h = { .ses = hmac, .len = sizeof(plain), .src = plain, .mac = mac };

	unhex(CBC_IV, iv);
	memset(plain, 0x42, sizeof(plain));
	memcpy(record, plain, sizeof(plain));
	want(ioctl(fd, CIOCAUTHCRYPT, &c) == 0);
	want(c.len == 48);
	work(fd, cbc, COP_DECRYPT, 0, record, record, 48, iv);
	want(ioctl(fd, CIOCCRYPT, &h) == 0);
	want(memcmp(record, plain, 16) == 0 && memcmp(record + 16, mac, 20) == 0);
	want(equal(record + 36, 12, "0b0b0b0b0b0b0b0b0b0b0b0b"));

	work(fd, cbc, COP_ENCRYPT, 0, record, record, 48, iv);
	c.op = COP_DECRYPT;
	want(ioctl(fd, CIOCAUTHCRYPT, &c) == 0);
	want(c.len == 16 && memcmp(record, plain, 16) == 0);
	end(fd, c.ses);
	end(fd, hmac);
	end(fd, cbc);
}

int main(void)
{
	int fd = device();

	mode(fd, CRYPTO_AES_CBC, "cbc(aes)", CBC_IV, CBC_128);
	mode(fd, CRYPTO_AES_CTR, "ctr(aes)", CTR_IV, CTR_128);
	mode(fd, CRYPTO_AES_ECB, "ecb(aes)", "", ECB_128);
	large(fd);
	gcm(fd);
	tls(fd);
	want(close(fd) == 0);
	return 0;
}
