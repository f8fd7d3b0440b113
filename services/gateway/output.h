/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes on their way to one client: a chain of pooled chunks. Small packets are copied in; the
 * payload of a large message is referenced behind the chunk that holds its header. An empty output
 * holds no chunk. It does no I/O: the connection writes what output_iov names. A pool belongs to
 * one worker.
 */
#ifndef SERVICES_GATEWAY_OUTPUT_H
#define SERVICES_GATEWAY_OUTPUT_H

#include "common/str.h"
#include "services/gateway/message.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define OUTPUT_CHUNK_SIZE 4096u
#define OUTPUT_CHUNK_DATA (OUTPUT_CHUNK_SIZE - 48u)

struct output_chunk {
    struct output_chunk *next;
    struct message *message; /* counted; its tail is sent after the data. NULL: none */
    const uint8_t *ref;
    uint32_t ref_len;
    uint32_t start, end; /* data[start..end) is unsent */
    uint8_t spare[12];
    uint8_t data[OUTPUT_CHUNK_DATA];
};

struct output_pool {
    struct output_chunk *free;
    uint32_t free_count;
    uint32_t taken; /* chunks taken since somebody set this to 0: how much is worth a flush */
    uint64_t in_use;
};

/* Zeroed is empty. */
struct output {
    struct output_chunk *head, *tail;
    size_t len; /* bytes unsent */
};

/* Frees the chunks that lie idle in the pool. */
void output_pool_fini(struct output_pool *pool);

/* Slow path of output_reserve: a new chunk at the end. */
uint8_t *output_grow(struct output *output, struct output_pool *pool);

/* Room for n <= OUTPUT_CHUNK_DATA bytes in one piece; write there, then output_commit. */
static inline uint8_t *
output_reserve(struct output *output, struct output_pool *pool, size_t n)
{
    struct output_chunk *tail = output->tail;
    if (tail != NULL && tail->message == NULL && n <= OUTPUT_CHUNK_DATA - tail->end)
        return tail->data + tail->end;
    return output_grow(output, pool);
}

static inline void
output_commit(struct output *output, size_t n)
{
    output->tail->end += (uint32_t)n;
    output->len += n;
}

/* Copies any number of bytes. */
void output_append(struct output *output, struct output_pool *pool, struct slice bytes);
/* Adds bytes that lie in message, without copying; takes a reference of its own. */
void output_append_ref(struct output *output, struct output_pool *pool, struct message *message,
                       struct slice bytes);

/* Names up to max pieces of unsent bytes from the front; returns how many. */
int output_iov(const struct output *output, struct iovec *iov, int max);
/* n bytes were sent. */
void output_consume(struct output *output, struct output_pool *pool, size_t n);
/* Drops everything. */
void output_clear(struct output *output, struct output_pool *pool);

#endif
