/* SPDX-License-Identifier: Apache-2.0 */
/* See post_box.h. */
#include "services/gateway/post_box.h"

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

struct post_box {
    unsigned workers;
    size_t count;
    post_box_drop_fn drop;
    struct box boxes[WORKERS_MAX];
};

struct post_box *
post_box_new(unsigned workers, post_box_drop_fn drop)
{
    assert(workers >= 1 && workers <= WORKERS_MAX);
    struct post_box *post_box = mem_zalloc(sizeof(*post_box));
    post_box->workers = workers;
    post_box->drop = drop;
    return post_box;
}

void
post_box_free(struct post_box *post_box)
{
    if (post_box == NULL)
        return;
    for (unsigned w = 0; w < post_box->workers; w++) {
        struct box *box = &post_box->boxes[w];
        for (size_t i = 0; i < box->count; i++)
            post_box->drop(&box->posts[box->start + i]);
        mem_free(box->posts);
    }
    mem_free(post_box);
}

void
post_box_set(struct post_box *post_box, unsigned worker, struct mailbox *mailbox)
{
    assert(worker < post_box->workers);
    post_box->boxes[worker].mailbox = mailbox;
}

struct post *
post_box_next(struct post_box *post_box, unsigned worker)
{
    assert(worker < post_box->workers);
    struct box *box = &post_box->boxes[worker];
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
    post_box->count++;
    return &box->posts[box->start + box->count++];
}

void
post_box_add(struct post_box *post_box, unsigned worker, const struct post *post)
{
    *post_box_next(post_box, worker) = *post;
}

static void
flush_box(struct post_box *post_box, struct box *box)
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
        post_box->count -= n;
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
post_box_flush(struct post_box *post_box)
{
    for (unsigned w = 0; w < post_box->workers && post_box->count > 0; w++)
        flush_box(post_box, &post_box->boxes[w]);
    return post_box->count == 0;
}

bool
post_box_is_empty(const struct post_box *post_box)
{
    return post_box->count == 0;
}

size_t
post_box_count(const struct post_box *post_box)
{
    return post_box->count;
}
