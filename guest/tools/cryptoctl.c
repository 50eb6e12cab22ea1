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

static const char usage[] =
"Usage: cryptoctl\n"
"\n"
"Reads one command a line and answers each with one line:\n"
"  ok [KEY=VALUE …]   the call succeeded\n"
"  err ERRNO …        the call failed, with the errno's name\n"
"  bad TEXT           the line is wrong, or the kernel did what it must not\n"
"\n"
"Commands (numbers are decimal or 0x…; FD is what open or dup gave):\n"
"  open PATH                      ok fd=N\n"
"  dup FD                         ok fd=N\n"
"  close FD                       ok\n"
"  session FD cipher=N [key=HEX|null|bad] [keylen=N]\n"
"             [mac=N] [mackey=HEX|null|bad] [mackeylen=N]\n"
"                                 CIOCGSESSION: ok ses=N; key=changed follows\n"
"                                 if anything but ses was altered\n"
"  free FD SES                    CIOCFSESSION: ok\n"
"  crypt FD SES op=enc|dec|N [src=HEX|null|bad|fill:BYTE:LEN]\n"
"             [iv=HEX|null|bad] [len=N] [dst=null|bad|inplace] [flags=N]\n"
"             [repeat=N] [out=hex|sha256]\n"
"                                 CIOCCRYPT: ok dst=HEX or dst=sha256:HEX, and\n"
"                                 iv=HEX if the IV's buffer was changed;\n"
"                                 err NAME dst=touched if it failed and still\n"
"                                 wrote\n"
"  ioctl FD NUMBER [arg=null|bad|zero|N]\n"
"                                 any ioctl: ok ret=N; zero is a page of zeros,\n"
"                                 and u32=N follows if its first word changed\n"
"  read FD                        read 16 bytes: ok n=N\n"
"  fork                           a child with the same open files, itself a\n"
"                                 cryptoctl: ok child=K pid=P\n"
"  child K COMMAND …              let child K run a command: its answer\n"
"  wait K                         end child K: ok status=N, 128 + the signal's\n"
"                                 number if one killed it\n"
"  help                           the names of the commands\n"
"  quit                           ok, and the end; so is the end of input\n"
"\n"
"null is the pointer 0, bad one to a page that may not be touched. keylen,\n"
"mackeylen and len are the number of bytes given if they are not named. A key,\n"
"a source and an IV end where untouchable memory begins: a call that reads\n"
"further than the bytes that were given gets EFAULT. The destination has room\n"
"for len bytes (not beyond 16 MiB if the source is shorter), holds 0xa5 before\n"
"the call and lies between guard bytes.\n"
"\n"
"repeat does the same call so often, with IV and buffers as at first each time.\n"
"The first errno ends it; the first result that is not like the others is\n"
"answered `bad result N differs'. It wants an IV: without one each result\n"
"depends on the one before.\n"
"\n"
"bad overrun                      bytes beside a buffer were written\n"
"bad source changed               the source was written to\n"
"bad crypt_op changed             the call altered its argument\n";

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
	{ "ioctl",	cmd_ioctl,	3, 4 },
	{ "read",	cmd_read,	2, 2 },
	{ "fork",	cmd_fork,	1, 1 },
	{ "wait",	cmd_wait,	2, 2 },
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
	fputs(" child help quit (cryptoctl --help tells all)", stdout);
	answer_end();
}

static void run_words(const struct words *words)
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
