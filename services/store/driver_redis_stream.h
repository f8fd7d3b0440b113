/* SPDX-License-Identifier: Apache-2.0 */
/* A connection of bytes to a Redis server: TCP, a UNIX socket, or TLS over TCP, with deadlines. It
 * knows nothing of what is said over it. One thread at a time. */
#ifndef SERVICES_STORE_DRIVER_REDIS_STREAM_H
#define SERVICES_STORE_DRIVER_REDIS_STREAM_H

#include "common/err.h"
#include "common/str.h"
#include "services/store/driver_redis_config.h"

#include <stdint.h>

#define DRIVER_REDIS_STREAM_WHY 128

struct driver_redis_tls; /* certificates */

/* New (driver_redis_stream_tls_free), from the tls-* settings. ERR_INVALID; why names the file. */
ERR_MUST_USE enum err driver_redis_stream_tls_new(const struct driver_redis_config *config,
                                                  char why[DRIVER_REDIS_STREAM_WHY],
                                                  struct driver_redis_tls **out);
void driver_redis_stream_tls_free(struct driver_redis_tls *tls);

struct driver_redis_stream {
    int fd;             /* -1: none */
    struct ssl_st *ssl; /* NULL: plain */
    /* Until when the present exchange may last (clock_monotonic_us). Every byte moved earns a
     * microsecond, so that what is large has the time it needs. */
    uint64_t deadline_us;
    char why[DRIVER_REDIS_STREAM_WHY]; /* of the last error */
};

/* Connects before stream->deadline_us, which the caller has set. address: host:port, or the path of
 * a UNIX socket. tls: NULL, or borrowed while the stream is open. ERR_IO, ERR_DENIED (certificate),
 * ERR_INVALID (address); the stream is then closed. */
ERR_MUST_USE enum err driver_redis_stream_open(struct driver_redis_stream *stream,
                                               const char *address, struct driver_redis_tls *tls);
void driver_redis_stream_close(struct driver_redis_stream *stream);

/* All of data. ERR_IO. */
ERR_MUST_USE enum err driver_redis_stream_write(struct driver_redis_stream *stream,
                                                struct slice data);
/* At least one byte, at most size. ERR_IO also at the end of the stream. */
ERR_MUST_USE enum err driver_redis_stream_read(struct driver_redis_stream *stream, void *out,
                                               size_t size, size_t *got);

#endif
