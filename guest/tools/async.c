// SPDX-License-Identifier: GPL-2.0-or-later
/* CIOCASYNCCRYPT, CIOCASYNCFETCH and poll(2): operations that are under way. */
#include <errno.h>
#include <poll.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "crypt.h"

#define MAX_JOBS 1024

/* Numbered from 1; a number is not given again. NULL when it was fetched. */
static struct crypt *jobs[MAX_JOBS + 1];
static unsigned int last_job;

void cmd_async(const struct words *words)
{
	struct crypt *c = malloc(sizeof(*c));
	struct crypt_op before;
	struct outcome outcome;

	if (!c || last_job == MAX_JOBS) {
		answer_bad("no more than %d operations", MAX_JOBS);
		free(c);
		return;
	}
	if (crypt_parse(c, words)) {
		memcpy(&before, &c->op, sizeof(before));
		outcome = call_crypt(c->fd, CIOCASYNCCRYPT, &c->op);
		if (memcmp(&before, &c->op, sizeof(before))) {
			answer_bad("crypt_op changed");
		} else if (call_well(&outcome)) {
			jobs[++last_job] = c;
			answer_ok("job=%u", last_job);
			return;
		}
	}
	crypt_free(c);
	free(c);
}

/* Whose operation was it? The kernel gives back all that it was given. */
static unsigned int find_job(const struct crypt_op *op)
{
	for (unsigned int k = 1; k <= last_job; k++)
		if (jobs[k] && memcmp(&jobs[k]->op, op, sizeof(*op)) == 0)
			return k;
	return 0;
}

void cmd_fetch(const struct words *words)
{
	struct outcome outcome;
	struct crypt_op op;
	char begin[40];
	unsigned int k;
	int fd;

	if (!want_fd(words->word[1], &fd))
		return;
	memset(&op, 0, sizeof(op));
	outcome = call_crypt(fd, CIOCASYNCFETCH, &op);
	if (!call_well(&outcome))
		return;
	k = find_job(&op);
	if (!k) {
		answer_bad("what was fetched was never given");
		return;
	}
	if (!crypt_misbehaved(jobs[k], &op)) {
		snprintf(begin, sizeof(begin), "ok job=%u ", k);
		crypt_tell(jobs[k], begin);
	}
	crypt_free(jobs[k]);
	free(jobs[k]);
	jobs[k] = NULL;
}

/* timeout is in milliseconds; without one there is no waiting. */
void cmd_poll(const struct words *words)
{
	enum { EVENTS, TIMEOUT, COUNT };
	struct option o[COUNT] = {
		[EVENTS] = { "events", NULL }, [TIMEOUT] = { "timeout", NULL },
	};
	const char *events;
	uint64_t timeout = 0;
	struct pollfd p;
	int n;

	if (!want_fd(words->word[1], &p.fd) || !words_options(words, 2, o, COUNT) ||
	    (o[TIMEOUT].value &&
	     !want_number("timeout", o[TIMEOUT].value, INT_MAX, &timeout)))
		return;
	events = o[EVENTS].value ? o[EVENTS].value : "inout";
	p.events = 0;
	if (strcmp(events, "in") == 0 || strcmp(events, "inout") == 0)
		p.events |= POLLIN;
	if (strcmp(events, "out") == 0 || strcmp(events, "inout") == 0)
		p.events |= POLLOUT;
	if (!p.events) {
		answer_bad("events is not in, out or inout");
		return;
	}
	p.revents = 0;
	n = poll(&p, 1, (int)timeout);
	if (n < 0)
		answer_errno(errno);
	else
		answer_ok("in=%d out=%d err=%d hup=%d", !!(p.revents & POLLIN),
			  !!(p.revents & POLLOUT), !!(p.revents & POLLERR),
			  !!(p.revents & POLLHUP));
}
