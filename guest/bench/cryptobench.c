// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cryptobench: how fast AES-128-CBC encryption is, by one way to it.
 *
 * It prints one line of JSON for a run. With --serve each line of standard
 * input has the options of a run.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cryptobench.h"

#define MOST_WORDS	32
#define MOST_SECONDS	3600

static const char usage[] =
"Usage: cryptobench --via WAY [--path PATH] [--size BYTES] [--processes N] [--seconds S]\n"
"                   [--beside BYTES] [--piece BYTES] [--apart] [--crc HEX]\n"
"       cryptobench --serve\n"
"\n"
"Encrypts with AES-128-CBC again and again, and prints one line of JSON.\n"
"  --via WAY       cryptodev, afalg; on a host also libcrypto, devcrypto\n"
"  --path PATH     the device node, or the algorithm's name for AF_ALG\n"
"  --beside BYTES  one more process, not counted, with requests of this size\n"
"  --piece BYTES   AF_ALG is given no more at once: some ciphers take no more\n"
"  --apart         into other memory; otherwise in place\n"
"  --crc HEX       CRC-32 of the right ciphertext: with another nothing is timed\n"
"  --serve         read lines with such options from standard input\n";

enum { VIA = 1, WHERE, SIZE, PROCESSES, SECONDS, BESIDE, PIECE, APART, CRC, SERVE, HELP };

static const struct option long_options[] = {
	{"via", required_argument, NULL, VIA},
	{"path", required_argument, NULL, WHERE},
	{"size", required_argument, NULL, SIZE},
	{"processes", required_argument, NULL, PROCESSES},
	{"seconds", required_argument, NULL, SECONDS},
	{"beside", required_argument, NULL, BESIDE},
	{"piece", required_argument, NULL, PIECE},
	{"apart", no_argument, NULL, APART},
	{"crc", required_argument, NULL, CRC},
	{"serve", no_argument, NULL, SERVE},
	{"help", no_argument, NULL, HELP},
	{0},
};

static bool number(const char *text, int base, unsigned long most, unsigned long *value)
{
	char *end;

	errno = 0;
	*value = strtoul(text, &end, base);
	return !errno && end != text && !*end && *text != '-' && *value <= most;
}

static bool seconds(const char *text, double *value)
{
	char *end;

	*value = strtod(text, &end);
	return end != text && !*end && *value > 0 && *value <= MOST_SECONDS;
}

static bool block_multiple(const char *text, size_t *size)
{
	unsigned long value;

	if (!number(text, 10, MOST_BYTES, &value) || !value || value % 16)
		return false;
	*size = value;
	return true;
}

static const struct way *way_of(const char *name)
{
	const struct way *const *way;

	for (way = ways; *way; way++)
		if (!strcmp((*way)->name, name))
			return *way;
	return NULL;
}

static bool take(struct options *options, int option)
{
	unsigned long value;

	switch (option) {
	case VIA:
		options->way = way_of(optarg);
		return options->way;
	case WHERE:
		options->path = optarg;
		return true;
	case SIZE:
		return block_multiple(optarg, &options->size);
	case PROCESSES:
		if (!number(optarg, 10, MOST_PROCESSES, &value) || !value)
			return false;
		options->processes = value;
		return true;
	case SECONDS:
		return seconds(optarg, &options->seconds);
	case BESIDE:
		return block_multiple(optarg, &options->beside);
	case PIECE:
		return block_multiple(optarg, &options->piece);
	case APART:
		options->apart = true;
		return true;
	case CRC:
		if (!number(optarg, 16, UINT32_MAX, &value))
			return false;
		options->crc = value;
		options->check = true;
		return true;
	}
	return false;
}

static int misused(void)
{
	fputs(usage, stderr);
	return 2;
}

static int serve(void);

static int command(int argc, char **argv, bool may_serve)
{
	struct options options = {.size = 256, .processes = 1, .seconds = 1};
	int option;

	/* 0 and not 1: the line before may have been left in its middle. */
	optind = 0;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (option == HELP) {
			fputs(usage, stdout);
			return 0;
		}
		if (option == SERVE && may_serve && argc == 2)
			return serve();
		if (!take(&options, option))
			return misused();
	}
	if (optind != argc || !options.way)
		return misused();
	return run(&options);
}

/* One line, in a process of its own: whatever becomes of it, there is an answer. */
static void answer(char *line)
{
	char *words[MOST_WORDS + 1] = {"cryptobench"};
	int count = 1, status = 0;
	char *word, *rest = line;
	pid_t pid;

	while (count < MOST_WORDS && (word = strtok_r(rest, " \n", &rest)))
		words[count++] = word;
	fflush(NULL);
	pid = fork();
	if (!pid) {
		status = command(count, words, false);
		/* Not exit(): what of standard input is read already is the other one's. */
		fflush(stdout);
		_exit(status);
	}
	if (pid > 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	if (pid < 0)
		printf("{\"error\": \"starting a process: %s\"}\n", strerror(errno));
	else if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		printf("{\"error\": \"the run ended with status %#x\"}\n", status);
	fflush(stdout);
}

static int serve(void)
{
	char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, stdin) > 0)
		answer(line);
	free(line);
	return 0;
}

int main(int argc, char **argv)
{
	return command(argc, argv, true);
}
