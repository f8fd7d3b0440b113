# SPDX-License-Identifier: Apache-2.0
"""Makes docs/metrics.md from what the running programs say of their metrics, with what to do about
each:

    FLAVOUR=release python3 tests/integration/metrics_doc.py > docs/metrics.md
"""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cluster import Cluster  # noqa: E402

HEAD = """# Metrics

Made from `/metrics` of the programs and `tests/integration/metrics_doc.py`. Times are in seconds, sizes in
bytes; a name that ends in `_total` only rises while its program lives; histograms have `_bucket`, `_sum` and
`_count`. "Graph" means: good to know, nothing to do about by itself.
"""

# What to do, by name (whole, as a regular expression); the first that fits.
ADVICE = [
    (r"sluice_gateway_messages_dropped_total", "by `reason`. `slow_reader`, `queue_full`: a client does not keep up, the log names it: `max-output`, "
     "`max-queued`, or the client. `expired`, `packet_too_large`: as clients asked. `refused`, `client_gone`: nothing"),
    (r"sluice_(hub|core)_stores_refused_total", "the log says `store_not_believed`: a store with another `shards`, or one that was replaced and came back: it ends by itself"),
    (r"sluice_hub_shard_serving", "0: the store of the shard is away or has no core: its log and `/healthz`; its clients wait, those of other shards do not"),
    (r"sluice_hub_shard_held_bytes", "rising: that store does not keep up or is away"),
    (r"sluice_store_foreign_total", "rising: some program takes another count of shards for true: `shards` of the stores, restart what was not restarted"),
    (r"sluice_store_retained_missed_total", "a store was away for long while clients of another one subscribed; they get it with their next subscription"),
    (r"sluice_gateway_access_denied_total", "rising: a client does what its rules forbid, the log names it: its rules, or the client"),
    (r"sluice_gateway_connections_refused_total", "by `reason`: strangers, quotas (`connections-max`, `address-connections`), bans, shedding (`shed-lag`): add a gateway "
     "if it is load"),
    (r"sluice_gateway_connections_failed_total|.*websockets_failed_total", "clients break the protocol: log level debug names client and reason"),
    (r"sluice_gateway_connections_timed_out_total", "clients vanish: networks, or keep alives too short"),
    (r"sluice_gateway_connections_closed_for_memory_total|sluice_gateway_memory_bytes|sluice_gateway_overloaded",
     "near or beyond `memory-max`, or late beyond `shed-lag`: add a gateway"),
    (r"sluice_gateway_reads_paused_total|sluice_gateway_accepts_paused_total", "limits of rate at work: raise them or leave it"),
    (r"sluice_gateway_tls_handshakes_total", "`failed` rising: log level debug names address and reason"),
    (r"sluice_gateway_websocket_upgrades_total", "`refused` rising: `ws-origins`, or requests that are no WebSocket of MQTT"),
    (r"sluice_gateway_certificate_expires_timestamp_seconds", "alert two weeks ahead; new files are taken by themselves"),
    (r"sluice_gateway_connects_total|sluice_gateway_sign_ins_total", "refused ones rising: wrong passwords, bans, a store away"),
    (r"sluice_gateway_output_chunks", "high: clients read slowly"),
    (r"sluice_hub_flapping_refused_total", "clients that reconnect all the time: the log names them; `flap-*`"),
    (r"sluice_hub_(holding|waiting_posts)|sluice_core_(stalled|stalls_total|input_bytes)", "publishers are paused because something behind is slow: look at the store's commits, then at lags"),
    (r"sluice_hub_dropped_qos0_total", "QoS 0 found no serving core: see the cores"),
    (r".*late_qos0_total", "QoS 0 messages overtaken while a core was stopped or cut off: see the core"),
    (r"sluice_hub_dropped_records_total|sluice_hub_held_bytes", "a store is away for long: see the store"),
    (r"sluice_hub_(publishes_open|pending_calls)|sluice_core_(tokens_open|tickets_open)", "high and not falling: acknowledgements wait, mostly for the store"),
    (r"sluice_hub_(opens_refused|request_timeouts|filter_timeouts)_total", "CONNECT or SUBSCRIBE got no answer in time: see the store, then the cores"),
    (r"sluice_hub_(cores|stores)_serving|sluice_core_(serving|gateways_up|stores_up)|sluice_store_serving|sluice_peers_up", "fewer than there should be: which one is down"),
    (r"sluice_core_parked_bytes", "a store is away or slow"),
    (r"sluice_core_routes_refused_total", "`routes-max` is reached"),
    (r"sluice_core_undeliverable_total", "rising: report it, with the log"),
    (r"sluice_core_shared_doubtful_total", "QoS 2 lost with a gateway while a core was away: see why both were"),
    (r"sluice_hub_shared_(unclaimed|promises_forgotten)_total", "these may have come to two members: a core was away for long"),
    (r"sluice_core_shared_unasked_total", "these may have come to two members: `shared-keep`"),
    (r"sluice_core_shared_(nobody|unkept)_total", "members of shared subscriptions do not keep up; `shared-keep`"),
    (r".*(malformed|unknown|unknown_records|stale)_total", "a few around restarts are fine; rising steadily: programs of versions that do not fit, or a stranger"),
    (r".*(hellos_refused|frames_refused|secrets_refused)_total", "a stranger, or another `cluster-secret`: the log names the address"),
    (r".*leases_ended_total", "a program fell silent: its log, its machine, the network"),
    (r".*calls_timeout_total|.*_gaps_total|.*_repeats_total|.*feed_full_total|sluice_feed_window_bytes", "rising fast: the network between programs, or a peer that is late"),
    (r".*loop_lag(_seconds|_us)", "above 0.1 s: a thread has too much to do: more workers, gateways or cores"),
    (r"sluice_store_degraded|sluice_store_(commit|read)_failures_total", "`/healthz` of the store says why: disk full, database away"),
    (r"sluice_store_commit_seconds|sluice_store_read_seconds|sluice_store_commit_waiting_bytes|sluice_store_reads_waiting", "slow: a faster disk or database"),
    (r"sluice_store_(used|limit)_bytes", "used near limit: `data-max`, or the disk"),
    (r"sluice_store_queue_(messages|bytes)", "absent clients gather messages: `queue-messages`, `queue-bytes`, session expiry"),
    (r"sluice_store_dropped_total", "queues at their limit, or expired; the log names the client"),
    (r"sluice_store_(sessions_full|refused)_total", "`sessions-max`; wrong passwords"),
    (r"sluice_store_(outbox|outbox_unsent|parked_total)", "high and not falling: no core takes what the store publishes"),
    (r"sluice_store_password_checks_waiting|sluice_store_passwords_total", "high: many new clients at once; `verify-threads`"),
    (r"process_open_fds|process_max_fds", "open near the limit: raise the limit of descriptors"),
    (r"process_resident_memory_bytes", "against the container's limit"),
    (r"sluice_rest_requests_total", "5xx rising: the store or core behind it"),
]


def advice(name):
    return next((text for pattern, text in ADVICE if re.fullmatch(pattern, name)), "graph")


def document():
    with Cluster(gateways=1, cores=1) as cluster:
        pages = {service: cluster[name].probe("/metrics")[1] for service, name in
                 (("gateway", "gateway0"), ("core", "core0"), ("store", "store"), ("rest", "rest"))}
    found = {s: sorted(set(re.findall(r"^# HELP (\S+) (.*)$", text, re.M))) for s, text in pages.items()}
    types = dict(pair for text in pages.values() for pair in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
    shared = set.intersection(*(set(v) for v in found.values()))
    lines = [HEAD.rstrip()]
    for title, entries in [("Every program", sorted(shared))] + [(f"sluice-{s}", [e for e in v if e not in shared]) for s, v in found.items()]:
        lines += ["", f"## {title}", "", "| metric | kind | what | do |", "|---|---|---|---|"]
        lines += [f"| `{n}` | {types.get(n, '')} | {what.rstrip('.')} | {advice(n)} |" for n, what in entries]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(document(), end="")
