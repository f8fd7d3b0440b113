/* SPDX-License-Identifier: Apache-2.0 */
/* What mqload's command line says. Measures nothing. */
#ifndef TESTS_BENCH_LOAD_OPTIONS_H
#define TESTS_BENCH_LOAD_OPTIONS_H

#include <stdbool.h>

#define LOAD_PORTS_MAX 64
#define LOAD_PIDS_MAX  16

struct load_options {
    const char *host;
    int ports[LOAD_PORTS_MAX]; /* connections take turns */
    int port_count;
    int publisher_port;    /* 0: the same ports */
    const char *transport; /* tcp, tls, ws, wss */
    const char *user, *password;
    const char *prefix; /* of topics and client ids */
    int publishers, subscribers, groups;
    int qos;
    int payload_len;
    long messages;
    long window;  /* deliveries outstanding, at most */
    int inflight; /* unacknowledged per publisher, at most */
    double rate;  /* messages per second; 0: closed loop */
    int timeout_s;
    bool is_persistent;
    bool only_connects;
    bool by_second;
    int pids[LOAD_PIDS_MAX]; /* whose memory is weighed */
    int pid_count;
};

/* False: an option that is not known. */
bool load_options_read(int argc, char **argv, struct load_options *options);

#endif
