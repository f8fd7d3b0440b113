/* SPDX-License-Identifier: Apache-2.0 */
/* Peers over tls+tcp with mutual authentication. The certificates are made by the openssl program
 * in a temporary directory. */
#include "common/peer.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "tests/unit/cunit_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_MS 60000u

static struct loop *loop;
static char dir[] = "/tmp/sluice_tls_XXXXXX";
static const char secret_text[] = "tls";

struct program {
    struct peers *peers;
    struct peer *peer;
    int ups;
    uint64_t records;
};

static enum peer_keep
on_up(void *arg, struct peer *peer, const struct peer_info *info)
{
    struct program *p = arg;
    (void)info;
    p->peer = peer;
    p->ups++;
    return PEER_DROP;
}

static void
on_record(void *arg, struct peer *peer, uint8_t type, struct slice body, uint64_t seq)
{
    struct program *p = arg;
    (void)type;
    (void)body;
    p->records++;
    peer_done(peer, seq);
}

static const struct peers_events events = {.up = on_up, .record = on_record};

static bool
make_authority(const char *name)
{
    char command[1024];
    (void)str_format(command, sizeof(command),
                     "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
                     " -days 2 -subj /CN=%s -keyout %s.key -out %s.crt"
                     " -addext basicConstraints=critical,CA:TRUE >/dev/null 2>&1",
                     dir, name, name, name);
    return system(command) == 0; /* NOLINT: a test's own fixed command */
}

static bool
make_certificate(const char *name)
{
    char command[1024];
    (void)str_format(command, sizeof(command),
                     "cd %s && openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
                     " -subj /CN=%s -keyout %s.key -out %s.csr >/dev/null 2>&1 && "
                     "openssl x509 -req -in %s.csr -CA ca.crt -CAkey ca.key -CAcreateserial"
                     " -days 2 -out %s.crt >/dev/null 2>&1",
                     dir, name, name, name, name, name);
    return system(command) == 0; /* NOLINT */
}

static const char *
path(char out[128], const char *name)
{
    (void)str_format(out, 128, "%s/%s", dir, name);
    return out;
}

static struct peers_config
config_of(const char *service, char files[3][128], const char *identity)
{
    char name[64];
    struct peers_config config = {
        .service = service,
        .name = service,
        .version = "1",
        .secret = slice_cstr(secret_text),
        .call_listen = "127.0.0.1:0",
        .feed_listen = "127.0.0.1:0",
        .tls_name = "sluice",
    };
    config.tls_ca = path(files[0], "ca.crt");
    (void)str_format(name, sizeof(name), "%s.crt", identity);
    config.tls_cert = path(files[1], name);
    (void)str_format(name, sizeof(name), "%s.key", identity);
    config.tls_key = path(files[2], name);
    return config;
}

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        uint64_t until_ = clock_monotonic_ms() + PATIENCE_MS;                                      \
        while (!(condition) && clock_monotonic_ms() < until_)                                      \
            loop_run_once(loop, true);                                                             \
        CU_ASSERT_TRUE_FATAL(condition);                                                           \
    } while (0)

static void
open_core(struct program *core)
{
    char files[3][128];
    struct peers_config config = config_of("core", files, "sluice");
    memset(core, 0, sizeof(*core));
    CU_ASSERT_EQUAL_FATAL(peers_new(loop, &config, &events, core, &core->peers), OK);
}

static void
open_gateway(struct program *gateway, const struct program *core, struct peers_config config)
{
    char address[64];
    struct peers_dial dial = {"core", address, false};
    (void)str_format(address, sizeof(address), "127.0.0.1:%u",
                     (unsigned)peers_call_port(core->peers));
    config.dial = &dial;
    config.n_dial = 1;
    memset(gateway, 0, sizeof(*gateway));
    CU_ASSERT_EQUAL_FATAL(peers_new(loop, &config, &events, gateway, &gateway->peers), OK);
}

static void
count_answer(void *arg, enum err result, struct slice reply)
{
    int *count = arg;
    CU_ASSERT_EQUAL(result, ERR_UNSUPPORTED); /* the core of this test answers no calls */
    (void)reply;
    (*count)++;
}

static void
feeds_and_calls_work_with_certificates_on_both_sides(void)
{
    struct program core, gateway;
    char files[3][128];
    static uint8_t body[100000];
    struct slice part = slice_of(body, sizeof(body));
    int answers = 0;
    open_core(&core);
    open_gateway(&gateway, &core, config_of("gateway", files, "sluice"));
    UNTIL(core.ups == 1 && gateway.ups == 1);
    for (int i = 0; i < 50; i++) {
        CU_ASSERT_EQUAL(peer_append(gateway.peer, FEED_DATA, 1, &part, 1, NULL), OK);
        CU_ASSERT_EQUAL(peer_append(core.peer, FEED_DATA, 1, &part, 1, NULL), OK);
    }
    CU_ASSERT_EQUAL(peer_call(gateway.peer, 1, part, 10000, count_answer, &answers, NULL), OK);
    UNTIL(core.records == 50 && gateway.records == 50 && answers == 1);
    peers_free(gateway.peers);
    peers_free(core.peers);
}

/* The refused one never gets up, while one that is in order does in the same time. */
static void
is_refused(struct peers_config config)
{
    struct program core, stranger, gateway;
    char files[3][128];
    open_core(&core);
    open_gateway(&stranger, &core, config);
    open_gateway(&gateway, &core, config_of("gateway", files, "sluice"));
    UNTIL(gateway.ups == 1);
    for (int i = 0; i < 10; i++)
        loop_run_once(loop, true);
    CU_ASSERT_EQUAL(stranger.ups, 0);
    CU_ASSERT_EQUAL(core.ups, 1);
    CU_ASSERT_EQUAL(peers_stats(stranger.peers)->hellos_sent, 0);
    peers_free(stranger.peers);
    peers_free(gateway.peers);
    peers_free(core.peers);
}

static void
a_dialer_without_tls_is_refused(void)
{
    char files[3][128];
    struct peers_config config = config_of("rest", files, "sluice");
    config.tls_ca = config.tls_cert = config.tls_key = NULL;
    is_refused(config);
}

/* The handshake runs on nng's threads, so the loop may stand still meanwhile. */
static bool
openssl_connects(const struct program *core, const char *identity)
{
    char command[512];
    (void)str_format(command, sizeof(command),
                     "cd %s && openssl s_client -connect 127.0.0.1:%u -CAfile ca.crt"
                     " -verify_return_error %s </dev/null >/dev/null 2>&1",
                     dir, (unsigned)peers_call_port(core->peers), identity);
    return system(command) == 0; /* NOLINT */
}

static void
a_client_without_certificate_is_refused(void)
{
    struct program core;
    open_core(&core);
    CU_ASSERT_TRUE(openssl_connects(&core, "-cert sluice.crt -key sluice.key"));
    CU_ASSERT_FALSE(openssl_connects(&core, ""));
    CU_ASSERT_FALSE(openssl_connects(&core, "-cert other.crt -key other.key"));
    peers_free(core.peers);
}

static void
a_certificate_of_another_authority_is_refused(void)
{
    char files[3][128];
    is_refused(config_of("rest", files, "other"));
}

static void
a_server_of_another_name_is_refused(void)
{
    char files[3][128];
    struct peers_config config = config_of("rest", files, "sluice");
    config.tls_name = "somebody";
    is_refused(config);
}

static void
unreadable_files_are_invalid(void)
{
    struct program core = {0};
    char files[3][128];
    struct peers_config config = config_of("core", files, "nobody");
    CU_ASSERT_EQUAL(peers_new(loop, &config, &events, &core, &core.peers), ERR_INVALID);
    config = config_of("core", files, "sluice");
    config.tls_key = NULL;
    CU_ASSERT_EQUAL(peers_new(loop, &config, &events, &core, &core.peers), ERR_INVALID);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(feeds_and_calls_work_with_certificates_on_both_sides),
    CUNIT_CASE(a_dialer_without_tls_is_refused),
    CUNIT_CASE(a_client_without_certificate_is_refused),
    CUNIT_CASE(a_certificate_of_another_authority_is_refused),
    CUNIT_CASE(a_server_of_another_name_is_refused),
    CUNIT_CASE(unreadable_files_are_invalid),
};

int
main(void)
{
    char command[64];
    int rc = 2;
    log_set_level(LOG_LEVEL_ERROR);
    if (mkdtemp(dir) == NULL)
        return rc;
    loop = loop_new();
    if (make_authority("ca") && make_authority("other") && make_certificate("sluice"))
        rc = cunit_run("peer_tls", cases, sizeof(cases) / sizeof(cases[0]));
    else
        (void)fputs("openssl could not make the certificates\n", stdout);
    loop_free(loop);
    (void)str_format(command, sizeof(command), "rm -rf %s", dir);
    if (system(command) != 0) /* NOLINT */
        rc = 2;
    return rc;
}
