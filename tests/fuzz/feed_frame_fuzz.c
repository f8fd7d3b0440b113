/* SPDX-License-Identifier: Apache-2.0 */
/* Feed frames of a hostile peer: decoded, walked, encoded again; and the same bytes as the other
 * things a peer may send: call, hello, offer. */
#include "common/call_frame.h"
#include "common/feed_frame.h"
#include "common/hello.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
frame(struct slice bytes)
{
    struct feed_frame f;
    struct slice body, records;
    uint8_t header[FEED_FRAME_HEADER_LEN];
    uint8_t type;
    size_t total = 0;
    if (feed_frame_decode(bytes, 4096, &f) != OK)
        return;
    records = f.records;
    while (feed_frame_next(&records, &type, &body)) {
        assert(body.len <= 4096);
        total += body.len + FEED_FRAME_RECORD_OVERHEAD;
    }
    assert(total == f.records.len && records.len == 0);
    feed_frame_encode_header(&f, header);
    assert(memcmp(header, bytes.data, sizeof(header)) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of(data, size);
    struct slice a, b, c;
    struct hello hello;
    struct call_frame call;
    enum err result;
    frame(bytes);
    if (call_frame_decode_request(bytes, &call) == OK)
        assert(call.body.len + CALL_FRAME_REQUEST_LEN == size);
    if (call_frame_decode_reply(bytes, &result, &a) == OK)
        assert(a.len + CALL_FRAME_REPLY_LEN == size);
    if (hello_decode(bytes, &hello) == OK) {
        struct buf out;
        buf_init(&out, HELLO_BYTES_MAX);
        hello_encode(&hello, &out);
        assert(slice_equal(buf_slice(&out), bytes));
        buf_fini(&out);
    }
    if (hello_offer_split(bytes, &a, &b) == OK)
        assert(b.len == HELLO_PROOF_LEN);
    if (hello_second_decode(bytes, &a, &b, &c) == OK)
        assert(c.len == HELLO_PROOF_LEN);
    return 0;
}
