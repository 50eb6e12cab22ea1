// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * wirecap: captures one interface to a pcap file on standard output.
 *
 * On standard error it says `capturing IFACE` when it is ready. A line on
 * standard input asks how far it is: `synced LINE SIZE` says that every packet
 * before the line is within the first SIZE bytes of the output.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <linux/if_ether.h>

#define SNAPLEN		262144	/* more than any packet of a loopback */
#define RECEIVE_BUFFER	(32 << 20)
#define LINE_BYTES	128
#define MOST_WAITING	(RECEIVE_BUFFER / 512)	/* packets in a full buffer */

/* pcap-savefile(5), in this machine's byte order */
#define MAGIC_NANOSECONDS	0xa1b23c4du
#define LINKTYPE_ETHERNET	1

struct file_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, accuracy, snaplen, linktype;
};

struct packet_header {
	uint32_t seconds, nanoseconds, captured, length;
};

struct capture {
	const char *interface;
	int packets;		/* the packet socket */
	int signals;
	bool loopback;		/* there each packet is seen twice */
	bool asked;		/* standard input has not ended */
	uint64_t size;		/* bytes of output so far */
	char line[LINE_BYTES];	/* what was typed of the next line */
	size_t line_len;
	uint8_t packet[SNAPLEN];
};

static const char usage[] =
"Usage: wirecap INTERFACE\n"
"\n"
"Writes every packet of an Ethernet or loopback interface to standard output\n"
"as a pcap file (nanoseconds), each at once, until SIGINT, SIGTERM or the end\n"
"of standard input. Each packet is there once, on a loopback too. A packet that\n"
"the kernel had to drop is an error: status 1 at the end.\n"
"\n"
"Standard error: `capturing INTERFACE' when it is ready; for each LINE on\n"
"standard input `synced LINE SIZE': every packet from before the line is within\n"
"the first SIZE bytes of the output.\n";

static bool fail(const char *doing, const char *what)
{
	fprintf(stderr, "wirecap: %s%s%s: %s\n", doing, *what ? " " : "", what,
		strerror(errno));
	return false;
}

static bool put(struct capture *c, const void *data, size_t len)
{
	const uint8_t *at = data;

	c->size += len;
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail("writing the capture", "");
		at += n;
		len -= (size_t)n;
	}
	return true;
}

/* Sets @loopback; refuses what has no Ethernet header. */
static bool look_at_interface(struct capture *c, int *index)
{
	struct ifreq request = { 0 };

	if (strlen(c->interface) >= sizeof(request.ifr_name)) {
		errno = ENODEV;
		return fail("looking for", c->interface);
	}
	strcpy(request.ifr_name, c->interface);
	if (ioctl(c->packets, SIOCGIFINDEX, &request) < 0)
		return fail("looking for", c->interface);
	*index = request.ifr_ifindex;
	if (ioctl(c->packets, SIOCGIFHWADDR, &request) < 0)
		return fail("asking for the kind of", c->interface);
	c->loopback = request.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK;
	if (!c->loopback && request.ifr_hwaddr.sa_family != ARPHRD_ETHER) {
		errno = EAFNOSUPPORT;
		return fail("capturing", c->interface);
	}
	return true;
}

static bool open_packets(struct capture *c)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET };
	int size = RECEIVE_BUFFER;
	int on = 1;

	/* Protocol 0: nothing arrives before the interface is bound. */
	c->packets = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (c->packets < 0)
		return fail("opening a packet socket", "");
	if (!look_at_interface(c, &address.sll_ifindex))
		return false;
	if (setsockopt(c->packets, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(c->packets, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(c->packets, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)))
		return fail("asking for time stamps on", c->interface);
	address.sll_protocol = htons(ETH_P_ALL);
	if (bind(c->packets, (struct sockaddr *)&address, sizeof(address)) < 0)
		return fail("capturing", c->interface);
	return true;
}

static bool open_signals(struct capture *c)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	signal(SIGPIPE, SIG_IGN);
	c->signals = -1;
	if (sigprocmask(SIG_BLOCK, &set, NULL) == 0)
		c->signals = signalfd(-1, &set, SFD_CLOEXEC);
	return c->signals >= 0 || fail("waiting for signals", "");
}

static struct timespec time_of(struct msghdr *message)
{
	struct timespec now;

	for (struct cmsghdr *m = CMSG_FIRSTHDR(message); m; m = CMSG_NXTHDR(message, m)) {
		if (m->cmsg_level == SOL_SOCKET && m->cmsg_type == SCM_TIMESTAMPNS) {
			memcpy(&now, CMSG_DATA(m), sizeof(now));
			return now;
		}
	}
	clock_gettime(CLOCK_REALTIME, &now);
	return now;
}

/* One packet; @got says whether there was one. */
static bool take_packet(struct capture *c, bool *got)
{
	union {
		struct cmsghdr align;
		char data[CMSG_SPACE(sizeof(struct timespec))];
	} control;
	struct sockaddr_ll from;
	struct iovec iov = { c->packet, sizeof(c->packet) };
	struct msghdr message = {
		.msg_name = &from, .msg_namelen = sizeof(from),
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.data, .msg_controllen = sizeof(control.data),
	};
	struct packet_header header;
	struct timespec at;
	ssize_t n;

	do {
		n = recvmsg(c->packets, &message, MSG_DONTWAIT | MSG_TRUNC);
	} while (n < 0 && errno == EINTR);
	*got = n >= 0;
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ||
		       fail("capturing", c->interface);
	/* What leaves by a loopback comes back at once: that one counts. */
	if (c->loopback && from.sll_pkttype == PACKET_OUTGOING)
		return true;
	at = time_of(&message);
	header.seconds = (uint32_t)at.tv_sec;
	header.nanoseconds = (uint32_t)at.tv_nsec;
	header.length = (uint32_t)n;
	header.captured = n < SNAPLEN ? (uint32_t)n : SNAPLEN;
	return put(c, &header, sizeof(header)) && put(c, c->packet, header.captured);
}

/* All that are waiting, but not for ever: those that come meanwhile may wait. */
static bool take_packets(struct capture *c)
{
	bool got = true;

	for (int n = 0; got && n < MOST_WAITING; n++)
		if (!take_packet(c, &got))
			return false;
	return true;
}

static bool answer_line(struct capture *c)
{
	if (!take_packets(c))
		return false;
	fprintf(stderr, "synced %.*s %llu\n", (int)c->line_len, c->line,
		(unsigned long long)c->size);
	c->line_len = 0;
	return true;
}

/* Of a longer line the beginning is answered. */
static bool take_questions(struct capture *c)
{
	char typed[LINE_BYTES];
	ssize_t n = read(STDIN_FILENO, typed, sizeof(typed));

	if (n <= 0) {
		c->asked = n < 0 && errno == EINTR;
		return true;
	}
	for (ssize_t i = 0; i < n; i++) {
		if (typed[i] == '\n') {
			if (!answer_line(c))
				return false;
		} else if (c->line_len < sizeof(c->line)) {
			c->line[c->line_len++] = typed[i];
		}
	}
	return true;
}

/* Until a signal or the end of standard input, and what came until then. */
static bool run(struct capture *c)
{
	struct pollfd fds[] = {
		{ .fd = c->packets, .events = POLLIN },
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = c->signals, .events = POLLIN },
	};

	while (c->asked && !fds[2].revents) {
		if (poll(fds, 3, -1) < 0) {
			if (errno == EINTR)
				continue;
			return fail("waiting for packets on", c->interface);
		}
		if (fds[0].revents && !take_packets(c))
			return false;
		if (fds[1].revents && !take_questions(c))
			return false;
	}
	return take_packets(c);
}

static bool lost_none(struct capture *c)
{
	struct tpacket_stats { unsigned int packets, drops; } stats;
	socklen_t len = sizeof(stats);

	if (getsockopt(c->packets, SOL_PACKET, PACKET_STATISTICS, &stats, &len) < 0)
		return fail("counting the packets of", c->interface);
	if (stats.drops == 0)
		return true;
	fprintf(stderr, "wirecap: %u packets of %s are missing: the kernel dropped them\n",
		stats.drops, c->interface);
	return false;
}

int main(int argc, char **argv)
{
	static const struct file_header header = {
		.magic = MAGIC_NANOSECONDS, .major = 2, .minor = 4,
		.snaplen = SNAPLEN, .linktype = LINKTYPE_ETHERNET,
	};
	static struct capture c = { .asked = true };

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		fputs(usage, stdout);
		return fflush(stdout) ? 1 : 0;
	}
	if (argc != 2 || argv[1][0] == '-') {
		fputs("wirecap: wants one interface (--help tells more)\n", stderr);
		return 2;
	}
	c.interface = argv[1];
	if (!open_signals(&c) || !open_packets(&c) || !put(&c, &header, sizeof(header)))
		return 1;
	fprintf(stderr, "capturing %s\n", c.interface);
	return run(&c) && lost_none(&c) ? 0 : 1;
}
