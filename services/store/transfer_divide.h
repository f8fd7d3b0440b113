/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a file that --export wrote belongs to one shard: sessions by client id, with all below
 * them, retained messages by topic, people with shard 0. So the stores of any number of shards can
 * each import the same file, of which several exports, one behind the other, are one too. Pure.
 *
 * A part (one export) that was divided like the data it comes to is taken as it is: that shard's
 * rows, and nothing of other shards. Else the part is divided anew:
 *
 * - sessions get new numbers, which name their new shard, from a run that no store ever has (boot
 * 0);
 * - what a store keeps for itself (boot count, origin and numbers of its outbox) and the outbox go
 * to the shard of the same number; if there is none any more, the outbox must be empty;
 * - a QoS 2 publish that waits in another shard's outbox counts as done for its publisher;
 * - which tokens were taken is true of all parts of one export, and of no two exports together.
 */
#ifndef SERVICES_STORE_TRANSFER_DIVIDE_H
#define SERVICES_STORE_TRANSFER_DIVIDE_H

#include "services/store/shard_mark.h"
#include "services/store/transfer_line.h"

#define TRANSFER_DIVIDE_PARTS 256u

struct transfer_divide;

/* New. ours: where the rows come to. */
struct transfer_divide *transfer_divide_new(const struct shard_mark *ours);
void transfer_divide_free(struct transfer_divide *divide);

/* Another export begins (its heading), in both readings. */
void transfer_divide_part(struct transfer_divide *divide);
/* First reading: what the parts are. */
void transfer_divide_learn(struct transfer_divide *divide, const struct transfer_line *line);
/* Behind it; the second one may begin. ERR_INVALID: it cannot be divided, why says it. */
ERR_MUST_USE enum err transfer_divide_settle(struct transfer_divide *divide,
                                             char why[TRANSFER_WHY_SIZE]);
/* Second reading: whether the row is ours; its numbers are changed to what they are here. */
bool transfer_divide_take(struct transfer_divide *divide, struct transfer_line *line);
/* Whether people are ours. */
bool transfer_divide_has_people(const struct transfer_divide *divide);

#endif
