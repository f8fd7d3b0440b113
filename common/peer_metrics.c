/* SPDX-License-Identifier: Apache-2.0 */
/* Sums over all peers for /metrics. Keeps no state; what went with a forgotten peer is gone from
 * the sums of the feed. */
#include "common/peer_metrics.h"

#include "common/metrics.h"
#include "common/peer.h"

struct sums {
    struct feed_window_stats feed;
    double up;
    double rtt_ms_max;
};

static void
add(void *arg, struct peer *peer)
{
    struct sums *sums = arg;
    const struct feed_window_stats *feed = peer_feed_stats(peer);
    sums->up += peer_is_up(peer) ? 1 : 0;
    sums->feed.frames_out += feed->frames_out;
    sums->feed.records_out += feed->records_out;
    sums->feed.bytes_out += feed->bytes_out;
    sums->feed.repeats += feed->repeats;
    sums->feed.frames_in += feed->frames_in;
    sums->feed.duplicates_in += feed->duplicates_in;
    sums->feed.gaps_in += feed->gaps_in;
    sums->feed.full += feed->full;
    sums->feed.dropped += feed->dropped;
    sums->feed.used_bytes += feed->used_bytes;
    if (feed->rtt_ms > sums->rtt_ms_max)
        sums->rtt_ms_max = feed->rtt_ms;
}

void
peer_metrics_scrape(void *arg, struct buf *out)
{
    struct peers *peers = arg;
    const struct peers_stats *stats = peers_stats(peers);
    struct sums sums = {0};
    const struct feed_window_stats *feed = &sums.feed;
    peers_each(peers, add, &sums);
    const struct {
        const char *name, *type, *help;
        double value;
    } rows[] = {
        {"sluice_peers_up", "gauge", "Peers in session.", sums.up},
        {"sluice_peer_sessions_total", "counter", "Sessions begun.", (double)stats->sessions},
        {"sluice_peer_leases_ended_total", "counter", "Sessions ended by silence.",
         (double)stats->leases_ended},
        {"sluice_peer_hellos_sent_total", "counter", "Hellos said.", (double)stats->hellos_sent},
        {"sluice_peer_hellos_refused_total", "counter", "Hellos refused.",
         (double)stats->hellos_refused},
        {"sluice_peer_secrets_refused_total", "counter", "Hellos with another secret.",
         (double)stats->secrets_refused},
        {"sluice_feed_frames_refused_total", "counter", "Frames of strangers or former sessions.",
         (double)stats->frames_refused},
        {"sluice_calls_refused_total", "counter", "Calls of strangers or former sessions.",
         (double)stats->calls_refused},
        {"sluice_calls_in_total", "counter", "Calls received.", (double)stats->calls_in},
        {"sluice_calls_out_total", "counter", "Calls made.", (double)stats->calls_out},
        {"sluice_calls_timeout_total", "counter", "Calls without answer in time.",
         (double)stats->calls_timeout},
        {"sluice_calls_lost_total", "counter", "Calls ended by the loss of the peer.",
         (double)stats->calls_lost},
        {"sluice_feed_frames_out_total", "counter", "Frames sent.", (double)feed->frames_out},
        {"sluice_feed_records_out_total", "counter", "Records sent.", (double)feed->records_out},
        {"sluice_feed_bytes_out_total", "counter", "Bytes of records sent.",
         (double)feed->bytes_out},
        {"sluice_feed_repeats_total", "counter", "Frames sent again.", (double)feed->repeats},
        {"sluice_feed_frames_in_total", "counter", "Frames taken.", (double)feed->frames_in},
        {"sluice_feed_duplicates_in_total", "counter", "Frames that came again.",
         (double)feed->duplicates_in},
        {"sluice_feed_gaps_in_total", "counter", "Gaps asked for.", (double)feed->gaps_in},
        {"sluice_feed_full_total", "counter", "Records refused by a full feed.",
         (double)feed->full},
        {"sluice_feed_dropped_total", "counter", "Records dropped with a session.",
         (double)feed->dropped},
        {"sluice_feed_window_bytes", "gauge", "Bytes not done, all feeds.",
         (double)feed->used_bytes},
        {"sluice_feed_rtt_seconds_max", "gauge", "Slowest feed's smoothed round trip.",
         sums.rtt_ms_max / 1000},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        metrics_put(out, rows[i].name, rows[i].type, rows[i].help, rows[i].value);
}
