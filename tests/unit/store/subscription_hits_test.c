/* SPDX-License-Identifier: Apache-2.0 */
/* The sessions that get one message, each once. */
#include "services/store/subscription_hits.h"

#include "common/mem.h"
#include "services/store/sessions.h"
#include "tests/unit/cunit_main.h"

enum { SESSIONS = 5000 };

static void
a_session_that_several_filters_have_is_there_once_with_all_identifiers(void)
{
    struct subscription_hits *hits = subscription_hits_new();
    struct session a = {.number = 1}, b = {.number = 2};
    struct subscription_hit *list;
    uint32_t ids[255];
    size_t count;
    for (unsigned round = 0; round < 2; round++) { /* the second time in used memory */
        subscription_hits_clear(hits);
        subscription_hits_filter(hits, 1);
        subscription_hits_add_id(hits, subscription_hits_of(hits, &a), 7);
        subscription_hits_filter(hits, 2);
        subscription_hits_add_id(hits, subscription_hits_of(hits, &b), 8);
        subscription_hits_add_id(hits, subscription_hits_of(hits, &a), 9);
        subscription_hits_filter(hits, 1);
        subscription_hits_add_id(hits, subscription_hits_of(hits, &a), 0); /* none */
        list = subscription_hits_list(hits, &count);
        CU_ASSERT_EQUAL_FATAL(count, 2);
        CU_ASSERT_PTR_EQUAL(list[0].session, &a);
        CU_ASSERT_PTR_EQUAL(list[1].session, &b);
        CU_ASSERT_EQUAL_FATAL(list[0].id_count, 2);
        subscription_hits_ids(hits, &list[0], ids);
        CU_ASSERT_TRUE(ids[0] == 7 && ids[1] == 9);
    }
    subscription_hits_free(hits);
}

static void
many_sessions_are_found_again(void)
{
    struct subscription_hits *hits = subscription_hits_new();
    struct session *sessions = mem_zalloc_array(SESSIONS, sizeof(*sessions));
    size_t count, i;
    for (i = 0; i < SESSIONS; i++)
        sessions[i].number = i + 1;
    for (unsigned filter = 0; filter < 3; filter++) {
        size_t some = filter == 0 ? SESSIONS / 2 : SESSIONS;
        subscription_hits_filter(hits, some);
        for (i = 0; i < some; i++)
            CU_ASSERT_PTR_EQUAL(subscription_hits_of(hits, &sessions[i])->session, &sessions[i]);
    }
    (void)subscription_hits_list(hits, &count);
    CU_ASSERT_EQUAL(count, SESSIONS);
    mem_free(sessions);
    subscription_hits_free(hits);
}

static void
further_identifiers_than_255_are_left_out(void)
{
    struct subscription_hits *hits = subscription_hits_new();
    struct session a = {.number = 1};
    struct subscription_hit *hit;
    uint32_t ids[255], i;
    subscription_hits_filter(hits, 1);
    hit = subscription_hits_of(hits, &a);
    for (i = 1; i <= 300; i++)
        subscription_hits_add_id(hits, hit, i);
    CU_ASSERT_EQUAL_FATAL(hit->id_count, 255);
    subscription_hits_ids(hits, hit, ids);
    CU_ASSERT_TRUE(ids[0] == 1 && ids[254] == 255);
    subscription_hits_free(hits);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(a_session_that_several_filters_have_is_there_once_with_all_identifiers),
    CUNIT_CASE(many_sessions_are_found_again),
    CUNIT_CASE(further_identifiers_than_255_are_left_out),
};
CUNIT_MAIN("subscription_hits", cases)
