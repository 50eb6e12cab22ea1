// SPDX-License-Identifier: GPL-2.0-or-later
/* chat-server: waits for one client, and listens first. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chat.h"

const char program[] = "chat-server";

static const char help[] =
"Usage: chat-server [--plain] [--bind A] [--port P] [DEVICE]\n"
"\n"
"Waits for one chat-client and talks with the person there. Once it listens it\n"
"says `listening on PORT' on standard error; with --port 0 the kernel chooses.\n"
"\n"
"  --bind A     name or address to listen on (0.0.0.0)\n";

static int listen_at(const struct addrinfo *at)
{
	int sock = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
	int on = 1;
	int err;

	if (sock < 0)
		return -1;
	if (setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    bind(sock, at->ai_addr, at->ai_addrlen) == 0 &&
	    listen(sock, 0) == 0)
		return sock;
	err = errno;
	close(sock);
	errno = err;
	return -1;
}

/* Says which port it is. */
static bool announce(int sock)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} at;
	socklen_t len = sizeof(at);

	if (getsockname(sock, &at.any, &len) < 0)
		return complain(strerror(errno), "asking for the port");
	fprintf(stderr, "listening on %d\n",
		ntohs(at.any.sa_family == AF_INET6 ? at.v6.sin6_port : at.v4.sin_port));
	return true;
}

static int listen_on(const struct options *options)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV | AI_PASSIVE,
	};
	struct addrinfo *addresses;
	int err = getaddrinfo(options->address, options->port, &hints, &addresses);
	int sock = -1;

	if (err) {
		complain(err == EAI_SYSTEM ? strerror(errno) : gai_strerror(err),
			 "looking for %s", options->address);
		return -1;
	}
	for (const struct addrinfo *at = addresses; at && sock < 0; at = at->ai_next)
		sock = listen_at(at);
	if (sock < 0)
		complain(strerror(errno), "listening on %s port %s",
			 options->address, options->port);
	freeaddrinfo(addresses);
	return sock;
}

/* The one peer; nobody else may wait for us to become free. */
static int accept_one(const struct options *options)
{
	int listener = listen_on(options);
	int on = 1;
	int sock;

	if (listener < 0)
		return -1;
	if (!announce(listener)) {
		close(listener);
		return -1;
	}
	do {
		sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	} while (sock < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (sock < 0)
		complain(strerror(errno), "accepting a client");
	close(listener);
	/* A machine that vanishes is noticed in the end; no harm without it. */
	if (sock >= 0)
		setsockopt(sock, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	return sock;
}

int main(int argc, char **argv)
{
	struct options options = {
		.address = "0.0.0.0",
		.port = DEFAULT_PORT,
		.device = DEFAULT_DEVICE,
	};
	struct cipher cipher;
	int status = EXIT_ERROR;
	int sock;

	if (!process_prepare())
		return EXIT_ERROR;
	if (!options_parse(&options, argc, argv, "bind", help, &status))
		return status;
	cipher_open_plain(&cipher);
	if (!options.plain && !cipher_open(&cipher, options.device))
		return EXIT_ERROR;
	sock = accept_one(&options);
	if (sock >= 0 && screen_say("accepted"))
		status = talk(sock, &cipher, false);
	if (sock >= 0)
		close(sock);
	return cipher_close(&cipher, status);
}
