/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CHAT_H
#define CHAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEFAULT_DEVICE	"/dev/crypto"
#define DEFAULT_PORT	"35001"

/*
 * The protocol. A message is text and a newline, padded with zeros. It is
 * encrypted whole and sent as one frame: the ciphertext and a newline.
 */
#define MESSAGE_BYTES	256
#define TEXT_BYTES	(MESSAGE_BYTES - 1)
#define FRAME_BYTES	(MESSAGE_BYTES + 1)

/* client.c, server.c: how error messages begin */
extern const char program[];

/* options.c */
enum { EXIT_FINE = 0, EXIT_ERROR = 1, EXIT_USAGE = 2 };

struct options {
	bool plain;
	const char *address;	/* --host or --bind */
	const char *port;
	const char *device;
};

/*
 * Returns whether to go on; else the program ends with *@status.
 * @address_option: the long option that gives @options->address
 * @help: printed for --help, followed by what both programs have in common
 */
bool options_parse(struct options *options, int argc, char **argv,
		   const char *address_option, const char *help, int *status);

/* Print one line of error, below whatever the screen shows; returns false. */
bool complain(const char *reason, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Make sure that descriptors 0, 1 and 2 exist, so that nothing else gets their
 * numbers, and that a peer or a reader that is gone is an error, no signal.
 */
bool process_prepare(void);

/* cipher.c: the messages' encryption by the crypto device */
struct cipher {
	const char *device;
	int fd;			/* -1: none, messages stay plain */
	uint32_t ses;
};

bool cipher_open(struct cipher *cipher, const char *device);
void cipher_open_plain(struct cipher *cipher);
bool cipher_encrypt(struct cipher *cipher, const uint8_t from[MESSAGE_BYTES],
		    uint8_t to[MESSAGE_BYTES]);
bool cipher_decrypt(struct cipher *cipher, const uint8_t from[MESSAGE_BYTES],
		    uint8_t to[MESSAGE_BYTES]);
int cipher_close(struct cipher *cipher, int status);

/* frame.c: whole frames over a socket */
enum peer { PEER_HERE, PEER_LEFT, PEER_ERROR };

bool frame_send(int sock, const uint8_t frame[FRAME_BYTES]);
enum peer frame_receive(int sock, uint8_t frame[FRAME_BYTES]);
enum peer peer_look(int sock, bool *pending);

/* lines.c: standard input as messages */
#define LINES_BYTES	4096

struct lines {
	char data[LINES_BYTES];
	size_t len;
	bool ended;
	bool inside;		/* of a line whose beginning was taken already */
};

enum line { LINE_TEXT, LINE_BYE, LINE_END };

bool lines_ready(const struct lines *lines);
bool lines_fill(struct lines *lines);
enum line lines_take(struct lines *lines, uint8_t message[MESSAGE_BYTES]);

/* screen.c: the terminal, or whatever standard output is */
bool screen_say(const char *text);
bool screen_prompt(void);
bool screen_typed(void);
bool screen_show(const char *who, const uint8_t message[MESSAGE_BYTES]);
void screen_end_line(void);

/* talk.c */
int talk(int sock, struct cipher *cipher, bool first);

#endif /* CHAT_H */
