/* SPDX-License-Identifier: Apache-2.0 */
/* See outbox.h. */
#include "services/gateway/outbox.h"

#include <assert.h>
#include <string.h>

#include "common/mailbox.h"
#include "common/mem.h"

#define BATCH      1024u /* posts under one lock */
#define KEEP_POSTS 4096u /* an empty box larger than this gives its memory back */

struct box {
    struct mailbox *mailbox;
    struct post *posts;
    size_t start, count, size; /* posts[start .. start + count) */
};

struct outbox {
    unsigned workers;
    size_t count;
    outbox_drop_fn drop;
    struct box boxes[WORKERS_MAX];
};

struct outbox *
outbox_new(unsigned workers, outbox_drop_fn drop)
{
    assert(workers >= 1 && workers <= WORKERS_MAX);
    struct outbox *outbox = mem_zalloc(sizeof(*outbox));
    outbox->workers = workers;
    outbox->drop = drop;
    return outbox;
}

void
outbox_free(struct outbox *outbox)
{
    if (outbox == NULL)
        return;
    for (unsigned w = 0; w < outbox->workers; w++) {
        struct box *box = &outbox->boxes[w];
        for (size_t i = 0; i < box->count; i++)
            outbox->drop(&box->posts[box->start + i]);
        mem_free(box->posts);
    }
    mem_free(outbox);
}

void
outbox_set(struct outbox *outbox, unsigned worker, struct mailbox *mailbox)
{
    assert(worker < outbox->workers);
    outbox->boxes[worker].mailbox = mailbox;
}

void
outbox_add(struct outbox *outbox, unsigned worker, const struct post *post)
{
    assert(worker < outbox->workers);
    struct box *box = &outbox->boxes[worker];
    if (box->start + box->count == box->size) {
        if (box->start >= box->count && box->start > 0) {
            memmove(box->posts, box->posts + box->start, box->count * sizeof(*box->posts));
        } else {
            box->size = box->size == 0 ? 64 : box->size * 2;
            struct post *posts = mem_realloc_array(NULL, box->size, sizeof(*posts));
            if (box->count > 0)
                memcpy(posts, box->posts + box->start, box->count * sizeof(*posts));
            mem_free(box->posts);
            box->posts = posts;
        }
        box->start = 0;
    }
    box->posts[box->start + box->count++] = *post;
    outbox->count++;
}

static void
flush_box(struct outbox *outbox, struct box *box)
{
    size_t batch = BATCH;
    while (box->count > 0 && box->mailbox != NULL) {
        size_t n = box->count < batch ? box->count : batch;
        if (mailbox_post_batch(box->mailbox, box->posts + box->start, n) != OK) {
            if (batch == 1)
                return;
            batch /= 8; /* a nearly full mailbox still takes a few: order and progress are kept */
            if (batch == 0)
                batch = 1;
            continue;
        }
        box->start += n;
        box->count -= n;
        outbox->count -= n;
    }
    if (box->count > 0)
        return;
    box->start = 0;
    if (box->size > KEEP_POSTS) {
        mem_free(box->posts);
        box->posts = NULL;
        box->size = 0;
    }
}

bool
outbox_flush(struct outbox *outbox)
{
    for (unsigned w = 0; w < outbox->workers && outbox->count > 0; w++)
        flush_box(outbox, &outbox->boxes[w]);
    return outbox->count == 0;
}

bool
outbox_is_empty(const struct outbox *outbox)
{
    return outbox->count == 0;
}

size_t
outbox_count(const struct outbox *outbox)
{
    return outbox->count;
}
