/* SPDX-License-Identifier: Apache-2.0 */
/* See shard_mark.h. */
#include "services/store/shard_mark.h"

#include "common/cursor.h"
#include "proto/shards.h"

void
shard_mark_put(const struct shard_mark *mark, struct batch *batch)
{
    uint8_t bytes[8];
    buf_store_u32(bytes, mark->number);
    buf_store_u32(bytes + 4, mark->count);
    batch_meta_put(batch, SHARD_MARK_META, slice_of(bytes, sizeof(bytes)));
}

enum err
shard_mark_read(struct slice value, struct shard_mark *out)
{
    struct cursor c = cursor_of(value);
    struct shard_mark mark;
    mark.number = cursor_u32(&c);
    mark.count = cursor_u32(&c);
    if (cursor_end(&c) != OK || mark.count == 0 || mark.count > SHARDS_MAX ||
        mark.number >= mark.count)
        return ERR_MALFORMED;
    *out = mark;
    return OK;
}
