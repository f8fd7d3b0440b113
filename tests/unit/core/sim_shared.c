/* SPDX-License-Identifier: Apache-2.0 */
/* Members of shared subscriptions at gateways and the store, which do with claims, questions and
 * repeats what services/gateway/core_shared.c and services/store/on_routed.c do. The store always
 * has a member. A member gets a message at once, or it is handed back. */
#include "proto/feed_records.h"
#include "proto/repeats.h"
#include "tests/unit/core/sim.h"

enum { DONE, CLAIM, HELD, NUMBERS };
enum { SILENT = 1500 };

static const char *const texts[SHARES] = {"$share/g/t/3/x", "$share/g/t/4/x", "$share/h/+/4/x"};
static const uint32_t topics[SHARES] = {TOPIC_A, TOPIC_B, TOPIC_B};

struct item { /* under claim */
    struct world *world;
    uint32_t client, share, core;
    uint64_t number;
    uint8_t hops;
    size_t len;
    uint8_t record[256];
};

static uint32_t
share_of(struct slice text)
{
    uint32_t i = 0;
    while (!slice_equal_cstr(text, texts[i]))
        i++;
    return i;
}

static uint64_t
wants(const struct world *w, uint32_t index, uint32_t share)
{
    return records_route_shared(index == STORE ? ROUTE_QOS1 : 0, w->clients[index].members[share],
                                0);
}

void
sim_shared_start(struct world *w, uint32_t index)
{
    struct client *c = &w->clients[index];
    uint32_t i, k;
    if (index != STORE || c->shared_seen == NULL) { /* a store's sets are on disk */
        origins_free(c->shared_seen);
        c->shared_seen = origins_new(ORIGINS_IN_MEMORY, ORIGINS);
    }
    c->takes =
        takes_new(&(struct takes_config){.origins = c->shared_seen, .lasts = index == STORE});
    for (k = 0; k < CORES; k++) {
        for (i = 0; i < NUMBERS; i++)
            buf_init(&c->numbers[k][i], 1 << 20);
    }
    for (i = 0; i < SHARES; i++)
        c->members[i] = index == STORE ? 1 : 0;
}

static void
drop_item(void *arg, void *item, bool granted)
{
    (void)arg;
    (void)granted;
    mem_free(item);
}

void
sim_shared_stop(struct world *w, uint32_t index)
{
    struct client *c = &w->clients[index];
    uint32_t i, k;
    takes_free(c->takes, drop_item, NULL);
    c->takes = NULL;
    for (k = 0; k < CORES; k++) {
        for (i = 0; i < NUMBERS; i++)
            buf_fini(&c->numbers[k][i]);
    }
}

void
sim_shared_routes(struct world *w, uint32_t index, core_client_route_fn fn, void *arg)
{
    uint32_t i;
    for (i = 0; i < SHARES; i++) {
        if (w->clients[index].members[i] != 0)
            fn(arg, slice_cstr(texts[i]), wants(w, index, i));
    }
}

static void
set_members(struct world *w, uint32_t index, uint32_t share, uint32_t count)
{
    struct client *c = &w->clients[index];
    if (count == c->members[share])
        return;
    c->members[share] = count;
    if (count == 0)
        core_client_route_remove(c->core_client, slice_cstr(texts[share]));
    else
        core_client_route_tell(c->core_client, slice_cstr(texts[share]), wants(w, index, share));
}

void
sim_shared_change(struct world *w, uint32_t index)
{
    uint32_t share = (uint32_t)sim_rnd(w, SHARES);
    set_members(w, index, share, (uint32_t)sim_rnd(w, 3) + (index == STORE));
}

void
sim_shared_leave(struct world *w, uint32_t index)
{
    uint32_t i;
    w->gateway_ended_ms = w->now; /* sessions of its clients end */
    for (i = 0; i < SHARES && w->clients[index].alive; i++)
        set_members(w, index, i, 0);
}

static void
hand_back(struct world *w, uint32_t index, const struct item *item)
{
    uint8_t body[512];
    struct records_shared shared = {.number =
                                        item->number != 0 ? item->number : RECORDS_SHARED_NO_NUMBER,
                                    .hops = item->hops,
                                    .flags = SHARED_FULL,
                                    .share = slice_cstr(texts[item->share])};
    size_t len = records_shared_return_encode(&shared, body);
    memcpy(body + len, shared.share.data, shared.share.len);
    len += shared.share.len;
    memcpy(body + len, item->record, item->len);
    if (core_client_return(w->clients[index].core_client, slice_of(body, len + item->len), 0, 1) !=
        OK)
        sim_fail(w, "return refused", 0, index);
}

/* What is more than the protocol can take, since the message was published: a store was restarted
 * and has forgotten which of two cores it promised to take it from; or all cores were, and do not
 * know of a gateway that died meanwhile. */
static bool
is_beyond(const struct world *w, const struct message *m)
{
    uint32_t k;
    bool is_known = false;
    for (k = 0; k < CORES; k++)
        is_known = is_known || w->cores[k].started_ms < m->at_ms;
    return (m->from_store && w->store_ended_ms >= m->at_ms) ||
           (!is_known && w->gateway_killed_ms >= m->at_ms);
}

/* A member gets it, if one is here that can. */
static void
give(struct world *w, uint32_t index, const struct item *item)
{
    struct publish_record r;
    uint32_t id;
    CU_ASSERT_EQUAL_FATAL(publish_record_decode(slice_of(item->record, item->len), &r), OK);
    if (w->clients[index].members[item->share] == 0 ||
        (index != STORE && item->hops == 0 && sim_rnd(w, 8) == 0)) {
        hand_back(w, index, item);
        return;
    }
    memcpy(&id, r.payload.data, 4);
    if (item->number != 0)
        buf_put_u64(&w->clients[index].numbers[item->core][DONE], item->number);
    w->shared++;
    if (index == STORE)
        w->messages[id].from_store = true;
    if (++w->given[item->share][id] <= 1 || r.qos != 2)
        return;
    if (is_beyond(w, &w->messages[id]))
        w->beyond++;
    else
        sim_fail(w, "two members of a group have it", id, index);
}

static void
publish(struct world *w, uint32_t index, uint32_t core, struct slice body)
{
    struct client *c = &w->clients[index];
    struct records_shared shared;
    struct publish_record r;
    struct takes_copy copy = {.core = core, .claims = index != STORE};
    struct item *item = mem_zalloc(sizeof(*item));
    CU_ASSERT_EQUAL_FATAL(records_shared_publish_decode(body, &shared), OK);
    CU_ASSERT_EQUAL_FATAL(publish_record_decode(shared.record, &r), OK);
    *item = (struct item){.world = w,
                          .client = index,
                          .share = share_of(shared.share),
                          .core = core,
                          .number = shared.number,
                          .hops = shared.hops,
                          .len = shared.record.len};
    memcpy(item->record, shared.record.data, shared.record.len);
    copy.key = takes_key(r.origin, shared.share);
    copy.token = r.token;
    copy.floor = r.floor;
    copy.number = shared.number;
    copy.asked = (shared.flags & SHARED_ASKED) != 0;
    copy.qos = r.qos;
    switch (takes_arrive(c->takes, &copy, w->now)) {
    case TAKES_HOLD:
        buf_put_u64(&c->numbers[core][CLAIM], shared.number);
        takes_hold(c->takes, &copy, item, sizeof(*item));
        return;
    case TAKES_DROP:
        if (shared.number != 0)
            buf_put_u64(&c->numbers[core][DONE], shared.number);
        break;
    default:
        give(w, index, item);
        break;
    }
    mem_free(item);
}

static void
claim_over(void *arg, void *data, bool granted)
{
    struct item *item = data;
    (void)arg;
    item->number = 0;
    if (granted)
        give(item->world, item->client, item);
    mem_free(item);
}

bool
sim_shared_record(struct world *w, uint32_t index, uint32_t core, uint8_t type, struct slice body)
{
    struct client *c = &w->clients[index];
    struct repeats_ask ask;
    uint8_t answer[REPEATS_ANSWER_BYTES], flags;
    uint64_t number;
    size_t len;
    switch (type) {
    case FEED_SHARED_PUBLISH:
        publish(w, index, core, body);
        return true;
    case FEED_SHARED_OTHERS:
        return true;
    case FEED_SHARED_TAKEN:
        CU_ASSERT_EQUAL_FATAL(repeats_taken_decode(body, &number, &flags), OK);
        takes_granted(c->takes, core, number, (flags & TAKEN_BEGIN) != 0, w->now, claim_over, w);
        return true;
    case FEED_SHARED_ASK:
        CU_ASSERT_EQUAL_FATAL(repeats_ask_decode(body, &ask), OK);
        len = repeats_answer_encode(ask.id, takes_ask(c->takes, core, &ask, w->now), answer);
        core_client_shared_tell(c->core_client, core, FEED_SHARED_ANSWER, slice_of(answer, len));
        return true;
    default:
        return false;
    }
}

void
sim_shared_up(struct world *w, uint32_t index, uint32_t core)
{
    uint32_t i;
    for (i = 0; i < NUMBERS; i++)
        buf_reset(&w->clients[index].numbers[core][i]);
}

void
sim_shared_turn(struct world *w, uint32_t index)
{
    static const uint8_t types[NUMBERS] = {FEED_SHARED_DONE, FEED_SHARED_CLAIM, FEED_SHARED_HELD};
    struct client *c = &w->clients[index];
    uint32_t i, k;
    for (k = 0; k < CORES; k++) {
        for (i = 0; i < NUMBERS; i++) {
            if (buf_len(&c->numbers[k][i]) == 0)
                continue;
            core_client_shared_tell(c->core_client, k, types[i], buf_slice(&c->numbers[k][i]));
            buf_reset(&c->numbers[k][i]);
        }
    }
}

void
sim_shared_check(struct world *w)
{
    uint32_t share, id;
    for (share = 0; share < SHARES; share++) {
        for (id = 1; id < w->message_count; id++) {
            const struct message *m = &w->messages[id];
            if (m->topic != topics[share] || m->qos == 0 || m->lost_publisher ||
                w->given[share][id] != 0)
                continue;
            /* Nobody knows at once that a gateway is gone (SILENT_MS in on_ask.c). */
            if (w->gateway_ended_ms + SILENT + LEASE >= m->at_ms && w->gateway_ended_ms != 0)
                w->ended++;
            else
                sim_fail(w, "no member of a group has it", id, share);
        }
    }
}
