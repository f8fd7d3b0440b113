/* SPDX-License-Identifier: Apache-2.0 */
/* The small rooms of the store: sessions, outbox, users, late wills. */
#include "common/mem.h"
#include "services/store/late_wills.h"
#include "services/store/outbox.h"
#include "services/store/sessions.h"
#include "services/store/users.h"
#include "tests/unit/cunit_main.h"

#include <string.h>

static void
a_client_id_has_one_session_and_the_table_has_a_cap(void)
{
    struct sessions *sessions = sessions_new(100, 2);
    struct session *a;
    struct session *b;
    CU_ASSERT_EQUAL(sessions_next_number(sessions), 100);
    CU_ASSERT_EQUAL(sessions_add(sessions, slice_cstr("a"), 1, &a), OK);
    CU_ASSERT_EQUAL(sessions_add(sessions, slice_cstr("a"), 2, &b), ERR_EXISTS);
    CU_ASSERT_EQUAL(sessions_add(sessions, slice_cstr("b"), 1, &b), ERR_EXISTS);
    CU_ASSERT_EQUAL(sessions_add(sessions, slice_cstr(""), 3, &b), ERR_TOO_LARGE);
    CU_ASSERT_EQUAL(sessions_add(sessions, slice_cstr("b"), 2, &b), OK);
    CU_ASSERT_EQUAL(sessions_add(sessions, slice_cstr("c"), 3, &b), ERR_QUOTA);
    CU_ASSERT_PTR_EQUAL(sessions_by_client(sessions, slice_cstr("a")), a);
    sessions_remove(sessions, a);
    CU_ASSERT_PTR_NULL(sessions_by_client(sessions, slice_cstr("a")));
    CU_ASSERT_PTR_NULL(sessions_by_number(sessions, 1));
    CU_ASSERT_EQUAL(a->state, SESSION_REMOVED);
    session_free(a);
    sessions_free(sessions);
}

static void
an_owner_knows_its_sessions_and_which_are_stalled(void)
{
    struct sessions *sessions = sessions_new(1, 10);
    struct owner one = {.incarnation = 1};
    struct owner two = {.incarnation = 2};
    struct session *s[3];
    char name[2] = "a";
    unsigned i;
    for (i = 0; i < 3; i++) {
        name[0] = (char)('a' + (char)i);
        CU_ASSERT_EQUAL(sessions_add(sessions, slice_cstr(name), i + 1, &s[i]), OK);
        session_make_lasting(s[i], 1);
        session_set_owner(s[i], &one, i);
        session_stall(s[i]);
        session_stall(s[i]);
    }
    CU_ASSERT_EQUAL(one.count, 3);
    session_set_owner(s[1], &two, 7);
    CU_ASSERT_EQUAL(one.count, 2);
    CU_ASSERT_FALSE(session_is_stalled(s[1]));
    CU_ASSERT_PTR_EQUAL(one.stalled, s[2]);
    session_unstall(s[2]);
    CU_ASSERT_PTR_EQUAL(one.stalled, s[0]);
    sessions_remove(sessions, s[0]);
    session_free(s[0]);
    CU_ASSERT_PTR_NULL(one.stalled);
    CU_ASSERT_PTR_EQUAL(one.sessions, s[2]);
    session_set_owner(s[2], NULL, 0);
    CU_ASSERT_PTR_NULL(one.sessions);
    sessions_free(sessions);
}

static void
inbound_packet_ids_are_remembered_until_released(void)
{
    struct sessions *sessions = sessions_new(1, 10);
    struct session *s;
    uint16_t i;
    CU_ASSERT_EQUAL(sessions_add(sessions, slice_cstr("a"), 1, &s), OK);
    session_make_lasting(s, 1);
    for (i = 1; i < 20; i++)
        CU_ASSERT_EQUAL(session_inbound_add(s, i), OK);
    CU_ASSERT_EQUAL(session_inbound_add(s, 5), ERR_EXISTS);
    CU_ASSERT_TRUE(session_inbound_remove(s, 5));
    CU_ASSERT_FALSE(session_inbound_remove(s, 5));
    CU_ASSERT_PTR_NULL(session_inbound_get(s, 5));
    CU_ASSERT_EQUAL(session_inbound_get(s, 6)->packet_id, 6);
    CU_ASSERT_EQUAL(s->lasting->inbound_count, 18);
    sessions_free(sessions);
}

static void
a_will_is_kept_whole(void)
{
    struct sessions *sessions = sessions_new(1, 10);
    struct session_will flags = {.qos = 2, .retain = true, .delay_s = 9};
    struct session *s;
    CU_ASSERT_EQUAL(sessions_add(sessions, slice_cstr("a"), 1, &s), OK);
    session_set_will(s, slice_cstr("t"), slice_cstr("pp"), slice_cstr("load"), &flags);
    CU_ASSERT_TRUE(slice_equal_cstr(session_will_topic(s->will), "t"));
    CU_ASSERT_TRUE(slice_equal_cstr(session_will_properties(s->will), "pp"));
    CU_ASSERT_TRUE(slice_equal_cstr(session_will_payload(s->will), "load"));
    CU_ASSERT_EQUAL(s->will->delay_s, 9);
    session_drop_will(s);
    CU_ASSERT_PTR_NULL(s->will);
    sessions_free(sessions);
}

static void
outbox_numbers_rise_and_are_written_ahead_in_steps(void)
{
    struct outbox *outbox = outbox_new(3, 100);
    struct outbox_entry entry;
    uint64_t limit;
    CU_ASSERT_EQUAL(outbox_add(outbox, 5, 9, 10, &limit), 1);
    CU_ASSERT_EQUAL(limit, 1 + OUTBOX_STEP);
    CU_ASSERT_EQUAL(outbox_add(outbox, 0, 0, 10, &limit), 2);
    CU_ASSERT_EQUAL(limit, 0);
    CU_ASSERT_TRUE(outbox_has_room(outbox));
    (void)outbox_add(outbox, 0, 0, 10, &limit);
    CU_ASSERT_FALSE(outbox_has_room(outbox));
    CU_ASSERT_TRUE(outbox_take(outbox, 1, &entry));
    CU_ASSERT_EQUAL(entry.session, 5);
    CU_ASSERT_EQUAL(entry.packet_id, 9);
    CU_ASSERT_FALSE(outbox_take(outbox, 1, &entry));
    CU_ASSERT_TRUE(outbox_has_room(outbox));
    outbox_free(outbox);
    outbox = outbox_new(3, 100);
    outbox_set_next(outbox, 1 + OUTBOX_STEP);
    outbox_load(outbox, 2, 0, 0, 10);
    CU_ASSERT_EQUAL(outbox_add(outbox, 0, 0, 10, &limit), 1 + OUTBOX_STEP);
    CU_ASSERT_EQUAL(limit, 1 + 2 * OUTBOX_STEP);
    outbox_free(outbox);
}

static void
a_right_password_is_remembered_until_the_user_changes(void)
{
    struct users *users = users_new(2, (struct hash_key){1, 2});
    struct slice ann = slice_cstr("ann");
    struct users_mac right = users_mac_of(users, ann, slice_cstr("pw"));
    struct users_mac wrong = users_mac_of(users, slice_cstr("annp"), slice_cstr("w"));
    struct users_access known = {slice_cstr("r"), slice_cstr("rules"), 7};
    struct users_access access;
    struct slice password;
    CU_ASSERT_NOT_EQUAL(memcmp(right.bytes, wrong.bytes, sizeof(right.bytes)), 0);
    CU_ASSERT_FALSE(users_recall(users, ann, &right, &access));
    users_remember(users, ann, &right, &known);
    CU_ASSERT_TRUE(users_recall(users, ann, &right, &access));
    CU_ASSERT_TRUE(slice_equal_cstr(access.roles, "r"));
    CU_ASSERT_TRUE(slice_equal_cstr(access.rules, "rules"));
    CU_ASSERT_EQUAL(access.revision, 7);
    CU_ASSERT_FALSE(users_recall(users, ann, &wrong, &access));
    users_forget(users, ann);
    CU_ASSERT_FALSE(users_recall(users, ann, &right, &access));
    users_remember(users, ann, &right, &known);
    users_remember(users, slice_cstr("b"), &right, &known);
    users_remember(users, slice_cstr("c"), &right, &known);
    CU_ASSERT_FALSE(users_recall(users, ann, &right, &access)); /* the oldest made room */
    CU_ASSERT_FALSE(users_pending_get(users, ann, &password, &access));
    users_pending_put(users, ann, slice_cstr("hash"), &known);
    users_pending_put(users, ann, slice_cstr(""), &(struct users_access){0});
    users_pending_done(users, ann);
    CU_ASSERT_TRUE(users_pending_get(users, ann, &password, &access));
    CU_ASSERT_EQUAL(password.len, 0);
    users_pending_done(users, ann);
    CU_ASSERT_FALSE(users_pending_get(users, ann, &password, &access));
    users_free(users);
}

static void
a_user_is_live_as_long_as_a_connection_is(void)
{
    struct users *users = users_new(2, (struct hash_key){1, 2});
    struct live_user *one = users_enter(users, slice_cstr("ann"));
    struct live_user *two = users_enter(users, slice_cstr("ann"));
    CU_ASSERT_PTR_EQUAL(one, two);
    users_leave(users, one);
    CU_ASSERT_TRUE(users_is_live(users, slice_cstr("ann")));
    users_leave(users, two);
    CU_ASSERT_FALSE(users_is_live(users, slice_cstr("ann")));
    users_leave(users, NULL);
    users_free(users);
}

static void
a_late_will_waits_for_its_gateway_or_its_time(void)
{
    struct late_wills *wills = late_wills_new();
    struct session_will *first = mem_zalloc(sizeof(*first));
    struct session_will *second = mem_zalloc(sizeof(*second));
    uint64_t session = 0;
    late_wills_add(wills, 1, 10, first, 100);
    late_wills_add(wills, 2, 20, second, 200);
    CU_ASSERT_PTR_NULL(late_wills_take(wills, 1, 11));
    CU_ASSERT_PTR_EQUAL(late_wills_take(wills, 1, 10), first);
    CU_ASSERT_PTR_NULL(late_wills_take(wills, 1, 10));
    CU_ASSERT_PTR_NULL(late_wills_due(wills, 199, &session));
    CU_ASSERT_PTR_EQUAL(late_wills_due(wills, 200, &session), second);
    CU_ASSERT_EQUAL(session, 2);
    mem_free(first);
    mem_free(second);
    late_wills_free(wills);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(a_client_id_has_one_session_and_the_table_has_a_cap),
    CUNIT_CASE(an_owner_knows_its_sessions_and_which_are_stalled),
    CUNIT_CASE(inbound_packet_ids_are_remembered_until_released),
    CUNIT_CASE(a_will_is_kept_whole),
    CUNIT_CASE(outbox_numbers_rise_and_are_written_ahead_in_steps),
    CUNIT_CASE(a_right_password_is_remembered_until_the_user_changes),
    CUNIT_CASE(a_user_is_live_as_long_as_a_connection_is),
    CUNIT_CASE(a_late_will_waits_for_its_gateway_or_its_time),
};
CUNIT_MAIN("store_rooms", cases)
