/* SPDX-License-Identifier: Apache-2.0 */
/* Feed windows over a simulated link that loses, repeats, delays and reorders, through lapses and
 * restarts of the receiver. Every record is a number; the receiver checks that none is missing,
 * out of order, or seen again without reason. A failing seed is printed. */
#include "common/feed_window.h"

#include "common/buf.h"
#include "common/cursor.h"
#include "common/mem.h"
#include "tests/unit/cunit_main.h"

#include <stdio.h>
#include <string.h>

#define SEEDS      400
#define STEPS      3000
#define LINK_CAP   4096
#define TYPE_DATA  1
#define TYPE_GREET 2

static uint64_t random_state;

static uint32_t
roll(uint32_t below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) % below;
}

struct packet {
    uint64_t due_ms;
    uint32_t session;
    uint64_t seq, received, done;
    uint16_t flags;
    uint8_t *records;
    size_t len;
};

struct link {
    struct packet packets[LINK_CAP];
    size_t count;
    uint32_t loss, repeat, delay_ms; /* per cent, per cent, most */
};

/* The sender of one direction, the receiver of the other; both ends are alike. */
struct end {
    struct feed_window *window;
    struct link *out;
    uint64_t next_number; /* to append */
    uint64_t after_drop;  /* numbers below were dropped by the sender, if not seen */
    uint64_t seen;        /* highest number received in this session */
    bool any;             /* a number was received in this session */
    uint64_t finished;    /* highest number done: survives a restart */
    uint64_t done_seq;    /* frame that holds it */
    uint64_t spoke_ms;
    bool greeted;
    uint64_t last_seq, last_seq_number;
    uint64_t ticket_of_last; /* of the newest number */
    uint64_t first_of_session;
    bool is_unsure; /* restarted, and has finished with nothing since */
    bool busy;
};

static uint32_t session;
static uint64_t now_ms;
static bool failed;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition) && !failed) {                                                             \
            failed = true;                                                                         \
            printf("line %d: %s\n", __LINE__, #condition);                                         \
        }                                                                                          \
    } while (0)

static const struct feed_window_config small = {
    .frame_bytes = 200,
    .max_record = 600,
    .window_bytes = 6000,
    .reserve_bytes = 1000,
    .max_in_flight = 12,
    .repeat_ms = 20,
    .repeat_max_ms = 80,
};

static void
link_put(struct link *link, const struct feed_window_out *out)
{
    uint32_t copies = 1;
    if (roll(100) < link->loss)
        copies = 0;
    else if (roll(100) < link->repeat)
        copies = 2;
    while (copies-- > 0 && link->count < LINK_CAP) {
        struct packet *p = &link->packets[link->count++];
        p->due_ms = now_ms + 1 + roll(link->delay_ms + 1);
        p->session = session;
        p->seq = out->seq;
        p->received = out->received;
        p->done = out->done;
        p->flags = out->flags;
        p->len = out->records.len;
        p->records = mem_dup(out->records.data != NULL ? out->records.data : (const uint8_t *)"",
                             out->records.len);
    }
}

static void
append_number(struct end *e)
{
    uint8_t pad[640] = {0};
    uint8_t number[8];
    struct slice parts[2];
    uint64_t ticket;
    enum err err;
    size_t len = roll(20) == 0 ? roll(560) : roll(40);
    buf_store_u64(number, e->next_number);
    parts[0] = slice_of(number, 8);
    parts[1] = slice_of(pad, len);
    err = feed_window_append(e->window, (enum feed_class)roll(4), TYPE_DATA, parts, 2, &ticket);
    if (err == ERR_BUSY) {
        e->busy = true;
        return;
    }
    CHECK(err == OK);
    CHECK(ticket >= e->ticket_of_last);
    e->ticket_of_last = ticket;
    e->next_number++;
}

static uint64_t
first_expected(const struct end *e)
{
    return e->finished + 1 > e->after_drop ? e->finished + 1 : e->after_drop;
}

static void
take_records(struct end *e, struct slice records, uint64_t seq)
{
    struct slice body;
    uint8_t type;
    while (feed_frame_next(&records, &type, &body)) {
        uint64_t number = cursor_load_u64(body.data);
        if (type == TYPE_GREET) {
            CHECK(!e->any); /* before all that was kept */
            CHECK(number == session);
            e->greeted = true;
            continue;
        }
        CHECK(e->greeted);
        if (e->any)
            CHECK(number == e->seen + 1);
        else
            CHECK(number == e->first_of_session ||
                  (e->first_of_session == 0 && number <= first_expected(e)));
        e->any = true;
        e->seen = number;
    }
    CHECK(seq == e->last_seq + 1 || e->last_seq == 0);
    e->last_seq = seq;
    e->last_seq_number = e->seen;
}

static void
take_packet(struct end *e, const struct packet *p)
{
    if (p->session != session)
        return; /* its token would not fit */
    CHECK(feed_window_acked(e->window, now_ms, p->received, p->done, p->flags) == OK);
    if (p->seq != 0 && feed_window_arrived(e->window, p->seq, p->flags) == FEED_NEW)
        take_records(e, slice_of(p->records, p->len), p->seq);
}

static void
link_deliver(struct link *link, struct end *to)
{
    for (size_t i = 0; i < link->count;) {
        struct packet p = link->packets[i];
        if (p.due_ms > now_ms) {
            i++;
            continue;
        }
        link->packets[i] = link->packets[--link->count];
        take_packet(to, &p);
        mem_free(p.records);
    }
}

static void
end_turn(struct end *e)
{
    struct feed_window_out out;
    feed_window_close_frame(e->window);
    if (now_ms % 5 == 0)
        feed_window_tick(e->window, now_ms);
    while (feed_window_next(e->window, now_ms, &out)) {
        link_put(e->out, &out);
        e->spoke_ms = now_ms;
    }
    if (feed_window_ack_due(e->window) || now_ms - e->spoke_ms >= 100) {
        feed_window_ack(e->window, &out);
        link_put(e->out, &out);
        e->spoke_ms = now_ms;
    }
    if (feed_window_take_room(e->window))
        e->busy = false;
    CHECK(feed_window_stats(e->window)->used_bytes <= 2 * (6000 + 1000 + 800));
}

static void
finish_some(struct end *e)
{
    if (e->last_seq == 0)
        return;
    feed_window_done(e->window, e->last_seq);
    if (e->any) {
        e->finished = e->last_seq_number;
        e->is_unsure = false;
    }
}

static void
greet(struct end *e, bool keep)
{
    uint8_t number[8];
    struct slice part = slice_of(number, 8);
    buf_store_u64(number, session);
    CHECK(feed_window_append(e->window, FEED_CONTROL, TYPE_GREET, &part, 1, NULL) == OK);
    (void)feed_window_release(e->window, keep);
}

/* A new session. `restart`: b is a new program that knows only what it had finished with. */
static void
change_session(struct end *a, struct end *b, bool restart, bool keep)
{
    uint64_t a_done = feed_window_last_done(a->window), b_done = feed_window_last_done(b->window);
    feed_window_stop(a->window);
    feed_window_stop(b->window);
    session++;
    if (restart) {
        feed_window_free(b->window);
        b->window = feed_window_new(&small);
        b->next_number = 1;
        b->ticket_of_last = 0;
        b_done = 0;
        a->finished = a->after_drop = 0; /* b counts anew */
    }
    feed_window_former_done(a->window, b_done);
    feed_window_former_done(b->window, a_done);
    feed_window_start(a->window, session, now_ms);
    feed_window_start(b->window, session, now_ms);
    a->any = b->any = a->greeted = b->greeted = a->busy = b->busy = false;
    a->seen = b->seen = a->last_seq = b->last_seq = a->last_seq_number = b->last_seq_number = 0;
    /* after a lapse the sender was told exactly what was finished; after a restart it may not know
     * and send more (first 0: anything up to the one after it) */
    if (!keep) {
        b->after_drop = a->next_number;
        a->after_drop = b->next_number;
    }
    b->is_unsure = keep && (restart || b->is_unsure);
    b->first_of_session = b->is_unsure ? 0 : first_expected(b);
    a->first_of_session = first_expected(a);
    greet(a, keep);
    greet(b, keep);
}

static void
run_seed(uint64_t seed)
{
    static struct link to_a, to_b;
    struct end a = {0}, b = {0};
    uint32_t slow = 0;
    random_state = seed;
    failed = false;
    session = 0;
    now_ms = 1000;
    to_a.count = to_b.count = 0;
    to_a.loss = to_b.loss = roll(40);
    to_a.repeat = to_b.repeat = roll(30);
    to_a.delay_ms = to_b.delay_ms = roll(15);
    a.window = feed_window_new(&small);
    b.window = feed_window_new(&small);
    a.out = &to_b;
    b.out = &to_a;
    a.next_number = b.next_number = 1;
    change_session(&a, &b, false, true);
    for (int step = 0; step < STEPS && !failed; step++) {
        now_ms += roll(3);
        if (roll(200) == 0)
            slow = roll(100);
        if (roll(700) == 0)
            change_session(&a, &b, roll(2) == 0, roll(2) == 0);
        for (uint32_t n = roll(12); n > 0 && !a.busy; n--)
            append_number(&a);
        for (uint32_t n = roll(4); n > 0 && !b.busy; n--)
            append_number(&b);
        link_deliver(&to_a, &a);
        link_deliver(&to_b, &b);
        if (roll(100) >= slow) {
            finish_some(&a);
            finish_some(&b);
        }
        end_turn(&a);
        end_turn(&b);
    }
    /* the link heals: all arrives, all gets done */
    to_a.loss = to_b.loss = 0;
    for (int step = 0; step < 5000 && !failed; step++) {
        now_ms++;
        link_deliver(&to_a, &a);
        link_deliver(&to_b, &b);
        finish_some(&a);
        finish_some(&b);
        end_turn(&a);
        end_turn(&b);
    }
    CHECK(feed_window_done_ticket(a.window) == feed_window_last_ticket(a.window));
    CHECK(feed_window_done_ticket(b.window) == feed_window_last_ticket(b.window));
    CHECK(feed_window_stats(a.window)->used_bytes == 0);
    CHECK(!b.any || b.seen == a.next_number - 1);
    CHECK(!a.any || a.seen == b.next_number - 1);
    if (failed)
        printf("seed %llu\n", (unsigned long long)seed);
    CU_ASSERT_FALSE(failed);
    for (size_t i = 0; i < to_a.count; i++)
        mem_free(to_a.packets[i].records);
    for (size_t i = 0; i < to_b.count; i++)
        mem_free(to_b.packets[i].records);
    feed_window_free(a.window);
    feed_window_free(b.window);
}

static void
nothing_is_lost_twice_or_out_of_order_on_a_bad_link(void)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run_seed(seed);
}

static struct feed_window *
started(const struct feed_window_config *config)
{
    struct feed_window *w = feed_window_new(config);
    feed_window_start(w, 1, 0);
    (void)feed_window_release(w, false);
    return w;
}

static enum err
append_bytes(struct feed_window *w, enum feed_class class, size_t len, uint64_t *ticket)
{
    static const uint8_t zeros[4000];
    struct slice part = slice_of(zeros, len);
    return feed_window_append(w, class, TYPE_DATA, &part, 1, ticket);
}

static void
a_full_window_refuses_data_but_takes_control_from_the_reserve(void)
{
    struct feed_window *w = started(&small);
    struct feed_window_out out;
    uint64_t last = 0;
    int control = 0;
    enum err err;
    while (append_bytes(w, FEED_DATA, 100, NULL) == OK)
        continue;
    CU_ASSERT_FALSE(feed_window_has_room(w));
    while ((err = append_bytes(w, FEED_CONTROL, 10, NULL)) == OK)
        control++;
    CU_ASSERT_EQUAL(err, ERR_BUSY);
    CU_ASSERT_TRUE(control > 10);
    CU_ASSERT_FALSE(feed_window_take_room(w));
    for (uint64_t turn = 1; turn < 20; turn++) {
        feed_window_close_frame(w);
        while (feed_window_next(w, turn, &out))
            last = out.seq;
        CU_ASSERT_EQUAL(feed_window_acked(w, turn, last, last, 0), OK);
    }
    CU_ASSERT_TRUE(feed_window_take_room(w));
    CU_ASSERT_FALSE(feed_window_take_room(w));
    CU_ASSERT_EQUAL(feed_window_stats(w)->used_bytes, 0);
    feed_window_free(w);
}

static void
a_record_above_the_bound_is_too_large(void)
{
    struct feed_window *w = started(&small);
    CU_ASSERT_EQUAL(append_bytes(w, FEED_DATA, 601, NULL), ERR_TOO_LARGE);
    CU_ASSERT_EQUAL(append_bytes(w, FEED_DATA, 600, NULL), OK);
    feed_window_free(w);
}

static void
a_large_record_has_a_frame_of_its_own(void)
{
    struct feed_window *w = started(&small);
    struct feed_window_out out;
    uint64_t t1, t2, t3;
    CU_ASSERT_EQUAL(append_bytes(w, FEED_DATA, 10, &t1), OK);
    CU_ASSERT_EQUAL(append_bytes(w, FEED_DATA, 600, &t2), OK);
    CU_ASSERT_EQUAL(append_bytes(w, FEED_DATA, 10, &t3), OK);
    CU_ASSERT_TRUE(t1 < t2 && t2 < t3);
    feed_window_close_frame(w);
    CU_ASSERT_TRUE(feed_window_next(w, 1, &out));
    CU_ASSERT_EQUAL(out.records.len, 15);
    CU_ASSERT_TRUE(feed_window_next(w, 1, &out));
    CU_ASSERT_EQUAL(out.records.len, 605);
    CU_ASSERT_TRUE(feed_window_next(w, 1, &out));
    CU_ASSERT_FALSE(feed_window_next(w, 1, &out));
    feed_window_free(w);
}

/* One frame of a's with a record of this class, taken by b. */
static void
pass_frame(struct feed_window *a, struct feed_window *b, enum feed_class class)
{
    struct feed_window_out out;
    CU_ASSERT_EQUAL(append_bytes(a, class, 10, NULL), OK);
    feed_window_close_frame(a);
    CU_ASSERT_TRUE_FATAL(feed_window_next(a, 1, &out));
    CU_ASSERT_EQUAL(feed_window_arrived(b, out.seq, out.flags), FEED_NEW);
    feed_window_done(b, out.seq);
}

static void
an_easy_frame_is_acknowledged_with_the_next_tick_or_frame(void)
{
    struct feed_window *a = started(&small), *b = started(&small);
    struct feed_window_out out;
    pass_frame(a, b, FEED_DATA_EASY);
    CU_ASSERT_FALSE(feed_window_ack_due(b));
    feed_window_tick(b, 2);
    CU_ASSERT_TRUE(feed_window_ack_due(b));
    feed_window_ack(b, &out);
    CU_ASSERT_EQUAL(feed_window_acked(a, 2, out.received, out.done, out.flags), OK);
    CU_ASSERT_EQUAL(feed_window_stats(a)->used_bytes, 0);

    pass_frame(a, b, FEED_CONTROL_EASY);
    CU_ASSERT_FALSE(feed_window_ack_due(b));
    CU_ASSERT_EQUAL(append_bytes(b, FEED_DATA, 10, NULL), OK);
    feed_window_close_frame(b);
    CU_ASSERT_TRUE(feed_window_next(b, 2, &out));
    CU_ASSERT_EQUAL(feed_window_acked(a, 2, out.received, out.done, out.flags), OK);
    CU_ASSERT_EQUAL(feed_window_stats(a)->used_bytes, 0);
    feed_window_free(a);
    feed_window_free(b);
}

static void
one_record_that_is_not_easy_makes_its_frame_awaited_and_all_before_it(void)
{
    struct feed_window *a = started(&small), *b = started(&small);
    struct feed_window_out out;
    pass_frame(a, b, FEED_DATA_EASY);
    CU_ASSERT_EQUAL(append_bytes(a, FEED_DATA_EASY, 10, NULL), OK);
    CU_ASSERT_EQUAL(append_bytes(a, FEED_DATA, 10, NULL), OK);
    CU_ASSERT_EQUAL(append_bytes(a, FEED_DATA_EASY, 10, NULL), OK);
    feed_window_close_frame(a);
    CU_ASSERT_TRUE_FATAL(feed_window_next(a, 1, &out));
    CU_ASSERT_EQUAL(feed_window_arrived(b, out.seq, out.flags), FEED_NEW);
    CU_ASSERT_TRUE(feed_window_ack_due(b));
    feed_window_ack(b, &out);
    CU_ASSERT_FALSE(feed_window_ack_due(b));
    pass_frame(a, b, FEED_DATA_EASY); /* done, the awaited one, too */
    CU_ASSERT_TRUE(feed_window_ack_due(b));
    feed_window_free(a);
    feed_window_free(b);
}

static void
what_is_repeated_or_fills_the_window_is_awaited_though_it_is_easy(void)
{
    struct feed_window *w = started(&small);
    struct feed_window_out out;
    bool was_easy = false, was_awaited = false;
    for (int i = 0; i < 10; i++) {
        CU_ASSERT_EQUAL(append_bytes(w, FEED_DATA_EASY, 195, NULL), OK);
        CU_ASSERT_TRUE_FATAL(feed_window_next(w, 1, &out));
        if ((out.flags & FEED_FRAME_EASY) != 0) {
            CU_ASSERT_FALSE(was_awaited);
            was_easy = true;
        } else {
            was_awaited = true;
        }
    }
    CU_ASSERT_TRUE(was_easy && was_awaited);
    feed_window_tick(w, 100);
    CU_ASSERT_TRUE_FATAL(feed_window_next(w, 100, &out));
    CU_ASSERT_EQUAL(out.flags & FEED_FRAME_EASY, 0);
    feed_window_free(w);
}

static void
acknowledging_what_was_never_sent_is_a_violation(void)
{
    struct feed_window *w = started(&small);
    struct feed_window_out out;
    const uint64_t zero = UINT64_C(1) << FEED_WINDOW_SEQ_BITS;
    CU_ASSERT_EQUAL(append_bytes(w, FEED_DATA, 10, NULL), OK);
    feed_window_close_frame(w);
    CU_ASSERT_EQUAL(feed_window_acked(w, 1, zero + 1, zero, 0), ERR_PROTOCOL);
    CU_ASSERT_TRUE(feed_window_next(w, 1, &out));
    CU_ASSERT_EQUAL(feed_window_acked(w, 1, zero, zero + 1, 0), ERR_PROTOCOL);
    CU_ASSERT_EQUAL(feed_window_acked(w, 1, zero + 2, zero, 0), ERR_PROTOCOL);
    CU_ASSERT_EQUAL(feed_window_acked(w, 1, 1, 1, 0), ERR_PROTOCOL);
    CU_ASSERT_EQUAL(feed_window_acked(w, 1, zero + 1, zero, 0), OK);
    feed_window_free(w);
}

static void
silence_repeats_with_growing_pauses_and_few_frames(void)
{
    struct feed_window *w = started(&small);
    struct feed_window_out out;
    uint64_t sent_at[8] = {0};
    size_t rounds = 0;
    for (int i = 0; i < 18; i++) {
        CU_ASSERT_EQUAL(append_bytes(w, FEED_DATA, 195, NULL), OK);
    }
    for (uint64_t now = 1; now < 400 && rounds < 8; now++) {
        int frames = 0;
        feed_window_tick(w, now);
        while (feed_window_next(w, now, &out))
            frames++;
        if (frames == 0)
            continue;
        CU_ASSERT_EQUAL(frames, rounds == 0 ? 12 : 8);
        sent_at[rounds++] = now;
    }
    CU_ASSERT_TRUE(rounds >= 5);
    CU_ASSERT_EQUAL(sent_at[1] - sent_at[0], 20);
    CU_ASSERT_EQUAL(sent_at[2] - sent_at[1], 40);
    CU_ASSERT_EQUAL(sent_at[3] - sent_at[2], 80);
    CU_ASSERT_EQUAL(sent_at[4] - sent_at[3], 80);
    feed_window_free(w);
}

static void
a_gap_is_asked_for_once_and_repeated_from_there(void)
{
    struct feed_window *a = started(&small), *b = started(&small);
    struct feed_window_out frames[3], ack;
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(append_bytes(a, FEED_DATA, 195, NULL), OK);
        CU_ASSERT_TRUE_FATAL(feed_window_next(a, 1, &frames[i]));
    }
    CU_ASSERT_EQUAL(feed_window_arrived(b, frames[0].seq, 0), FEED_NEW);
    CU_ASSERT_EQUAL(feed_window_arrived(b, frames[2].seq, 0), FEED_GAP);
    CU_ASSERT_EQUAL(feed_window_arrived(b, frames[2].seq, 0), FEED_GAP);
    feed_window_ack(b, &ack);
    CU_ASSERT_EQUAL(ack.flags, FEED_FRAME_GAP);
    CU_ASSERT_EQUAL(feed_window_acked(a, 2, ack.received, ack.done, ack.flags), OK);
    CU_ASSERT_TRUE(feed_window_next(a, 2, &frames[0]));
    CU_ASSERT_EQUAL(frames[0].seq, frames[1].seq);
    CU_ASSERT_EQUAL(feed_window_arrived(b, frames[2].seq, 0), FEED_GAP);
    feed_window_ack(b, &ack);
    CU_ASSERT_EQUAL(ack.flags, 0);
    CU_ASSERT_EQUAL(feed_window_arrived(b, frames[1].seq, 0), FEED_NEW);
    CU_ASSERT_EQUAL(feed_window_arrived(b, frames[1].seq, 0), FEED_REPEAT);
    CU_ASSERT_EQUAL(feed_window_stats(b)->gaps_in, 1);
    feed_window_free(a);
    feed_window_free(b);
}

static void
no_session_means_peer_lost(void)
{
    struct feed_window *w = feed_window_new(&small);
    struct feed_window_out out;
    CU_ASSERT_EQUAL(append_bytes(w, FEED_DATA, 10, NULL), ERR_PEER_LOST);
    CU_ASSERT_FALSE(feed_window_next(w, 1, &out));
    CU_ASSERT_EQUAL(feed_window_arrived(w, 1, 0), FEED_STALE);
    feed_window_start(w, 1, 0);
    CU_ASSERT_EQUAL(append_bytes(w, FEED_DATA, 10, NULL), OK);
    feed_window_stop(w);
    CU_ASSERT_EQUAL(append_bytes(w, FEED_DATA, 10, NULL), ERR_PEER_LOST);
    feed_window_free(w);
}

static void
a_preamble_is_not_kept_for_another_session(void)
{
    struct feed_window *w = feed_window_new(&small);
    struct feed_window_out out;
    uint64_t greeting, data;
    feed_window_start(w, 1, 0);
    CU_ASSERT_EQUAL(append_bytes(w, FEED_DATA, 10, &greeting), OK);
    (void)feed_window_release(w, true);
    CU_ASSERT_EQUAL(append_bytes(w, FEED_DATA, 20, &data), OK);
    feed_window_stop(w);
    feed_window_start(w, 2, 0);
    CU_ASSERT_EQUAL(feed_window_done_ticket(w), data - 1);
    CU_ASSERT_EQUAL(append_bytes(w, FEED_DATA, 30, NULL), OK);
    (void)feed_window_release(w, true);
    CU_ASSERT_TRUE(feed_window_next(w, 1, &out));
    CU_ASSERT_EQUAL(out.records.len, 35);
    CU_ASSERT_TRUE(feed_window_next(w, 1, &out));
    CU_ASSERT_EQUAL(out.records.len, 25);
    CU_ASSERT_FALSE(feed_window_next(w, 1, &out));
    CU_ASSERT_EQUAL(feed_window_done_ticket(w), data - 1);
    CU_ASSERT_EQUAL(feed_window_acked(w, 1, out.seq, out.seq - 1, 0), OK);
    CU_ASSERT_EQUAL(feed_window_done_ticket(w), data - 1);
    CU_ASSERT_EQUAL(feed_window_acked(w, 1, out.seq, out.seq, 0), OK);
    CU_ASSERT_EQUAL(feed_window_done_ticket(w), feed_window_last_ticket(w));
    feed_window_free(w);
}

static void
done_of_a_former_session_is_ignored(void)
{
    struct feed_window *w = started(&small);
    CU_ASSERT_EQUAL(feed_window_arrived(w, (UINT64_C(1) << FEED_WINDOW_SEQ_BITS) + 1, 0), FEED_NEW);
    feed_window_start(w, 2, 0);
    feed_window_done(w, (UINT64_C(1) << FEED_WINDOW_SEQ_BITS) + 1);
    CU_ASSERT_EQUAL(feed_window_last_done(w), UINT64_C(2) << FEED_WINDOW_SEQ_BITS);
    feed_window_free(w);
}

struct taken {
    unsigned count;
    size_t lens[4];
};

static void
note_taken(void *arg, uint8_t type, struct slice body)
{
    struct taken *taken = arg;
    (void)type;
    if (taken->count < 4)
        taken->lens[taken->count] = body.len;
    taken->count++;
}

static void
what_is_unfinished_can_be_taken_out_for_somebody_else(void)
{
    struct feed_window *w = feed_window_new(&small);
    struct feed_window_out out;
    struct taken taken = {0};
    uint64_t seq = 0;
    feed_window_start(w, 1, 0);
    CU_ASSERT_EQUAL(append_bytes(w, FEED_DATA, 10, NULL), OK); /* of this session only */
    (void)feed_window_release(w, true);
    CU_ASSERT_EQUAL(append_bytes(w, FEED_DATA, 190, NULL), OK);
    CU_ASSERT_EQUAL(append_bytes(w, FEED_DATA, 20, NULL), OK);
    CU_ASSERT_EQUAL(append_bytes(w, FEED_CONTROL, 30, NULL), OK);
    while (feed_window_next(w, 1, &out))
        seq = out.seq;
    feed_window_stop(w);
    feed_window_take_unfinished(w, note_taken, &taken);
    CU_ASSERT_EQUAL(taken.count, 3);
    CU_ASSERT_EQUAL(taken.lens[0], 190);
    CU_ASSERT_EQUAL(taken.lens[1], 20);
    CU_ASSERT_EQUAL(taken.lens[2], 30);
    feed_window_take_unfinished(w, note_taken, &taken);
    CU_ASSERT_EQUAL(taken.count, 3);
    CU_ASSERT_EQUAL(feed_window_done_ticket(w), feed_window_last_ticket(w));
    CU_ASSERT_EQUAL(feed_window_stats(w)->used_bytes, 0);
    feed_window_former_done(w, seq); /* the far end comes back and says that it had finished */
    /* The next session has nothing of it; so it is when it is taken at the begin of that one. */
    CU_ASSERT_NOT_EQUAL(seq, 0);
    feed_window_start(w, 2, 0);
    (void)feed_window_release(w, true);
    CU_ASSERT_FALSE(feed_window_next(w, 1, &out));
    CU_ASSERT_EQUAL(append_bytes(w, FEED_DATA, 40, NULL), OK);
    feed_window_stop(w);
    feed_window_start(w, 3, 0);
    feed_window_take_unfinished(w, note_taken, &taken);
    CU_ASSERT_EQUAL(taken.count, 4);
    CU_ASSERT_EQUAL(taken.lens[3], 40);
    CU_ASSERT_EQUAL(append_bytes(w, FEED_DATA, 50, NULL), OK);
    (void)feed_window_release(w, true);
    feed_window_close_frame(w);
    CU_ASSERT_TRUE(feed_window_next(w, 1, &out));
    CU_ASSERT_EQUAL(out.records.len, 55);
    CU_ASSERT_FALSE(feed_window_next(w, 1, &out));
    feed_window_free(w);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(what_is_unfinished_can_be_taken_out_for_somebody_else),
    CUNIT_CASE(nothing_is_lost_twice_or_out_of_order_on_a_bad_link),
    CUNIT_CASE(a_full_window_refuses_data_but_takes_control_from_the_reserve),
    CUNIT_CASE(a_record_above_the_bound_is_too_large),
    CUNIT_CASE(a_large_record_has_a_frame_of_its_own),
    CUNIT_CASE(an_easy_frame_is_acknowledged_with_the_next_tick_or_frame),
    CUNIT_CASE(one_record_that_is_not_easy_makes_its_frame_awaited_and_all_before_it),
    CUNIT_CASE(what_is_repeated_or_fills_the_window_is_awaited_though_it_is_easy),
    CUNIT_CASE(acknowledging_what_was_never_sent_is_a_violation),
    CUNIT_CASE(silence_repeats_with_growing_pauses_and_few_frames),
    CUNIT_CASE(a_gap_is_asked_for_once_and_repeated_from_there),
    CUNIT_CASE(no_session_means_peer_lost),
    CUNIT_CASE(a_preamble_is_not_kept_for_another_session),
    CUNIT_CASE(done_of_a_former_session_is_ignored),
};

CUNIT_MAIN("feed_window", cases)
