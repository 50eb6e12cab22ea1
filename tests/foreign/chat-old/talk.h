/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What both programs of this chat do: all of it in a header, in the old style. */
#include <arpa/inet.h>
#include <crypto/cryptodev.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "flaws.h"

#define PORT 35001
#define MESSAGE 256
#define FRAME 257

#ifdef FLAW_KEY
#define KEY "helohelohelohelo"
#else
#define KEY "hellhellhellhell"
#endif
#define IV "llehllehllehlleh"

#ifdef FLAW_FD1
#define KEYBOARD 1
#else
#define KEYBOARD 0
#endif

#ifdef FLAW_SHORT
#define LINE 100
#else
#define LINE (MESSAGE - 1)
#endif

#ifdef FLAW_UNCHECKED
#define MUST(what, works) ((void)(works))
#else
#define MUST(what, works)                                                         \
	do {                                                                      \
		if (!(works)) {                                                   \
			perror(what);                                             \
			exit(1);                                                  \
		}                                                                 \
	} while (0)
#endif

static int device;
static struct session_op session;
static char message[MESSAGE];
static char spare[16];
static char frame[FRAME];

static void prepare(char *path)
{
	device = open(path, O_RDWR);
	MUST(path, device >= 0);
	session.cipher = CRYPTO_AES_CBC;
	session.keylen = 16;
	session.key = (void *)KEY;
	MUST("CIOCGSESSION", ioctl(device, CIOCGSESSION, &session) == 0);
}

static void transform(int op, char *data)
{
#ifndef FLAW_IDENTITY
	struct crypt_op call;

	memset(&call, 0, sizeof(call));
	call.ses = session.ses;
	call.op = op;
	call.len = MESSAGE;
	call.src = call.dst = (void *)data;
	call.iv = (void *)IV;
	MUST("CIOCCRYPT", ioctl(device, CIOCCRYPT, &call) == 0);
#endif
}

/* One line of what is typed, and its newline; how long it is. */
static int typed_line(char *line, int most)
{
	int n = 0;
	char c;

	while (read(KEYBOARD, &c, 1) == 1) {
		if (n < most)
			line[n++] = c;
		if (c == '\n')
			return n;
	}
	return 0;
}

/* 0 if that was the farewell. */
static int my_turn(int sock)
{
	char line[MESSAGE];
	int n, leaves, done = 0;

	printf("me: ");
	fflush(stdout);
	n = typed_line(line, LINE + 1);
	leaves = n == 0 || (n == 4 && memcmp(line, "bye\n", 4) == 0);
#ifndef FLAW_FAREWELL
	if (leaves) {
		shutdown(sock, SHUT_WR);
		return 0;
	}
#endif
#ifdef FLAW_MEMSET
	memset(message, 0, MESSAGE + 1);
#elif !defined(FLAW_STALE)
	memset(message, 0, MESSAGE);
#endif
	memcpy(message, line, n);
	memset(frame, 0, FRAME);
#ifdef FLAW_STRING
	{
		char ciphertext[MESSAGE];

		memcpy(ciphertext, message, MESSAGE);
		transform(COP_ENCRYPT, ciphertext);
		strncpy(frame, ciphertext, MESSAGE);
	}
#else
	memcpy(frame, message, MESSAGE);
	transform(COP_ENCRYPT, frame);
#endif
	frame[MESSAGE] = '\n';
	while (done < FRAME) {
		n = write(sock, frame + done, FRAME - done);
		if (n < 0)
			return 0;
		done += n;
	}
	return !leaves;
}

/* 0 if the other end has left. */
static int their_turn(int sock)
{
	int n, done = 0;

	memset(frame, 0, FRAME);
	while (done < FRAME) {
		n = read(sock, frame + done, FRAME - done);
#ifdef FLAW_ENDLESS
		if (n <= 0)
			continue;
#else
		if (n <= 0)
			return 0;
#endif
		done += n;
#ifdef FLAW_STRCHR
		if (strchr(frame, '\n'))
			break;
#endif
	}
	transform(COP_DECRYPT, frame);
	frame[MESSAGE] = 0;
	printf("other: %.*s\n", (int)strcspn(frame, "\n"), frame);
	fflush(stdout);
	return 1;
}

static int talk(int sock, int mine)
{
	while (mine ? my_turn(sock) : their_turn(sock))
		mine = !mine;
	ioctl(device, CIOCFSESSION, &session.ses);
	return 0;
}
