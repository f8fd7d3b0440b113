/* SPDX-License-Identifier: Apache-2.0 */
/* The canary, and nng whose one thread that ends connections is held (by the word that it gives of
 * one that has ended). */
#include "common/nng_canary.h"

#include "tests/unit/cunit_main.h"

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/supplemental/util/platform.h>
#include <stdatomic.h>

enum { PATIENCE = 50, PAUSE_MS = 50, SHORT_PAUSE_MS = 20, LONG = 5000 };

static atomic_bool held, is_held;

static void
hold(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    (void)pipe;
    (void)event;
    (void)arg;
    atomic_store(&is_held, true);
    while (atomic_load(&held))
        nng_msleep(5);
}

static void
close_it(void *socket)
{
    (void)nng_close(*(nng_socket *)socket);
}

static void
it_sings_while_nng_ends_connections(void)
{
    struct nng_canary *canary;
    bool sings = true;
    CU_ASSERT_EQUAL_FATAL(nng_canary_new(PATIENCE, &canary), OK);
    for (int i = 0; i < PATIENCE + 10; i++) {
        nng_msleep(PAUSE_MS);
        sings = sings && nng_canary_sings(canary);
    }
    CU_ASSERT_TRUE(sings);
    nng_canary_free(canary);
    nng_canary_free(NULL);
}

static void
it_is_silent_when_nng_stands_still(void)
{
    struct nng_canary *canary;
    nng_socket a, b;
    nng_thread *closer;
    int asked = 0;
    atomic_store(&held, true);
    CU_ASSERT_EQUAL_FATAL(nng_pair0_open(&a), 0);
    CU_ASSERT_EQUAL_FATAL(nng_pair0_open(&b), 0);
    CU_ASSERT_EQUAL_FATAL(nng_pipe_notify(a, NNG_PIPE_EV_REM_POST, hold, NULL), 0);
    CU_ASSERT_EQUAL_FATAL(nng_listen(a, "inproc://held", NULL, 0), 0);
    CU_ASSERT_EQUAL_FATAL(nng_dial(b, "inproc://held", NULL, 0), 0);
    CU_ASSERT_EQUAL_FATAL(nng_canary_new(PATIENCE, &canary), OK);
    CU_ASSERT_EQUAL_FATAL(nng_thread_create(&closer, close_it, &b), 0);
    while (!atomic_load(&is_held))
        nng_msleep(5);
    while (nng_canary_sings(canary) && asked++ < LONG)
        nng_msleep(SHORT_PAUSE_MS);
    CU_ASSERT_FALSE(nng_canary_sings(canary));
    CU_ASSERT_TRUE(asked >= PATIENCE);
    nng_canary_free(canary); /* stays with its thread */
    atomic_store(&held, false);
    nng_thread_destroy(closer); /* waits for it */
    (void)nng_close(a);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(it_sings_while_nng_ends_connections),
    CUNIT_CASE(it_is_silent_when_nng_stands_still),
};

CUNIT_MAIN("nng_canary", cases)
