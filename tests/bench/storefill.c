/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storefill TOPICS SESSIONS [--setting=value ...]
 * Fills the database that the settings of sluice-store name (flags, SLUICE_*) with retained
 * messages d/<0..9>/<n>/v and absent sessions of one subscription and one waiting message, through
 * the driver itself. Then it opens the driver again as a store would, and looks up. Prints
 * `name value` lines; everything but lookups in seconds.
 */
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/publish_record.h"
#include "services/store/driver_open.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PER_BATCH 10000u
#define LOOKUPS   100u

static struct store_config config;

static void
die(const char *what, enum err err, const char *why)
{
    printf("%s: %s: %s\n", what, err_text(err), why);
    exit(1);
}

static struct driver *
open_driver(void)
{
    char why[DRIVER_REASON_SIZE] = "";
    struct driver *driver = NULL;
    enum err err = driver_open(&config, why, &driver);
    const struct driver_claim claim = {.holder = "storefill", .is_forced = true};
    if (err != OK)
        die("open", err, why);
    err = driver_claim(driver, &claim);
    if (err != OK)
        die("claim", err, driver_reason(driver));
    return driver;
}

static void
apply(struct driver *driver, struct batch *batch, uint64_t *id)
{
    enum err err;
    batch->id = ++*id;
    err = driver_apply(driver, batch);
    if (err != OK)
        die("apply", err, driver_reason(driver));
    batch_reset(batch, (size_t)64 << 20);
}

static void
report(const char *name, uint64_t began_us)
{
    printf("%s %.3f\n", name, (double)(clock_monotonic_us() - began_us) / 1e6);
    fflush(stdout);
}

/* A record as cores send them. */
static size_t
record_of(const char *topic, uint8_t out[256])
{
    struct publish_record record = {
        .qos = 1, .topic = slice_cstr(topic), .payload = slice_cstr("0123456789abcdef")};
    size_t len = publish_record_encode_head(&record, out);
    memcpy(out + len, record.payload.data, record.payload.len);
    return len + record.payload.len;
}

static void
fill_retained(struct driver *driver, struct batch *batch, uint64_t *id, size_t count)
{
    uint8_t bytes[256];
    char topic[64];
    size_t i;
    for (i = 0; i < count; i++) {
        struct slice record;
        snprintf(topic, sizeof(topic), "d/%zu/%zu/v", i % 10, i / 10);
        record = slice_of(bytes, record_of(topic, bytes));
        batch_retained_put(batch, slice_cstr(topic), 0, &record, 1);
        if (batch->op_count >= PER_BATCH)
            apply(driver, batch, id);
    }
    apply(driver, batch, id);
}

static void
fill_sessions(struct driver *driver, struct batch *batch, uint64_t *id, size_t count)
{
    uint8_t bytes[256];
    char text[64];
    size_t i;
    struct slice record = slice_of(bytes, record_of("to/all", bytes));
    for (i = 1; i <= count; i++) {
        snprintf(text, sizeof(text), "client-%zu", i);
        batch_session_put(batch, &(struct driver_session){.session = i,
                                                          .epoch = 1,
                                                          .created_ms = clock_wall_ms(),
                                                          .disconnected_ms = clock_wall_ms(),
                                                          .seq_limit = 4096,
                                                          .expiry_s = 86400,
                                                          .receive_maximum = 65535,
                                                          .version = 5,
                                                          .client_id = slice_cstr(text)});
        snprintf(text, sizeof(text), "own/%zu/#", i);
        batch_subscription_put(batch, &(struct driver_subscription){
                                          .session = i, .qos = 1, .filter = slice_cstr(text)});
        if (batch->op_count >= PER_BATCH)
            apply(driver, batch, id);
    }
    batch_message(batch, &record, 1);
    for (i = 1; i <= count; i++)
        batch_queue_append(batch, i, 1, 1, NULL, 0);
    apply(driver, batch, id);
}

/* ---- reading */

struct found {
    uint64_t sessions, queued;
};

static void
see_session(void *arg, const struct driver_session *session)
{
    (void)session;
    ((struct found *)arg)->sessions++;
}

static void
see_queue(void *arg, const struct driver_queue *queue)
{
    ((struct found *)arg)->queued += queue->count;
}

static bool
see_retained(void *arg, struct slice topic, struct slice record)
{
    (void)topic;
    (void)record;
    (*(size_t *)arg)++;
    return true;
}

static int
compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The filter has one %zu for a number below `topics` / 10. */
static void
look_up(struct driver *driver, const char *name, size_t topics, bool plus)
{
    uint64_t took[LOOKUPS];
    struct buf next;
    size_t hits = 0, i;
    uint64_t steps = atomic_load(&driver->steps);
    buf_init(&next, 1 << 17);
    for (i = 0; i < LOOKUPS; i++) {
        char filter[64];
        size_t n = (i * 7919 + 13) % (topics / 10);
        uint64_t began = clock_monotonic_us();
        enum err err;
        if (plus)
            snprintf(filter, sizeof(filter), "d/+/%zu/v", n);
        else
            snprintf(filter, sizeof(filter), "d/3/%zu/#", n);
        err = driver_retained_page(driver, slice_cstr(filter), slice_of(NULL, 0), 100, SIZE_MAX,
                                   see_retained, &hits, &next);
        if (err != OK)
            die("lookup", err, driver->ops->name);
        took[i] = clock_monotonic_us() - began;
    }
    steps = atomic_load(&driver->steps) - steps;
    qsort(took, LOOKUPS, sizeof(took[0]), compare);
    printf("%s_steps %.1f\n", name, (double)steps / LOOKUPS);
    printf("%s_hits %.1f\n%s_median_us %" PRIu64 "\n%s_p99_us %" PRIu64 "\n", name,
           (double)hits / LOOKUPS, name, took[LOOKUPS / 2], name, took[LOOKUPS * 99 / 100]);
    buf_fini(&next);
}

int
main(int argc, char **argv)
{
    static const struct driver_visitor visitor = {.session = see_session, .queue = see_queue};
    size_t topics = argc > 2 ? strtoul(argv[1], NULL, 10) : 0;
    size_t sessions = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    struct found found = {0};
    struct conf *conf = NULL;
    struct driver *driver;
    struct batch batch;
    uint64_t began, id = 0;
    if (topics < 10 || store_config_load(argc - 2, argv + 2, &config, &conf) != CONF_RUN) {
        printf("usage: storefill TOPICS SESSIONS [--setting=value ...]\n");
        return 2;
    }
    log_set_level(LOG_LEVEL_ERROR);
    batch_init(&batch);
    driver = open_driver();
    began = clock_monotonic_us();
    fill_retained(driver, &batch, &id, topics);
    report("fill_retained", began);
    began = clock_monotonic_us();
    fill_sessions(driver, &batch, &id, sessions);
    report("fill_sessions", began);
    driver_close(driver);
    began = clock_monotonic_us();
    driver = open_driver();
    report("open", began);
    began = clock_monotonic_us();
    if (driver_load(driver, &visitor, &found) != OK || found.sessions != sessions ||
        found.queued != sessions)
        die("load", ERR_INTERNAL, "not everything is there");
    report("load", began);
    look_up(driver, "lookup_1", topics, false);
    look_up(driver, "lookup_10", topics, true);
    driver_close(driver);
    batch_fini(&batch);
    conf_free(conf);
    return 0;
}
