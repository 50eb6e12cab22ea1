// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * identityd: makes this guest somebody, whenever the host says who.
 *
 * Guests that are restored from one saved guest are the same to the last bit.
 * Each is told its own name, addresses, time, randomness and SSH host key
 * before anybody else talks to it.
 *
 * An emulated processor has to translate every piece of code that it meets for
 * the first time, and a guest that was just restored has met none: so this does
 * without stdio, without scanf, and without opening a file when it matters.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <linux/random.h>

#define LINE_BYTES	4096
#define SEED_BYTES	64
#define KEY_BYTES	83
#define KEY_FILE	"/etc/dropbear/dropbear_ed25519_host_key"

static const char usage[] =
"Usage: identityd TERMINAL\n"
"\n"
"Says `ready' on TERMINAL, then obeys lines of NAME=VALUE words there:\n"
"\n"
"  hostname=NAME             the guest's name\n"
"  time=NANOSECONDS          the time of day, since 1970\n"
"  seed=HEX                  up to 64 bytes for the kernel's random numbers,\n"
"                            which are all new from then on\n"
"  key=HEX                   the SSH host key: an Ed25519 key in dropbear's\n"
"                            format, 83 bytes\n"
"  mac=INTERFACE,HEX         6 bytes\n"
"  address=INTERFACE,HEX     4 bytes of address and 4 bytes of network mask;\n"
"                            the interface is brought up with it\n"
"\n"
"The answer is `ok', or `error' and the reason of the first word that failed.\n";

struct identityd {
	int terminal;
	int random;
	int sockets;		/* to ask about interfaces */
	uint8_t *key;		/* the key's file: what is put here is in it */
	const char *reason;	/* why the last word failed */
	int error;
};

static bool fail(struct identityd *d, const char *reason)
{
	d->reason = reason;
	d->error = errno;
	return false;
}

static bool refuse(struct identityd *d, const char *reason)
{
	d->reason = reason;
	d->error = 0;
	return false;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Returns the number of bytes, or -1 for text that is no hex or too long. */
static ssize_t from_hex(const char *text, uint8_t *out, size_t room)
{
	size_t n;

	for (n = 0; text[2 * n]; n++) {
		int high = digit(text[2 * n]);
		int low = high < 0 ? -1 : digit(text[2 * n + 1]);

		if (n == room || low < 0)
			return -1;
		out[n] = (uint8_t)(high << 4 | low);
	}
	return (ssize_t)n;
}

static bool set_hostname(struct identityd *d, char *value)
{
	return sethostname(value, strlen(value)) == 0 || fail(d, "setting the host name");
}

static bool set_time(struct identityd *d, char *value)
{
	uint64_t at = 0;
	struct timespec now;

	for (; *value; value++) {
		if (*value < '0' || *value > '9' || at > (UINT64_MAX - 9) / 10)
			return refuse(d, "time: no number of nanoseconds");
		at = at * 10 + (uint64_t)(*value - '0');
	}
	now.tv_sec = (time_t)(at / 1000000000);
	now.tv_nsec = (long)(at % 1000000000);
	return clock_settime(CLOCK_REALTIME, &now) == 0 || fail(d, "setting the time");
}

/* Without the second request the new seed would be used only a minute later. */
static bool set_seed(struct identityd *d, char *value)
{
	struct {
		struct rand_pool_info info;
		uint8_t bytes[SEED_BYTES];	/* they are info.buf */
	} pool;
	ssize_t n = from_hex(value, pool.bytes, sizeof(pool.bytes));
	bool done = false;

	if (n <= 0)
		return refuse(d, "seed: not 1 to 64 bytes in hex");
	pool.info.buf_size = (int)n;
	pool.info.entropy_count = (int)n * 8;
	if (ioctl(d->random, RNDADDENTROPY, &pool) < 0)
		fail(d, "adding to the random pool");
	else if (ioctl(d->random, RNDRESEEDCRNG) < 0)
		fail(d, "reseeding the random numbers");
	else
		done = true;
	explicit_bzero(&pool, sizeof(pool));
	return done;
}

static bool set_key(struct identityd *d, char *value)
{
	return from_hex(value, d->key, KEY_BYTES) == KEY_BYTES ||
	       refuse(d, "key: not 83 bytes in hex");
}

/* Takes INTERFACE,HEX apart. */
static bool about_interface(struct identityd *d, char *value, struct ifreq *request,
			    uint8_t *bytes, ssize_t count)
{
	char *comma = strchr(value, ',');

	memset(request, 0, sizeof(*request));
	if (!comma || comma == value || (size_t)(comma - value) >= sizeof(request->ifr_name) ||
	    from_hex(comma + 1, bytes, (size_t)count) != count)
		return refuse(d, "not INTERFACE,HEX");
	memcpy(request->ifr_name, value, (size_t)(comma - value));
	return true;
}

static bool ask(struct identityd *d, unsigned long number, struct ifreq *request, const char *doing)
{
	return ioctl(d->sockets, number, request) == 0 || fail(d, doing);
}

static bool set_mac(struct identityd *d, char *value)
{
	struct ifreq request;
	uint8_t mac[6];

	if (!about_interface(d, value, &request, mac, sizeof(mac)))
		return false;
	request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(request.ifr_hwaddr.sa_data, mac, sizeof(mac));
	return ask(d, SIOCSIFHWADDR, &request, "setting a MAC address");
}

static bool set_address(struct identityd *d, char *value)
{
	struct ifreq request, mask, flags;
	struct sockaddr_in address = { .sin_family = AF_INET };
	uint8_t bytes[8];

	if (!about_interface(d, value, &request, bytes, sizeof(bytes)))
		return false;
	mask = flags = request;
	memcpy(&address.sin_addr, bytes, 4);
	memcpy(&request.ifr_addr, &address, sizeof(address));
	memcpy(&address.sin_addr, bytes + 4, 4);
	memcpy(&mask.ifr_netmask, &address, sizeof(address));
	flags.ifr_flags = IFF_UP | IFF_RUNNING | IFF_BROADCAST | IFF_MULTICAST;
	return ask(d, SIOCSIFADDR, &request, "setting an address") &&
	       ask(d, SIOCSIFNETMASK, &mask, "setting a network mask") &&
	       ask(d, SIOCSIFFLAGS, &flags, "bringing an interface up");
}

static const struct {
	const char *name;
	bool (*set)(struct identityd *d, char *value);
} settings[] = {
	{ "hostname", set_hostname }, { "time", set_time }, { "seed", set_seed },
	{ "key", set_key }, { "mac", set_mac }, { "address", set_address },
};

static bool obey_word(struct identityd *d, char *word)
{
	char *value = strchr(word, '=');

	if (value) {
		*value++ = 0;
		for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
			if (strcmp(word, settings[i].name) == 0)
				return settings[i].set(d, value);
	}
	return refuse(d, "a word that is not known");
}

static bool obey(struct identityd *d, char *line)
{
	char *rest = line;
	char *word;

	while ((word = strsep(&rest, " ")))
		if (*word && !obey_word(d, word))
			return false;
	return true;
}

static int open_terminal(const char *path)
{
	struct termios mode;
	int terminal = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (terminal < 0 || tcgetattr(terminal, &mode) < 0)
		return -1;
	cfmakeraw(&mode);
	mode.c_cflag |= CLOCAL;
	return tcsetattr(terminal, TCSANOW, &mode) < 0 ? -1 : terminal;
}

/* The file of the host key, in memory; who reads the file finds what is there. */
static uint8_t *map_key(void)
{
	int fd = open(KEY_FILE, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	void *key;

	if (fd < 0 || ftruncate(fd, KEY_BYTES) < 0)
		return NULL;
	key = mmap(NULL, KEY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	close(fd);
	return key == MAP_FAILED ? NULL : key;
}

/* A line without its end; false when the terminal is gone. */
static bool read_line(int terminal, char *line, size_t room)
{
	size_t n = 0;

	do {
		ssize_t got = read(terminal, line + n, room - n);

		if (got <= 0)
			return false;
		n += (size_t)got;
		if (n == room)
			n = 0; /* no line of ours: it will be refused */
	} while (n == 0 || line[n - 1] != '\n');
	line[n - 1] = 0;
	return true;
}

static int complain(const char *doing)
{
	dprintf(STDERR_FILENO, "identityd: %s: %s\n", doing, strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	static char line[LINE_BYTES];
	struct identityd d = { 0 };

	if (argc != 2 || strcmp(argv[1], "--help") == 0) {
		dprintf(argc == 2 ? STDOUT_FILENO : STDERR_FILENO, "%s", usage);
		return argc == 2 ? 0 : 2;
	}
	d.terminal = open_terminal(argv[1]);
	if (d.terminal < 0)
		return complain(argv[1]);
	d.random = open("/dev/urandom", O_RDWR | O_CLOEXEC);
	d.sockets = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	d.key = map_key();
	if (d.random < 0 || d.sockets < 0 || !d.key)
		return complain("preparing");
	dprintf(d.terminal, "ready\n");
	while (read_line(d.terminal, line, sizeof(line))) {
		if (!obey(&d, line))
			dprintf(d.terminal, "error %s%s%s\n", d.reason, d.error ? ": " : "",
				d.error ? strerror(d.error) : "");
		else if (write(d.terminal, "ok\n", 3) != 3)
			break;
		explicit_bzero(line, sizeof(line));
	}
	return complain("talking to the host");
}
