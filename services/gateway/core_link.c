/* SPDX-License-Identifier: Apache-2.0 */
/* The hub's side towards the cores: binds the events of common/peer and the posts of workers to
 * proto/core_client, which holds the rules. What cores send for our clients is checked for repeats
 * and goes to the workers that want it. */
#include "services/gateway/core_link_part.h"
#include "services/gateway/hub_admin.h"
#include "services/gateway/hub_sys.h"

#include <string.h>

#include "common/cursor.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/mem.h"

#define ORIGINS_MAX    4096u
#define TICKETS_MAX    (1u << 20)
#define ORIGIN_IDLE_MS 600000u
#define FORGET_MS      60000u
#define NO_NUMBER      UINT64_MAX
#define DONE_MAX       (1u << 20)

/* ---- callbacks of core_client */

static enum err
io_append(void *arg, uint32_t core, uint8_t type, const struct slice *parts, size_t n, bool control,
          uint64_t *seq)
{
    struct core_link *link = arg;
    if (link->cores[core] == NULL)
        return ERR_PEER_LOST;
    /* What is no control record is a publish, which is answered by its token or not at all. */
    return peer_append(link->cores[core]->peer, control ? FEED_CONTROL : FEED_DATA_EASY, type,
                       parts, n, seq);
}

struct routes {
    const struct hub *hub;
    core_client_route_fn fn;
    void *arg;
};

static void
one_route(void *arg, struct slice filter, uint32_t workers)
{
    const struct routes *routes = arg;
    (void)workers;
    routes->fn(routes->arg, filter, core_shared_wants(routes->hub, filter));
}

static void
io_routes(void *arg, core_client_route_fn fn, void *fn_arg)
{
    struct core_link *link = arg;
    struct routes routes = {link->hub, fn, fn_arg};
    filters_each(link->hub->filters, one_route, &routes);
}

static void
io_route_done(void *arg, uint64_t version, enum err err)
{
    struct core_link *link = arg;
    if (err == OK)
        barrier_clear(link->hub->barrier, version, BARRIER_CORES);
    else
        barrier_fail(link->hub->barrier, version, err);
}

static void
io_token_done(void *arg, uint64_t conn, uint64_t cookie, bool wanted)
{
    struct core_link *link = arg;
    if (cookie == 0)
        return;
    if (conn >= CORE_LINK_RETURN) {
        core_link_shared_done(link, (uint32_t)(conn - CORE_LINK_RETURN), cookie);
        return;
    }
    struct post post = {.kind = POST_TOKEN_DONE, .conn = conn, .a = cookie, .flags = wanted};
    hub_post_to_conn(link->hub, &post);
}

static void
digest_change(struct core_link *link, uint8_t kind, struct slice filter)
{
    struct hub *hub = link->hub;
    uint32_t all = hub_post_all_workers(hub);
    struct barrier_change change = {
        .waits = all, .a = ++link->digest_number, .kind = HUB_CHANGE_DIGEST};
    hub_post_place(hub, kind, PLACE_REMOTE, barrier_add(hub->barrier, &change), filter, all);
}

static void
io_digest_add(void *arg, struct slice filter)
{
    digest_change(arg, POST_PLACE_ADD, filter);
}

static void
io_digest_remove(void *arg, struct slice filter)
{
    digest_change(arg, POST_PLACE_REMOVE, filter);
}

static void
io_digest_apply(void *arg, uint64_t stamp)
{
    struct core_link *link = arg;
    if (link->digest_applied == link->digest_number) {
        link->apply_number = NO_NUMBER;
        core_client_digest_applied(link->client, stamp);
        return;
    }
    link->apply_number = link->digest_number;
    link->apply_stamp = stamp;
}

/* Workers trust the digests no longer than the longest lease of a serving core. They know the time
 * themselves: a gateway that was stopped must not act on old digests before the hub has run. */
static void
tell_digest_valid(struct core_link *link)
{
    struct post post = {.kind = POST_DIGEST_VALID, .flags = link->digest_valid};
    for (unsigned i = 0; i < link->count; i++) {
        uint64_t end_ms = 0;
        if (link->cores[i] != NULL && (peer_state(link->cores[i]->peer) & STATE_SERVING) != 0)
            end_ms = peer_lease_end_ms(link->cores[i]->peer);
        if (end_ms > post.a)
            post.a = end_ms;
    }
    hub_post_to_all(link->hub, &post);
    link->valid_told_ms = loop_now_ms(link->hub->loop);
}

static void
io_digest_valid(void *arg, bool valid)
{
    struct core_link *link = arg;
    link->digest_valid = valid;
    tell_digest_valid(link);
    log_info("digest_valid", LOG_BOOL("valid", valid), LOG_END);
}

static void
io_hold(void *arg, bool on)
{
    struct core_link *link = arg;
    hub_post_hold(link->hub, HUB_HOLD_CORE, on || link->head != NULL);
}

void
core_link_digest_step(struct core_link *link, uint64_t number)
{
    link->digest_applied = number; /* all wait for all workers, so they come in order */
    if (link->apply_number == NO_NUMBER || number < link->apply_number)
        return;
    link->apply_number = NO_NUMBER;
    core_client_digest_applied(link->client, link->apply_stamp);
}

/* ---- life */

struct core_link *
core_link_new(struct hub *hub)
{
    static const struct core_client_io io = {.append = io_append,
                                             .routes = io_routes,
                                             .route_done = io_route_done,
                                             .token_done = io_token_done,
                                             .digest_add = io_digest_add,
                                             .digest_remove = io_digest_remove,
                                             .digest_apply = io_digest_apply,
                                             .digest_valid = io_digest_valid,
                                             .hold = io_hold};
    struct core_link *link = mem_zalloc(sizeof(*link));
    uint64_t incarnation = peers_incarnation(hub->peers);
    const struct core_client_config config = {.origin = incarnation,
                                              .ticket_base = incarnation & ~(uint64_t)UINT32_MAX,
                                              .digests = true,
                                              .tokens_max = (uint32_t)hub->config->tokens_max,
                                              .bytes_max = hub->config->tokens_size,
                                              .tickets_max = TICKETS_MAX,
                                              .grace_ms = hub->config->lease_ms};
    link->hub = hub;
    link->tail = &link->head;
    link->apply_number = NO_NUMBER;
    link->origins = origins_new(ORIGINS_IN_MEMORY, ORIGINS_MAX);
    link->takes = takes_new(&(struct takes_config){.origins = link->origins});
    for (unsigned i = 0; i < CORE_CLIENT_CORES_MAX; i++) {
        buf_init(&link->done[i], DONE_MAX);
        buf_init(&link->claims[i], DONE_MAX);
        buf_init(&link->held[i], DONE_MAX);
    }
    link->client = core_client_new(&config, &io, link);
    core_client_tick(link->client, loop_now_ms(hub->loop));
    /* All of them before any is up: a SUBACK must not go past a core that we have not met yet. */
    link->count = (unsigned)hub->config->cores.count;
    for (unsigned i = 0; i < link->count; i++)
        (void)core_client_core_add(link->client, slice_cstr(hub->config->cores.items[i]));
    return link;
}

static void
pop_waiting(struct core_link *link)
{
    struct waiting *first = link->head;
    link->head = first->next;
    if (link->head == NULL)
        link->tail = &link->head;
    message_unref(first->message);
    handout_free(first->handout);
    mem_free(first);
}

void
core_link_free(struct core_link *link)
{
    if (link == NULL)
        return;
    while (link->head != NULL)
        pop_waiting(link);
    core_shared_free(link);
    core_client_free(link->client);
    origins_free(link->origins);
    mem_free(link);
}

/* ---- events of peers */

/* Its number in the settings; they hold no address twice. */
static unsigned
number_of(const struct core_link *link, const struct peer *peer)
{
    const struct conf_list *cores = &link->hub->config->cores;
    unsigned i = 0;
    while (i + 1 < link->count && strcmp(cores->items[i], peer_address(peer)) != 0)
        i++;
    return i;
}

enum peer_keep
core_link_up(struct core_link *link, struct hub_peer *core, const struct peer_info *info)
{
    if (core->index == UINT32_MAX) {
        core->index = number_of(link, core->peer);
        link->cores[core->index] = core;
    }
    /* The same core thought us gone: what it had given us it has given to others by now. */
    bool is_moved = info->lapsed && link->incarnations[core->index] == info->incarnation;
    link->incarnations[core->index] = info->incarnation;
    core_shared_up(link, core->index);
    /* Also a core that restarted, or that we met late, may have served without our routes. */
    if (core_client_up(link->client, core->index, info->state) || info->lapsed) {
        struct post post = {
            .kind = POST_LAPSED, .aux = 1, .a = is_moved ? core->index : CORE_CLIENT_NO_CORE};
        hub_post_to_all(link->hub, &post);
    }
    return PEER_DROP;
}

static bool
is_known(const struct core_link *link, const struct hub_peer *core)
{
    return core->index < link->count && link->cores[core->index] == core;
}

void
core_link_down(struct core_link *link, struct hub_peer *core)
{
    if (is_known(link, core))
        core_client_down(link->client, core->index);
}

bool
core_link_is_exact(const struct core_link *link, uint32_t core)
{
    return link->cores[core] != NULL && (peer_state(link->cores[core]->peer) & STATE_EXACT) != 0;
}

bool
core_link_is_stale(struct core_link *link, const struct message *message)
{
    /* The fixed head of publish_record.h, which message_from_record has checked. */
    uint64_t origin = cursor_load_u64(message->bytes);
    uint64_t token = cursor_load_u64(message->bytes + 8);
    uint64_t floor = cursor_load_u64(message->bytes + 16);
    uint64_t now_ms = loop_now_ms(link->hub->loop);
    bool seen = false;
    if (token == 0) {
        if (!origins_is_late(link->origins, origin, floor, now_ms))
            return false;
        metric_counter_add(link->hub->metric.late, 1);
        return true;
    }
    /* Too far above the floor to be remembered: better twice than not at all. */
    if (origins_take(link->origins, origin, token, floor, now_ms, &seen) != OK || !seen)
        return false;
    metric_counter_add(link->hub->metric.repeats, 1);
    return true;
}

static void
on_publish(struct core_link *link, struct slice body)
{
    struct hub *hub = link->hub;
    struct message *message = NULL;
    if (message_from_record(body, &message) != OK) {
        metric_counter_add(hub->metric.malformed, 1);
        return;
    }
    if (!core_link_is_stale(link, message)) {
        uint32_t mask = hub->workers == 1 ? 1 : filters_match(hub->filters, message_topic(message));
        metric_counter_add(hub->metric.messages, 1);
        hub_post_message(hub, message, mask);
    } else {
        message_unref(message);
    }
}

void
core_link_record(struct core_link *link, struct hub_peer *core, uint8_t type, struct slice body)
{
    if (!is_known(link, core))
        return;
    if (type == FEED_PUBLISH) {
        on_publish(link, body);
        return;
    }
    if (type == FEED_SYS) {
        hub_sys_record(link->hub->sys, body);
        return;
    }
    if (type == FEED_LOAD) {
        hub_sys_load(link->hub->sys, body);
        return;
    }
    if (core_shared_record(link, core->index, type, body))
        return;
    enum err err = type == FEED_ASK ? hub_admin_record(link->hub->admin, core->index, body)
                                    : core_client_record(link->client, core->index, type, body);
    if (err == ERR_UNSUPPORTED)
        metric_counter_add(link->hub->metric.unknown, 1);
    else if (err != OK)
        metric_counter_add(link->hub->metric.malformed, 1);
}

void
core_link_answer(struct core_link *link, uint32_t core, uint64_t id, enum err err,
                 struct slice body)
{
    uint8_t head[12];
    buf_store_u64(head, id);
    buf_store_u32(head + 8, (uint32_t)err);
    const struct slice parts[] = {slice_of(head, sizeof(head)), body};
    if (link->cores[core] == NULL)
        return;
    err = peer_append(link->cores[core]->peer, FEED_DATA, FEED_ANSWER, parts, 2, NULL);
    if (err != ERR_BUSY)
        return; /* gone: so is whoever asked */
    /* Messages come first; whoever asked hears that at least. */
    buf_store_u32(head + 8, ERR_BUSY);
    err = peer_append(link->cores[core]->peer, FEED_CONTROL, FEED_ANSWER, parts, 1, NULL);
    if (err != OK)
        log_debug("answer_dropped", LOG_ERR(err), LOG_END);
}

void
core_link_done(struct core_link *link, struct hub_peer *core, uint64_t ticket)
{
    if (is_known(link, core))
        core_client_done(link->client, core->index, ticket);
}

void
core_link_room(struct core_link *link, struct hub_peer *core)
{
    if (is_known(link, core))
        core_client_room(link->client, core->index);
}

void
core_link_state(struct core_link *link, struct hub_peer *core, uint32_t flags)
{
    if (is_known(link, core))
        core_client_state(link->client, core->index, flags);
}

/* ---- what workers want */

void
core_link_keep_waiting(struct core_link *link, const struct waiting *what)
{
    struct waiting *waiting = mem_alloc(sizeof(*waiting));
    *waiting = *what;
    *link->tail = waiting;
    link->tail = &waiting->next;
    hub_post_hold(link->hub, HUB_HOLD_CORE, true);
}

void
core_link_publish(struct core_link *link, uint64_t conn, uint64_t cookie, struct message *message)
{
    struct hub *hub = link->hub;
    const struct waiting waiting = {.message = message, .conn = conn, .cookie = cookie};
    metric_counter_add(hub->metric.publishes, 1);
    if (message->qos > 0 && link->head != NULL) {
        core_link_keep_waiting(link, &waiting);
        return;
    }
    enum err err = core_client_publish(link->client, message_record(message), conn, cookie);
    if (err == ERR_BUSY && message->qos > 0) {
        core_link_keep_waiting(link, &waiting);
        return;
    }
    if (err == ERR_MALFORMED) {
        /* Our own worker made it: it can only be a record that no peer would take. */
        metric_counter_add(hub->metric.malformed, 1);
        io_token_done(link, conn, cookie, false);
    } else if (err != OK) {
        metric_counter_add(hub->metric.dropped_qos0, 1);
    }
    message_unref(message);
}

static enum err
send_waiting(struct core_link *link, const struct waiting *first)
{
    return first->handout != NULL
               ? core_shared_send_return(link, first->handout, first->flags)
               : core_client_publish(link->client, message_record(first->message), first->conn,
                                     first->cookie);
}

void
core_link_turn(struct core_link *link)
{
    core_shared_turn(link);
    if (link->head == NULL)
        return;
    while (link->head != NULL) {
        struct waiting *first = link->head;
        enum err err = send_waiting(link, first);
        if (err == ERR_BUSY)
            return;
        if (err != OK && first->handout == NULL)
            io_token_done(link, first->conn, first->cookie, false);
        pop_waiting(link);
    }
    hub_post_hold(link->hub, HUB_HOLD_CORE, core_client_is_holding(link->client));
}

void
core_link_route_add(struct core_link *link, uint64_t version, struct slice filter,
                    uint64_t deadline_ms)
{
    uint64_t wants = core_shared_wants(link->hub, filter);
    enum err err = core_client_route_add(link->client, filter, wants, version, deadline_ms);
    if (err != OK)
        barrier_fail(link->hub->barrier, version, err);
}

void
core_link_route_remove(struct core_link *link, struct slice filter)
{
    core_client_route_remove(link->client, filter);
}

void
core_link_tick(struct core_link *link, uint64_t now_ms)
{
    core_client_tick(link->client, now_ms);
    core_shared_tick(link, now_ms);
    if (link->digest_valid && now_ms - link->valid_told_ms >= link->hub->config->lease_ms / 6)
        tell_digest_valid(link);
    if (now_ms >= link->expire_at_ms) {
        origins_forget(link->origins, now_ms, ORIGIN_IDLE_MS, NULL, NULL, NULL);
        link->expire_at_ms = now_ms + FORGET_MS;
    }
}

unsigned
core_link_serving_count(const struct core_link *link)
{
    unsigned count = 0;
    for (unsigned i = 0; i < link->count; i++)
        if (link->cores[i] != NULL && peer_is_up(link->cores[i]->peer) &&
            (peer_state(link->cores[i]->peer) & STATE_SERVING) != 0)
            count++;
    return count;
}

size_t
core_link_open_tokens(const struct core_link *link)
{
    return core_client_stats(link->client).tokens_open;
}
