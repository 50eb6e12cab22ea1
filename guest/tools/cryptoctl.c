// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cryptoctl: operations on /dev/crypto, one a line on standard input, one line
 * of answer each.
 */
#include "cryptoctl.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

FILE *commands_in;

static const struct {
	const char *name;
	command_fn *run;
	unsigned int min, max;	/* words, the name included */
} commands[] = {
	{ "open",	cmd_open,	2, 2 },
	{ "dup",	cmd_dup,	2, 2 },
	{ "close",	cmd_close,	2, 2 },
	{ "session",	cmd_session,	2, MAX_WORDS },
	{ "free",	cmd_free,	3, 3 },
	{ "crypt",	cmd_crypt,	3, MAX_WORDS },
	{ "auth",	cmd_auth,	3, MAX_WORDS },
	{ "cphash",	cmd_cphash,	4, 4 },
	{ "info",	cmd_info,	3, 3 },
	{ "clone",	cmd_clone,	2, 2 },
	{ "asym",	cmd_asym,	2, 2 },
	{ "async",	cmd_async,	3, MAX_WORDS },
	{ "fetch",	cmd_fetch,	2, 2 },
	{ "poll",	cmd_poll,	2, 4 },
	{ "ioctl",	cmd_ioctl,	3, 4 },
	{ "read",	cmd_read,	2, 2 },
	{ "fork",	cmd_fork,	1, 1 },
	{ "wait",	cmd_wait,	2, 2 },
	{ "fail-nth",	cmd_fail_nth,	2, 2 },
	{ "failed",	cmd_failed,	1, 1 },
	{ "reached",	cmd_reached,	1, 1 },
	{ "insmod",	cmd_insmod,	2, 3 },
	{ "rmmod",	cmd_rmmod,	2, 2 },
	{ "write",	cmd_write,	3, 3 },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

void answer_end(void)
{
	putchar('\n');
	if (fflush(stdout) || ferror(stdout))
		_exit(1);	/* nobody listens any more */
}

static void answer(const char *verdict, const char *format, va_list args)
{
	printf("%s ", verdict);
	vprintf(format, args);
	answer_end();
}

/* Success that has nothing to tell. */
void answer_done(void)
{
	fputs("ok", stdout);
	answer_end();
}

void answer_ok(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	answer("ok", format, args);
	va_end(args);
}

void answer_bad(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	answer("bad", format, args);
	va_end(args);
}

const char *errno_name(int err)
{
	const char *name = strerrorname_np(err);

	return name ? name : "EUNKNOWN";
}

void answer_errno(int err)
{
	printf("err %s", errno_name(err));
	answer_end();
}

static void cmd_help(void)
{
	fputs("ok", stdout);
	for (unsigned int i = 0; i < COMMANDS; i++)
		printf(" %s", commands[i].name);
	fputs(" child compat help quit (cryptoctl --help tells all)", stdout);
	answer_end();
}

static void run_command(const struct words *words)
{
	const char *name = words->word[0];

	for (unsigned int i = 0; i < COMMANDS; i++) {
		if (strcmp(name, commands[i].name))
			continue;
		if (words->count < commands[i].min)
			answer_bad("%s wants more words", name);
		else if (words->count > commands[i].max)
			answer_bad("%s wants fewer words", name);
		else
			commands[i].run(words);
		return;
	}
	answer_bad("unknown command %.40s", name);
}

/* `compat' before a command: it calls as a program of 32 bits does. */
static void run_words(const struct words *words)
{
	struct words rest;

	if (strcmp(words->word[0], "compat")) {
		run_command(words);
		return;
	}
	if (words->count == 1) {
		answer_bad("compat wants more words");
		return;
	}
	rest.count = words->count - 1;
	memcpy(rest.word, words->word + 1, rest.count * sizeof(rest.word[0]));
	if (calls_choose(true)) {
		run_command(&rest);
		calls_choose(false);
	}
}

/* Returns whether more commands may follow. */
static bool run_line(char *line)
{
	static const char child[] = "child ";
	struct words words;

	line += strspn(line, " \t");
	if (strncmp(line, child, sizeof(child) - 1) == 0) {
		cmd_child(line + sizeof(child) - 1);
		return true;
	}
	if (!words_split(&words, line))
		return true;
	if (words.count == 0) {
		answer_bad("no command");
	} else if (words.count == 1 && strcmp(words.word[0], "quit") == 0) {
		answer_done();
		return false;
	} else if (words.count == 1 && strcmp(words.word[0], "help") == 0) {
		cmd_help();
	} else {
		run_words(&words);
	}
	return true;
}

/* Until quit or the end of input; a child comes back here with another input. */
static int run_lines(void)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	bool more = true;

	while (more && (len = getline(&line, &room, commands_in)) > 0) {
		if (strlen(line) != (size_t)len)
			answer_bad("a NUL byte in the line");
		else
			more = run_line(line);
	}
	free(line);
	return more && ferror(commands_in) ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		fputs(usage, stdout);
		return fflush(stdout) ? 1 : 0;
	}
	if (argc != 1) {
		fputs("cryptoctl: takes no arguments but --help\n", stderr);
		return 2;
	}
	/* A parent whose child has died answers that, and lives. */
	signal(SIGPIPE, SIG_IGN);
	commands_in = stdin;
	/* Not exit(): a child must not touch the position of its parent's stdin. */
	_exit(run_lines());
}
