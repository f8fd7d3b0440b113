/* SPDX-License-Identifier: Apache-2.0 */
/* Two programs' peers on one loop, over real sockets on free ports: sessions, feeds, calls, leases,
 * and who must be refused. Programs that die are in peer_crash_test.c. */
#include "common/peer.h"

#include "common/buf.h"
#include "common/call_frame.h"
#include "common/clock.h"
#include "common/cursor.h"
#include "common/feed.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mem.h"
#include "tests/unit/cunit_main.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_MS 60000u
#define LEASE_MS    2000u /* short; and longer than a busy machine stands still */

static struct loop *loop;

/* One program: its peers and what it has seen. */
struct program {
    struct peers *peers;
    struct peer *peer; /* the last one that came up */
    int ups, downs, lapses, rooms, gone;
    enum err why;
    uint64_t records, bytes, expected, frames;
    uint64_t done_ticket;
    uint32_t state;
    bool hold_done, hold_calls;
    enum peer_keep keep;
    struct call_request request;
    int calls;
    int greetings; /* records appended in up */
    char blob[32];
};

struct answer {
    int count;
    enum err result;
    size_t len;
};

static enum peer_keep
on_up(void *arg, struct peer *peer, const struct peer_info *info)
{
    struct program *p = arg;
    struct slice hi = slice_cstr("hi");
    p->peer = peer;
    p->ups++;
    p->lapses += info->lapsed;
    p->state = info->state;
    memcpy(p->blob, info->blob.data, info->blob.len < 31 ? info->blob.len : 31);
    for (int i = 0; i < p->greetings; i++)
        CU_ASSERT_EQUAL(peer_append(peer, FEED_CONTROL, 7, &hi, 1, NULL), OK);
    return p->keep;
}

static void
on_down(void *arg, struct peer *peer, enum err why)
{
    struct program *p = arg;
    (void)peer;
    p->downs++;
    p->why = why;
}

static void
on_record(void *arg, struct peer *peer, uint8_t type, struct slice body, uint64_t seq)
{
    struct program *p = arg;
    (void)peer;
    (void)seq;
    if (type != 1)
        return;
    p->records++;
    p->bytes += body.len;
    if (body.len >= 8) {
        CU_ASSERT_EQUAL(cursor_load_u64(body.data), p->expected);
        p->expected++;
    }
}

static void
on_frame_end(void *arg, struct peer *peer, uint64_t seq)
{
    struct program *p = arg;
    p->frames++;
    if (!p->hold_done)
        peer_done(peer, seq);
}

static void
on_done(void *arg, struct peer *peer, uint64_t ticket)
{
    struct program *p = arg;
    (void)peer;
    CU_ASSERT_TRUE(ticket > p->done_ticket);
    p->done_ticket = ticket;
}

static void
on_room(void *arg, struct peer *peer)
{
    struct program *p = arg;
    (void)peer;
    p->rooms++;
}

static void
on_state(void *arg, struct peer *peer, uint32_t flags)
{
    struct program *p = arg;
    (void)peer;
    p->state = flags;
}

static void
on_call(void *arg, struct peer *peer, struct call_request request, uint16_t method,
        struct slice body)
{
    struct program *p = arg;
    (void)peer;
    p->calls++;
    p->request = request;
    if (!p->hold_calls)
        peers_reply(p->peers, request, method == 13 ? ERR_NOT_FOUND : OK, body);
}

static void
on_gone(void *arg, struct peer *peer)
{
    struct program *p = arg;
    (void)peer;
    p->gone++;
}

static const struct peers_events events = {
    .up = on_up,
    .down = on_down,
    .record = on_record,
    .frame_end = on_frame_end,
    .done = on_done,
    .room = on_room,
    .state = on_state,
    .call = on_call,
    .gone = on_gone,
};

static const char *secret_text = "a cluster secret";

static struct peers_config
config_of(const char *service)
{
    return (struct peers_config){
        .service = service,
        .name = service,
        .version = "1.2.3",
        .secret = slice_cstr(secret_text),
        .call_listen = "127.0.0.1:0",
        .feed_listen = "127.0.0.1:0",
        .blob = slice_cstr(service),
        .lease_ms = LEASE_MS,
        .heartbeat_ms = 150,
        .call_contexts = 16,
    };
}

static void
open_core(struct program *p)
{
    struct peers_config config = config_of("core");
    memset(p, 0, sizeof(*p));
    CU_ASSERT_EQUAL_FATAL(peers_new(loop, &config, &events, p, &p->peers), OK);
}

static void
open_gateway(struct program *p, const struct program *core, struct peers_config config,
             bool calls_only)
{
    char address[64];
    struct peers_dial dial = {"core", address, calls_only};
    (void)str_format(address, sizeof(address), "127.0.0.1:%u",
                     (unsigned)peers_call_port(core->peers));
    config.dial = &dial;
    config.n_dial = 1;
    memset(p, 0, sizeof(*p));
    CU_ASSERT_EQUAL_FATAL(peers_new(loop, &config, &events, p, &p->peers), OK);
}

/* Runs the loop until the condition holds; false after PATIENCE_MS. */
#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        uint64_t until_ = clock_monotonic_ms() + PATIENCE_MS;                                      \
        while (!(condition) && clock_monotonic_ms() < until_)                                      \
            loop_run_once(loop, true);                                                             \
        CU_ASSERT_TRUE_FATAL(condition);                                                           \
    } while (0)

static void
open_pair(struct program *core, struct program *gateway)
{
    open_core(core);
    open_gateway(gateway, core, config_of("gateway"), false);
    UNTIL(core->ups == 1 && gateway->ups == 1);
}

static void
close_pair(struct program *core, struct program *gateway)
{
    peers_free(gateway->peers);
    peers_free(core->peers);
}

static enum err
send_number(struct peer *peer, uint64_t number, size_t len, uint64_t *ticket)
{
    static uint8_t body[2u << 20];
    struct slice part = slice_of(body, len);
    buf_store_u64(body, number);
    return peer_append(peer, FEED_DATA, 1, &part, 1, ticket);
}

static void
a_hello_brings_both_ends_up(void)
{
    struct program core, gateway;
    open_pair(&core, &gateway);
    CU_ASSERT_STRING_EQUAL(core.blob, "gateway");
    CU_ASSERT_STRING_EQUAL(gateway.blob, "core");
    CU_ASSERT_STRING_EQUAL(peer_name(core.peer), "gateway");
    CU_ASSERT_STRING_EQUAL(peer_service(gateway.peer), "core");
    CU_ASSERT_EQUAL(peer_incarnation(core.peer), peers_incarnation(gateway.peers));
    CU_ASSERT_PTR_EQUAL(peers_find(core.peers, peers_incarnation(gateway.peers)), core.peer);
    CU_ASSERT_PTR_EQUAL(peers_by_id(core.peers, peer_id(core.peer)), core.peer);
    CU_ASSERT_EQUAL(core.lapses + gateway.lapses, 0);
    close_pair(&core, &gateway);
}

/* A list of addresses that is the same for all programs names each of them, too. */
static void
a_program_that_dials_itself_is_left_alone(void)
{
    struct program core, gateway;
    char address[64];
    struct peers_dial dial = {"core", address, true};
    struct peers_config config = config_of("core");
    open_core(&core);
    (void)str_format(address, sizeof(address), "127.0.0.1:%u",
                     (unsigned)peers_call_port(core.peers));
    peers_free(core.peers);
    config.call_listen = address;
    config.dial = &dial;
    config.n_dial = 1;
    memset(&core, 0, sizeof(core));
    CU_ASSERT_EQUAL_FATAL(peers_new(loop, &config, &events, &core, &core.peers), OK);
    UNTIL(peers_stats(core.peers)->hellos_sent == 1);
    open_gateway(&gateway, &core, config_of("gateway"), false);
    UNTIL(gateway.ups == 1 && core.ups == 1); /* not with itself */
    CU_ASSERT_STRING_EQUAL(peer_service(core.peer), "gateway");
    CU_ASSERT_EQUAL(peers_stats(core.peers)->hellos_refused, 0);
    CU_ASSERT_EQUAL(peers_stats(core.peers)->hellos_sent, 1);
    close_pair(&core, &gateway);
}

static void
records_arrive_in_order_both_ways_and_get_done(void)
{
    struct program core, gateway;
    uint64_t last_up = 0, last_down = 0;
    open_pair(&core, &gateway);
    for (uint64_t i = 0; i < 20000; i++) {
        CU_ASSERT_EQUAL(send_number(gateway.peer, i, 8 + i % 90, &last_up), OK);
        CU_ASSERT_EQUAL(send_number(core.peer, i, 8 + i % 50, &last_down), OK);
    }
    UNTIL(gateway.done_ticket == last_up && core.done_ticket == last_down);
    CU_ASSERT_EQUAL(core.records, 20000);
    CU_ASSERT_EQUAL(gateway.records, 20000);
    CU_ASSERT_TRUE(core.frames < 100);
    CU_ASSERT_EQUAL(peer_feed_stats(gateway.peer)->used_bytes, 0);
    close_pair(&core, &gateway);
}

static void
a_record_of_more_than_a_mebibyte_passes(void)
{
    struct program core, gateway;
    open_pair(&core, &gateway);
    CU_ASSERT_EQUAL(send_number(gateway.peer, 0, 2u << 20, NULL), OK);
    CU_ASSERT_EQUAL(send_number(gateway.peer, 1, 1200000, NULL), OK);
    UNTIL(core.records == 2);
    CU_ASSERT_EQUAL(core.bytes, (2u << 20) + 1200000u);
    close_pair(&core, &gateway);
}

static void
a_full_feed_is_busy_until_there_is_room(void)
{
    struct program core, gateway;
    uint64_t sent = 0;
    enum err err;
    open_pair(&core, &gateway);
    core.hold_done = true;
    while ((err = send_number(gateway.peer, sent, 60000, NULL)) == OK)
        sent++;
    CU_ASSERT_EQUAL(err, ERR_BUSY);
    CU_ASSERT_TRUE(sent > 100);
    UNTIL(core.records == sent);
    CU_ASSERT_EQUAL(gateway.rooms, 0);
    CU_ASSERT_EQUAL(send_number(gateway.peer, sent, 60000, NULL), ERR_BUSY);
    core.hold_done = false;
    CU_ASSERT_EQUAL(peer_append(core.peer, FEED_DATA, 2, NULL, 0, NULL), OK);
    peer_done(core.peer, (UINT64_C(1) << FEED_WINDOW_SEQ_BITS) + core.frames);
    UNTIL(gateway.rooms == 1);
    CU_ASSERT_EQUAL(send_number(gateway.peer, sent, 60000, NULL), OK);
    close_pair(&core, &gateway);
}

static void
state_flags_reach_the_peers(void)
{
    struct program core, gateway;
    open_pair(&core, &gateway);
    peers_set_state(core.peers, 0x80000001u);
    UNTIL(gateway.state == 0x80000001u);
    close_pair(&core, &gateway);
}

static void
on_answer(void *arg, enum err result, struct slice reply)
{
    struct answer *answer = arg;
    answer->count++;
    answer->result = result;
    answer->len = reply.len;
}

static void
a_thousand_calls_are_answered(void)
{
    struct program core, gateway;
    struct answer answer = {0};
    open_pair(&core, &gateway);
    for (int i = 0; i < 1000; i++) {
        CU_ASSERT_EQUAL(
            peer_call(gateway.peer, 5, slice_cstr("question"), 8000, on_answer, &answer, NULL), OK);
    }
    UNTIL(answer.count == 1000);
    CU_ASSERT_EQUAL(answer.result, OK);
    CU_ASSERT_EQUAL(answer.len, 8);
    CU_ASSERT_EQUAL(core.calls, 1000);
    CU_ASSERT_EQUAL(peer_call(gateway.peer, 13, slice_cstr("x"), 8000, on_answer, &answer, NULL),
                    OK);
    UNTIL(answer.count == 1001);
    CU_ASSERT_EQUAL(answer.result, ERR_NOT_FOUND);
    close_pair(&core, &gateway);
}

static void
a_call_without_answer_meets_its_deadline(void)
{
    struct program core, gateway;
    struct answer answer = {0}, cancelled = {0};
    uint64_t start = clock_monotonic_ms();
    uint32_t id;
    open_pair(&core, &gateway);
    core.hold_calls = true;
    CU_ASSERT_EQUAL(peer_call(gateway.peer, 1, slice_cstr("x"), 200, on_answer, &answer, NULL), OK);
    CU_ASSERT_EQUAL(peer_call(gateway.peer, 1, slice_cstr("x"), 100, on_answer, &cancelled, &id),
                    OK);
    peer_call_cancel(gateway.peer, id);
    UNTIL(answer.count == 1);
    CU_ASSERT_EQUAL(answer.result, ERR_TIMEOUT);
    CU_ASSERT_TRUE(clock_monotonic_ms() - start >= 200);
    CU_ASSERT_EQUAL(cancelled.count, 0);
    UNTIL(core.calls == 2);
    peers_reply(core.peers, core.request, OK, slice_cstr("late"));
    peers_reply(core.peers, core.request, OK, slice_cstr("twice"));
    CU_ASSERT_EQUAL(peer_call(gateway.peer, 1, slice_cstr("x"), 5000, on_answer, &answer, NULL),
                    OK);
    UNTIL(core.calls == 3);
    peers_reply(core.peers, core.request, OK, slice_cstr("now"));
    UNTIL(answer.count == 2);
    CU_ASSERT_EQUAL(answer.result, OK);
    CU_ASSERT_EQUAL(answer.len, 3);
    close_pair(&core, &gateway);
}

static void
calls_in_flight_end_at_once_when_the_peer_is_lost(void)
{
    struct program core, gateway;
    struct answer answer = {0};
    open_pair(&core, &gateway);
    core.hold_calls = true;
    for (int i = 0; i < 100; i++) {
        CU_ASSERT_EQUAL(
            peer_call(gateway.peer, 1, slice_cstr("x"), 60000, on_answer, &answer, NULL), OK);
    }
    UNTIL(core.calls == 16);
    peers_free(core.peers);
    UNTIL(answer.count == 100); /* long before their deadline */
    CU_ASSERT_EQUAL(answer.result, ERR_PEER_LOST);
    peers_free(gateway.peers);
}

static void
too_many_calls_are_busy(void)
{
    struct program core, gateway;
    struct answer answer = {0};
    struct peers_config config = config_of("gateway");
    config.max_calls = 4;
    open_core(&core);
    open_gateway(&gateway, &core, config, false);
    UNTIL(gateway.ups == 1);
    core.hold_calls = true;
    for (int i = 0; i < 5; i++) {
        CU_ASSERT_EQUAL(
            peer_call(gateway.peer, 1, slice_cstr("x"), 60000, on_answer, &answer, NULL),
            i < 4 ? OK : ERR_BUSY);
    }
    UNTIL(core.calls == 4);
    close_pair(&core, &gateway);
    CU_ASSERT_EQUAL(answer.count, 4);
    CU_ASSERT_EQUAL(answer.result, ERR_CLOSED);
}

static void
a_lapsed_peer_is_told_and_what_was_not_done_is_kept(void)
{
    struct program core, gateway;
    uint64_t ticket = 0;
    open_pair(&core, &gateway);
    gateway.keep = PEER_KEEP;
    core.keep = PEER_KEEP;
    core.hold_done = true;
    for (uint64_t i = 0; i < 10; i++)
        CU_ASSERT_EQUAL(send_number(gateway.peer, i, 100, &ticket), OK);
    UNTIL(core.records == 10);
    core.expected = 0; /* not done, so it comes again */
    core.hold_done = false;
    peer_drop(core.peer, ERR_TIMEOUT);
    CU_ASSERT_EQUAL(core.downs, 1);
    UNTIL(core.ups == 2 && gateway.ups == 2);
    CU_ASSERT_EQUAL(core.lapses, 1);
    CU_ASSERT_EQUAL(gateway.lapses, 1);
    CU_ASSERT_EQUAL(gateway.downs, 1);
    UNTIL(gateway.done_ticket >= ticket);
    CU_ASSERT_EQUAL(core.records, 20);
    CU_ASSERT_EQUAL(core.expected, 10);
    close_pair(&core, &gateway);
}

static void
what_was_done_is_not_sent_again_after_a_lapse(void)
{
    struct program core, gateway;
    uint64_t ticket = 0;
    open_pair(&core, &gateway);
    gateway.keep = PEER_KEEP;
    core.hold_done = true;
    for (uint64_t i = 0; i < 10; i++)
        CU_ASSERT_EQUAL(send_number(gateway.peer, i, 100, &ticket), OK);
    UNTIL(core.records == 10);
    /* done, but the session ends before anybody could be told */
    peer_done(core.peer, (UINT64_C(1) << FEED_WINDOW_SEQ_BITS) + core.frames);
    peer_drop(core.peer, ERR_TIMEOUT);
    UNTIL(gateway.ups == 2 && gateway.done_ticket >= ticket);
    core.hold_done = false;
    CU_ASSERT_EQUAL(send_number(gateway.peer, 10, 100, &ticket), OK);
    UNTIL(gateway.done_ticket >= ticket);
    CU_ASSERT_EQUAL(core.records, 11);
    close_pair(&core, &gateway);
}

static void
a_new_incarnation_is_not_lapsed(void)
{
    struct program core, gateway, again;
    open_pair(&core, &gateway);
    open_gateway(&again, &core, config_of("gateway"), false);
    UNTIL(core.ups == 2 && again.ups == 1);
    CU_ASSERT_EQUAL(core.lapses, 0);
    CU_ASSERT_EQUAL(core.downs, 1);
    CU_ASSERT_EQUAL(core.why, ERR_STALE);
    CU_ASSERT_EQUAL(peer_incarnation(core.peer), peers_incarnation(again.peers));
    peers_free(gateway.peers);
    close_pair(&core, &again);
}

static void
a_silent_peer_loses_its_lease_and_is_forgotten(void)
{
    struct program core, gateway;
    struct peers_config config = config_of("core");
    memset(&core, 0, sizeof(core));
    config.forget_ms = 100;
    CU_ASSERT_EQUAL_FATAL(peers_new(loop, &config, &events, &core, &core.peers), OK);
    open_gateway(&gateway, &core, config_of("gateway"), false);
    UNTIL(core.ups == 1 && gateway.ups == 1);
    peers_free(gateway.peers);
    UNTIL(core.downs == 1);
    CU_ASSERT_EQUAL(core.why, ERR_TIMEOUT);
    CU_ASSERT_EQUAL(send_number(core.peer, 0, 10, NULL), ERR_PEER_LOST);
    UNTIL(core.gone == 1);
    CU_ASSERT_EQUAL(peers_stats(core.peers)->leases_ended, 1);
    peers_free(core.peers);
}

static void
the_dialing_side_ends_its_lease_first(void)
{
    struct program core, gateway;
    struct peers_config config = config_of("core");
    uint64_t until;
    config.lease_ms = 3 * LEASE_MS;
    memset(&core, 0, sizeof(core));
    CU_ASSERT_EQUAL_FATAL(peers_new(loop, &config, &events, &core, &core.peers), OK);
    config = config_of("gateway");
    config.lease_ms = 3 * LEASE_MS;
    open_gateway(&gateway, &core, config, false);
    UNTIL(core.ups == 1 && gateway.ups == 1);
    /* whenever the link breaks, whoever spoke last */
    until = peer_lease_end_ms(gateway.peer) + 1000;
    while (peer_lease_end_ms(gateway.peer) < until && core.downs + gateway.downs == 0) {
        CU_ASSERT_TRUE(peer_lease_end_ms(gateway.peer) < peer_lease_end_ms(core.peer));
        loop_run_once(loop, true);
    }
    CU_ASSERT_EQUAL(core.downs + gateway.downs, 0);
    close_pair(&core, &gateway);
}

static void
a_restarted_server_is_found_again(void)
{
    struct program core, gateway;
    struct peers_config config = config_of("core");
    char call[64], feed[64];
    open_pair(&core, &gateway);
    (void)str_format(call, sizeof(call), "127.0.0.1:%u", (unsigned)peers_call_port(core.peers));
    (void)str_format(feed, sizeof(feed), "127.0.0.1:%u", (unsigned)peers_feed_port(core.peers));
    peers_free(core.peers);
    config.call_listen = call;
    config.feed_listen = feed;
    memset(&core, 0, sizeof(core));
    CU_ASSERT_EQUAL_FATAL(peers_new(loop, &config, &events, &core, &core.peers), OK);
    UNTIL(core.ups == 1 && gateway.ups == 2);
    CU_ASSERT_EQUAL(gateway.lapses, 0);
    CU_ASSERT_EQUAL(send_number(gateway.peer, 0, 100, NULL), OK);
    UNTIL(core.records == 1);
    close_pair(&core, &gateway);
}

static void
a_peer_for_calls_only_keeps_its_lease_by_pings(void)
{
    struct program core, rest;
    struct answer answer = {0};
    uint64_t until;
    open_core(&core);
    struct peers_config config = config_of("rest");
    config.feed_listen = NULL;
    config.call_listen = NULL;
    open_gateway(&rest, &core, config, true);
    UNTIL(core.ups == 1 && rest.ups == 1);
    CU_ASSERT_EQUAL(send_number(rest.peer, 0, 10, NULL), ERR_UNSUPPORTED);
    peers_set_state(core.peers, 5);
    peers_set_state(rest.peers, 6);
    until = clock_monotonic_ms() + LEASE_MS + 500;
    UNTIL(clock_monotonic_ms() > until);
    CU_ASSERT_EQUAL(core.downs + rest.downs, 0);
    CU_ASSERT_EQUAL(rest.state, 5);
    CU_ASSERT_EQUAL(core.state, 6);
    CU_ASSERT_EQUAL(peer_call(rest.peer, 5, slice_cstr("q"), 5000, on_answer, &answer, NULL), OK);
    UNTIL(answer.count == 1);
    peers_free(rest.peers);
    UNTIL(core.downs == 1);
    peers_free(core.peers);
}

static void
a_wrong_secret_is_refused_and_counted(void)
{
    struct program core, gateway;
    struct peers_config config = config_of("gateway");
    open_core(&core);
    config.secret = slice_cstr("another secret");
    open_gateway(&gateway, &core, config, false);
    UNTIL(peers_stats(gateway.peers)->secrets_refused >= 1);
    CU_ASSERT_EQUAL(core.ups + gateway.ups, 0);
    close_pair(&core, &gateway);
}

static void
another_service_than_wanted_is_refused(void)
{
    struct program store, gateway;
    struct peers_config config = config_of("store");
    memset(&store, 0, sizeof(store));
    CU_ASSERT_EQUAL_FATAL(peers_new(loop, &config, &events, &store, &store.peers), OK);
    open_gateway(&gateway, &store, config_of("gateway"), false);
    UNTIL(peers_stats(gateway.peers)->hellos_refused >= 1);
    CU_ASSERT_EQUAL(store.ups + gateway.ups, 0);
    close_pair(&store, &gateway);
}

static void
an_unusable_setting_is_invalid(void)
{
    struct program p = {0};
    struct peers_config config = config_of("core");
    config.secret = slice_of(NULL, 0);
    CU_ASSERT_EQUAL(peers_new(loop, &config, &events, &p, &p.peers), ERR_INVALID);
    config = config_of("core");
    config.call_listen = "no port";
    CU_ASSERT_EQUAL(peers_new(loop, &config, &events, &p, &p.peers), ERR_INVALID);
    config = config_of("core");
    config.tls_ca = "/nonexistent";
    CU_ASSERT_EQUAL(peers_new(loop, &config, &events, &p, &p.peers), ERR_INVALID);
}

static void
on_stranger_link(void *arg, bool connected)
{
    bool *up = arg;
    *up = connected;
}

static void
no_frame(void *arg, struct slice frame)
{
    (void)arg;
    (void)frame;
}

static void
frames_and_calls_of_strangers_are_refused(void)
{
    struct program core, gateway;
    struct feed *feed;
    struct feed_out *out;
    struct call_client *client;
    struct answer answer = {0};
    bool feed_up = false, call_up = false;
    char address[64];
    struct feed_config feed_config = {.loop = loop, .max_frame = 1u << 20};
    struct call_client_config call_config = {
        .loop = loop, .address = address, .max_bytes = 1u << 20};
    struct feed_frame frame = {.seq = (UINT64_C(1) << FEED_WINDOW_SEQ_BITS) + 1};
    struct call_frame request = {.kind = CALL_FRAME_CALL, .method = 5};
    uint8_t header[FEED_FRAME_HEADER_LEN], head[CALL_FRAME_REQUEST_LEN];
    static const uint8_t record[] = {0, 0, 0, 2, 1, 'x'};
    uint64_t refused;

    open_pair(&core, &gateway);
    CU_ASSERT_EQUAL_FATAL(feed_new(&feed_config, no_frame, NULL, &feed), OK);
    CU_ASSERT_EQUAL_FATAL(feed_out_new(feed, on_stranger_link, &feed_up, &out), OK);
    (void)str_format(address, sizeof(address), "127.0.0.1:%u",
                     (unsigned)peers_feed_port(core.peers));
    CU_ASSERT_EQUAL_FATAL(feed_out_dial(out, address), OK);
    (void)str_format(address, sizeof(address), "127.0.0.1:%u",
                     (unsigned)peers_call_port(core.peers));
    CU_ASSERT_EQUAL_FATAL(call_client_new(&call_config, on_stranger_link, &call_up, &client), OK);
    UNTIL(feed_up && call_up);

    refused = peers_stats(core.peers)->frames_refused;
    CU_ASSERT_EQUAL(feed_out_send(out, slice_cstr("rubbish"), slice_of(NULL, 0)), OK);
    UNTIL(peers_stats(core.peers)->frames_refused == refused + 1);
    frame.sender = peers_incarnation(gateway.peers); /* knows who, but not the token */
    frame.receiver = peers_incarnation(core.peers);
    feed_frame_encode_header(&frame, header);
    CU_ASSERT_EQUAL(
        feed_out_send(out, slice_of(header, sizeof(header)), slice_of(record, sizeof(record))), OK);
    UNTIL(peers_stats(core.peers)->frames_refused == refused + 2);
    CU_ASSERT_EQUAL(core.records, 0);

    request.caller = peers_incarnation(gateway.peers);
    request.callee = peers_incarnation(core.peers);
    call_frame_encode_request(&request, head);
    CU_ASSERT_EQUAL(call_client_send(client, slice_of(head, sizeof(head)), slice_cstr("x"), 5000,
                                     on_answer, &answer, NULL),
                    OK);
    UNTIL(answer.count == 1);
    CU_ASSERT_EQUAL(answer.result, OK);
    CU_ASSERT_EQUAL(answer.len, 4); /* ERR_DENIED, no body */
    CU_ASSERT_EQUAL(core.calls, 0);
    head[2] = CALL_FRAME_HELLO2;
    CU_ASSERT_EQUAL(call_client_send(client, slice_of(head, sizeof(head)), slice_cstr("x"), 5000,
                                     on_answer, &answer, NULL),
                    OK);
    CU_ASSERT_EQUAL(call_client_send(client, slice_of(NULL, 0), slice_cstr("x"), 5000, on_answer,
                                     &answer, NULL),
                    OK);
    UNTIL(answer.count == 3);
    CU_ASSERT_TRUE(peers_stats(core.peers)->calls_refused >= 2);
    CU_ASSERT_TRUE(peers_stats(core.peers)->hellos_refused >= 1);
    CU_ASSERT_EQUAL(core.downs + gateway.downs, 0);

    call_client_free(client);
    feed_out_free(out);
    feed_free(feed);
    close_pair(&core, &gateway);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(a_hello_brings_both_ends_up),
    CUNIT_CASE(a_program_that_dials_itself_is_left_alone),
    CUNIT_CASE(records_arrive_in_order_both_ways_and_get_done),
    CUNIT_CASE(a_record_of_more_than_a_mebibyte_passes),
    CUNIT_CASE(a_full_feed_is_busy_until_there_is_room),
    CUNIT_CASE(state_flags_reach_the_peers),
    CUNIT_CASE(a_thousand_calls_are_answered),
    CUNIT_CASE(a_call_without_answer_meets_its_deadline),
    CUNIT_CASE(calls_in_flight_end_at_once_when_the_peer_is_lost),
    CUNIT_CASE(too_many_calls_are_busy),
    CUNIT_CASE(a_lapsed_peer_is_told_and_what_was_not_done_is_kept),
    CUNIT_CASE(what_was_done_is_not_sent_again_after_a_lapse),
    CUNIT_CASE(a_new_incarnation_is_not_lapsed),
    CUNIT_CASE(a_silent_peer_loses_its_lease_and_is_forgotten),
    CUNIT_CASE(the_dialing_side_ends_its_lease_first),
    CUNIT_CASE(a_restarted_server_is_found_again),
    CUNIT_CASE(a_peer_for_calls_only_keeps_its_lease_by_pings),
    CUNIT_CASE(a_wrong_secret_is_refused_and_counted),
    CUNIT_CASE(another_service_than_wanted_is_refused),
    CUNIT_CASE(an_unusable_setting_is_invalid),
    CUNIT_CASE(frames_and_calls_of_strangers_are_refused),
};

int
main(void)
{
    int rc;
    log_set_level(LOG_LEVEL_ERROR);
    loop = loop_new();
    rc = cunit_run("peer", cases, sizeof(cases) / sizeof(cases[0]));
    loop_free(loop);
    return rc;
}
