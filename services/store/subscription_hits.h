/* SPDX-License-Identifier: Apache-2.0 */
/* The sessions that get one message, each once however many of its subscriptions match: highest
 * QoS, all identifiers. A list that is filled filter by filter and read then; its memory is used
 * again. From the second filter on sessions are found in a small table. Pure; knows no filter. */
#ifndef SERVICES_STORE_SUBSCRIPTION_HITS_H
#define SERVICES_STORE_SUBSCRIPTION_HITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct session;
struct subscription_hits;

/* One session that gets the message. */
struct subscription_hit {
    struct session *session;
    uint8_t qos;              /* highest of its matching subscriptions */
    bool retain_as_published; /* of any of them */
    uint8_t id_count;         /* at most 255; further ones are left out */
    uint32_t first_id;        /* chain of identifiers, see subscription_hits_ids */
    uint32_t last_id;
};

struct subscription_hits *subscription_hits_new(void);
void subscription_hits_free(struct subscription_hits *hits);
void subscription_hits_clear(struct subscription_hits *hits);
/* The sessions of another filter follow, at most count, none of them twice. */
void subscription_hits_filter(struct subscription_hits *hits, size_t count);
/* The session's hit, new if no filter before had it. Borrowed until the next one. */
struct subscription_hit *subscription_hits_of(struct subscription_hits *hits,
                                              struct session *session);
/* 0: none, nothing is added. */
void subscription_hits_add_id(struct subscription_hits *hits, struct subscription_hit *hit,
                              uint32_t id);
/* All of them, borrowed until the next clear. */
struct subscription_hit *subscription_hits_list(struct subscription_hits *hits, size_t *count);
/* Writes the identifiers of a hit, id_count of them. */
void subscription_hits_ids(const struct subscription_hits *hits, const struct subscription_hit *hit,
                           uint32_t ids[255]);

#endif
