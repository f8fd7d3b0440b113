/* SPDX-License-Identifier: Apache-2.0 */
/* Wills that wait for the end of their connection; see late_wills.h. They wait equally long, so the
 * table's order (of adding) is the order of their deadlines. */
#include "services/store/late_wills.h"

#include "common/mem.h"
#include "common/table.h"

struct late_will {
    UT_hash_handle hh;
    struct {
        uint64_t session;
        uint64_t epoch;
    } key;
    uint64_t until_ms;
    struct session_will *will;
};

struct late_wills {
    struct late_will *all;
};

struct late_wills *
late_wills_new(void)
{
    return mem_zalloc(sizeof(struct late_wills));
}

static struct session_will *
take(struct late_wills *wills, struct late_will *late)
{
    struct session_will *will = late->will;
    HASH_DEL(wills->all, late);
    mem_free(late);
    return will;
}

void
late_wills_free(struct late_wills *wills)
{
    if (wills == NULL)
        return;
    while (wills->all != NULL)
        mem_free(take(wills, wills->all));
    mem_free(wills);
}

void
late_wills_add(struct late_wills *wills, uint64_t session, uint64_t epoch,
               struct session_will *will, uint64_t until_ms)
{
    struct late_will *late = mem_zalloc(sizeof(*late));
    late->key.session = session;
    late->key.epoch = epoch;
    late->will = will;
    late->until_ms = until_ms;
    HASH_ADD(hh, wills->all, key, sizeof(late->key), late);
}

struct session_will *
late_wills_take(struct late_wills *wills, uint64_t session, uint64_t epoch)
{
    struct late_will key = {.key = {session, epoch}};
    struct late_will *late;
    HASH_FIND(hh, wills->all, &key.key, sizeof(key.key), late);
    return late != NULL ? take(wills, late) : NULL;
}

struct session_will *
late_wills_due(struct late_wills *wills, uint64_t now_ms, uint64_t *session)
{
    if (wills->all == NULL || wills->all->until_ms > now_ms)
        return NULL;
    *session = wills->all->key.session;
    return take(wills, wills->all);
}
