// SPDX-License-Identifier: GPL-2.0-or-later
/* Forked children: each is a cryptoctl of its own, asked through a pipe. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cryptoctl.h"

#define MAX_CHILDREN 256

/* Numbered from 1; a number is not given again. */
static struct child {
	pid_t pid;		/* 0 when there is none (any more) */
	FILE *to, *from;
} children[MAX_CHILDREN + 1];

static unsigned int last_child;

/* The pipe to the parent, where this process is a child. */
static int own_pipe = -1;

/* Whether a descriptor is one that cryptoctl talks through. */
bool children_own(int fd)
{
	if (fd == own_pipe)
		return true;
	for (unsigned int k = 1; k <= last_child; k++)
		if (children[k].pid &&
		    (fd == fileno(children[k].to) || fd == fileno(children[k].from)))
			return true;
	return false;
}

static void forget(struct child *child)
{
	fclose(child->to);
	fclose(child->from);
	child->pid = 0;
}

/*
 * In the new child. What the parent had read ahead of its input stays the
 * parent's; the pipes to its other children are closed, or they would never
 * see the end of their input.
 */
static bool become_child(int in, int out)
{
	for (unsigned int k = 1; k <= last_child; k++)
		if (children[k].pid)
			forget(&children[k]);
	last_child = 0;
	if (dup2(out, STDOUT_FILENO) < 0 || close(out) < 0)
		return false;
	commands_in = fdopen(in, "r");
	own_pipe = in;
	return commands_in;
}

static void close_pair(const int pair[2])
{
	close(pair[0]);
	close(pair[1]);
}

/* In the parent. On failure the child sees the end of its input and leaves. */
static void adopt_child(pid_t pid, int to, int from)
{
	struct child *child = &children[last_child + 1];

	child->to = fdopen(to, "w");
	child->from = fdopen(from, "r");
	if (!child->to || !child->from) {
		if (child->to)
			fclose(child->to);
		else
			close(to);
		close(from);
		waitpid(pid, NULL, 0);
		answer_errno(ENOMEM);
		return;
	}
	child->pid = pid;
	last_child++;
	answer_ok("child=%u pid=%d", last_child, (int)pid);
}

void cmd_fork(const struct words *words)
{
	int down[2], up[2];
	pid_t pid;
	int err;

	(void)words;
	if (last_child == MAX_CHILDREN) {
		answer_bad("no more than %d children", MAX_CHILDREN);
		return;
	}
	if (pipe2(down, O_CLOEXEC) < 0) {
		answer_errno(errno);
		return;
	}
	if (pipe2(up, O_CLOEXEC) < 0) {
		err = errno;
		close_pair(down);
		answer_errno(err);
		return;
	}
	pid = fork();
	if (pid == 0) {
		close(down[1]);
		close(up[0]);
		if (!become_child(down[0], up[1]))
			_exit(1);
		return;
	}
	err = errno;
	close(down[0]);
	close(up[1]);
	if (pid > 0) {
		adopt_child(pid, down[1], up[0]);
		return;
	}
	close(down[1]);
	close(up[0]);
	answer_errno(err);
}

static struct child *want_child(const char *text, uint64_t *k)
{
	if (!want_number("K", text, MAX_CHILDREN, k))
		return NULL;
	if (*k > 0 && *k <= last_child && children[*k].pid)
		return &children[*k];
	answer_bad("no child %llu", (unsigned long long)*k);
	return NULL;
}

/* The child's answer without its newline, NULL if it has gone. */
static char *ask_child(struct child *child, const char *command)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t len = -1;

	if (fprintf(child->to, "%s\n", command) >= 0 && fflush(child->to) == 0)
		len = getline(&line, &room, child->from);
	if (len > 0 && line[len - 1] == '\n') {
		line[len - 1] = '\0';
		return line;
	}
	free(line);
	return NULL;
}

/* K COMMAND …, the command's words as they were typed */
void cmd_child(char *rest)
{
	char *number = strsep(&rest, " ");
	struct child *child;
	char *line;
	uint64_t k;

	number[strcspn(number, "\n")] = '\0';
	child = want_child(number, &k);
	if (!child)
		return;
	if (!rest) {
		answer_bad("child %llu is given no command", (unsigned long long)k);
		return;
	}
	rest[strcspn(rest, "\n")] = '\0';
	line = ask_child(child, rest);
	if (line) {
		fputs(line, stdout);
		answer_end();
	} else {
		answer_bad("child %llu is gone", (unsigned long long)k);
	}
	free(line);
}

void cmd_wait(const struct words *words)
{
	struct child *child;
	uint64_t k;
	pid_t pid, done;
	int status;

	child = want_child(words->word[1], &k);
	if (!child)
		return;
	pid = child->pid;
	forget(child);
	do {
		done = waitpid(pid, &status, 0);
	} while (done < 0 && errno == EINTR);
	if (done < 0)
		answer_errno(errno);
	else if (WIFSIGNALED(status))
		answer_ok("status=%d", 128 + WTERMSIG(status));
	else
		answer_ok("status=%d", WEXITSTATUS(status));
}
