// SPDX-License-Identifier: GPL-2.0-or-later
/* The command line, and how errors are told. */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <unistd.h>

#include "chat.h"

static const char common_help[] =
"  --port P     TCP port (" DEFAULT_PORT ")\n"
"  --plain      do not encrypt; the device is not opened\n"
"  --help       this text\n"
"  DEVICE       the crypto device (" DEFAULT_DEVICE ")\n"
"\n"
"The ends take turns and the client begins: a line typed at `me: ' is sent and\n"
"appears at the other end behind `other: '. A line of more than 255 bytes goes\n"
"as several messages, one each turn, and is not cut within a UTF-8 character;\n"
"its rest is shown at your next turns as it is sent. NUL bytes in a line cannot\n"
"be sent: they are left out, with a note. Control characters and what is not\n"
"UTF-8 in the other end's text are shown as \\xNN.\n"
"\n"
"`bye' on a line of its own, or the end of input, ends the conversation. A last\n"
"line without a newline is still sent.\n"
"\n"
"The device is opened and its session made before any connection: without them\n"
"nothing is sent. Equal messages are equal on the wire: that is in the protocol.\n"
"\n"
"Status: 0 after a goodbye of either end, 1 after an error (one line on standard\n"
"error), 2 for a wrong command line.\n";

bool complain(const char *reason, const char *format, ...)
{
	va_list args;

	screen_end_line();
	fprintf(stderr, "%s: ", program);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, ": %s\n", reason);
	return false;
}

bool process_prepare(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
			return complain(strerror(errno), "opening /dev/null");
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return complain(strerror(errno), "ignoring SIGPIPE");
	return true;
}

/* getaddrinfo() would take 70000 for 4464. */
static bool port_fine(const char *text)
{
	return strspn(text, "0123456789") == strlen(text) && *text &&
	       strlen(text) <= 5 && atoi(text) <= 65535;
}

static bool wrong(int *status)
{
	fprintf(stderr, "%s: --help tells what can be given\n", program);
	*status = EXIT_USAGE;
	return false;
}

bool options_parse(struct options *options, int argc, char **argv,
		   const char *address_option, const char *help, int *status)
{
	const struct option known[] = {
		{ address_option, required_argument, NULL, 'a' },
		{ "port", required_argument, NULL, 'p' },
		{ "plain", no_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case 'a':
			options->address = optarg;
			break;
		case 'p':
			options->port = optarg;
			break;
		case 'n':
			options->plain = true;
			break;
		case 'h':
			printf("%s%s", help, common_help);
			*status = fflush(stdout) ? EXIT_ERROR : EXIT_FINE;
			return false;
		default:
			return wrong(status);
		}
	}
	if (optind < argc)
		options->device = argv[optind++];
	if (optind < argc) {
		fprintf(stderr, "%s: more than one device\n", program);
		return wrong(status);
	}
	if (!port_fine(options->port)) {
		fprintf(stderr, "%s: not a port: %s\n", program, options->port);
		return wrong(status);
	}
	return true;
}
