/* SPDX-License-Identifier: Apache-2.0 */
/* Sweeping out what has expired; see retained_sweep.h. The topics that are put from the start of a
 * sweep on are noted (as hashes), then it waits until all that was put before is durable, and only
 * then reads: so whatever it finds and nobody noted is as old as it looks. */
#include "services/store/retained_sweep.h"

#include "common/cursor.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/mem.h"
#include "services/store/neighbours.h"
#include "services/store/read_pool.h"

#define FIND_COUNT 256u
#define NOTES_MAX  8192u /* more: the sweep finds nothing this time */

struct retained_sweep {
    struct read_job job;
    struct store *store;
    uint64_t now_ms;   /* wall clock */
    struct buf topics; /* found: u16 length, bytes */
    size_t count;
    uint64_t *notes;
    size_t note_count;
    bool overrun;
};

void
retained_sweep_free(struct store *store)
{
    struct retained_sweep *sweep = store->sweep;
    store->sweep = NULL;
    if (sweep == NULL)
        return;
    buf_fini(&sweep->topics);
    mem_free(sweep->notes);
    mem_free(sweep);
}

void
retained_sweep_keep(struct store *store, struct slice topic)
{
    struct retained_sweep *sweep = store->sweep;
    if (sweep == NULL)
        return;
    if (sweep->note_count == NOTES_MAX) {
        sweep->overrun = true;
        return;
    }
    if ((sweep->note_count & (sweep->note_count - 1)) == 0)
        sweep->notes =
            mem_realloc_array(sweep->notes, sweep->note_count == 0 ? 1 : 2 * sweep->note_count,
                              sizeof(*sweep->notes));
    sweep->notes[sweep->note_count++] = hash_local(topic.data, topic.len);
}

static bool
is_noted(const struct retained_sweep *sweep, struct slice topic)
{
    uint64_t hash = hash_local(topic.data, topic.len);
    size_t i;
    for (i = 0; i < sweep->note_count; i++) {
        if (sweep->notes[i] == hash)
            return true;
    }
    return false;
}

static void
found(void *arg, struct slice topic, uint64_t expiry_ms)
{
    struct retained_sweep *sweep = arg;
    (void)expiry_ms;
    buf_put_u16(&sweep->topics, (uint16_t)topic.len);
    buf_append_slice(&sweep->topics, topic);
    sweep->count++;
}

static enum err
find(struct read_job *job, struct driver *driver)
{
    struct retained_sweep *sweep = (struct retained_sweep *)(void *)job; /* its first member */
    buf_reset(&sweep->topics);
    sweep->count = 0;
    return driver_retained_expired(driver, sweep->now_ms, FIND_COUNT, found, sweep);
}

static void
remove_found(struct store *store, const struct retained_sweep *sweep)
{
    struct cursor c = cursor_of(buf_slice(&sweep->topics));
    while (cursor_left(&c) != 0) {
        struct slice topic = cursor_bytes16(&c);
        if (!is_noted(sweep, topic) && neighbours_is_ours(store, topic))
            batch_retained_delete(commit_batch(store->commit), topic);
    }
}

static void
swept(struct read_job *job)
{
    struct retained_sweep *sweep = (struct retained_sweep *)(void *)job;
    struct store *store = sweep->store;
    bool more = job->err == OK && sweep->count == FIND_COUNT;
    if (job->err != OK && job->err != ERR_CANCELLED)
        log_warn("retained_sweep_failed", LOG_ERR(job->err), LOG_END);
    if (job->err == OK && !sweep->overrun)
        remove_found(store, sweep);
    retained_sweep_free(store);
    if (more)
        retained_sweep_start(store);
}

/* All that was put before the start is durable. */
static void
settled(void *arg, uint64_t a, uint64_t b, uint64_t c)
{
    struct store *store = arg;
    (void)a;
    (void)b;
    (void)c;
    read_pool_submit(store->reads, &store->sweep->job);
}

void
retained_sweep_start(struct store *store)
{
    struct retained_sweep *sweep;
    if (store->sweep != NULL || store->stopping)
        return;
    sweep = mem_zalloc(sizeof(*sweep));
    sweep->job = (struct read_job){.read = find, .done = swept};
    sweep->store = store;
    sweep->now_ms = store_wall_ms(store);
    buf_init(&sweep->topics, (size_t)FIND_COUNT * (65535 + 2));
    store->sweep = sweep;
    commit_mark(store->commit, settled, store, 0, 0, 0);
}
