/* SPDX-License-Identifier: Apache-2.0 */
/* See admin_program.h. */
#include "proto/admin_program.h"

#include "common/conf.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/peer.h"
#include "proto/feed_records.h"

#define RENDER_MAX  ((size_t)4 << 20)
#define METRICS_MAX (64u * 1024)

/* The lines of the families that are wanted: "name 1", "name{label="x"} 1", "name_bucket{..} 1". */
static void
pick_metrics(struct slice all, struct slice wanted, struct buf *out)
{
    struct slice line;
    while (str_split(&all, '\n', &line)) {
        struct slice names = wanted, name;
        bool is_wanted = false;
        if (line.data[0] == '#')
            continue;
        while (!is_wanted && str_split(&names, ',', &name)) {
            uint8_t next = line.len > name.len ? line.data[name.len] : ' ';
            is_wanted = slice_has_prefix(line, name) && (next == ' ' || next == '{' || next == '_');
        }
        if (!is_wanted)
            continue;
        buf_append_slice(out, line);
        buf_put_u8(out, '\n');
    }
}

void
admin_program_put_metrics(struct admin_writer *writer, struct metrics *metrics, struct slice wanted)
{
    struct buf all, picked;
    buf_init(&all, RENDER_MAX);
    buf_init(&picked, METRICS_MAX);
    metrics_render(metrics, &all);
    pick_metrics(buf_slice(&all), wanted, &picked);
    admin_text(writer, "metrics", buf_slice(&picked));
    buf_fini(&all);
    buf_fini(&picked);
}

struct peer_list {
    struct admin_writer *writer;
    uint64_t now_ms;
};

static void
put_peer(void *arg, struct peer *peer)
{
    const struct peer_list *list = arg;
    uint64_t end_ms = peer_lease_end_ms(peer);
    bool is_up = peer_is_up(peer);
    admin_text(list->writer, "service", slice_cstr(peer_service(peer)));
    admin_text(list->writer, "name", slice_cstr(peer_name(peer)));
    admin_text(list->writer, "address", slice_cstr(peer_address(peer)));
    admin_flag(list->writer, "up", is_up);
    admin_flag(list->writer, "serving", is_up && (peer_state(peer) & STATE_SERVING) != 0);
    if (is_up && end_ms != 0)
        admin_number(list->writer, "lease_ms", end_ms > list->now_ms ? end_ms - list->now_ms : 0);
    (void)admin_item_end(list->writer);
}

static void
put_status(const struct admin_program *program, const Sluice__AdminAsk *ask,
           struct admin_writer *writer)
{
    struct slice wanted = admin_ask_text(ask, "metrics");
    struct peer_list list = {writer, program->now_ms};
    char incarnation[20];
    str_format(incarnation, sizeof(incarnation), "%llx",
               (unsigned long long)peers_incarnation(program->peers));
    admin_text(writer, "service", slice_cstr(program->service));
    admin_text(writer, "name", slice_cstr(peers_name(program->peers)));
    admin_text(writer, "version", slice_cstr(SLUICE_VERSION));
    admin_text(writer, "incarnation", slice_cstr(incarnation));
    admin_number(writer, "uptime", (program->now_ms - program->started_ms) / 1000);
    admin_number(writer, "lag_us", program->lag_us);
    admin_flag(writer, "ready", program->ready);
    admin_flag(writer, "draining", program->draining);
    admin_text(writer, "obstacle", slice_cstr(program->obstacle));
    if (wanted.len != 0 && program->metrics != NULL)
        admin_program_put_metrics(writer, program->metrics, wanted);
    (void)admin_item_end(writer);
    if (!admin_ask_flag(ask, "alone"))
        peers_each(program->peers, put_peer, &list);
}

enum err
admin_program_answer(const struct admin_program *program, uint32_t method,
                     const Sluice__AdminAsk *ask, struct admin_writer *writer)
{
    switch (method) {
    case CALL_ADMIN_STATUS:
        put_status(program, ask, writer);
        return OK;
    case CALL_ADMIN_SETTINGS:
        admin_put_settings(writer, program->conf);
        return OK;
    case CALL_ADMIN_LOG_LEVEL:
        return admin_log_level(writer, ask);
    default:
        return ERR_UNSUPPORTED;
    }
}
