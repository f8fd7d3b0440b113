/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong, and how it heals. */
#include "tests/unit/core/sim.h"

/* Ends a session; the core's feed to the store is kept by the core as long as the core lives. */
void
sim_fault_session_end(struct world *w, uint32_t client, uint32_t core)
{
    struct link *link = &w->links[client][core];
    bool up = link->up;
    if (!up && !link->half)
        return;
    link->up = link->half = false;
    link->frozen_ms = 0;
    sim_feed_drop(&link->out);
    if (client == STORE && w->cores[core].alive)
        link->in.undelivered = &link->in.head;
    else
        sim_feed_drop(&link->in);
    if (w->cores[core].alive)
        router_down(w->cores[core].router, w->cores[core].place[client]);
    if (up && w->clients[client].alive)
        core_client_down(w->clients[client].core_client, core);
    w->clients[client].pending_seq[core] = 0;
}

/* The client gives the core up, as it does first when a link is cut; what it sent may still arrive,
 * and be passed on, but nothing comes back. */
void
sim_fault_half_end(struct world *w, uint32_t client, uint32_t core)
{
    struct link *link = &w->links[client][core];
    link->up = false;
    link->half = true;
    core_client_down(w->clients[client].core_client, core);
    w->clients[client].pending_seq[core] = 0;
}

void
sim_fault_session_begin(struct world *w, uint32_t client, uint32_t core)
{
    struct link *link = &w->links[client][core];
    struct core_node *node = &w->cores[core];
    char name[8];
    if (link->up || !node->alive || !w->clients[client].alive)
        return;
    sim_fault_session_end(w, client,
                          core); /* a new hello: the core learns that its session is over */
    link->up = true;
    link->out.done_receiver = link->out.done_sender = link->out.last;
    if (client != STORE)
        link->in.done_receiver = link->in.done_sender = link->in.last;
    else
        link->in.done_receiver = link->in.done_sender;
    snprintf(name, sizeof(name), "%u", client);
    node->place[client] = client == STORE ? router_store(node->router, 0, 1, slice_cstr(name))
                                          : router_place(node->router, slice_cstr(name));
    router_up(node->router, node->place[client]);
    router_state(node->router, node->place[client], w->clients[client].incarnation, STATE_EXACT);
    sim_shared_up(w, client, core);
    core_client_up(w->clients[client].core_client, core,
                   STATE_EXACT | (node->serving ? STATE_SERVING : 0));
}
void
sim_fault_core_kill(struct world *w, uint32_t index)
{
    uint32_t i;
    if (!w->cores[index].alive)
        return;
    w->cores[index].alive = false;
    router_free(w->cores[index].router);
    w->cores[index].router = NULL;
    w->cores[index].serving = false;
    for (i = 0; i < CLIENTS; i++)
        sim_feed_drop(&w->links[i][index].in); /* what was on its way to it is noticed later */
}

static void
client_kill(struct world *w, uint32_t index)
{
    struct client *c = &w->clients[index];
    uint32_t i;
    if (!c->alive)
        return;
    c->alive = false;
    sim_shared_stop(w, index);
    if (index == STORE)
        w->store_ended_ms = w->now;
    else
        w->gateway_ended_ms = w->gateway_killed_ms = w->now;
    core_client_free(c->core_client);
    c->core_client = NULL;
    for (i = 0; i < w->message_count; i++) {
        if (w->messages[i].publisher == index && !w->messages[i].answered && index != STORE)
            w->messages[i].lost_publisher = true;
    }
    if (index == STORE)
        return; /* it is killed right after a commit, so its sets are as on disk; it keeps them */
    memset(c->wants, 0, sizeof(c->wants));
    memset(c->sure, 0, sizeof(c->sure));
    memset(c->asked, 0, sizeof(c->asked));
    for (i = 0; i < w->message_count; i++)
        w->messages[i].must[index] = false;
}

/* A lease ends though both live: the gateway's subscribers are told (their sessions are closed). */
void
sim_fault_lapse(struct world *w, uint32_t client, uint32_t core)
{
    struct client *c = &w->clients[client];
    uint32_t i;
    if (client == STORE || !w->links[client][core].up)
        return;
    for (i = 0; i < FILTERS; i++) {
        if (c->wants[i] && c->sure[i]) {
            c->wants[i] = c->sure[i] = false;
            core_client_route_remove(c->core_client, sim_filter(i));
        }
    }
    for (i = 0; i < w->message_count; i++)
        w->messages[i].must[client] = false;
    sim_shared_leave(w, client);
}

/* Either both ends see it at once, or the link is silent until the client has given the core up;
 * then what was on the way arrives all the same. */
static void
lapse(struct world *w, uint32_t client, uint32_t core)
{
    struct link *link = &w->links[client][core];
    if (sim_rnd(w, 2) == 0) {
        sim_fault_lapse(w, client, core);
        sim_fault_session_end(w, client, core);
    } else if (link->up && w->cores[core].alive && w->clients[client].alive) {
        link->give_up_ms = w->now + 20 + sim_rnd(w, 20);
        link->frozen_ms = link->give_up_ms + sim_rnd(w, 20);
        link->flows_out = sim_rnd(w, 3) == 0;
        link->flows_in = !link->flows_out && sim_rnd(w, 2) == 0;
    }
}

/* Everybody gives it up, and then it goes on. */
static void
core_stop(struct world *w, uint32_t core)
{
    uint64_t until = w->now + 40 + sim_rnd(w, 100);
    uint32_t i;
    w->cores[core].stopped_ms = until;
    for (i = 0; i < CLIENTS; i++) {
        struct link *link = &w->links[i][core];
        if (!link->up || !w->cores[core].alive || !w->clients[i].alive)
            continue;
        link->give_up_ms = w->now + 20 + sim_rnd(w, 20);
        link->frozen_ms = until;
        link->flows_out = link->flows_in = false;
    }
}

void
sim_fault(struct world *w)
{
    uint32_t core = (uint32_t)sim_rnd(w, CORES), gateway = (uint32_t)sim_rnd(w, GATEWAYS);
    switch (sim_rnd(w, 7)) {
    case 0:
    case 1:
        sim_fault_core_kill(w, core);
        break;
    case 2:
        if (w->options->gateway_faults)
            client_kill(w, gateway);
        break;
    case 6:
        core_stop(w, core);
        break;
    case 3:
        sim_client_commit(w);
        client_kill(w, STORE);
        break;
    case 4:
        lapse(w, gateway, core);
        break;
    default:
        sim_client_commit(w);
        lapse(w, STORE, core);
        break;
    }
}

/* What is dead comes back, what is apart meets, at random or (heal) now. A client notices that a
 * core is gone within a lease; a core that starts waits for one. */
void
sim_fault_recover(struct world *w, bool heal)
{
    uint32_t i, k;
    for (k = 0; k < CORES; k++) {
        for (i = 0; i < CLIENTS; i++) {
            bool broken = !w->cores[k].alive || !w->clients[i].alive;
            if (!broken)
                w->links[i][k].whole_ms = w->now;
            if ((w->links[i][k].up || w->links[i][k].half) && broken &&
                (heal || sim_rnd(w, 30) == 0 || w->now - w->links[i][k].whole_ms >= LEASE - 10))
                sim_fault_session_end(w, i, k);
        }
        if (!w->cores[k].alive && (heal || sim_rnd(w, 100) == 0)) {
            for (i = 0; i < CLIENTS; i++) /* the new one says hello: the old one is gone */
                sim_fault_session_end(w, i, k);
            sim_core_start(w, k);
        }
    }
    for (i = 0; i < CLIENTS; i++) {
        if (!w->clients[i].alive && (heal || sim_rnd(w, 100) == 0)) {
            for (k = 0; k < CORES; k++)
                sim_fault_session_end(w, i, k);
            sim_client_start(w, i);
        }
        for (k = 0; k < CORES; k++) {
            /* Within a lease: who is away for longer may miss something, and is told (exposed). */
            bool late = w->links[i][k].half && w->now < w->links[i][k].give_up_ms + LEASE / 2;
            if (heal || sim_rnd(w, late ? 100 : 20) == 0)
                sim_fault_session_begin(w, i, k);
        }
    }
}
