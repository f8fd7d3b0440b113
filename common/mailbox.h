/* SPDX-License-Identifier: Apache-2.0 */
/* The only way threads talk: many post, the thread that runs the loop takes. Items have one fixed
 * size and are copied in; what they point to changes hands with them. One short lock per post or
 * batch, one wake-up per filled mailbox. No answers, no priorities. */
#ifndef SLUICE_COMMON_MAILBOX_H
#define SLUICE_COMMON_MAILBOX_H

#include "common/err.h"
#include "common/loop.h"

#include <stddef.h>

struct mailbox;

/* item is borrowed until return. Runs on the loop's thread. May post to any mailbox, this one too
 * (delivered in the next turn). Must not free this mailbox. */
typedef void (*mailbox_fn)(void *arg, void *item);

/* New. At most cap items wait at a time. */
struct mailbox *mailbox_new(struct loop *loop, size_t item_size, size_t cap, mailbox_fn deliver,
                            void *arg);
/* On the loop's thread, when nobody posts any more. Items that still wait are delivered first
 * through mailbox_drain if the owner wants them, otherwise they are dropped. NULL is nothing. */
void mailbox_free(struct mailbox *mailbox);
/* Copies the item in; order is kept per poster. ERR_BUSY when cap items wait. Any thread. */
ERR_MUST_USE enum err mailbox_post(struct mailbox *mailbox, const void *item);
/* count items under one lock: all or none (ERR_BUSY). */
ERR_MUST_USE enum err mailbox_post_batch(struct mailbox *mailbox, const void *items, size_t count);
/* Delivers what waits now, without waiting for the wake-up. On the loop's thread, not from within
 * a deliver function of this mailbox. Returns how many. */
size_t mailbox_drain(struct mailbox *mailbox);
/* Items waiting; a snapshot. Any thread. */
size_t mailbox_count(struct mailbox *mailbox);

#endif
