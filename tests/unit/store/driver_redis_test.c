/* SPDX-License-Identifier: Apache-2.0 */
/* The Redis driver on a real server: the contract that all drivers keep, the documented keys, what
 * it asks of a server, and names of all kinds. What breaks: driver_redis_faults_test.c. */
#include "tests/unit/store/driver_redis_kit.h"

static struct redis server;
static struct redis_settings settings;

static struct driver *
open_driver(bool fresh)
{
    if (fresh)
        (void)tell(&server, "FLUSHALL SYNC");
    return driver_on(&settings);
}

static const struct driver_contract contract = {open_driver};

static const struct cunit_case cases[] = {
    DRIVER_CONTRACT_CASES //
};

int
main(void)
{
    int failed;
    (void)signal(SIGPIPE, SIG_IGN);
    server = redis_make();
    redis_start(&server);
    settings_init(&settings, server.socket);
    driver_contract_use(&contract);
    failed = cunit_run("driver_redis", cases, sizeof(cases) / sizeof(cases[0]));
    redis_end(&server);
    return failed;
}
