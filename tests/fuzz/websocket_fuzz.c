/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes what a stranger on a WebSocket can send. The first byte chooses: odd, an HTTP request
 * head; even, frames, which are decoded once whole and once in pieces of that many bytes; both
 * readings must give the same stream and the same end.
 */
#include "common/mem.h"
#include "services/gateway/websocket.h"
#include "services/gateway/websocket_upgrade.h"

#include <stdlib.h>
#include <string.h>

#define FRAME_MAX 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
    if (!holds)
        abort();
}

struct outcome {
    uint8_t *stream;
    size_t len;
    uint16_t close;
};

static void
decode(const uint8_t *bytes, size_t size, size_t step, struct outcome *out)
{
    struct websocket ws = {0};
    uint8_t *stream = mem_alloc(size + 1);
    size_t held = 0;
    *out = (struct outcome){.stream = stream};
    uint8_t left[WEBSOCKET_KEEP_MAX];
    for (size_t at = 0; at < size && out->close == 0; at += step) {
        size_t n = size - at < step ? size - at : step;
        struct websocket_result result;
        uint8_t *data = mem_alloc(held + n); /* exactly, so that a step outside is seen */
        memcpy(data, left, held);
        memcpy(data + held, bytes + at, n);
        websocket_decode(&ws, data, held + n, FRAME_MAX, &result);
        require(result.used <= held + n && result.payload <= result.used && result.payload <= n);
        require(!result.has_ping || result.ping.len <= WEBSOCKET_CONTROL_MAX);
        memcpy(stream + out->len, data, result.payload);
        out->len += result.payload;
        out->close = result.close;
        held = result.close != 0 ? 0 : held + n - result.used;
        require(held < WEBSOCKET_KEEP_MAX);
        memcpy(left, data + result.used, held);
        mem_free(data);
    }
}

static void
fuzz_frames(const uint8_t *data, size_t size, size_t step)
{
    struct outcome whole, pieces;
    decode(data, size, size, &whole);
    decode(data, size, step, &pieces);
    require(whole.close == pieces.close && whole.len == pieces.len &&
            memcmp(whole.stream, pieces.stream, whole.len) == 0);
    mem_free(whole.stream);
    mem_free(pieces.stream);
}

static void
fuzz_request(const uint8_t *data, size_t size)
{
    char origin[] = "https://example.org";
    char *const origins[] = {origin};
    struct websocket_upgrade up;
    static const uint8_t v4[4] = {10, 1, 2, 3};
    struct address_range proxies[1] = {{{{10}, 0, ADDRESS_V4}, 8}};
    struct address peer;
    const struct websocket_upgrade_options options = {origins, size & 1, proxies, size >> 1 & 1};
    address_from_bytes(&peer, v4, sizeof(v4), 1);
    if (websocket_upgrade_decode(slice_of(data, size), &options, &peer, &up) != OK) {
        require(size < WEBSOCKET_UPGRADE_HEAD_MAX);
        return;
    }
    require(up.head_len <= size && up.response_len == strlen(up.response));
    require(up.client.family != ADDRESS_NONE);
    require(options.proxy_count > 0 || memcmp(&up.client, &peer, sizeof(peer)) == 0);
    require(up.status == 101 || (up.status >= 400 && up.status <= 505));
    require(strncmp(up.response, "HTTP/1.1 ", 9) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    if (data[0] & 1)
        fuzz_request(data + 1, size - 1);
    else
        fuzz_frames(data + 1, size - 1, 1u + data[0]);
    return 0;
}
