// SPDX-License-Identifier: GPL-2.0-or-later
#include "talk.h"

int main(int argc, char **argv)
{
	struct sockaddr_in to;
	int sock = socket(AF_INET, SOCK_STREAM, 0);

	prepare(argc > 1 ? argv[1] : "/dev/crypto");
	memset(&to, 0, sizeof(to));
	to.sin_family = AF_INET;
	to.sin_port = htons(PORT);
	to.sin_addr.s_addr = inet_addr("127.0.0.1");
	MUST("connect", connect(sock, (struct sockaddr *)&to, sizeof(to)) == 0);
	puts("connected");
	return talk(sock, 1);
}
