/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of sessions in pieces: none is left out, whatever comes and goes in between. */
#include "services/store/sessions.h"

#include "tests/unit/cunit_main.h"

#define MANY 5000u

static uint8_t seen[3 * MANY];

static void
see(void *arg, struct session *session)
{
    size_t *count = arg;
    seen[session->number]++;
    (*count)++;
}

static struct session *
add(struct sessions *sessions, uint64_t number)
{
    char name[32];
    struct session *session = NULL;
    str_format(name, sizeof(name), "c%llu", (unsigned long long)number);
    CU_ASSERT_EQUAL_FATAL(sessions_add(sessions, slice_cstr(name), number, &session), OK);
    return session;
}

static void
a_piece_costs_what_was_asked_for(void)
{
    struct sessions *sessions = sessions_new(1, 10 * MANY);
    size_t count = 0, pieces = 0;
    uint64_t cursor = 0;
    CU_ASSERT_EQUAL(sessions_scan(sessions, 0, 10, see, &count), 0); /* nobody there */
    for (uint64_t i = 1; i <= MANY; i++)
        add(sessions, i);
    memset(seen, 0, sizeof(seen));
    do {
        size_t before = count;
        cursor = sessions_scan(sessions, cursor, 100, see, &count);
        CU_ASSERT(count - before < 160);
        pieces++;
    } while (cursor != 0);
    CU_ASSERT_EQUAL(count, MANY);
    CU_ASSERT(pieces > MANY / 160);
    for (uint64_t i = 1; i <= MANY; i++)
        CU_ASSERT_EQUAL(seen[i], 1);
    sessions_free(sessions);
}

static void
who_stays_is_met_while_others_come_and_go(void)
{
    struct sessions *sessions = sessions_new(1, 10 * MANY);
    uint64_t cursor = 0, next = MANY + 1;
    size_t count = 0;
    for (uint64_t i = 1; i <= MANY; i++)
        add(sessions, i);
    memset(seen, 0, sizeof(seen));
    do { /* the table doubles meanwhile; every tenth of the old ones goes */
        cursor = sessions_scan(sessions, cursor, 50, see, &count);
        for (unsigned i = 0; i < 100 && next < 3 * MANY; i++, next++)
            add(sessions, next);
        if (next % 10 == 0) {
            struct session *gone = sessions_by_number(sessions, next % MANY / 10 * 10 + 10);
            if (gone != NULL && gone->number <= MANY) {
                sessions_remove(sessions, gone);
                session_free(gone);
            }
        }
    } while (cursor != 0);
    for (uint64_t i = 1; i <= MANY; i++)
        if (i % 10 != 0)
            CU_ASSERT(seen[i] >= 1);
    sessions_free(sessions);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(a_piece_costs_what_was_asked_for),
    CUNIT_CASE(who_stays_is_met_while_others_come_and_go),
};

CUNIT_MAIN("sessions_scan", cases)
