/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Posts from the hub to its workers, gathered during a loop turn and handed over with one lock per
 * worker. A worker whose mailbox is full keeps its posts here, in order; the hub then stops
 * declaring frames done, so that what waits is bounded by the windows of the feeds. It does not
 * know what a post means.
 */
#ifndef SLUICE_SERVICES_GATEWAY_POST_BOX_H
#define SLUICE_SERVICES_GATEWAY_POST_BOX_H

#include <stdbool.h>
#include <stddef.h>

#include "services/gateway/post.h"

struct mailbox;
struct post_box;

typedef void (*post_box_drop_fn)(struct post *post);

/* New, without workers' mailboxes; workers in 1..WORKERS_MAX. drop frees the body of a post that
 * can no longer be handed over. */
struct post_box *post_box_new(unsigned workers, post_box_drop_fn drop);
/* Drops what waits. */
void post_box_free(struct post_box *post_box);
/* Mailboxes are borrowed; NULL: posts to this worker wait. */
void post_box_set(struct post_box *post_box, unsigned worker, struct mailbox *mailbox);

/* The place of one more post, to be filled at once: what is filled in place is not copied while its
 * fields are still on their way to memory, for which the processor would have to wait. Borrowed
 * until the next call. */
struct post *post_box_next(struct post_box *post_box, unsigned worker);
/* Copies the post; its body changes hands. */
void post_box_add(struct post_box *post_box, unsigned worker, const struct post *post);
/* Hands over what the mailboxes take. True when nothing is left. */
bool post_box_flush(struct post_box *post_box);
bool post_box_is_empty(const struct post_box *post_box);
/* Posts that wait, of all workers. */
size_t post_box_count(const struct post_box *post_box);

#endif
