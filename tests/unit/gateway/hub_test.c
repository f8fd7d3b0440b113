/* SPDX-License-Identifier: Apache-2.0 */
/* The whole hub against a core and a store made of common/peer, and two workers made of mailboxes,
 * all on one loop, over loopback sockets on free ports. Everything is waited for by condition. */
#include "common/cursor.h"
#include "services/gateway/handout.h"
#include "tests/unit/gateway/hub_stage.h"

/* ---- cases */

static void
announcements_come_before_the_end_of_the_resync(void)
{
    set_ready_stage();
    WAIT_FOR(told(&store, FEED_RESYNC_END) != NULL);
    CU_ASSERT(store.count == 3);
    CU_ASSERT(store.records[0].type == FEED_SESSION_ANNOUNCE &&
              store.records[1].type == FEED_SESSION_ANNOUNCE);
    CU_ASSERT(store.records[2].type == FEED_RESYNC_END);
    Sluice__SessionAnnounce *one =
        sluice__session_announce__unpack(NULL, store.records[0].len, store.records[0].body);
    CU_ASSERT_FATAL(one != NULL && one->open != NULL);
    CU_ASSERT(one->session == 77 && one->epoch == 78 && one->last_seq == 5 &&
              one->open->client_id.len == 4);
    sluice__session_announce__free_unpacked(one, NULL);
    clear_stage();
}

static void
open_is_answered_by_the_store(void)
{
    set_ready_stage();
    const struct session_open_request request = {.client_id = slice_cstr("c"), .version = 5};
    to_hub(1, (struct post){.kind = POST_OPEN,
                            .conn = CONN(1, 4),
                            .body = session_open_request_new(&request)});
    WAIT_FOR(got(1, POST_OPENED) != NULL);
    const struct post *post = got(1, POST_OPENED);
    const struct session_opened *opened = post->body;
    CU_ASSERT(post->conn == CONN(1, 4) && opened->reason == 0 && opened->epoch == 2);
    CU_ASSERT(slice_equal_cstr(opened->client_id, "c"));
    CU_ASSERT_PTR_NULL(got(0, POST_OPENED));
    clear_stage();
}

static void
open_waits_for_a_store_that_is_away(void)
{
    set_ready_stage();
    uint16_t port = peers_call_port(store.peers);
    fake_close(&store);
    const struct session_open_request request = {.client_id = slice_cstr("c"), .version = 5};
    to_hub(0, (struct post){.kind = POST_OPEN,
                            .conn = CONN(0, 4),
                            .body = session_open_request_new(&request)});
    for (int i = 0; i < 5; i++)
        loop_run_once(loop, true);
    CU_ASSERT_PTR_NULL(got(0, POST_OPENED));
    (void)fake_open(&store, false, port);
    WAIT_FOR(got(0, POST_OPENED) != NULL);
    const struct session_opened *opened = got(0, POST_OPENED)->body;
    CU_ASSERT(opened->reason == 0 && opened->session == 1000 + CONN(0, 4) % 1000);
    clear_stage();
}

/* ---- signing in */

static void
ask_sign_in(const char *password)
{
    const struct sign_in_request request = {.user = slice_cstr("ann"),
                                            .password = slice_cstr(password)};
    forget_posts();
    to_hub(0, (struct post){
                  .kind = POST_SIGN_IN, .conn = CONN(0, 4), .body = sign_in_request_new(&request)});
}

/* The reason. */
static unsigned
sign_in(const char *password)
{
    ask_sign_in(password);
    WAIT_FOR(got(0, POST_SIGNED_IN) != NULL);
    const struct signed_in *answer = got(0, POST_SIGNED_IN)->body;
    CU_ASSERT(got(0, POST_SIGNED_IN)->conn == CONN(0, 4));
    CU_ASSERT(slice_equal_cstr(answer->user, "ann"));
    if (answer->reason == 0)
        CU_ASSERT(slice_equal_cstr(answer->terms.rules, "allow all #"));
    return answer->reason;
}

static void
user_changes(void)
{
    struct slice name = slice_cstr("ann");
    CU_ASSERT(peer_append(store.gateway, FEED_CONTROL, FEED_USER_CHANGED, &name, 1, NULL) == OK);
    WAIT_FOR(got(0, POST_USER_CHANGED) != NULL && got(1, POST_USER_CHANGED) != NULL);
}

static void
a_right_password_is_remembered_until_the_user_changes(void)
{
    set_ready_stage();
    CU_ASSERT_EQUAL(sign_in("wrong"), 0x86);
    CU_ASSERT_EQUAL(sign_in("pw"), 0);
    CU_ASSERT_EQUAL(people.with_password, 2);
    CU_ASSERT_EQUAL(sign_in("pw"), 0);
    CU_ASSERT_EQUAL(people.with_password, 2);
    CU_ASSERT_EQUAL(sign_in("wrong"), 0x86);
    CU_ASSERT_EQUAL(people.with_password, 3);
    user_changes();
    CU_ASSERT_EQUAL(sign_in("pw"), 0);
    CU_ASSERT_EQUAL(people.with_password, 4);
    CU_ASSERT_EQUAL(people.by_name, 0);
    clear_stage();
}

static void
an_answer_from_before_a_change_is_not_believed(void)
{
    Sluice__SignIn right = SLUICE__SIGN_IN__INIT;
    set_ready_stage();
    people.is_silent = true;
    ask_sign_in("pw");
    WAIT_FOR(people.with_password == 1);
    user_changes();
    people.is_silent = false;
    people.password = "new";
    right.verified = true; /* the former answer: right */
    answer_sign_in(&store, people.waiting, &right);
    WAIT_FOR(got(0, POST_SIGNED_IN) != NULL);
    CU_ASSERT_EQUAL(((const struct signed_in *)got(0, POST_SIGNED_IN)->body)->reason, 0x86);
    CU_ASSERT_EQUAL(people.with_password, 2);
    clear_stage();
}

static void
a_store_that_comes_back_confirms_by_the_revision(void)
{
    set_ready_stage();
    uint16_t port = peers_call_port(store.peers);
    for (unsigned round = 0; round < 2; round++) {
        CU_ASSERT_EQUAL(sign_in("pw"), 0);
        forget_posts();
        fake_close(&store);
        (void)fake_open(&store, false, port);
        WAIT_FOR(got(0, POST_ACCESS_END) != NULL);
        people.revision += round; /* the second time it has changed meanwhile */
        people.with_password = people.by_name = 0;
        CU_ASSERT_EQUAL(sign_in("pw"), 0);
        CU_ASSERT_EQUAL(people.by_name, 1);
        CU_ASSERT_EQUAL(people.with_password, round);
    }
    clear_stage();
}

static void
what_a_user_may_do_now_is_asked_by_name(void)
{
    const struct sign_in_request request = {.user = slice_cstr("ann"), .verified = true};
    set_ready_stage();
    for (unsigned gone = 0; gone < 2; gone++) {
        people.is_gone = gone != 0;
        forget_posts();
        to_hub(1,
               (struct post){.kind = POST_USER_ASK, .a = 7, .body = sign_in_request_new(&request)});
        WAIT_FOR(got(1, POST_USER_TERMS) != NULL);
        const struct signed_in *terms = got(1, POST_USER_TERMS)->body;
        CU_ASSERT(got(1, POST_USER_TERMS)->a == 7 && terms->reason == 0);
        CU_ASSERT_EQUAL(terms->known, gone == 0);
    }
    CU_ASSERT_EQUAL(people.with_password, 0);
    clear_stage();
}

static void
roles_and_bans_go_to_all_workers(void)
{
    static const uint8_t role[] = {1, 0, 1, 'R', 'x'}, broken[] = {1, 0, 9, 'R'};
    struct slice record = slice_of(role, sizeof(role));
    set_ready_stage();
    CU_ASSERT(peer_append(store.gateway, FEED_CONTROL, FEED_ROLE, &record, 1, NULL) == OK);
    record = slice_of(broken, sizeof(broken));
    CU_ASSERT(peer_append(store.gateway, FEED_CONTROL, FEED_ROLE, &record, 1, NULL) == OK);
    WAIT_FOR(got(0, POST_ROLE) != NULL && got(1, POST_ROLE) != NULL);
    const struct role_news *news = got(1, POST_ROLE)->body;
    CU_ASSERT(news->is_there && slice_equal_cstr(news->name, "R") &&
              slice_equal_cstr(news->rules, "x"));
    clear_stage();
}

static void
subscribe_and_refused_call_are_answered(void)
{
    set_ready_stage();
    struct session_subscription one = {.filter = slice_cstr("a"), .qos = 1};
    const struct subscribe_request request = {
        .session = 1, .epoch = 1, .count = 1, .subscriptions = &one};
    to_hub(0, (struct post){.kind = POST_SUBSCRIBE,
                            .conn = CONN(0, 1),
                            .a = 5,
                            .body = subscribe_request_new(&request)});
    to_hub(0, (struct post){.kind = POST_UNSUBSCRIBE,
                            .conn = CONN(0, 1),
                            .a = 6,
                            .body = subscribe_request_new(&request)});
    WAIT_FOR(got(0, POST_SUBSCRIBED) != NULL && got(0, POST_UNSUBSCRIBED) != NULL);
    const struct subscribe_answer *answer = got(0, POST_SUBSCRIBED)->body;
    CU_ASSERT(got(0, POST_SUBSCRIBED)->a == 5 && answer->count == 1 && answer->reasons[0] == 1);
    CU_ASSERT(got(0, POST_UNSUBSCRIBED)->aux == ERR_STALE &&
              got(0, POST_UNSUBSCRIBED)->body == NULL);
    clear_stage();
}

static void
filter_is_ready_when_the_other_worker_and_the_core_have_it(void)
{
    set_ready_stage();
    workers[1].acks = false;
    to_hub(0, (struct post){
                  .kind = POST_FILTER_ADD, .a = 8, .body = post_filter_new(slice_cstr("a/#"))});
    WAIT_FOR(told(&core, FEED_ROUTE_ADD) != NULL && got(1, POST_PLACE_ADD) != NULL);
    const struct post *place = got(1, POST_PLACE_ADD);
    CU_ASSERT(place->flags == 0 && slice_equal_cstr(post_filter_slice(place->body), "a/#"));
    CU_ASSERT_PTR_NULL(got(0, POST_PLACE_ADD));
    const struct fake_record *route = told(&core, FEED_ROUTE_ADD);
    CU_ASSERT(peer_append(core.gateway, FEED_CONTROL, FEED_ROUTE_DONE,
                          &(struct slice){route->body, 8}, 1, NULL) == OK);
    for (int i = 0; i < 20; i++)
        loop_run_once(loop, true);
    CU_ASSERT_PTR_NULL(got(0, POST_FILTER_READY));
    to_hub(1, (struct post){.kind = POST_PLACE_ACK, .a = place->a});
    WAIT_FOR(got(0, POST_FILTER_READY) != NULL);
    CU_ASSERT(got(0, POST_FILTER_READY)->a == 8 && got(0, POST_FILTER_READY)->aux == OK);
    to_hub(0,
           (struct post){.kind = POST_FILTER_REMOVE, .body = post_filter_new(slice_cstr("a/#"))});
    WAIT_FOR(told(&core, FEED_ROUTE_REMOVE) != NULL && got(1, POST_PLACE_REMOVE) != NULL);
    clear_stage();
}

static void
filter_waits_a_lease_for_a_core_that_was_never_met(void)
{
    uint64_t begin_ms = clock_monotonic_ms();
    core_count = 2;
    set_ready_stage();
    to_hub(0, (struct post){
                  .kind = POST_FILTER_ADD, .a = 8, .body = post_filter_new(slice_cstr("a/#"))});
    WAIT_FOR(told(&core, FEED_ROUTE_ADD) != NULL);
    const struct fake_record *route = told(&core, FEED_ROUTE_ADD);
    CU_ASSERT(peer_append(core.gateway, FEED_CONTROL, FEED_ROUTE_DONE,
                          &(struct slice){route->body, 8}, 1, NULL) == OK);
    WAIT_FOR(got(0, POST_FILTER_READY) != NULL);
    CU_ASSERT(got(0, POST_FILTER_READY)->aux == OK);
    CU_ASSERT(clock_monotonic_ms() - begin_ms >= config.lease_ms);
    clear_stage();
}

static void
message_goes_to_the_worker_that_wants_it_once(void)
{
    uint8_t bytes[100];
    set_ready_stage();
    to_hub(1, (struct post){.kind = POST_FILTER_ADD, .body = post_filter_new(slice_cstr("t/+"))});
    WAIT_FOR(told(&core, FEED_ROUTE_ADD) != NULL);
    for (unsigned i = 0; i < 2; i++) {
        struct slice part = slice_of(bytes, encode_publish(bytes, 5, 1, "t/1"));
        CU_ASSERT(peer_append(core.gateway, FEED_DATA, FEED_PUBLISH, &part, 1, NULL) == OK);
    }
    struct slice bad = slice_of(bytes, 20);
    CU_ASSERT(peer_append(core.gateway, FEED_DATA, FEED_PUBLISH, &bad, 1, NULL) == OK);
    struct slice last = slice_of(bytes, encode_publish(bytes, 6, 1, "t/2"));
    CU_ASSERT(peer_append(core.gateway, FEED_DATA, FEED_PUBLISH, &last, 1, NULL) == OK);
    size_t before = workers[1].count;
    WAIT_FOR(workers[1].count >= before + 2);
    const struct post *one = &workers[1].posts[before], *two = one + 1;
    CU_ASSERT(one->kind == POST_MESSAGE && slice_equal_cstr(message_topic(one->body), "t/1"));
    CU_ASSERT(two->kind == POST_MESSAGE && slice_equal_cstr(message_topic(two->body), "t/2"));
    CU_ASSERT_PTR_NULL(got(0, POST_MESSAGE));
    WAIT_FOR(peer_feed_stats(core.gateway)->used_bytes == 0);
    clear_stage();
}

static void
publish_is_answered_when_the_core_has_answered(void)
{
    uint8_t done[9];
    set_ready_stage();
    const struct publish_record record = {
        .qos = 1, .topic = slice_cstr("x"), .payload = slice_cstr("pay")};
    to_hub(0, (struct post){
                  .kind = POST_PUBLISH, .conn = CONN(0, 2), .a = 44, .body = message_new(&record)});
    WAIT_FOR(told(&core, FEED_PUBLISH) != NULL);
    const struct fake_record *out = told(&core, FEED_PUBLISH);
    struct publish_record seen;
    CU_ASSERT_FATAL(publish_record_decode(slice_of(out->body, out->len), &seen) == OK);
    CU_ASSERT(seen.token == 1 && seen.qos == 1 && slice_equal_cstr(seen.payload, "pay"));
    struct slice part =
        slice_of(done, records_token_done_encode(seen.token, RECORDS_TOKEN_WANTED, done));
    CU_ASSERT(peer_append(core.gateway, FEED_CONTROL, FEED_TOKEN_DONE, &part, 1, NULL) == OK);
    WAIT_FOR(got(0, POST_TOKEN_DONE) != NULL);
    const struct post *post = got(0, POST_TOKEN_DONE);
    CU_ASSERT(post->conn == CONN(0, 2) && post->a == 44 && post->flags == 1);
    clear_stage();
}

static uint64_t
highest_ack(void)
{
    uint64_t highest = 0, version = 0;
    for (size_t i = 0; i < core.count; i++) {
        const struct fake_record *record = &core.records[i];
        if (record->type == FEED_DIGEST_ACK &&
            records_number_decode(slice_of(record->body, record->len), &version) == OK &&
            version > highest)
            highest = version;
    }
    return highest;
}

static void
digest_is_acknowledged_when_every_worker_has_it(void)
{
    uint8_t version[8];
    set_ready_stage();
    workers[0].acks = false;
    struct slice parts[2] = {{version, records_digest_encode(2, version)}, slice_cstr("d/#")};
    CU_ASSERT(peer_append(core.gateway, FEED_CONTROL, FEED_DIGEST_ADD, parts, 2, NULL) == OK);
    WAIT_FOR(got(0, POST_PLACE_ADD) != NULL && got(1, POST_PLACE_ADD) != NULL);
    CU_ASSERT(got(0, POST_PLACE_ADD)->flags == PLACE_REMOTE);
    for (int i = 0; i < 20; i++)
        loop_run_once(loop, true);
    CU_ASSERT(highest_ack() < 2);
    to_hub(0, (struct post){.kind = POST_PLACE_ACK, .a = got(0, POST_PLACE_ADD)->a});
    WAIT_FOR(highest_ack() == 2);
    clear_stage();
}

static void
store_records_reach_the_worker_of_the_connection(void)
{
    uint8_t head[64], publish[100];
    const uint32_t ids[1] = {12};
    set_ready_stage();
    size_t len = records_deliver_encode(3, head);
    len += records_target_encode(CONN(0, 1), 7, 1, ids, 1, head + len);
    len += records_target_encode(CONN(1, 1), 8, 2 | DELIVER_DUP, NULL, 0, head + len);
    len += records_target_encode(CONN(40, 1), 9, 1, NULL, 0, head + len); /* no such worker */
    struct slice parts[2] = {{head, len}, {publish, encode_publish(publish, 0, 2, "q")}};
    CU_ASSERT(peer_append(store.gateway, FEED_DATA, FEED_DELIVER, parts, 2, NULL) == OK);
    const struct records_session_kick kick = {
        .conn = CONN(1, 3), .session = 5, .epoch = 6, .reason = 0x8E};
    uint8_t bytes[RECORDS_SESSION_KICK_BYTES];
    struct slice part = slice_of(bytes, records_session_kick_encode(&kick, bytes));
    CU_ASSERT(peer_append(store.gateway, FEED_CONTROL, FEED_SESSION_KICK, &part, 1, NULL) == OK);
    uint8_t done[RECORDS_INBOUND_DONE_BYTES];
    part = slice_of(done, records_inbound_done_encode(CONN(0, 1), 9, 0x10, done));
    CU_ASSERT(peer_append(store.gateway, FEED_CONTROL, FEED_INBOUND_DONE, &part, 1, NULL) == OK);
    part = slice_cstr("ann");
    CU_ASSERT(peer_append(store.gateway, FEED_CONTROL, FEED_USER_CHANGED, &part, 1, NULL) == OK);
    WAIT_FOR(got(0, POST_USER_CHANGED) != NULL && got(1, POST_USER_CHANGED) != NULL);
    const struct post *a = got(0, POST_DELIVER), *b = got(1, POST_DELIVER);
    CU_ASSERT_FATAL(a != NULL && b != NULL);
    const struct delivery *first = a->body, *second = b->body;
    CU_ASSERT(a->a == 7 && a->flags == 1 && first->identifier_count == 1 &&
              first->identifiers[0] == 12);
    CU_ASSERT(b->a == 8 && b->flags == (2 | DELIVER_DUP) && second->identifier_count == 0);
    CU_ASSERT_PTR_EQUAL(first->message, second->message);
    CU_ASSERT(got(1, POST_KICK)->flags == 0x8E && got(1, POST_KICK)->a == 5 &&
              got(1, POST_KICK)->b == 6);
    CU_ASSERT(got(0, POST_INBOUND_DONE)->aux == 9 && got(0, POST_INBOUND_DONE)->flags == 0x10);
    clear_stage();
}

static void
records_that_a_lost_store_had_not_finished_come_again_after_the_resync(void)
{
    set_ready_stage();
    uint16_t port = peers_call_port(store.peers);
    WAIT_FOR(told(&store, FEED_RESYNC_END) != NULL && hub_is_quiet(hub));
    store.marks_done = false;
    to_hub(0, (struct post){.kind = POST_QUEUE_ACK, .a = 1, .b = 2, .c = 3});
    WAIT_FOR(told(&store, FEED_QUEUE_ACK) != NULL);
    fake_close(&store);
    to_hub(0, (struct post){.kind = POST_CLOSE, .a = 4, .b = 5, .flags = CLOSE_WILL});
    (void)fake_open(&store, false, port);
    WAIT_FOR(told(&store, FEED_SESSION_CLOSE) != NULL);
    CU_ASSERT_EQUAL_FATAL(store.count, 5);
    CU_ASSERT(store.records[2].type == FEED_RESYNC_END);
    CU_ASSERT(store.records[3].type == FEED_QUEUE_ACK &&
              store.records[4].type == FEED_SESSION_CLOSE);
    WAIT_FOR(hub_is_quiet(hub));
    clear_stage();
}

static void
a_store_that_takes_over_gets_what_its_predecessor_had_not_finished(void)
{
    store_count = 2;
    claims[0] = (struct shard_claim){.number = 0, .count = 1, .term = 1};
    claims[1] = (struct shard_claim){.number = 0, .count = 1, .term = 2};
    set_ready_stage();
    WAIT_FOR(told(&store, FEED_RESYNC_END) != NULL && hub_is_quiet(hub));
    store.marks_done = false;
    to_hub(0, (struct post){.kind = POST_QUEUE_ACK, .a = 1, .b = 2, .c = 3});
    WAIT_FOR(told(&store, FEED_QUEUE_ACK) != NULL);
    (void)fake_open(&other_store, false, other_port); /* while the former one is still there */
    WAIT_FOR(told(&other_store, FEED_QUEUE_ACK) != NULL);
    CU_ASSERT_EQUAL_FATAL(other_store.count, 4);
    CU_ASSERT(other_store.records[2].type == FEED_RESYNC_END);
    to_hub(0, (struct post){.kind = POST_CLOSE, .a = 4, .b = 5, .flags = CLOSE_WILL});
    WAIT_FOR(told(&other_store, FEED_SESSION_CLOSE) != NULL && hub_is_quiet(hub));
    CU_ASSERT_PTR_NULL(told(&store, FEED_SESSION_CLOSE));
    /* The former one comes back, and is not believed. */
    size_t records = store.count;
    WAIT_FOR(store.ups == 2);
    CU_ASSERT(peer_append(store.gateway, FEED_CONTROL, FEED_ROLE, NULL, 0, NULL) == OK);
    uint64_t calls = other_store.calls;
    const struct session_open_request request = {.client_id = slice_cstr("c"), .version = 5};
    to_hub(0, (struct post){.kind = POST_OPEN,
                            .conn = CONN(0, 4),
                            .body = session_open_request_new(&request)});
    WAIT_FOR(got(0, POST_OPENED) != NULL);
    CU_ASSERT_EQUAL(other_store.calls, calls + 1);
    CU_ASSERT_EQUAL(store.count, records);
    clear_stage();
}

static void
open_from(unsigned slot, const char *client_id)
{
    const struct session_open_request request = {.client_id = slice_cstr(client_id), .version = 5};
    to_hub(0, (struct post){.kind = POST_OPEN,
                            .conn = CONN(0, slot),
                            .body = session_open_request_new(&request)});
}

static void
questions_go_to_the_store_that_has_the_shard(void)
{
    struct shards shards;
    char ids[2][16] = {"", ""};
    store_count = 2;
    claims[0] = (struct shard_claim){.number = 1, .count = 2, .term = 1}; /* not by their order */
    claims[1] = (struct shard_claim){.number = 0, .count = 2, .term = 1};
    shards_init(&shards, 2);
    for (unsigned i = 0; ids[0][0] == '\0' || ids[1][0] == '\0'; i++) {
        char id[16];
        (void)str_format(id, sizeof(id), "client-%u", i);
        memcpy(ids[shards_of(&shards, slice_cstr(id))], id, sizeof(id));
    }
    set_stage();
    /* Asked before it is known how many there are; and nobody comes in before the people are there.
     */
    open_from(1, ids[0]);
    open_from(2, ids[1]);
    WAIT_FOR(told(&store, FEED_RESYNC_END) != NULL);
    CU_ASSERT_FALSE(hub_is_ready(hub));
    CU_ASSERT_EQUAL(store.calls, 0);
    (void)fake_open(&other_store, false, other_port);
    WAIT_FOR(hub_is_ready(hub) && store.calls == 1 && other_store.calls == 1);
    forget_posts();
    struct session_subscription subscription = {.filter = slice_cstr("t"), .qos = 1};
    const struct subscribe_request subscribe = {.session = shards_first_number(1, 1),
                                                .epoch = 1,
                                                .count = 1,
                                                .subscriptions = &subscription};
    to_hub(0, (struct post){.kind = POST_SUBSCRIBE,
                            .conn = CONN(0, 2),
                            .a = 7,
                            .body = subscribe_request_new(&subscribe)});
    WAIT_FOR(got(0, POST_SUBSCRIBED) != NULL);
    CU_ASSERT(store.calls == 2 && other_store.calls == 1);
    to_hub(0,
           (struct post){.kind = POST_QUEUE_ACK, .a = shards_first_number(1, 1), .b = 2, .c = 3});
    to_hub(0,
           (struct post){.kind = POST_QUEUE_ACK, .a = shards_first_number(0, 1), .b = 2, .c = 3});
    to_hub(0,
           (struct post){.kind = POST_QUEUE_ACK, .a = shards_first_number(9, 1), .b = 2, .c = 3});
    WAIT_FOR(told(&store, FEED_QUEUE_ACK) != NULL && told(&other_store, FEED_QUEUE_ACK) != NULL);
    clear_stage();
}

static const struct retained_answer *
retained(const struct retained_answer *former, const char *filter)
{
    static unsigned ticket;
    static struct retained_answer copy;
    struct retained_request *request =
        retained_request_new(slice_cstr(filter), slice_of(NULL, 0), 10);
    if (former != NULL) {
        request->visited = former->visited;
        request->shard = former->shard;
    }
    forget_posts();
    to_hub(0, (struct post){
                  .kind = POST_RETAINED_GET, .conn = CONN(0, 1), .a = ++ticket, .body = request});
    WAIT_FOR(got(0, POST_RETAINED) != NULL);
    if (got(0, POST_RETAINED)->body == NULL)
        return NULL;
    copy = *(const struct retained_answer *)got(0, POST_RETAINED)->body;
    return &copy;
}

/* The fake stores refuse: each is left out, and the next one asked. */
static void
retained_by_wildcard_goes_through_all_shards(void)
{
    store_count = 2;
    claims[0] = (struct shard_claim){.number = 0, .count = 2, .term = 1};
    claims[1] = (struct shard_claim){.number = 1, .count = 2, .term = 1};
    set_stage();
    (void)fake_open(&other_store, false, other_port);
    WAIT_FOR(hub_is_ready(hub));
    const struct retained_answer *answer = retained(NULL, "a/#");
    CU_ASSERT_FATAL(answer != NULL);
    CU_ASSERT(answer->more && answer->count == 0);
    CU_ASSERT_EQUAL(store.calls + other_store.calls, 1);
    answer = retained(answer, "a/#");
    CU_ASSERT_FATAL(answer != NULL);
    CU_ASSERT_FALSE(answer->more);
    CU_ASSERT(store.calls == 1 && other_store.calls == 1);
    CU_ASSERT_PTR_NULL(retained(NULL, "a/b")); /* one store has it, and its error is told */
    CU_ASSERT_EQUAL(store.calls + other_store.calls, 3);
    clear_stage();
}

static void
a_store_of_another_count_is_not_believed(void)
{
    store_count = 2;
    claims[0] = (struct shard_claim){.number = 0, .count = 1, .term = 1};
    claims[1] = (struct shard_claim){.number = 1, .count = 2, .term = 1};
    set_ready_stage();
    (void)fake_open(&other_store, false, other_port);
    WAIT_FOR(other_store.gateway != NULL);
    open_from(1, "any");
    WAIT_FOR(got(0, POST_OPENED) != NULL);
    CU_ASSERT(store.calls == 1 && other_store.calls == 0 && other_store.count == 0);
    CU_ASSERT_TRUE(hub_is_ready(hub));
    clear_stage();
}

/* Until then it is all there is, should this gateway go down. */
static void
a_core_may_forget_its_copy_when_what_was_handed_back_is_answered(void)
{
    uint8_t bytes[128], done[RECORDS_TOKEN_DONE_BYTES];
    struct publish_record record;
    struct records_shared back;
    struct message *message = NULL;
    set_ready_stage();
    CU_ASSERT_EQUAL_FATAL(
        message_from_record(slice_of(bytes, encode_publish(bytes, 5, 1, "t")), &message), OK);
    to_hub(0, (struct post){.kind = POST_SHARED_RETURN,
                            .body = handout_new(message, slice_cstr("$share/g/t"), 4711, 0, 0)});
    WAIT_FOR(told(&core, FEED_SHARED_RETURN) != NULL);
    for (int i = 0; i < 20; i++)
        loop_run_once(loop, true);
    CU_ASSERT_PTR_NULL(told(&core, FEED_SHARED_DONE));
    const struct fake_record *given = told(&core, FEED_SHARED_RETURN);
    CU_ASSERT_EQUAL_FATAL(records_shared_return_decode(slice_of(given->body, given->len), &back),
                          OK);
    CU_ASSERT_EQUAL(back.number, 4711);
    CU_ASSERT_EQUAL_FATAL(publish_record_decode(back.record, &record), OK);
    struct slice part =
        slice_of(done, records_token_done_encode(record.token, RECORDS_TOKEN_WANTED, done));
    CU_ASSERT(peer_append(core.gateway, FEED_CONTROL, FEED_TOKEN_DONE, &part, 1, NULL) == OK);
    WAIT_FOR(told(&core, FEED_SHARED_DONE) != NULL);
    CU_ASSERT_EQUAL(cursor_load_u64(told(&core, FEED_SHARED_DONE)->body), 4711);
    clear_stage();
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(announcements_come_before_the_end_of_the_resync),
    CUNIT_CASE(open_is_answered_by_the_store),
    CUNIT_CASE(open_waits_for_a_store_that_is_away),
    CUNIT_CASE(a_right_password_is_remembered_until_the_user_changes),
    CUNIT_CASE(an_answer_from_before_a_change_is_not_believed),
    CUNIT_CASE(a_store_that_comes_back_confirms_by_the_revision),
    CUNIT_CASE(what_a_user_may_do_now_is_asked_by_name),
    CUNIT_CASE(roles_and_bans_go_to_all_workers),
    CUNIT_CASE(subscribe_and_refused_call_are_answered),
    CUNIT_CASE(filter_is_ready_when_the_other_worker_and_the_core_have_it),
    CUNIT_CASE(filter_waits_a_lease_for_a_core_that_was_never_met),
    CUNIT_CASE(message_goes_to_the_worker_that_wants_it_once),
    CUNIT_CASE(publish_is_answered_when_the_core_has_answered),
    CUNIT_CASE(digest_is_acknowledged_when_every_worker_has_it),
    CUNIT_CASE(store_records_reach_the_worker_of_the_connection),
    CUNIT_CASE(records_that_a_lost_store_had_not_finished_come_again_after_the_resync),
    CUNIT_CASE(a_store_that_takes_over_gets_what_its_predecessor_had_not_finished),
    CUNIT_CASE(questions_go_to_the_store_that_has_the_shard),
    CUNIT_CASE(retained_by_wildcard_goes_through_all_shards),
    CUNIT_CASE(a_store_of_another_count_is_not_believed),
    CUNIT_CASE(a_core_may_forget_its_copy_when_what_was_handed_back_is_answered),
};
CUNIT_MAIN("hub", cases)
