/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QoS 2 messages for groups that were sent again, while we ask every place whether it has them: the
 * messages, and whose answers are awaited. Pure; does not ask, nor decide. Bounded in bytes.
 *
 * It also remembers what was asked about, for ten minutes and at most INQUIRIES_ASKED_MAX: a former
 * copy that we gave to a gateway ourselves must not go to another one afterwards.
 */
#ifndef SLUICE_CORE_INQUIRIES_H
#define SLUICE_CORE_INQUIRIES_H

#include "common/str.h"
#include "common/table.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct inquiry {
    UT_hash_handle hh; /* oldest first */
    uint64_t id;
    uint64_t key, token;
    uint64_t attempt;
    uint64_t since_ms; /* when its origin first sent it */
    uint32_t source, exclude;
    uint32_t wait; /* held; or WAITS_NONE */
    uint8_t hops;
    uint32_t left;     /* answers awaited */
    uint64_t *awaited; /* bit for each place */
    uint64_t *denied;  /* incarnations that said no */
    size_t denied_count;
    uint32_t share_len, len;
    uint8_t bytes[]; /* share, record */
};

#define INQUIRIES_ASKED_MAX 65536u

struct inquiries;

struct inquiries *inquiries_new(size_t max_bytes);
void inquiries_free(struct inquiries *inquiries);

/* A copy of share and record, with an id; the rest is for the caller to fill. key and token name
 * the publish in this group (takes_key). NULL: no room. */
struct inquiry *inquiries_add(struct inquiries *inquiries, uint64_t key, uint64_t token,
                              struct slice share, struct slice record, uint64_t now_ms);
/* A place is chosen: copies with a number above this one are its. */
void inquiries_decided(struct inquiries *inquiries, const struct inquiry *inquiry, uint64_t number);
/* The publish was asked about since the copy of this number was given to somebody. */
bool inquiries_voids(const struct inquiries *inquiries, uint64_t key, uint64_t token,
                     uint64_t number);
void inquiries_tick(struct inquiries *inquiries, uint64_t now_ms);
struct inquiry *inquiries_get(const struct inquiries *inquiries, uint64_t id); /* or NULL */
/* The one about this publish, or NULL. */
struct inquiry *inquiries_about(const struct inquiries *inquiries, uint64_t key, uint64_t token);
void inquiries_remove(struct inquiries *inquiries, struct inquiry *inquiry);
/* The oldest, or the one after (NULL: none). */
struct inquiry *inquiries_next(const struct inquiries *inquiries, const struct inquiry *after);

/* The place's answer is awaited from now on. */
void inquiry_await(struct inquiry *inquiry, uint32_t place);
bool inquiry_awaits(const struct inquiry *inquiry, uint32_t place);
/* It is here, or never comes. False: nobody awaited it. */
bool inquiry_answered(struct inquiry *inquiry, uint32_t place);

/* This incarnation said no. */
void inquiry_deny(struct inquiry *inquiry, uint64_t incarnation);
bool inquiry_is_denied(const struct inquiry *inquiry, uint64_t incarnation);

struct slice inquiry_share(const struct inquiry *inquiry);
struct slice inquiry_record(const struct inquiry *inquiry);
size_t inquiries_count(const struct inquiries *inquiries);

#endif
