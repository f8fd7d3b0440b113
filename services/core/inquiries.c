/* SPDX-License-Identifier: Apache-2.0 */
/* See inquiries.h. */
#include "services/core/inquiries.h"

#include "common/mem.h"
#include "services/core/routes.h"
#include <string.h>

enum { WORDS = ROUTES_PLACES_MAX / 64, ASKED_MS = 600000 };

struct asked_id {
    uint64_t key, token;
};

struct asked {
    struct asked_id id;
    UT_hash_handle hh; /* oldest first */
    uint64_t number;   /* copies up to this one are void */
    uint64_t inquiry;  /* the last one's id */
    uint64_t at_ms;
};

struct inquiries {
    struct inquiry *table;
    struct asked *asked;
    size_t bytes, max_bytes;
    uint64_t last_id;
};

static size_t
cost(const struct inquiry *inquiry)
{
    return sizeof(*inquiry) + WORDS * sizeof(uint64_t) + inquiry->share_len + inquiry->len;
}

struct inquiries *
inquiries_new(size_t max_bytes)
{
    struct inquiries *inquiries = mem_zalloc(sizeof(*inquiries));
    inquiries->max_bytes = max_bytes;
    return inquiries;
}

static void
forget(struct inquiries *inquiries, struct asked *asked)
{
    HASH_DEL(inquiries->asked, asked);
    mem_free(asked);
}

static struct asked *
asked_of(const struct inquiries *inquiries, uint64_t key, uint64_t token)
{
    struct asked_id id = {key, token};
    struct asked *asked;
    if (inquiries->asked == NULL)
        return NULL;
    HASH_FIND(hh, inquiries->asked, &id, sizeof(id), asked);
    return asked;
}

static void
remember(struct inquiries *inquiries, const struct inquiry *inquiry, uint64_t now_ms)
{
    struct asked *asked = asked_of(inquiries, inquiry->key, inquiry->token);
    if (asked != NULL)
        forget(inquiries, asked);
    else if (HASH_COUNT(inquiries->asked) >= INQUIRIES_ASKED_MAX)
        forget(inquiries, inquiries->asked);
    asked = mem_zalloc(sizeof(*asked));
    asked->id = (struct asked_id){inquiry->key, inquiry->token};
    asked->inquiry = inquiry->id;
    asked->number = UINT64_MAX;
    asked->at_ms = now_ms;
    HASH_ADD(hh, inquiries->asked, id, sizeof(asked->id), asked);
}

void
inquiries_decided(struct inquiries *inquiries, const struct inquiry *inquiry, uint64_t number)
{
    struct asked *asked = asked_of(inquiries, inquiry->key, inquiry->token);
    if (asked != NULL)
        asked->number = number;
}

bool
inquiries_voids(const struct inquiries *inquiries, uint64_t key, uint64_t token, uint64_t number)
{
    const struct asked *asked = asked_of(inquiries, key, token);
    return asked != NULL && number <= asked->number;
}

void
inquiries_tick(struct inquiries *inquiries, uint64_t now_ms)
{
    while (inquiries->asked != NULL && now_ms - inquiries->asked->at_ms >= ASKED_MS)
        forget(inquiries, inquiries->asked);
}

void
inquiries_free(struct inquiries *inquiries)
{
    if (inquiries == NULL)
        return;
    while (inquiries->table != NULL)
        inquiries_remove(inquiries, inquiries->table);
    while (inquiries->asked != NULL)
        forget(inquiries, inquiries->asked);
    mem_free(inquiries);
}

struct inquiry *
inquiries_add(struct inquiries *inquiries, uint64_t key, uint64_t token, struct slice share,
              struct slice record, uint64_t now_ms)
{
    size_t room = inquiries->max_bytes - inquiries->bytes;
    size_t fixed = sizeof(struct inquiry) + WORDS * sizeof(uint64_t) + share.len;
    struct inquiry *inquiry;
    if (fixed > room || record.len > room - fixed)
        return NULL;
    inquiry = mem_zalloc(sizeof(*inquiry) + share.len + record.len);
    inquiry->awaited = mem_zalloc_array(WORDS, sizeof(uint64_t));
    inquiry->id = ++inquiries->last_id;
    inquiry->key = key;
    inquiry->token = token;
    inquiry->share_len = (uint32_t)share.len;
    inquiry->len = (uint32_t)record.len;
    memcpy(inquiry->bytes, share.data, share.len);
    memcpy(inquiry->bytes + share.len, record.data, record.len);
    HASH_ADD(hh, inquiries->table, id, sizeof(inquiry->id), inquiry);
    inquiries->bytes += cost(inquiry);
    remember(inquiries, inquiry, now_ms);
    return inquiry;
}

struct inquiry *
inquiries_get(const struct inquiries *inquiries, uint64_t id)
{
    struct inquiry *inquiry;
    HASH_FIND(hh, inquiries->table, &id, sizeof(id), inquiry);
    return inquiry;
}

struct inquiry *
inquiries_about(const struct inquiries *inquiries, uint64_t key, uint64_t token)
{
    const struct asked *asked = asked_of(inquiries, key, token);
    return asked != NULL ? inquiries_get(inquiries, asked->inquiry) : NULL;
}

void
inquiries_remove(struct inquiries *inquiries, struct inquiry *inquiry)
{
    HASH_DEL(inquiries->table, inquiry);
    inquiries->bytes -= cost(inquiry);
    mem_free(inquiry->awaited);
    mem_free(inquiry->denied);
    mem_free(inquiry);
}

struct inquiry *
inquiries_next(const struct inquiries *inquiries, const struct inquiry *after)
{
    return after == NULL ? inquiries->table : after->hh.next;
}

void
inquiry_await(struct inquiry *inquiry, uint32_t place)
{
    inquiry->left += !inquiry_awaits(inquiry, place);
    inquiry->awaited[place / 64] |= UINT64_C(1) << place % 64;
}

bool
inquiry_awaits(const struct inquiry *inquiry, uint32_t place)
{
    return (inquiry->awaited[place / 64] >> place % 64 & 1) != 0;
}

bool
inquiry_answered(struct inquiry *inquiry, uint32_t place)
{
    if (!inquiry_awaits(inquiry, place))
        return false;
    inquiry->awaited[place / 64] &= ~(UINT64_C(1) << place % 64);
    inquiry->left--;
    return true;
}

void
inquiry_deny(struct inquiry *inquiry, uint64_t incarnation)
{
    if (inquiry_is_denied(inquiry, incarnation))
        return;
    inquiry->denied = mem_realloc(inquiry->denied, (inquiry->denied_count + 1) * sizeof(uint64_t));
    inquiry->denied[inquiry->denied_count++] = incarnation;
}

bool
inquiry_is_denied(const struct inquiry *inquiry, uint64_t incarnation)
{
    size_t i;
    for (i = 0; i < inquiry->denied_count; i++) {
        if (inquiry->denied[i] == incarnation)
            return true;
    }
    return false;
}

struct slice
inquiry_share(const struct inquiry *inquiry)
{
    return slice_of(inquiry->bytes, inquiry->share_len);
}

struct slice
inquiry_record(const struct inquiry *inquiry)
{
    return slice_of(inquiry->bytes + inquiry->share_len, inquiry->len);
}

size_t
inquiries_count(const struct inquiries *inquiries)
{
    return HASH_COUNT(inquiries->table);
}
