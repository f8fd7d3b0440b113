/* SPDX-License-Identifier: Apache-2.0 */
/* See pressure.h. Memory is counted where it is allocated (mem_used), not measured from outside:
 * the number is there at once and comes back when something is freed. */
#include "services/gateway/pressure.h"

#include "common/log.h"
#include "common/mem.h"
#include "services/gateway/connection_limits.h"
#include "services/gateway/worker_state.h"

#define LOOK_MS        5u    /* between two looks at the memory */
#define EXCESS_MS      500u  /* between two rounds of closing */
#define BIGGEST        16u   /* closed in one round at most */
#define QOS0_WHEN_FULL 4096u /* bytes that may wait for a client, besides what the socket takes */

static void
on_lag(void *arg, uint64_t lag_us)
{
    struct worker *worker = arg;
    worker_counts_observe(worker->counts.lag_us, lag_us);
    if (!overload_tell_lag(&worker->overload, lag_us, loop_now_ms(worker->loop)))
        return;
    if (worker->overload.is_late)
        log_warn("overloaded", LOG_U64("worker", worker->index), LOG_U64("lag_us", lag_us),
                 LOG_END);
    else
        log_info("no_longer_overloaded", LOG_U64("worker", worker->index), LOG_END);
}

void
pressure_init(struct worker *worker)
{
    const struct worker_options *options = &worker->options;
    overload_init(&worker->overload, options->memory_max, options->shed_lag_ms);
    worker->qos0_output_max = options->max_output;
    loop_measure_lag(worker->loop, on_lag, worker);
}

void
pressure_turn(struct worker *worker)
{
    uint64_t now_ms = loop_now_ms(worker->loop);
    if (worker->overload.memory_max == 0 || now_ms - worker->memory_told_ms < LOOK_MS)
        return;
    size_t used = mem_used();
    worker->memory_told_ms = now_ms;
    if (!overload_tell_memory(&worker->overload, used, now_ms))
        return;
    worker->qos0_output_max =
        worker->overload.is_full ? QOS0_WHEN_FULL : worker->options.max_output;
    if (worker->index != 0)
        return; /* the others see the same number */
    if (worker->overload.is_full)
        log_warn("memory_full", LOG_U64("used", used), LOG_END);
    else
        log_info("memory_has_room", LOG_U64("used", used), LOG_END);
}

/* For the client, and of it: a packet that it never ends, or aliases of long topics, hold memory,
 * too. */
static size_t
waiting_for(const struct connection *connection)
{
    return connection->output.len +
           (connection->session != NULL ? session_bytes(connection->session) : 0) +
           (connection->input != NULL ? connection->input->size : 0);
}

/* Those for which most is waiting, until so much has gone. */
static void
close_biggest(struct worker *worker, uint64_t excess)
{
    struct connection *biggest[BIGGEST];
    unsigned count = 0;
    for (uint32_t slot = 0; slot < worker->slot_count; slot++) {
        struct connection *connection = worker->slots[slot].connection;
        if (connection == NULL || connection->state >= CONNECTION_DYING ||
            waiting_for(connection) <= QOS0_WHEN_FULL)
            continue;
        unsigned at = count < BIGGEST ? count++ : BIGGEST;
        while (at > 0 && waiting_for(biggest[at - 1]) < waiting_for(connection)) {
            if (at < BIGGEST)
                biggest[at] = biggest[at - 1];
            at--;
        }
        if (at < BIGGEST)
            biggest[at] = connection;
    }
    for (unsigned i = 0; i < count && excess > 0; i++) {
        size_t waiting = waiting_for(biggest[i]);
        excess -= waiting < excess ? waiting : excess;
        connection_dropped(biggest[i], DROP_MEMORY_CLOSED);
        connection_close(biggest[i]); /* a farewell would wait behind all the rest */
    }
}

void
pressure_tick(struct worker *worker)
{
    uint64_t now_ms = loop_now_ms(worker->loop);
    atomic_store_explicit(&worker->is_overloaded, overload_is_long(&worker->overload, now_ms),
                          memory_order_relaxed);
    if (worker->counts.memory != NULL) {
        metric_gauge_set(worker->counts.memory, (int64_t)mem_used());
        metric_gauge_set(worker->counts.overloaded,
                         worker->overload.is_late || worker->overload.is_full);
    }
    if (!worker->overload.is_full || now_ms - worker->excess_seen_ms < EXCESS_MS)
        return;
    worker->excess_seen_ms = now_ms;
    uint64_t excess = overload_excess(&worker->overload, mem_used(), now_ms);
    if (excess > 0)
        close_biggest(worker, excess / worker->count + 1);
}
