/* SPDX-License-Identifier: Apache-2.0 */
/* Ports for servers that a test starts: below the range from which the kernel takes ports of
 * outgoing connections, above those of tests/lib/cluster.py, and each process begins elsewhere, so
 * that nobody takes one before it is used. */
#ifndef SLUICE_TESTS_FREE_PORT_H
#define SLUICE_TESTS_FREE_PORT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

/* A port of the loopback that nobody has right now, and that this process has not given out. */
static inline int
free_port(void)
{
    static unsigned next;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool is_free = false;
    if (next == 0)
        next = (unsigned)getpid() % 70 * 10;
    while (!is_free) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        at.sin_port = htons((uint16_t)(32000 + next++ % 700));
        is_free = bind(fd, (struct sockaddr *)(void *)&at, sizeof(at)) == 0;
        close(fd);
    }
    return ntohs(at.sin_port);
}

#endif
