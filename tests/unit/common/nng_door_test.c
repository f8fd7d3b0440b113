/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as settings give them, and the URLs that are made of them. */
#include "common/nng_door.h"

#include <string.h>

#include "tests/unit/cunit_main.h"

/* The URL of an address; "" when it is refused. */
static const char *
url(const char *address, bool tls)
{
    static char out[NNG_DOOR_URL_MAX];
    return nng_door_url(address, tls, out) == OK ? out : "";
}

static void
the_scheme_is_that_of_the_settings(void)
{
    CU_ASSERT_STRING_EQUAL(url("core-0:7700", false), "tcp://core-0:7700");
    CU_ASSERT_STRING_EQUAL(url("core-0:7700", true), "tls+tcp://core-0:7700");
    CU_ASSERT_STRING_EQUAL(url("tcp://core-0:7700", true), "tls+tcp://core-0:7700");
    CU_ASSERT_STRING_EQUAL(url("tls+tcp://core-0:7700", true), "tls+tcp://core-0:7700");
    CU_ASSERT_STRING_EQUAL(url("[::1]:0", false), "tcp://[::1]:0");
}

static void
what_is_no_address_is_refused(void)
{
    static const char *const table[] = {"",
                                        "core-0",
                                        ":7700",
                                        "core-0:",
                                        "core-0:65536",
                                        "core-0:-1",
                                        "core-0:77x",
                                        "[::1]",
                                        "core 0:7700",
                                        "core-0:7700/",
                                        "core-0\n:1",
                                        "ws://core-0:80",
                                        "tcp://:7700",
                                        "tcp://core-0",
                                        "tls+tcp://",
                                        "c\xc3\xb6re:7700"};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        CU_ASSERT_STRING_EQUAL(url(table[i], false), "");
        CU_ASSERT_STRING_EQUAL(url(table[i], true), "");
    }
}

static void
tls_that_there_is_not_is_no_plain_connection(void)
{
    CU_ASSERT_STRING_EQUAL(url("tls+tcp://core-0:7700", false), "");
}

/* The longest that fits is as long for both schemes as the buffer says. */
static void
what_does_not_fit_is_refused(void)
{
    char address[NNG_DOOR_URL_MAX + 8];
    for (size_t len = 100; len < sizeof(address) - 1; len++) {
        memset(address, 'a', len);
        memcpy(address + len - 5, ":7700", 6);
        CU_ASSERT_EQUAL(strlen(url(address, false)), len + 6 < NNG_DOOR_URL_MAX ? len + 6 : 0);
        CU_ASSERT_EQUAL(strlen(url(address, true)), len + 10 < NNG_DOOR_URL_MAX ? len + 10 : 0);
    }
}

static void
every_result_of_nng_has_one_of_ours(void)
{
    CU_ASSERT_EQUAL(nng_door_err(0), OK);
    for (int rv = 1; rv < 40; rv++)
        CU_ASSERT_NOT_EQUAL(nng_door_err(rv), OK);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(the_scheme_is_that_of_the_settings),
    CUNIT_CASE(what_is_no_address_is_refused),
    CUNIT_CASE(tls_that_there_is_not_is_no_plain_connection),
    CUNIT_CASE(what_does_not_fit_is_refused),
    CUNIT_CASE(every_result_of_nng_has_one_of_ours),
};
CUNIT_MAIN("nng_door", cases)
