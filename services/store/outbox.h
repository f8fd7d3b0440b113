/* SPDX-License-Identifier: Apache-2.0 */
/* What this store publishes itself and no core has answered yet: QoS 2 publishes of persistent
 * publishers, and wills. Numbers rise by one for ever: they are the tokens of the store's lasting
 * origin, written ahead in steps so that none is used twice after a restart. Pure: the records lie
 * in the driver and in core_client; here is who waits for them. */
#ifndef SERVICES_STORE_OUTBOX_H
#define SERVICES_STORE_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTBOX_STEP 1024u

struct outbox;

struct outbox_entry {
    uint64_t seq;
    uint64_t session;   /* publisher that waits for PUBREC; 0: none (a will) */
    uint16_t packet_id; /* 0 if session is 0 */
    uint32_t len;
};

/* At most count_max entries and bytes_max bytes wait (outbox_has_room). */
struct outbox *outbox_new(size_t count_max, uint64_t bytes_max);
void outbox_free(struct outbox *outbox);

/* The first number not used yet, as it was written; 0 counts as 1. */
void outbox_set_next(struct outbox *outbox, uint64_t next);
/* Takes the next number for a new entry. *limit: write this as the first unused number, 0: no need
 * (a former one covers it). */
uint64_t outbox_add(struct outbox *outbox, uint64_t session, uint16_t packet_id, size_t len,
                    uint64_t *limit);
/* An entry found at the start. */
void outbox_load(struct outbox *outbox, uint64_t seq, uint64_t session, uint16_t packet_id,
                 size_t len);
/* Names the publisher of a loaded entry; false: no such entry. */
bool outbox_set_publisher(struct outbox *outbox, uint64_t seq, uint64_t session,
                          uint16_t packet_id);
/* Answered: removes it. False: not there. */
bool outbox_take(struct outbox *outbox, uint64_t seq, struct outbox_entry *out);

bool outbox_has_room(const struct outbox *outbox);
size_t outbox_count(const struct outbox *outbox);

#endif
