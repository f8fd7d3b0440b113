/* SPDX-License-Identifier: Apache-2.0 */
/* See output.h. */
#include "services/gateway/output.h"

#include <assert.h>
#include <string.h>

#include "common/mem.h"

#define POOL_KEEP 1024u /* chunks kept for reuse: 4 MiB a worker */

_Static_assert(sizeof(struct output_chunk) <= OUTPUT_CHUNK_SIZE, "a chunk is one page");

void
output_pool_fini(struct output_pool *pool)
{
    while (pool->free != NULL) {
        struct output_chunk *chunk = pool->free;
        pool->free = chunk->next;
        mem_free(chunk);
    }
    pool->free_count = 0;
}

static void
release(struct output_pool *pool, struct output_chunk *chunk)
{
    message_unref(chunk->message);
    pool->in_use--;
    if (pool->free_count >= POOL_KEEP) {
        mem_free(chunk);
        return;
    }
    chunk->next = pool->free;
    pool->free = chunk;
    pool->free_count++;
}

uint8_t *
output_grow(struct output *output, struct output_pool *pool)
{
    struct output_chunk *chunk = pool->free;
    if (chunk != NULL) {
        pool->free = chunk->next;
        pool->free_count--;
    } else {
        chunk = mem_alloc(sizeof(*chunk));
    }
    pool->taken++;
    pool->in_use++;
    chunk->next = NULL;
    chunk->message = NULL;
    chunk->ref = NULL;
    chunk->ref_len = 0;
    chunk->start = chunk->end = 0;
    if (output->tail != NULL)
        output->tail->next = chunk;
    else
        output->head = chunk;
    output->tail = chunk;
    return chunk->data;
}

void
output_append(struct output *output, struct output_pool *pool, struct slice bytes)
{
    while (bytes.len > 0) {
        uint8_t *to = output_reserve(output, pool, 1);
        size_t room = OUTPUT_CHUNK_DATA - output->tail->end;
        size_t n = bytes.len < room ? bytes.len : room;
        memcpy(to, bytes.data, n);
        output_commit(output, n);
        bytes.data += n;
        bytes.len -= n;
    }
}

void
output_append_ref(struct output *output, struct output_pool *pool, struct message *message,
                  struct slice bytes)
{
    if (bytes.len == 0)
        return;
    if (output->tail == NULL || output->tail->message != NULL)
        output_grow(output, pool);
    output->tail->message = message_ref(message);
    output->tail->ref = bytes.data;
    output->tail->ref_len = (uint32_t)bytes.len;
    output->len += bytes.len;
}

int
output_iov(const struct output *output, struct iovec *iov, int max)
{
    int n = 0;
    for (struct output_chunk *chunk = output->head; chunk != NULL && n < max; chunk = chunk->next) {
        if (chunk->end > chunk->start) {
            iov[n].iov_base = chunk->data + chunk->start;
            iov[n++].iov_len = chunk->end - chunk->start;
        }
        if (chunk->ref_len > 0 && n < max) {
            union {
                const uint8_t *in;
                void *out;
            } base = {.in = chunk->ref}; /* struct iovec has no const; nobody writes through it */
            iov[n].iov_base = base.out;
            iov[n++].iov_len = chunk->ref_len;
        }
    }
    return n;
}

void
output_consume(struct output *output, struct output_pool *pool, size_t n)
{
    assert(n <= output->len);
    output->len -= n;
    while (output->head != NULL) {
        struct output_chunk *chunk = output->head;
        size_t data = chunk->end - chunk->start;
        if (n < data) {
            chunk->start += (uint32_t)n;
            return;
        }
        n -= data;
        chunk->start = chunk->end;
        if (n < chunk->ref_len) {
            chunk->ref += n;
            chunk->ref_len -= (uint32_t)n;
            return;
        }
        n -= chunk->ref_len;
        output->head = chunk->next;
        if (output->head == NULL)
            output->tail = NULL;
        release(pool, chunk);
    }
}

void
output_clear(struct output *output, struct output_pool *pool)
{
    while (output->head != NULL) {
        struct output_chunk *chunk = output->head;
        output->head = chunk->next;
        release(pool, chunk);
    }
    output->tail = NULL;
    output->len = 0;
}
