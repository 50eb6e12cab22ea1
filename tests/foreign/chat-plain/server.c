// SPDX-License-Identifier: GPL-2.0-or-later
#include "talk.h"

int main(int argc, char **argv)
{
	int listening = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in at;

	if (argc != 2)
		return 2;
	at = address("0.0.0.0", argv[1]);
	if (bind(listening, (struct sockaddr *)&at, sizeof(at)) || listen(listening, 0)) {
		perror("listen");
		return 1;
	}
	return talk(accept(listening, NULL, NULL));
}
