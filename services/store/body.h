/* SPDX-License-Identifier: Apache-2.0 */
/* Message bodies in memory: immutable, counted, one for all queues that wait for it. What is on
 * disk is the driver's; this room does no I/O. One thread. */
#ifndef SERVICES_STORE_BODY_H
#define SERVICES_STORE_BODY_H

#include "common/str.h"

#include <stddef.h>
#include <stdint.h>

struct body {
    uint64_t id;        /* number in the driver; 0: never stored */
    uint64_t expiry_ms; /* wall clock; 0: never */
    uint32_t refs;
    uint32_t len;
    uint8_t bytes[]; /* publish_record.h */
};

/* New, with one reference. The record is copied. */
struct body *body_new(uint64_t id, struct slice record, uint64_t expiry_ms);
/* One more reference; returns the same body. */
struct body *body_ref(struct body *body);
/* Gives one back; the last one frees. NULL is nothing. */
void body_unref(struct body *body);

static inline struct slice
body_slice(const struct body *body)
{
    return slice_of(body->bytes, body->len);
}

#endif
