// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * All workers of one run: they start at one moment, and their outcomes become one line.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cryptobench.h"

struct crew {
	const struct options *options;
	unsigned int count;	/* workers, with the one beside */
	unsigned int started;
	struct outcome *outcomes;
	pid_t pids[MOST_PROCESSES + 1];
	int ready[2], go[2];
};

static int complain(const char *what, const char *why)
{
	printf("{\"error\": \"%s: %s\"}\n", what, why);
	return 1;
}

static int crew_make(struct crew *crew, const struct options *options)
{
	memset(crew, 0, sizeof(*crew));
	crew->options = options;
	crew->count = options->processes + !!options->beside;
	crew->outcomes = mmap(NULL, crew->count * sizeof(*crew->outcomes), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (crew->outcomes == MAP_FAILED)
		return -errno;
	if (pipe(crew->ready))
		return -errno;
	return pipe(crew->go) ? -errno : 0;
}

static void be_worker(struct crew *crew, unsigned int number, pid_t parent)
{
	const struct options *options = crew->options;
	bool beside = number == options->processes;
	size_t size = beside ? options->beside : options->size;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	close(crew->ready[0]);
	close(crew->go[1]);
	_exit(work(options, size, options->check && !beside, crew->ready[1], crew->go[0],
		   &crew->outcomes[number]));
}

static int crew_start(struct crew *crew)
{
	pid_t pid, parent = getpid();

	for (; crew->started < crew->count; crew->started++) {
		pid = fork();
		if (pid < 0)
			return -errno;
		if (!pid)
			be_worker(crew, crew->started, parent);
		crew->pids[crew->started] = pid;
	}
	close(crew->ready[1]);
	close(crew->go[0]);
	return 0;
}

/* Returns whether everybody is; one that fails ends without a word. */
static bool crew_ready(struct crew *crew)
{
	unsigned int count = 0;
	char word;
	ssize_t got;

	while (count < crew->count) {
		got = read(crew->ready[0], &word, 1);
		if (got == 1)
			count++;
		else if (!got || errno != EINTR)
			return false;
	}
	return true;
}

/* Returns whether everybody ended well. */
static bool crew_end(struct crew *crew)
{
	bool well = true;
	unsigned int i;
	int status;

	for (i = 0; i < crew->started; i++) {
		while (waitpid(crew->pids[i], &status, 0) < 0 && errno == EINTR)
			;
		well = well && WIFEXITED(status) && !WEXITSTATUS(status);
	}
	return well;
}

static void crew_kill(struct crew *crew)
{
	unsigned int i;

	for (i = 0; i < crew->started; i++)
		kill(crew->pids[i], SIGKILL);
}

static const char *crew_reason(const struct crew *crew)
{
	unsigned int i;

	for (i = 0; i < crew->count; i++)
		if (crew->outcomes[i].error[0])
			return crew->outcomes[i].error;
	return "it ended before its time";
}

/* How long all processors together had something to do since they started, in seconds; see proc(5). */
static double busy_seconds(void)
{
	unsigned long long user, nice, system, idle, iowait, irq, softirq, busy = 0;
	FILE *file = fopen("/proc/stat", "re");

	if (!file)
		return 0;
	if (fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle,
		   &iowait, &irq, &softirq) == 7)
		busy = user + nice + system + irq + softirq;
	fclose(file);
	return (double)busy / sysconf(_SC_CLK_TCK);
}

static void report(const struct crew *crew, double busy)
{
	const struct options *options = crew->options;
	static struct histogram latency;
	uint64_t operations = 0, user = 0, system = 0, begun = UINT64_MAX, ended = 0;
	const struct outcome *one;
	unsigned int i;

	for (i = 0; i < options->processes; i++) {
		one = &crew->outcomes[i];
		operations += one->operations;
		begun = one->begun < begun ? one->begun : begun;
		ended = one->ended > ended ? one->ended : ended;
		histogram_add(&latency, &one->latency);
	}
	for (i = 0; i < crew->count; i++) {
		user += crew->outcomes[i].user;
		system += crew->outcomes[i].system;
	}
	printf("{\"operations\": %llu, \"seconds\": %.9f, \"p50_ns\": %llu, \"p99_ns\": %llu, "
	       "\"most_ns\": %llu, \"user_seconds\": %.6f, \"system_seconds\": %.6f, "
	       "\"busy_seconds\": %.6f, \"beside_operations\": %llu}\n",
	       (unsigned long long)operations, (ended - begun) / 1e9,
	       (unsigned long long)histogram_percentile(&latency, 0.50),
	       (unsigned long long)histogram_percentile(&latency, 0.99),
	       (unsigned long long)latency.most, user / 1e9, system / 1e9, busy,
	       (unsigned long long)(options->beside ? crew->outcomes[options->processes].operations : 0));
}

int run(const struct options *options)
{
	struct crew crew;
	double busy;
	bool well;
	int err;

	err = crew_make(&crew, options);
	if (err)
		return complain("preparing", strerror(-err));
	/* What is buffered would be written by each worker, too. */
	fflush(NULL);
	err = crew_start(&crew);
	if (err) {
		crew_kill(&crew);
		crew_end(&crew);
		return complain("starting a process", strerror(-err));
	}
	if (!crew_ready(&crew)) {
		crew_kill(&crew);
		crew_end(&crew);
		return complain(options->way->name, crew_reason(&crew));
	}
	busy = busy_seconds();
	close(crew.go[1]);
	well = crew_end(&crew);
	busy = busy_seconds() - busy;
	if (!well)
		return complain(options->way->name, crew_reason(&crew));
	report(&crew, busy);
	return 0;
}
