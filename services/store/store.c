/* SPDX-License-Identifier: Apache-2.0 */
/* The hall of sluice-store: builds the parts, runs what happens by time, takes them down in
 * reverse. Rules are in the rooms, arrivals at the desks. */
#include "services/store/store.h"

#include "common/clock.h"
#include "common/crypt.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/calls.pb-c.h"
#include "proto/feed_records.h"
#include "services/store/access_rows.h"
#include "services/store/core_link.h"
#include "services/store/desks.h"
#include "services/store/driver_open.h"
#include "services/store/lease_keeper.h"
#include "services/store/report.h"
#include "services/store/restore.h"
#include "services/store/retained_jobs.h"
#include "services/store/retained_limit.h"
#include "services/store/retained_sweep.h"
#include "services/store/session_ending.h"
#include "services/store/session_life.h"
#include "services/store/session_push.h"
#include "services/store/signin.h"
#include "services/store/store_http.h"
#include "services/store/store_link.h"
#include "services/store/store_start.h"
#include "services/store/user_rows.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

#define EXIT_NOT_STARTED 2
#define EXIT_STALE       1
#define TICK_MS          100u
#define ORIGIN_IDLE_MS   600000u
#define ORIGINS_MAX      100000u
#define SWEEP_MS         10000u
#define OUTBOX_COUNT_MAX 200000u
#define OUTBOX_BYTES_MAX ((uint64_t)24 * 1024 * 1024)
#define READS_MAX        8192u
#define VERIFY_MAX       4096u
#define REMEMBER_MAX     100000u
#define CALL_BYTES_MAX   ((uint32_t)16 * 1024 * 1024)
#define CALL_CONTEXTS    1024u
#define STOP_MS          5000u

uint64_t
store_wall_ms(const struct store *store)
{
    (void)store;
    return clock_wall_ms();
}

bool
store_has_room(const struct store *store)
{
    return commit_room(store->commit) == OK;
}

/* Everything with a stamp up to a is durable. */
static void
stamp_committed(void *arg, uint64_t a, uint64_t b, uint64_t c)
{
    struct store *store = arg;
    (void)b;
    (void)c;
    store->committed = a;
}

/* The mark comes before the one of the message itself, so that the pump sees it. */
void
store_stamp(struct store *store)
{
    commit_mark(store->commit, stamp_committed, store, store->stamp++, 0, 0);
}

void
store_reply(struct store *store, struct call_request request, enum err err, const void *message)
{
    const ProtobufCMessage *packed = message;
    size_t len = packed != NULL ? protobuf_c_message_get_packed_size(packed) : 0;
    uint8_t *bytes;
    if (len > CALL_BYTES_MAX - 1024) {
        peers_reply(store->peers, request, ERR_TOO_LARGE, slice_of(NULL, 0));
        return;
    }
    bytes = mem_alloc(len);
    if (packed != NULL)
        (void)protobuf_c_message_pack(packed, bytes);
    peers_reply(store->peers, request, err, slice_of(bytes, len));
    mem_free(bytes);
}

void
store_name(const struct store *store, char *out, size_t size)
{
    char host[64] = "";
    const char *instance = store->config->common.instance;
    (void)gethostname(host, sizeof(host) - 1);
    if (instance[0] != '\0')
        (void)str_format(out, size, "%s", instance);
    else
        (void)str_format(out, size, "store-%.40s", host);
}

/* ---- by time */

static bool
keep_origin(void *arg, uint64_t origin)
{
    struct store *store = arg;
    return origin == store->origin || store_link_has_gateway(store, origin);
}

static void
origin_forgotten(void *arg, uint64_t origin, struct slice encoded)
{
    struct store *store = arg;
    (void)encoded;
    batch_token_set_delete(commit_batch(store->commit), origin);
}

static void
set_serving(struct store *store)
{
    bool serving = store->has_core && !store->stopping;
    if (serving == store->serving)
        return;
    store->serving = serving;
    peers_set_state(store->peers, STATE_EXACT | (serving ? STATE_SERVING : 0));
    log_info(serving ? "serving" : "not_serving", LOG_END);
}

static void
on_tick(void *arg)
{
    struct store *store = arg;
    uint64_t now_ms = clock_monotonic_ms();
    core_client_tick(store->cores, now_ms);
    set_serving(store);
    if (!store->lease_over && now_ms - store->started_ms >= store->config->lease_ms) {
        store->lease_over = true;
        session_life_release_limbo(store, 0);
    }
    session_life_tick(store);
    access_rows_tick(store, now_ms);
    report_tick(store, now_ms);
    on_admin_publish_tick(store, now_ms);
    drops_tick(store->drops, now_ms);
    trace_desk_tick(&store->trace, now_ms, store_wall_ms(store));
    if (now_ms - store->last_sweep_ms >= SWEEP_MS) {
        store->last_sweep_ms = now_ms;
        retained_sweep_start(store);
        origins_forget(store->origins, store_wall_ms(store), ORIGIN_IDLE_MS, keep_origin,
                       origin_forgotten, store);
        takes_tick(store->takes, store_wall_ms(store));
    }
}

static void
on_turn(void *arg)
{
    struct store *store = arg;
    if (store->parked)
        store_link_unpark(store);
    retained_jobs_run(store);
}

static void
end_with(struct store *store, int status)
{
    store->stopping = true;
    store->exit_status = status;
    loop_stop(store->loop);
}

/* Said once: the lease and a commit may both find it out. */
static void
end_stale(struct store *store, const char *reason)
{
    if (store->exit_status == EXIT_STALE)
        return;
    log_error("data_taken_over", LOG_U64("shard", store->shard), LOG_STR("reason", reason),
              LOG_STR("hint", "another store has this data now, or it was put back to an "
                              "earlier state; this one ends, to be started anew"),
              LOG_END);
    end_with(store, EXIT_STALE);
}

static void
on_commit_state(void *arg, enum err err, const char *reason)
{
    struct store *store = arg;
    if (err == OK) {
        log_info("commit_recovered", LOG_END);
    } else if (err == ERR_STALE) {
        end_stale(store, reason);
    } else {
        log_error("commit_failing", LOG_ERR(err), LOG_STR("reason", reason), LOG_END);
    }
}

static void
on_lease_state(void *arg, enum err err)
{
    struct store *store = arg;
    if (err == ERR_STALE)
        end_stale(store, "another store has claimed this shard");
    else if (err == OK)
        log_info("lease_renewed_again", LOG_U64("shard", store->shard), LOG_END);
    else
        log_warn("lease_not_renewed", LOG_U64("shard", store->shard), LOG_ERR(err), LOG_END);
}

/* ---- parts */

static void
claimed(struct store *store)
{
    if (driver_open_is_shared(store->config, DRIVER_SESSIONS))
        store->lease = lease_keeper_new(store->loop, store->driver, store->config->shard_lease_ms,
                                        on_lease_state, store);
}

static void
open_commit(struct store *store)
{
    struct commit_settings settings = {
        .on_state = on_commit_state,
        .arg = store,
        .metrics = {.latency_us = store->counters.commit_us,
                    .ops = store->counters.commit_ops,
                    .commits = store->counters.commits,
                    .failures = store->counters.commit_failures},
    };
    store->commit = commit_new(store->loop, store->driver, &settings);
}

static void
open_reads(struct store *store)
{
    struct read_pool_metrics metrics = {.reads = store->counters.reads,
                                        .failures = store->counters.read_failures,
                                        .latency_us = store->counters.read_us};
    store->reads = read_pool_new(store->loop, store->driver, (unsigned)store->config->read_threads,
                                 READS_MAX, &metrics);
}

static enum err
open_peers(struct store *store)
{
    const struct store_config *config = store->config;
    size_t n_dial = config->cores.count + config->stores.count;
    struct peers_dial *dial = mem_zalloc_array(n_dial + 1, sizeof(*dial));
    char name[64];
    struct peers_config peers = {
        .service = "store",
        .name = name,
        .version = SLUICE_VERSION,
        .secret = slice_cstr(config->common.cluster_secret),
        .call_listen = config->call_listen,
        .feed_listen = config->feed_listen,
        .advertise_host = config->advertise,
        .dial = dial,
        .n_dial = n_dial,
        .lease_ms = (uint32_t)config->lease_ms,
        .heartbeat_ms = (uint32_t)config->lease_ms / 3,
        .max_calls = 4096,
        .call_contexts = CALL_CONTEXTS,
        .max_call_bytes = CALL_BYTES_MAX,
        .window = {.max_record = (size_t)config->max_record},
        .tls_ca = config->common.cluster_ca,
        .tls_cert = config->common.cluster_cert,
        .tls_key = config->common.cluster_key,
    };
    const struct shard_claim claim = {
        .number = store->shard, .count = store->shards.count, .term = store->boot};
    uint8_t blob[SHARDS_CLAIM_BYTES];
    enum err err;
    size_t i;
    peers.blob = slice_of(blob, shards_claim_encode(&claim, blob));
    for (i = 0; i < config->cores.count; i++)
        dial[i] = (struct peers_dial){"core", config->cores.items[i], false};
    for (i = 0; i < config->stores.count; i++)
        dial[config->cores.count + i] = (struct peers_dial){"store", config->stores.items[i], true};
    store_name(store, name, sizeof(name));
    err = peers_new(store->loop, &peers, store_link_events(), store, &store->peers);
    if (err == OK)
        peers_set_state(store->peers, STATE_EXACT);
    else
        log_error("peers_not_opened", LOG_STR("call_listen", config->call_listen),
                  LOG_STR("feed_listen", config->feed_listen), LOG_ERR(err), LOG_END);
    mem_free(dial);
    return err;
}

static void
make_rooms(struct store *store)
{
    struct hash_key key;
    crypt_random(&key, sizeof(key));
    shards_init(&store->shards, (uint32_t)store->config->shards);
    shard_seats_init(&store->neighbours, store->shards.count);
    wheel_init(&store->deadlines, TICK_MS, 4096, clock_monotonic_ms());
    store->subscriptions = subscriptions_new((size_t)store->config->filters_max);
    store->origins = origins_new(ORIGINS_WRITTEN, ORIGINS_MAX);
    store->takes = takes_new(&(struct takes_config){.origins = store->origins, .lasts = true});
    store->outbox = outbox_new(OUTBOX_COUNT_MAX, OUTBOX_BYTES_MAX);
    store->late_wills = late_wills_new();
    store->users = users_new(REMEMBER_MAX, key);
    store->user_rows = user_rows_new();
    store->retained_limit = retained_limit_new();
    store->next_body = 1;
    store->publishes_tail = &store->publishes;
    store->stamp = 1;
}

/* The rooms are loaded: everything that runs is made. */
static void
loaded(struct store *store, enum err err)
{
    if (err == OK) {
        loop_on_turn(store->loop, on_turn, store);
        open_commit(store);
        open_reads(store);
        store->pool =
            verify_pool_new(store->loop, (unsigned)store->config->verify_threads, VERIFY_MAX);
        core_link_open(store);
        restore_outbox(store);
        err = open_peers(store);
    }
    if (err != OK) {
        end_with(store, EXIT_NOT_STARTED);
        return;
    }
    store->started_ms = clock_monotonic_ms();
    loop_timer_init(&store->tick, store->loop, on_tick, store);
    loop_timer_start(&store->tick, TICK_MS, true);
    store->started = true;
    log_info("started", LOG_STR("version", SLUICE_VERSION),
             LOG_STR("driver", store->driver->ops->name), LOG_U64("shard", store->shard),
             LOG_U64("shards", store->shards.count),
             LOG_U64("call_port", peers_call_port(store->peers)),
             LOG_U64("feed_port", peers_feed_port(store->peers)), LOG_END);
}

enum err
store_new(const struct store_config *config, struct loop *loop, struct store **out)
{
    struct store *store = mem_zalloc(sizeof(*store));
    enum err err;
    store->config = config;
    store->loop = loop;
    store->metrics = metrics_new();
    store_metrics_init(&store->counters, store->metrics);
    store->drops = drops_new(store_metrics_drops, STORE_DROP_COUNT, drops_log, NULL);
    make_rooms(store);
    loop_measure_lag(store->loop, NULL, NULL);
    err = store_http_open(store);
    if (err != OK) {
        store_free(store);
        return err;
    }
    store_start_begin(store, claimed, loaded);
    *out = store;
    return OK;
}

/* What was taken on is written before the end, as long as the disk allows. */
static void
write_out(struct store *store)
{
    uint64_t end_ms = clock_monotonic_ms() + STOP_MS;
    while (!commit_is_idle(store->commit) && commit_state(store->commit) == OK &&
           clock_monotonic_ms() < end_ms)
        loop_run_once(store->loop, true);
}

/* All is written: who comes next need not wait. A database that is away is not waited for. */
static void
give_up_lease(struct store *store)
{
    bool is_renewed = store->lease != NULL && lease_keeper_state(store->lease) == OK;
    enum err err = OK;
    lease_keeper_free(store->lease);
    if (is_renewed)
        err = driver_renew(store->driver, 0);
    if (err != OK)
        log_warn("lease_not_given_up", LOG_U64("shard", store->shard), LOG_ERR(err), LOG_END);
}

void
store_free(struct store *store)
{
    store->stopping = true;
    if (store->peers != NULL && store->commit != NULL)
        write_out(store);
    store_start_free(store->start);
    store_http_close(store);
    loop_timer_fini(&store->tick);
    loop_on_turn_remove(store->loop, on_turn, store);
    read_pool_free(store->reads);
    session_ending_cancel(store);
    verify_pool_free(store->pool);
    signin_free_all(store, NULL);
    on_admin_publish_free_all(store);
    retained_sweep_free(store);
    retained_limit_free(store->retained_limit);
    peers_free(store->peers); /* ends the questions of retained jobs */
    retained_jobs_free_all(store);
    commit_free(store->commit);
    core_client_free(store->cores);
    subscriptions_free(store->subscriptions);
    sessions_free(store->sessions);
    store_link_free_all(store);
    takes_free(store->takes, NULL, NULL);
    origins_free(store->origins);
    outbox_free(store->outbox);
    late_wills_free(store->late_wills);
    users_free(store->users);
    user_rows_free(store->user_rows);
    access_rows_free(store->access);
    give_up_lease(store);
    driver_close(store->driver);
    wheel_fini(&store->deadlines);
    drops_free(store->drops);
    trace_desk_fini(&store->trace);
    metrics_free(store->metrics);
    mem_free(store);
}
