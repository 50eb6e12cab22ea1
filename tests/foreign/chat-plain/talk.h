/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAME 128

static struct sockaddr_in address(const char *host, const char *port)
{
	struct sockaddr_in found = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };

	found.sin_addr.s_addr = inet_addr(host);
	return found;
}

/* 1 if it was sent, 0 if that was the farewell. */
static int speak(int sock)
{
	char line[FRAME + 1] = "";
	int done = 0;

	if (!fgets(line, sizeof(line), stdin) || !strcmp(line, "quit\n"))
		return 0;
	while (done < FRAME) {
		int n = send(sock, line + done, FRAME - done, MSG_NOSIGNAL);

		if (n <= 0)
			return 0;
		done += n;
	}
	return 1;
}

/* 1 if something was heard, 0 if the other one has left. */
static int listen_to(int sock)
{
	char line[FRAME];
	int done = 0;

	while (done < FRAME) {
		int n = recv(sock, line + done, FRAME - done, 0);

		if (n <= 0)
			return 0;
		done += n;
	}
	printf("\r< %.*s", FRAME, line);
	return 1;
}

static int talk(int sock)
{
	struct pollfd fds[] = { { .fd = 0, .events = POLLIN }, { .fd = sock, .events = POLLIN } };

	/* Nothing may wait in a buffer that poll() does not see. */
	setvbuf(stdin, NULL, _IONBF, 0);
	for (;;) {
		printf("> ");
		fflush(stdout);
		if (poll(fds, 2, -1) < 0)
			return 1;
		if (fds[1].revents ? !listen_to(sock) : !speak(sock))
			return 0;
	}
}
