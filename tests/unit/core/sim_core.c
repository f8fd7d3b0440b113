/* SPDX-License-Identifier: Apache-2.0 */
/* A core: a real router. */
#include "tests/unit/core/sim.h"

static struct ref core_refs[CORES];

static uint32_t
client_at(const struct core_node *core, uint32_t place)
{
    uint32_t i;
    for (i = 0; i < CLIENTS; i++) {
        if (core->place[i] == place)
            return i;
    }
    return CLIENTS;
}

static enum err
r_append(void *arg, uint32_t place, uint8_t type, const struct slice *parts, size_t n,
         enum feed_class class, uint64_t *ticket)
{
    struct ref *ref = arg;
    uint32_t client = client_at(&ref->world->cores[ref->index], place);
    struct link *link = &ref->world->links[client][ref->index];
    if (!link->up && !link->half)
        return ERR_PEER_LOST;
    return sim_feed_append(ref->world, &link->in, type, parts, n, feed_class_is_control(class),
                           ticket);
}

static void
r_finished(void *arg, uint32_t place, uint64_t seq)
{
    struct ref *ref = arg;
    uint32_t client = client_at(&ref->world->cores[ref->index], place);
    struct feed *f = &ref->world->links[client][ref->index].out;
    if (ref->world->links[client][ref->index].up && seq > f->done_receiver && seq <= f->last)
        f->done_receiver = seq;
}

static void
r_serving(void *arg, bool serving)
{
    struct ref *ref = arg;
    ref->world->cores[ref->index].serving = serving;
}

static void
r_drop(void *arg, uint32_t place, enum err why)
{
    struct ref *ref = arg;
    (void)place;
    (void)why;
    sim_fail(ref->world, "router ends a session", 0, 0);
}

void
sim_core_start(struct world *w, uint32_t index)
{
    static const struct router_io io = {r_append, r_finished, r_serving, r_drop, NULL};
    struct router_config config = {.lease_ms = LEASE, .stores = 1, .store_park_bytes = 20000};
    config.digest_entries = w->seed % 2 == 0 ? 6 : 40; /* always shortened, never shortened */
    struct core_node *core = &w->cores[index];
    uint32_t i;
    core_refs[index] = (struct ref){w, index};
    core->router = router_new(&config, &io, &core_refs[index]);
    core->alive = true;
    core->started_ms = w->now;
    core->serving = false;
    for (i = 0; i < CLIENTS; i++)
        core->place[i] = ROUTER_NO_PLACE;
    router_tick(core->router, w->now);
}
