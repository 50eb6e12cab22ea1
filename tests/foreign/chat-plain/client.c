// SPDX-License-Identifier: GPL-2.0-or-later
#include "talk.h"

int main(int argc, char **argv)
{
	int sock = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in to;

	if (argc != 3)
		return 2;
	to = address(argv[1], argv[2]);
	if (connect(sock, (struct sockaddr *)&to, sizeof(to))) {
		perror("connect");
		return 1;
	}
	return talk(sock);
}
