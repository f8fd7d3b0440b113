/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway's rooms of access: bans, remembered passwords, flapping clients. */
#include "services/gateway/bans.h"
#include "services/gateway/credentials.h"
#include "services/gateway/flaps.h"
#include "tests/unit/cunit_main.h"

#include <stdio.h>

static const struct hash_key key = {1, 2};

static bool
is_banned(const struct bans *bans, const char *text, uint64_t now_ms)
{
    struct address address;
    CU_ASSERT_EQUAL_FATAL(address_parse(slice_cstr(text), &address), OK);
    return bans_has_address(bans, &address, now_ms);
}

static void
ban(struct bans *bans, enum bans_kind kind, const char *subject, uint64_t until_ms)
{
    CU_ASSERT_EQUAL(bans_set(bans, (uint8_t)kind, slice_cstr(subject), until_ms), OK);
}

static void
names_are_banned_by_kind_until_the_end(void)
{
    struct bans *bans = bans_new();
    ban(bans, BANS_USER, "ann", 0);
    ban(bans, BANS_CLIENT, "c1", 100);
    CU_ASSERT_TRUE(bans_has_name(bans, BANS_USER, slice_cstr("ann"), 5));
    CU_ASSERT_FALSE(bans_has_name(bans, BANS_CLIENT, slice_cstr("ann"), 5));
    CU_ASSERT_TRUE(bans_has_name(bans, BANS_CLIENT, slice_cstr("c1"), 99));
    CU_ASSERT_FALSE(bans_has_name(bans, BANS_CLIENT, slice_cstr("c1"), 100));
    CU_ASSERT_FALSE(bans_has_name(bans, BANS_USER, slice_cstr(""), 5));
    bans_remove(bans, BANS_USER, slice_cstr("ann"));
    CU_ASSERT_FALSE(bans_has_name(bans, BANS_USER, slice_cstr("ann"), 5));
    CU_ASSERT_EQUAL(bans_set(bans, 9, slice_cstr("x"), 0), ERR_INVALID);
    CU_ASSERT_EQUAL(bans_set(bans, BANS_ADDRESS, slice_cstr("x"), 0), ERR_INVALID);
    CU_ASSERT_EQUAL(bans_set(bans, BANS_USER, slice_cstr(""), 0), ERR_INVALID);
    bans_free(bans);
}

static void
networks_are_banned_by_their_prefix(void)
{
    struct bans *bans = bans_new();
    struct address none = {0};
    ban(bans, BANS_ADDRESS, "192.0.2.0/24", 0);
    ban(bans, BANS_ADDRESS, "10.128.0.0/9", 0);
    ban(bans, BANS_ADDRESS, "198.51.100.7", 0);
    ban(bans, BANS_ADDRESS, "2001:db8::/33", 0);
    CU_ASSERT_TRUE(is_banned(bans, "192.0.2.255", 1));
    CU_ASSERT_FALSE(is_banned(bans, "192.0.3.0", 1));
    CU_ASSERT_TRUE(is_banned(bans, "10.255.0.1", 1));
    CU_ASSERT_FALSE(is_banned(bans, "10.127.0.1", 1));
    CU_ASSERT_TRUE(is_banned(bans, "198.51.100.7", 1));
    CU_ASSERT_FALSE(is_banned(bans, "198.51.100.6", 1));
    CU_ASSERT_TRUE(is_banned(bans, "2001:db8:7fff::1", 1));
    CU_ASSERT_FALSE(is_banned(bans, "2001:db8:8000::1", 1));
    CU_ASSERT_TRUE(is_banned(bans, "::ffff:192.0.2.1", 1));
    CU_ASSERT_FALSE(bans_has_address(bans, &none, 1));
    bans_remove(bans, BANS_ADDRESS, slice_cstr("192.0.2.77/24"));
    CU_ASSERT_FALSE(is_banned(bans, "192.0.2.255", 1));
    ban(bans, BANS_ADDRESS, "0.0.0.0/0", 10);
    CU_ASSERT_TRUE(is_banned(bans, "1.2.3.4", 9));
    CU_ASSERT_FALSE(is_banned(bans, "1.2.3.4", 10));
    bans_free(bans);
}

static void
a_list_told_anew_replaces_the_former(void)
{
    struct bans *bans = bans_new();
    ban(bans, BANS_USER, "stays", 0);
    ban(bans, BANS_USER, "goes", 0);
    ban(bans, BANS_ADDRESS, "10.0.0.0/8", 0);
    bans_reset(bans);
    ban(bans, BANS_USER, "stays", 0);
    ban(bans, BANS_CLIENT, "new", 0);
    CU_ASSERT_TRUE(bans_has_name(bans, BANS_USER, slice_cstr("goes"), 1)); /* until the end */
    bans_end(bans);
    CU_ASSERT_EQUAL(bans_count(bans), 2);
    CU_ASSERT_TRUE(bans_has_name(bans, BANS_USER, slice_cstr("stays"), 1));
    CU_ASSERT_FALSE(is_banned(bans, "10.0.0.1", 1));
    bans_free(bans);
}

/* ---- credentials */

static void
remember(struct credentials *credentials, const char *user, const char *password, uint64_t now_ms)
{
    struct credentials_mac mac =
        credentials_mac_of(credentials, slice_cstr(user), slice_cstr(password));
    struct access_terms terms = {slice_cstr("\1r"), slice_cstr("rules"), 7};
    credentials_remember(credentials, slice_cstr(user), &mac, &terms, now_ms);
}

static enum credentials_answer
ask(struct credentials *credentials, const char *user, const char *password, uint64_t now_ms)
{
    struct credentials_mac mac =
        credentials_mac_of(credentials, slice_cstr(user), slice_cstr(password));
    struct access_terms terms = {0};
    enum credentials_answer answer =
        credentials_ask(credentials, slice_cstr(user), &mac, now_ms, &terms);
    if (answer != CREDENTIALS_UNKNOWN) {
        CU_ASSERT(slice_equal_cstr(terms.roles, "\1r"));
        CU_ASSERT(slice_equal_cstr(terms.rules, "rules"));
        CU_ASSERT_EQUAL(terms.revision, 7);
    }
    return answer;
}

static void
a_right_password_is_known_again_and_no_other(void)
{
    struct credentials *credentials = credentials_new(10, 1000, key);
    remember(credentials, "ann", "pw", 0);
    CU_ASSERT_EQUAL(ask(credentials, "ann", "pw", 999), CREDENTIALS_RIGHT);
    CU_ASSERT_EQUAL(ask(credentials, "ann", "pX", 1), CREDENTIALS_UNKNOWN);
    CU_ASSERT_EQUAL(ask(credentials, "annp", "w", 1), CREDENTIALS_UNKNOWN);
    CU_ASSERT_EQUAL(ask(credentials, "", "pw", 1), CREDENTIALS_UNKNOWN);
    CU_ASSERT_EQUAL(ask(credentials, "ann", "pw", 1000), CREDENTIALS_UNKNOWN);
    CU_ASSERT_EQUAL(credentials_count(credentials), 0);
    remember(credentials, "ann", "pw", 0);
    remember(credentials, "ann", "new", 0);
    CU_ASSERT_EQUAL(credentials_count(credentials), 1);
    CU_ASSERT_EQUAL(ask(credentials, "ann", "pw", 1), CREDENTIALS_UNKNOWN);
    credentials_forget(credentials, slice_cstr("ann"));
    CU_ASSERT_EQUAL(ask(credentials, "ann", "new", 1), CREDENTIALS_UNKNOWN);
    credentials_free(credentials);
}

static void
what_is_in_doubt_is_right_only_if_confirmed(void)
{
    struct credentials *credentials = credentials_new(10, 1000, key);
    remember(credentials, "ann", "pw", 0);
    credentials_doubt(credentials);
    CU_ASSERT_EQUAL(ask(credentials, "ann", "pw", 1), CREDENTIALS_DOUBTFUL);
    CU_ASSERT_EQUAL(ask(credentials, "ann", "no", 1), CREDENTIALS_UNKNOWN);
    remember(credentials, "ann", "pw", 1);
    CU_ASSERT_EQUAL(ask(credentials, "ann", "pw", 1), CREDENTIALS_RIGHT);
    credentials_free(credentials);
}

static void
the_oldest_credentials_make_room(void)
{
    struct credentials *credentials = credentials_new(2, 1000, key);
    struct credentials *none = credentials_new(0, 1000, key);
    remember(credentials, "a", "pw", 0);
    remember(credentials, "b", "pw", 0);
    remember(credentials, "a", "pw", 0); /* the younger one now */
    remember(credentials, "c", "pw", 0);
    CU_ASSERT_EQUAL(credentials_count(credentials), 2);
    CU_ASSERT_EQUAL(ask(credentials, "a", "pw", 1), CREDENTIALS_RIGHT);
    CU_ASSERT_EQUAL(ask(credentials, "b", "pw", 1), CREDENTIALS_UNKNOWN);
    remember(none, "a", "pw", 0);
    CU_ASSERT_EQUAL(credentials_count(none), 0);
    credentials_free(credentials);
    credentials_free(none);
}

/* ---- flapping */

static void
who_connects_too_often_stays_away_for_a_while(void)
{
    const struct flaps_settings settings = {
        .count = 3, .window_ms = 1000, .ban_ms = 5000, .key = key};
    struct flaps *flaps = flaps_new(&settings);
    struct slice c = slice_cstr("c");
    CU_ASSERT_TRUE(flaps_may_connect(flaps, c, 10));
    CU_ASSERT_TRUE(flaps_may_connect(flaps, c, 10));
    CU_ASSERT_TRUE(flaps_may_connect(flaps, c, 900));
    CU_ASSERT_TRUE(flaps_may_connect(flaps, slice_cstr("d"), 900));
    CU_ASSERT_FALSE(flaps_may_connect(flaps, c, 1000));
    CU_ASSERT_FALSE(flaps_may_connect(flaps, c, 5999));
    CU_ASSERT_TRUE(flaps_may_connect(flaps, c, 6000));
    CU_ASSERT_TRUE(flaps_may_connect(flaps, c, 7000)); /* a new window */
    flaps_free(flaps);
}

static void
flapping_costs_a_bounded_table(void)
{
    const struct flaps_settings settings = {.count = 1, .window_ms = 1000, .ban_ms = 1000};
    const struct flaps_settings off = {.window_ms = 1000};
    struct flaps *flaps = flaps_new(&settings);
    struct flaps *nothing = flaps_new(&off);
    char id[16];
    unsigned i;
    for (i = 0; i < FLAPS_MAX + 10; i++) {
        (void)snprintf(id, sizeof(id), "%u", i);
        CU_ASSERT_TRUE(flaps_may_connect(flaps, slice_cstr(id), 1));
        CU_ASSERT_TRUE(flaps_may_connect(nothing, slice_cstr("same"), 1));
    }
    CU_ASSERT_EQUAL(flaps_count(flaps), FLAPS_MAX);
    CU_ASSERT_EQUAL(flaps_count(nothing), 0);
    flaps_free(flaps);
    flaps_free(nothing);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(names_are_banned_by_kind_until_the_end),
    CUNIT_CASE(networks_are_banned_by_their_prefix),
    CUNIT_CASE(a_list_told_anew_replaces_the_former),
    CUNIT_CASE(a_right_password_is_known_again_and_no_other),
    CUNIT_CASE(what_is_in_doubt_is_right_only_if_confirmed),
    CUNIT_CASE(the_oldest_credentials_make_room),
    CUNIT_CASE(who_connects_too_often_stays_away_for_a_while),
    CUNIT_CASE(flapping_costs_a_bounded_table),
};

CUNIT_MAIN("access_tables", cases)
