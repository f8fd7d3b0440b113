/* SPDX-License-Identifier: Apache-2.0 */
/* One direction of a link. */
#include "tests/unit/core/sim.h"

void
sim_feed_init(struct feed *f)
{
    f->head = NULL;
    f->tail = &f->head;
    f->undelivered = &f->head;
    f->bytes = 0;
    f->refused = false;
}

void
sim_feed_drop(struct feed *f)
{
    while (f->head != NULL) {
        struct packet *p = f->head;
        f->head = p->next;
        mem_free(p);
    }
    sim_feed_init(f);
}

enum err
sim_feed_append(struct world *w, struct feed *f, uint8_t type, const struct slice *parts, size_t n,
                bool control, uint64_t *seq)
{
    struct packet *p;
    size_t len = 0, at = 0, i;
    for (i = 0; i < n; i++)
        len += parts[i].len;
    if (f->bytes > (control ? WINDOW * 2 : WINDOW) || (control && sim_rnd(w, 40) == 0)) {
        f->refused = true;
        return ERR_BUSY;
    }
    p = mem_alloc(sizeof(*p) + len);
    p->next = NULL;
    p->seq = ++f->last;
    p->type = type;
    p->len = (uint32_t)len;
    for (i = 0; i < n; i++) {
        if (parts[i].len != 0)
            memcpy(p->bytes + at, parts[i].data, parts[i].len);
        at += parts[i].len;
    }
    *f->tail = p;
    f->tail = &p->next;
    f->bytes += len + 20;
    if (seq != NULL)
        *seq = p->seq;
    return OK;
}

struct packet *
sim_feed_next(struct feed *f)
{
    struct packet *p = *f->undelivered;
    if (p != NULL)
        f->undelivered = &p->next;
    return p;
}

/* The sender learns of done. */
bool
sim_feed_ack(struct feed *f)
{
    bool moved = f->done_sender < f->done_receiver;
    f->done_sender = f->done_receiver;
    while (f->head != NULL && f->head->seq <= f->done_sender) {
        struct packet *p = f->head;
        if (f->undelivered == &p->next)
            f->undelivered = &f->head;
        f->head = p->next;
        if (f->tail == &p->next)
            f->tail = &f->head;
        f->bytes -= p->len + 20;
        mem_free(p);
    }
    return moved;
}

bool
sim_feed_room(struct feed *f)
{
    if (!f->refused || f->bytes > WINDOW * 3 / 4)
        return false;
    f->refused = false;
    return true;
}
