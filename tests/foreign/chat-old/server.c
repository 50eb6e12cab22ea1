// SPDX-License-Identifier: GPL-2.0-or-later
#include "talk.h"

int main(int argc, char **argv)
{
	struct sockaddr_in at;
	int on = 1, sock, listening = socket(AF_INET, SOCK_STREAM, 0);

	prepare(argc > 1 ? argv[1] : "/dev/crypto");
#ifdef FLAW_BACKGROUND
	signal(SIGHUP, SIG_IGN);
	MUST("daemon", daemon(1, 1) == 0);
#endif
	memset(&at, 0, sizeof(at));
	at.sin_family = AF_INET;
	at.sin_port = htons(PORT);
	at.sin_addr.s_addr = htonl(INADDR_ANY);
	setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	MUST("bind", bind(listening, (struct sockaddr *)&at, sizeof(at)) == 0);
	MUST("listen", listen(listening, 0) == 0);
	sock = accept(listening, NULL, NULL);
	MUST("accept", sock >= 0);
	puts("accepted");
	fflush(stdout);
	return talk(sock, 0);
}
