/* SPDX-License-Identifier: Apache-2.0 */
/* Sign-in cookies: what goes in comes out, and nothing else is believed. */
#include "services/rest/cookie.h"

#include "tests/unit/cunit_main.h"

static uint8_t key[COOKIE_KEY_LEN];
static uint8_t space[COOKIE_TEXT_MAX];
static char text[COOKIE_TEXT_MAX];

static struct cookie
sample(void)
{
    struct cookie cookie = {.expires_ms = 1000, .user = slice_cstr("Alexei"), .role_count = 2};
    cookie.roles[0] = slice_cstr("ADMIN");
    cookie.roles[1] = slice_cstr("USER");
    return cookie;
}

static void
what_was_encoded_is_decoded(void)
{
    struct cookie in = sample(), out;
    cookie_key(slice_cstr("secret"), key);
    CU_ASSERT_EQUAL_FATAL(cookie_encode(&in, key, text), OK);
    CU_ASSERT_EQUAL_FATAL(cookie_decode(slice_cstr(text), key, 999, space, &out), OK);
    CU_ASSERT(slice_equal_cstr(out.user, "Alexei"));
    CU_ASSERT_EQUAL(out.role_count, 2);
    CU_ASSERT(slice_equal_cstr(out.roles[1], "USER"));
    CU_ASSERT_EQUAL(out.expires_ms, 1000);
}

static void
it_ends_in_time(void)
{
    struct cookie in = sample(), out;
    CU_ASSERT_EQUAL_FATAL(cookie_encode(&in, key, text), OK);
    CU_ASSERT_EQUAL(cookie_decode(slice_cstr(text), key, 1000, space, &out), ERR_TIMEOUT);
}

static void
another_key_and_every_changed_character_are_refused(void)
{
    struct cookie in = sample(), out;
    uint8_t other[COOKIE_KEY_LEN];
    CU_ASSERT_EQUAL_FATAL(cookie_encode(&in, key, text), OK);
    cookie_key(slice_cstr("other"), other);
    CU_ASSERT_EQUAL(cookie_decode(slice_cstr(text), other, 0, space, &out), ERR_DENIED);
    for (size_t i = 0; text[i] != 0; i++) {
        char before = text[i];
        text[i] = before == 'A' ? 'B' : 'A';
        CU_ASSERT_NOT_EQUAL(cookie_decode(slice_cstr(text), key, 0, space, &out), OK);
        text[i] = before;
    }
    for (size_t len = 0; len < strlen(text); len++)
        CU_ASSERT_NOT_EQUAL(cookie_decode(slice_of(text, len), key, 0, space, &out), OK);
}

static void
what_does_not_fit_is_refused(void)
{
    static char big[COOKIE_TEXT_MAX];
    struct cookie in = sample();
    memset(big, 'x', sizeof big);
    in.user = slice_of(big, sizeof big);
    CU_ASSERT_EQUAL(cookie_encode(&in, key, text), ERR_TOO_LARGE);
    in = sample();
    in.role_count = COOKIE_ROLES + 1;
    CU_ASSERT_EQUAL(cookie_encode(&in, key, text), ERR_TOO_LARGE);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(what_was_encoded_is_decoded),
    CUNIT_CASE(it_ends_in_time),
    CUNIT_CASE(another_key_and_every_changed_character_are_refused),
    CUNIT_CASE(what_does_not_fit_is_refused),
};

CUNIT_MAIN("cookie", cases)
