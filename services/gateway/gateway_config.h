/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings of sluice-gateway: one row each in gateway_config.c, read into this struct. It does
 * not say what a setting does to a running part: the parts read what they need.
 */
#ifndef SLUICE_SERVICES_GATEWAY_GATEWAY_CONFIG_H
#define SLUICE_SERVICES_GATEWAY_GATEWAY_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/conf.h"
#include "services/gateway/listener.h"

#define GATEWAY_TRUSTED_MAX 64u

enum gateway_access { GATEWAY_ACCESS_ALLOW, GATEWAY_ACCESS_DENY };
enum gateway_queue_drop { GATEWAY_DROP_NEWEST, GATEWAY_DROP_OLDEST };

struct gateway_config {
    const struct conf *conf; /* what it came from */
    struct conf_common common;

    /* towards clients */
    char *mqtt_bind;
    uint64_t mqtt_port;
    uint64_t tls_port, ws_port, wss_port;
    struct conf_list tls_cert, tls_key;
    char *tls_ca, *tls_crl, *tls_ciphers, *tls_ciphersuites;
    unsigned tls_client_cert; /* enum tls_client_cert */
    unsigned tls_identity;    /* enum tls_identity */
    unsigned tls_min_version; /* enum tls_version */
    uint64_t tls_handshakes;  /* per second; 0: any */
    struct conf_list ws_origins;
    struct listener_options listeners[LISTENER_KINDS];
    struct conf_list proxy_trusted;
    bool proxy_identity;
    char *unix_path; /* empty: off */
    char *unix_mode; /* checked: listener_unix_parse_mode */
    bool ws_forwarded;
    uint64_t workers; /* 0: one per processor */
    uint64_t connections_max;
    uint64_t address_connections; /* of one client address; 0: any */
    uint64_t memory_max;          /* bytes; 0: any */
    uint64_t shed_lag_ms;         /* 0: never */
    bool allow_anonymous;
    unsigned access_default; /* enum gateway_access */
    char *anonymous_role;    /* of clients without a user; empty: none */
    uint64_t credential_cache;
    uint64_t credential_cache_age_ms;
    struct conf_list jwt_key_file;
    char *jwt_user_claim;
    uint64_t jwt_leeway_ms;
    char *jwt_issuer, *jwt_audience;
    bool jwt_disconnect;
    uint64_t flap_count; /* connects of a client within the window; 0: any */
    uint64_t flap_window_ms;
    uint64_t flap_ban_ms;
    uint64_t max_packet_size; /* bytes */
    uint64_t max_inflight;    /* outgoing QoS >= 1 messages in flight per client */
    uint64_t max_queued;      /* messages waiting per client without persistent session */
    uint64_t max_queued_bytes;
    unsigned queue_drop;      /* enum gateway_queue_drop */
    uint64_t client_messages; /* PUBLISHes read per second and client; 0: any */
    uint64_t client_bytes;    /* per second and client; 0: any */
    uint64_t max_output;      /* bytes */
    uint64_t receive_maximum; /* incoming QoS 2 messages in flight per client */
    uint64_t topic_alias_maximum;
    uint64_t topic_alias_outbound;
    uint64_t keep_alive_max_s;     /* 0: as the client wishes */
    uint64_t session_expiry_max_s; /* 4294967295: no bound */
    uint64_t connect_timeout_ms;   /* from accept to CONNECT */
    uint64_t max_subscriptions;    /* of one client */
    bool retain_available;
    bool check_payload_format;
    char *server_reference;     /* empty: none */
    char *response_information; /* prefix; empty: none */

    /* towards cores and stores */
    struct conf_list cores;
    struct conf_list stores;
    char *feed_listen;
    char *advertise;
    uint64_t lease_ms;
    uint64_t filters_max;
    uint64_t tokens_max;  /* publishes kept until a core has answered */
    uint64_t tokens_size; /* bytes of them */

    /* going down */
    uint64_t balance_above; /* percent of the mean; 0: never */
    uint64_t balance_rate;  /* clients per second */
    uint64_t drain_wait_ms;
    uint64_t drain_rate; /* connections per second; 0: all at once */
};

/* Fills *config. *out is new whatever comes back (conf_free, after the last use of config). */
enum conf_outcome gateway_config_load(struct gateway_config *config, int argc, char *const *argv,
                                      struct conf **out);

#endif
