/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Posts from the hub to its workers, gathered during a loop turn and handed over with one lock per
 * worker. A worker whose mailbox is full keeps its posts here, in order; the hub then stops
 * declaring frames done, so that what waits is bounded by the windows of the feeds. It does not
 * know what a post means.
 */
#ifndef SERVICES_GATEWAY_OUTBOX_H
#define SERVICES_GATEWAY_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "services/gateway/post.h"

struct mailbox;
struct outbox;

typedef void (*outbox_drop_fn)(struct post *post);

/* New, without workers' mailboxes; workers in 1..WORKERS_MAX. drop frees the body of a post that can
 * no longer be handed over. */
struct outbox *outbox_new(unsigned workers, outbox_drop_fn drop);
/* Drops what waits. */
void outbox_free(struct outbox *outbox);
/* Mailboxes are borrowed; NULL: posts to this worker wait. */
void outbox_set(struct outbox *outbox, unsigned worker, struct mailbox *mailbox);

/* Copies the post; its body changes hands. */
void outbox_add(struct outbox *outbox, unsigned worker, const struct post *post);
/* Hands over what the mailboxes take. True when nothing is left. */
bool outbox_flush(struct outbox *outbox);
bool outbox_is_empty(const struct outbox *outbox);
/* Posts that wait, of all workers. */
size_t outbox_count(const struct outbox *outbox);

#endif
