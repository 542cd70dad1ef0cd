/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listen.h"
#include "print.h"

#define TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"

static enum MHD_Result http_reply(struct MHD_Connection *connection,
				  unsigned int status, const char *type,
				  char *text, size_t len)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		len, text, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result result;

	if (!response) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW,
					"GET, HEAD");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection,
				   unsigned int status, const char *text)
{
	char *copy;
	int len = asprintf(&copy, "%s\n", text);

	return len < 0 ? MHD_NO
		       : http_reply(connection, status, "text/plain", copy,
				    (size_t)len);
}

/* Static: libmicrohttpd runs one thread. */
static enum MHD_Result answer_metrics(struct MHD_Connection *connection,
				      const struct target *target)
{
	static struct rpcbuf_snapshot snapshot;
	static struct server server;
	static struct fault fault;
	char *text = NULL;
	size_t len;
	FILE *out;
	int status = server_attach(target, &server, &fault);

	if (!status)
		status = server_check(&server, &fault);
	if (!status)
		status = server_read(&server, &snapshot, &fault);
	out = status ? NULL : open_memstream(&text, &len);
	if (out) {
		print_prometheus(out, &server, &snapshot);
		if (fclose(out))
			out = NULL;
	}
	server_detach(&server);
	if (status)
		return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
				   fault.text);
	if (!out) {
		free(text);
		return MHD_NO;
	}
	return http_reply(connection, MHD_HTTP_OK, TEXT_TYPE, text, len);
}

static enum MHD_Result handle(void *target, struct MHD_Connection *connection,
			      const char *url, const char *method,
			      const char *version, const char *data,
			      size_t *data_size, void **state)
{
	(void)version;
	(void)data;
	(void)state;
	if (*data_size) {
		*data_size = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) &&
	    strcmp(method, MHD_HTTP_METHOD_HEAD))
		return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
				   "only GET and HEAD");
	if (strcmp(url, "/metrics"))
		return answer_text(connection, MHD_HTTP_NOT_FOUND,
				   "the figures are at /metrics");
	return answer_metrics(connection, target);
}

/* Splits HOST:PORT in place. */
static bool split(char *address, const char **host, const char **port)
{
	char *colon = strrchr(address, ':');

	if (!colon || colon == address || !colon[1])
		return false;
	*colon = '\0';
	*port = colon + 1;
	*host = address;
	if (address[0] == '[' && colon[-1] == ']') {
		colon[-1] = '\0';
		*host = address + 1;
	} else if (strchr(address, ':')) {
		return false;
	}
	return true;
}

static int refuse(const char *address, const char *why, struct fault *fault)
{
	return fault_set(fault, FAULT_ADDRESS, "cannot listen on %s: %s",
			 address, why);
}

static int open_socket(const char *address, struct fault *fault)
{
	const struct addrinfo hints = {
		.ai_flags = AI_PASSIVE,
		.ai_socktype = SOCK_STREAM,
	};
	char copy[256];
	const char *host, *port;
	struct addrinfo *info;
	int fd, one = 1, err = 0;

	snprintf(copy, sizeof(copy), "%s", address);
	if (strlen(address) >= sizeof(copy) || !split(copy, &host, &port)) {
		refuse(address,
		       "ADDRESS:PORT is expected, as in 127.0.0.1:9899", fault);
		return -1;
	}
	err = getaddrinfo(host, port, &hints, &info);
	if (err) {
		refuse(address, gai_strerror(err), fault);
		return -1;
	}
	fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, info->ai_addr, info->ai_addrlen) || listen(fd, 16)) {
		refuse(address, strerror(errno), fault);
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	freeaddrinfo(info);
	return fd;
}

int listen_for_scrapes(const char *address, const struct target *target,
		       struct fault *fault)
{
	struct MHD_Daemon *daemon;
	sigset_t signals;
	int fd = open_socket(address, fault), signal;

	if (fd < 0)
		return fault->status;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	daemon = MHD_start_daemon(
		MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, handle,
		(void *)(uintptr_t)target, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, 32u, MHD_OPTION_CONNECTION_TIMEOUT,
		10u, MHD_OPTION_END);
	if (!daemon) {
		close(fd);
		return refuse(address, "cannot start the HTTP library", fault);
	}
	printf("serving http://%s/metrics\n", address);
	fflush(stdout);
	sigwait(&signals, &signal);
	MHD_stop_daemon(daemon);
	return FAULT_NONE;
}
