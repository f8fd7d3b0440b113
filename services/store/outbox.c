/* SPDX-License-Identifier: Apache-2.0 */
/* Own publishes without an answer; see outbox.h. */
#include "services/store/outbox.h"

#include "common/mem.h"
#include "common/table.h"

#include <assert.h>

struct row {
    struct outbox_entry entry;
    UT_hash_handle hh;
};

struct outbox {
    struct row *rows;
    uint64_t next;
    uint64_t limit; /* numbers below it are covered by what was written */
    uint64_t bytes;
    uint64_t bytes_max;
    size_t count_max;
};

struct outbox *
outbox_new(size_t count_max, uint64_t bytes_max)
{
    struct outbox *outbox = mem_zalloc(sizeof(*outbox));
    outbox->next = 1;
    outbox->limit = 1;
    outbox->count_max = count_max;
    outbox->bytes_max = bytes_max;
    return outbox;
}

void
outbox_free(struct outbox *outbox)
{
    struct row *row;
    struct row *next;
    if (outbox == NULL)
        return;
    HASH_ITER(hh, outbox->rows, row, next)
    {
        HASH_DEL(outbox->rows, row);
        mem_free(row);
    }
    mem_free(outbox);
}

void
outbox_set_next(struct outbox *outbox, uint64_t next)
{
    if (next > outbox->next)
        outbox->next = next;
    outbox->limit = outbox->next;
}

static void
add_row(struct outbox *outbox, uint64_t seq, uint64_t session, uint16_t packet_id, size_t len)
{
    struct row *row = mem_zalloc(sizeof(*row));
    assert(len <= UINT32_MAX);
    row->entry = (struct outbox_entry){seq, session, packet_id, (uint32_t)len};
    HASH_ADD(hh, outbox->rows, entry.seq, sizeof(row->entry.seq), row);
    outbox->bytes += len;
}

uint64_t
outbox_add(struct outbox *outbox, uint64_t session, uint16_t packet_id, size_t len, uint64_t *limit)
{
    uint64_t seq = outbox->next++;
    *limit = 0;
    if (seq >= outbox->limit) {
        outbox->limit = seq + OUTBOX_STEP;
        *limit = outbox->limit;
    }
    add_row(outbox, seq, session, packet_id, len);
    return seq;
}

static struct row *
find(struct outbox *outbox, uint64_t seq)
{
    struct row *row;
    HASH_FIND(hh, outbox->rows, &seq, sizeof(seq), row);
    return row;
}

void
outbox_load(struct outbox *outbox, uint64_t seq, uint64_t session, uint16_t packet_id, size_t len)
{
    if (find(outbox, seq) == NULL)
        add_row(outbox, seq, session, packet_id, len);
    if (seq >= outbox->next)
        outbox->next = seq + 1;
}

bool
outbox_set_publisher(struct outbox *outbox, uint64_t seq, uint64_t session, uint16_t packet_id)
{
    struct row *row = find(outbox, seq);
    if (row == NULL)
        return false;
    row->entry.session = session;
    row->entry.packet_id = packet_id;
    return true;
}

bool
outbox_take(struct outbox *outbox, uint64_t seq, struct outbox_entry *out)
{
    struct row *row = find(outbox, seq);
    if (row == NULL)
        return false;
    *out = row->entry;
    HASH_DEL(outbox->rows, row);
    outbox->bytes -= row->entry.len;
    mem_free(row);
    return true;
}

bool
outbox_has_room(const struct outbox *outbox)
{
    return HASH_COUNT(outbox->rows) < outbox->count_max && outbox->bytes < outbox->bytes_max;
}

size_t
outbox_count(const struct outbox *outbox)
{
    return HASH_COUNT(outbox->rows);
}
