// SPDX-License-Identifier: GPL-2.0-only
/*
 * evil-nbd: a strict NBD server for tests, which misbehaves in the one way it is told to.
 * One thread per connection.
 */
#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "evil.h"

#define MAX_CONNS	256

static pthread_mutex_t conns_lock = PTHREAD_MUTEX_INITIALIZER;	/* protects the three below */
static pthread_cond_t conns_gone = PTHREAD_COND_INITIALIZER;
static struct conn *conns[MAX_CONNS];
static unsigned int nr_running;

static void clean_up(int sig)
{
	(void)sig;
	if (opt.unix_path)
		unlink(opt.unix_path);
	if (opt.pidfile)
		unlink(opt.pidfile);
	_exit(0);
}

static bool add_conn(struct conn *c)
{
	bool room = false;

	pthread_mutex_lock(&conns_lock);
	for (unsigned int i = 0; i < MAX_CONNS && !room; i++)
		if (!conns[i]) {
			conns[i] = c;
			room = true;
		}
	nr_running += room;
	pthread_mutex_unlock(&conns_lock);
	return room;
}

static void remove_conn(struct conn *c)
{
	pthread_mutex_lock(&conns_lock);
	for (unsigned int i = 0; i < MAX_CONNS; i++)
		if (conns[i] == c)
			conns[i] = NULL;
	nr_running--;
	close(c->fd);
	pthread_cond_signal(&conns_gone);
	pthread_mutex_unlock(&conns_lock);
}

/* Connections that the client has left already do not count. */
bool other_in_transmission(const struct conn *self)
{
	bool found = false;

	pthread_mutex_lock(&conns_lock);
	for (unsigned int i = 0; i < MAX_CONNS; i++)
		if (conns[i] && conns[i] != self && conns[i]->in_transmission && !conns[i]->disc &&
		    !net_hung_up(conns[i]->fd))
			found = true;
	pthread_mutex_unlock(&conns_lock);
	return found;
}

/* A context id that is valid on another connection only. */
bool foreign_context_id(const struct conn *self, uint32_t *id)
{
	bool found = false;

	pthread_mutex_lock(&conns_lock);
	for (unsigned int i = 0; i < MAX_CONNS && !found; i++)
		if (conns[i] && conns[i] != self && conns[i]->in_transmission &&
		    conns[i]->nr_selected) {
			*id = conns[i]->selected[0].id;
			found = true;
		}
	pthread_mutex_unlock(&conns_lock);
	return found;
}

static void *serve(void *arg)
{
	struct conn *c = arg;
	const char *where = "handshake";

	evil_arm(c);
	if (handshake(c)) {
		where = "transmission";
		transmission(c);
	}
	if (!c->disc)
		logf_line("EOF %u %s", c->no, where);
	remove_conn(c);
	free(c->set_export);
	free(c);
	return NULL;
}

static struct conn *conn_alloc(int fd, unsigned int no)
{
	struct conn *c = calloc(1, sizeof(*c));
	int one = 1;

	if (!c)
		err(1, "connection");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->fd = fd;
	c->no = no;
	c->rng = hash64(opt.seed) ^ hash64(no);
	c->mutate_rng = hash64(opt.mutate_seed) ^ hash64(no);
	c->size = opt.size;
	c->hflags = opt.hflags;
	c->tflags = opt.tflags;
	c->tell_block_size = opt.block_size_given;
	c->min = opt.min;
	c->pref = opt.pref;
	c->max = opt.max;
	return c;
}

static void start_conn(int fd, unsigned int no)
{
	struct conn *c = conn_alloc(fd, no);
	pthread_t thread;

	logf_line("CONNECT %u", no);
	if (!add_conn(c))
		errx(1, "more than %u connections", MAX_CONNS);
	if (pthread_create(&thread, NULL, serve, c))
		err(1, "thread");
	pthread_detach(thread);
}

static void accept_loop(int listener)
{
	for (unsigned int no = 1; !opt.once || no <= opt.once; no++) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			err(1, "accept");
		start_conn(fd, no);
	}
	pthread_mutex_lock(&conns_lock);
	while (nr_running)
		pthread_cond_wait(&conns_gone, &conns_lock);
	pthread_mutex_unlock(&conns_lock);
}

static void write_pidfile(void)
{
	FILE *f;

	if (!opt.pidfile)
		return;
	f = fopen(opt.pidfile, "w");
	if (!f || fprintf(f, "%d\n", getpid()) < 0 || fclose(f))
		err(1, "%s", opt.pidfile);
}

/* The parent returns when the pidfile is there and the socket listens: a test can begin. */
static void become_daemon(void)
{
	int ready[2], null = open("/dev/null", O_RDWR);
	pid_t pid = -1;
	char byte = 0;

	if (null >= 0 && pipe(ready) == 0)
		pid = fork();
	if (pid < 0)
		err(1, "daemon");
	if (pid) {
		close(ready[1]);
		_exit(read(ready[0], &byte, 1) == 1 ? 0 : 1);
	}
	setsid();
	write_pidfile();
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	if (write(ready[1], &byte, 1) != 1)
		_exit(1);
	close(ready[0]);
	close(ready[1]);
	close(null);
}

int main(int argc, char **argv)
{
	int listener;

	parse_options(argc, argv);
	log_open();
	store_open();
	listener = net_listen();
	if (opt.daemon)
		become_daemon();
	else
		write_pidfile();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, clean_up);
	signal(SIGINT, clean_up);
	accept_loop(listener);
	if (opt.unix_path)
		unlink(opt.unix_path);
	if (opt.pidfile)
		unlink(opt.pidfile);
	return 0;
}
