// SPDX-License-Identifier: GPL-2.0-or-later
/* chat-client: connects, and speaks first. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chat.h"

const char program[] = "chat-client";

static const char help[] =
"Usage: chat-client [--plain] [--host H] [--port P] [DEVICE]\n"
"\n"
"Connects to a chat-server and talks with the person there.\n"
"\n"
"  --host H     name or address of the server (localhost)\n";

/* connect(), which goes on by itself when a signal has interrupted it. */
static int connect_fully(int sock, const struct addrinfo *to)
{
	struct pollfd fd = { .fd = sock, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int err = 0;

	if (connect(sock, to->ai_addr, to->ai_addrlen) == 0)
		return 0;
	if (errno != EINTR)
		return -1;
	while (poll(&fd, 1, -1) < 0)
		if (errno != EINTR)
			return -1;
	if (getsockopt(sock, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		return -1;
	errno = err;
	return err ? -1 : 0;
}

static int connect_to(const struct addrinfo *to)
{
	int sock = socket(to->ai_family, to->ai_socktype | SOCK_CLOEXEC, to->ai_protocol);
	int err;

	if (sock < 0 || connect_fully(sock, to) == 0)
		return sock;
	err = errno;
	close(sock);
	errno = err;
	return -1;
}

static int reach(const struct options *options)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV,
	};
	struct addrinfo *addresses;
	int err = getaddrinfo(options->address, options->port, &hints, &addresses);
	int sock = -1;
	int on = 1;

	if (err) {
		complain(err == EAI_SYSTEM ? strerror(errno) : gai_strerror(err),
			 "looking for %s", options->address);
		return -1;
	}
	for (const struct addrinfo *to = addresses; to && sock < 0; to = to->ai_next)
		sock = connect_to(to);
	if (sock < 0)
		complain(strerror(errno), "connecting to %s port %s",
			 options->address, options->port);
	freeaddrinfo(addresses);
	/* A machine that vanishes is noticed in the end; no harm without it. */
	if (sock >= 0)
		setsockopt(sock, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	return sock;
}

int main(int argc, char **argv)
{
	struct options options = {
		.address = "localhost",
		.port = DEFAULT_PORT,
		.device = DEFAULT_DEVICE,
	};
	struct cipher cipher;
	int status = EXIT_ERROR;
	int sock;

	if (!process_prepare())
		return EXIT_ERROR;
	if (!options_parse(&options, argc, argv, "host", help, &status))
		return status;
	cipher_open_plain(&cipher);
	if (!options.plain && !cipher_open(&cipher, options.device))
		return EXIT_ERROR;
	sock = reach(&options);
	if (sock >= 0 && screen_say("connected"))
		status = talk(sock, &cipher, true);
	if (sock >= 0)
		close(sock);
	return cipher_close(&cipher, status);
}
