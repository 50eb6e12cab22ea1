// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Frames over a socket. A frame is 257 bytes and nothing in it says where it
 * ends: ciphertext may hold any byte, newlines and zeros included.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chat.h"

bool frame_send(int sock, const uint8_t frame[FRAME_BYTES])
{
	size_t done = 0;

	while (done < FRAME_BYTES) {
		ssize_t n = write(sock, frame + done, FRAME_BYTES - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return complain(strerror(errno), "sending to the other end");
		done += (size_t)n;
	}
	return true;
}

enum peer frame_receive(int sock, uint8_t frame[FRAME_BYTES])
{
	size_t done = 0;

	while (done < FRAME_BYTES) {
		ssize_t n = read(sock, frame + done, FRAME_BYTES - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			complain(strerror(errno), "receiving from the other end");
			return PEER_ERROR;
		}
		if (n == 0 && done == 0)
			return PEER_LEFT;
		if (n == 0) {
			complain("the connection ended in the middle of a message",
				 "receiving from the other end");
			return PEER_ERROR;
		}
		done += (size_t)n;
	}
	if (frame[FRAME_BYTES - 1] != '\n') {
		complain("a message does not end as the protocol has it",
			 "receiving from the other end");
		return PEER_ERROR;
	}
	return PEER_HERE;
}

/*
 * Look for the end of the connection without reading. What the peer has sent
 * out of turn stays where it is; its end can be seen only behind that.
 */
enum peer peer_look(int sock, bool *pending)
{
	char byte;
	ssize_t n;

	do {
		n = recv(sock, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	*pending = n > 0;
	if (n == 0)
		return PEER_LEFT;
	if (n > 0 || errno == EAGAIN || errno == EWOULDBLOCK)
		return PEER_HERE;
	complain(strerror(errno), "waiting for a line to send");
	return PEER_ERROR;
}
