/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding the topics that match a filter in a table ordered by key, by seeking past what cannot
 * match. Pure: it says where to look next; the driver looks.
 *
 * Key of a topic: its bytes with '/' as 0x00, so that all topics below a level follow that level at
 * once ("a", "a/b", "a/b/c", "a b"). A topic of more than TOPIC_SEEK_SHORT bytes has the first
 * TOPIC_SEEK_SHORT bytes of that, then the SHA-256 of the topic: no key is longer than
 * TOPIC_SEEK_KEY, and the two kinds differ in length. Among long keys with the same beginning the
 * order is that of the hashes, so there nothing is skipped.
 *
 *     sensors/1/temp   73656e736f7273 00 31 00 74656d70
 */
#ifndef SERVICES_STORE_TOPIC_SEEK_H
#define SERVICES_STORE_TOPIC_SEEK_H

#include "common/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOPIC_SEEK_SHORT 440u
#define TOPIC_SEEK_KEY   (TOPIC_SEEK_SHORT + 32u)

struct topic_seek_key {
    size_t len;
    uint8_t bytes[TOPIC_SEEK_KEY];
};

/* The key of a topic (1 to 65,535 bytes). */
void topic_seek_key_of(struct slice topic, struct topic_seek_key *out);
/* The same form without exchanging '/': for names of users and filters of subscriptions. */
void topic_seek_text_key_of(struct slice text, struct topic_seek_key *out);

/* Where a walk for the filter begins: the lowest key that could match (it may be empty). */
void topic_seek_start(struct slice filter, struct topic_seek_key *out);

enum topic_seek_answer {
    TOPIC_SEEK_HIT,  /* matches; go on with the following row */
    TOPIC_SEEK_NEXT, /* no match; go on with the following row */
    TOPIC_SEEK_SEEK, /* no match; go on with the first row at or above *seek, which is above this */
    TOPIC_SEEK_DONE  /* neither this row nor any later one matches */
};

/* Judges the row with this key and topic. filter and topic are valid; key is that of the topic. */
enum topic_seek_answer topic_seek_judge(struct slice filter, struct slice key, struct slice topic,
                                        struct topic_seek_key *seek);

#endif
