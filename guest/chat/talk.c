// SPDX-License-Identifier: GPL-2.0-or-later
/* The conversation: turns, and how it ends. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chat.h"

enum turn { TURN_OVER, TURN_LEAVE, TURN_ERROR };

struct talk {
	int sock;
	struct cipher *cipher;
	struct lines lines;
};

/*
 * Wait until there is something to send, or the peer is gone: nobody types at
 * a prompt whose other end has left. What is there already is not sent either.
 */
static enum peer wait_for_line(struct talk *t)
{
	struct pollfd fds[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = t->sock, .events = POLLRDHUP },
	};
	bool pending = false;
	bool ready;

	for (;;) {
		enum peer peer = PEER_HERE;

		ready = lines_ready(&t->lines);
		fds[0].fd = ready ? -1 : STDIN_FILENO;
		/* Behind pending data the end is not to be seen, nor waited for. */
		fds[1].fd = pending ? -1 : t->sock;
		if (poll(fds, 2, ready ? 0 : -1) < 0) {
			if (errno == EINTR)
				continue;
			complain(strerror(errno), "waiting for a line to send");
			return PEER_ERROR;
		}
		if (!pending && fds[1].revents)
			peer = peer_look(t->sock, &pending);
		if (peer != PEER_HERE || ready)
			return peer;
		if (fds[0].revents && !lines_fill(&t->lines))
			return PEER_ERROR;
	}
}

static enum turn leave(struct talk *t)
{
	if (shutdown(t->sock, SHUT_WR) < 0 && errno != ENOTCONN) {
		complain(strerror(errno), "saying goodbye");
		return TURN_ERROR;
	}
	return TURN_LEAVE;
}

static enum turn send_message(struct talk *t, const uint8_t message[MESSAGE_BYTES])
{
	/* Apart from the plaintext: a device that does nothing sends zeros. */
	uint8_t frame[FRAME_BYTES] = { 0 };

	if (!cipher_encrypt(t->cipher, message, frame))
		return TURN_ERROR;
	frame[FRAME_BYTES - 1] = '\n';
	return frame_send(t->sock, frame) ? TURN_OVER : TURN_ERROR;
}

/* The rest of a long line is shown as it goes, since nobody types it now. */
static enum turn my_turn(struct talk *t)
{
	bool typed = !t->lines.inside;
	uint8_t message[MESSAGE_BYTES];
	enum line line;

	if (typed && !screen_prompt())
		return TURN_ERROR;
	switch (wait_for_line(t)) {
	case PEER_LEFT:
		return TURN_LEAVE;
	case PEER_ERROR:
		return TURN_ERROR;
	case PEER_HERE:
		break;
	}
	line = lines_take(&t->lines, message);
	if (line == LINE_END)
		return leave(t);
	if (!(typed ? screen_typed() : screen_show("me", message)))
		return TURN_ERROR;
	return line == LINE_BYE ? leave(t) : send_message(t, message);
}

static enum turn their_turn(struct talk *t)
{
	uint8_t frame[FRAME_BYTES], message[MESSAGE_BYTES];

	switch (frame_receive(t->sock, frame)) {
	case PEER_LEFT:
		return TURN_LEAVE;
	case PEER_ERROR:
		return TURN_ERROR;
	case PEER_HERE:
		break;
	}
	if (!cipher_decrypt(t->cipher, frame, message) ||
	    !screen_show("other", message))
		return TURN_ERROR;
	return TURN_OVER;
}

/* Returns the program's exit status. */
int talk(int sock, struct cipher *cipher, bool first)
{
	struct talk t = { .sock = sock, .cipher = cipher };
	bool mine = first;
	enum turn turn;

	do {
		turn = mine ? my_turn(&t) : their_turn(&t);
		mine = !mine;
	} while (turn == TURN_OVER);
	screen_end_line();
	return turn == TURN_LEAVE ? EXIT_FINE : EXIT_ERROR;
}
