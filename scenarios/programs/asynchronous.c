// SPDX-License-Identifier: GPL-2.0-or-later
/* Calls that are given, waited for with poll() and fetched in their order, held against NIST SP 800-38A. */
#include <poll.h>

#include "known.h"

#define LEN	64
#define CALLS	4

static void wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	want(poll(&p, 1, -1) == 1);
	want(p.revents & events);
}

int main(void)
{
	static uint8_t text[CALLS][LEN], out[CALLS][LEN], iv[CALLS][16];
	int fd = device(), i;
	uint32_t ses[CALLS];
	struct pollfd idle = { .fd = fd, .events = POLLIN };
	struct crypt_op c = { 0 };

	/* Nothing is given: there is room, and nothing to fetch. */
	want(poll(&idle, 1, 0) == 0);
	want(ioctl(fd, CIOCASYNCFETCH, &c) == -1 && errno == EBUSY);
	for (i = 0; i < CALLS; i++) {
		int even = i % 2 == 0;

		ses[i] = session(fd, even ? CRYPTO_AES_CBC : CRYPTO_AES_CTR, KEY_128, 0, "");
		unhex(BLOCKS, text[i]);
		unhex(even ? CBC_IV : CTR_IV, iv[i]);
		c = (struct crypt_op){
			.ses = ses[i],
			.op = COP_ENCRYPT,
			.len = LEN,
			.src = text[i],
			.dst = i < 2 ? text[i] : out[i],
			.iv = iv[i],
		};
		wait_for(fd, POLLOUT);
		want(ioctl(fd, CIOCASYNCCRYPT, &c) == 0);
	}
	for (i = 0; i < CALLS; i++) {
		memset(&c, 0, sizeof(c));
		wait_for(fd, POLLIN);
		want(ioctl(fd, CIOCASYNCFETCH, &c) == 0);
		want(c.ses == ses[i] && c.src == text[i] && c.len == LEN);
		want(equal(c.dst, LEN, i % 2 ? CTR_128 : CBC_128));
		end(fd, ses[i]);
	}
	want(close(fd) == 0);
	return 0;
}
