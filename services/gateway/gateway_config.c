/* SPDX-License-Identifier: Apache-2.0 */
/* See gateway_config.h. */
#include "services/gateway/gateway_config.h"

#include <string.h>

#include "common/address.h"
#include "proto/core_client.h"
#include "proto/limits.h"
#include "proto/shards.h"
#include "services/gateway/alias_out.h"
#include "services/gateway/listener_unix.h"
#include "services/gateway/post.h"
#include "services/gateway/tls.h"
#include "services/gateway/tokens.h"

#define ROW(name_, type_, fallback_, min_, max_, unit_, member_, help_)                            \
    {                                                                                              \
        name_, type_, fallback_, min_, max_, unit_, NULL, help_,                                   \
            offsetof(struct gateway_config, member_)                                               \
    }
#define CHOICE(name_, fallback_, choices_, member_, help_)                                         \
    {                                                                                              \
        name_, CONF_ENUM, fallback_, 0, 0, NULL, choices_, help_,                                  \
            offsetof(struct gateway_config, member_)                                               \
    }
/* Settings that every listener has, under its name. */
#define LISTENER_ROWS(name_, kind_)                                                                \
    ROW(name_ "-connections", CONF_U64, "0", 0, 16000000, NULL, listeners[kind_].connections,      \
        "connections through this listener; others are refused; 0: as connections-max"),           \
        ROW(name_ "-connects", CONF_U64, "0", 0, 1000000, "per second", listeners[kind_].connects, \
            "connections accepted; who comes faster waits in the kernel's queue; 0: any"),         \
        ROW(name_ "-messages", CONF_U64, "0", 0, 1000000000, "per second",                         \
            listeners[kind_].messages,                                                             \
            "PUBLISH packets read of all its clients together; the rest is read later; 0: any"),   \
        ROW(name_ "-bytes", CONF_SIZE, "0", 0, UINT64_C(1) << 40, "bytes per second",              \
            listeners[kind_].bytes,                                                                \
            "read of all its clients together; the rest is read later; 0: any"),                   \
        CHOICE(name_ "-anonymous", "as-allowed", "as-allowed|on|off", listeners[kind_].anonymous,  \
               "let clients in that give no user name; as-allowed: as allow-anonymous says")
#define PORT_ROWS(name_, kind_)                                                                    \
    ROW(name_ "-proxy", CONF_BOOL, "off", 0, 0, NULL, listeners[kind_].proxy,                      \
        "balancers of proxy-trusted begin with a PROXY header, version 1 or 2"),                   \
        LISTENER_ROWS(name_, kind_)
#define HOST_MAX 255

static const struct conf_row rows[] = {
    CONF_COMMON_ROWS(struct gateway_config, common, "9101"),
    ROW("mqtt-bind", CONF_STR, "0.0.0.0", 1, HOST_MAX, NULL, mqtt_bind,
        "address of the MQTT listeners, IPv4 or IPv6 (:: takes both)"),
    ROW("mqtt-port", CONF_U64, "18883", 0, 65535, NULL, mqtt_port, "port of MQTT over TCP; 0: off"),
    ROW("tls-port", CONF_U64, "18483", 0, 65535, NULL, tls_port,
        "port of MQTT over TLS; 0, or no tls-cert: off"),
    ROW("ws-port", CONF_U64, "8880", 0, 65535, NULL, ws_port,
        "port of MQTT over WebSocket; 0: off"),
    ROW("wss-port", CONF_U64, "4443", 0, 65535, NULL, wss_port,
        "port of MQTT over WebSocket over TLS; 0, or no tls-cert: off"),
    ROW("ws-origins", CONF_LIST, "", 0, 64, NULL, ws_origins,
        "web origins whose pages may connect, like https://example.org; empty: any"),
    ROW("ws-forwarded", CONF_BOOL, "off", 0, 0, NULL, ws_forwarded,
        "X-Forwarded-For of WebSocket requests from proxy-trusted addresses names the client"),
    PORT_ROWS("mqtt", LISTENER_MQTT),
    PORT_ROWS("tls", LISTENER_TLS),
    PORT_ROWS("ws", LISTENER_WS),
    PORT_ROWS("wss", LISTENER_WSS),
    LISTENER_ROWS("unix", LISTENER_UNIX),
    ROW("proxy-trusted", CONF_LIST, "", 0, GATEWAY_TRUSTED_MAX, NULL, proxy_trusted,
        "addresses and ranges of balancers that say who the client is, like 10.0.0.0/8, fd00::/8"),
    ROW("proxy-identity", CONF_BOOL, "off", 0, 0, NULL, proxy_identity,
        "a client certificate's common name in a PROXY header is the user; it needs no password"),
    ROW("unix-path", CONF_STR, "", 0, LISTENER_UNIX_PATH_MAX, "file", unix_path,
        "UNIX socket of MQTT; empty: off"),
    ROW("unix-mode", CONF_STR, "0660", 3, 4, "octal", unix_mode,
        "permissions of unix-path: who may write to it may connect"),
    ROW("tls-cert", CONF_LIST, "", 0, TLS_CERTS_MAX, "file", tls_cert,
        "PEM certificates with their chains, chosen by server name; read again when they change"),
    ROW("tls-key", CONF_LIST, "", 0, TLS_CERTS_MAX, "file", tls_key,
        "PEM private keys, one for each certificate"),
    ROW("tls-ca", CONF_STR, "", 0, 4095, "file", tls_ca,
        "PEM authorities whose client certificates are accepted"),
    ROW("tls-crl", CONF_STR, "", 0, 4095, "file", tls_crl,
        "PEM revocation lists of those authorities"),
    CHOICE("tls-client-cert", "none", "none|optional|required", tls_client_cert,
           "whether clients show a certificate"),
    CHOICE("tls-identity", "none", "none|cn|san", tls_identity,
           "what in a client's certificate is its user name; it needs no password then"),
    CHOICE("tls-min-version", "1.2", "1.2|1.3", tls_min_version, "oldest TLS version accepted"),
    ROW("tls-ciphers", CONF_STR, "", 0, 4095, NULL, tls_ciphers,
        "cipher list of TLS 1.2, as OpenSSL writes it; empty: its default"),
    ROW("tls-ciphersuites", CONF_STR, "", 0, 4095, NULL, tls_ciphersuites,
        "cipher suites of TLS 1.3; empty: OpenSSL's default"),
    ROW("tls-handshakes", CONF_U64, "1000", 0, 1000000, "per second", tls_handshakes,
        "TLS connections accepted; who comes faster waits; 0: any"),
    ROW("workers", CONF_U64, "0", 0, WORKERS_MAX, "threads", workers,
        "threads that serve connections; 0: one per processor"),
    ROW("connections-max", CONF_U64, "1000000", 1, 16000000, NULL, connections_max,
        "connections at most; further ones are refused"),
    ROW("address-connections", CONF_U64, "0", 0, 16000000, NULL, address_connections,
        "connections of one client address, of one /64 with IPv6; further ones are refused; 0: "
        "any"),
    ROW("memory-max", CONF_SIZE, "0", 0, UINT64_C(1) << 50, "bytes", memory_max,
        "memory above which no new clients are let in, publishers wait and QoS 0 is dropped; 0: "
        "any"),
    ROW("shed-lag", CONF_DURATION_MS, "0", 0, 600000, "ms", shed_lag_ms,
        "lateness of a worker above which new connections are closed at once; 0: never"),
    ROW("allow-anonymous", CONF_BOOL, "off", 0, 0, NULL, allow_anonymous,
        "let clients in that give no user name, on listeners that do not say otherwise"),
    ROW("anonymous-role", CONF_STR, "", 0, HOST_MAX, NULL, anonymous_role,
        "role of clients without a user name; empty: none"),
    CHOICE("access-default", "allow", "allow|deny", access_default,
           "what a client may publish and subscribe to where no rule says anything"),
    ROW("credential-cache", CONF_U64, "100000", 0, 10000000, "users", credential_cache,
        "passwords that were right are remembered, as keyed hashes; 0: none"),
    ROW("credential-cache-age", CONF_DURATION_MS, "1h", 1000, 86400000, "ms",
        credential_cache_age_ms, "how long one is remembered if its user does not change"),
    ROW("jwt-key-file", CONF_LIST, "", 0, TOKENS_KEYS_MAX, "file", jwt_key_file,
        "keys of tokens (JWT) that clients give as password: PEM public keys for RS256 and ES256, "
        "others are secrets for HS256; read again when they change; empty: no tokens"),
    ROW("jwt-user-claim", CONF_STR, "sub", 1, HOST_MAX, NULL, jwt_user_claim,
        "claim that names the user"),
    ROW("jwt-leeway", CONF_DURATION_MS, "30s", 0, 3600000, "ms", jwt_leeway_ms,
        "by how much the clocks of others may differ at exp and nbf"),
    ROW("jwt-issuer", CONF_STR, "", 0, HOST_MAX, NULL, jwt_issuer,
        "what the claim iss of a token must be; empty: anything"),
    ROW("jwt-audience", CONF_STR, "", 0, HOST_MAX, NULL, jwt_audience,
        "what the claim aud of a token must be or hold, so that one made for another service is "
        "not "
        "taken; empty: anything"),
    ROW("jwt-disconnect", CONF_BOOL, "on", 0, 0, NULL, jwt_disconnect,
        "disconnect clients when their token expires"),
    ROW("flap-count", CONF_U64, "0", 0, 1000000, "connects", flap_count,
        "of one client id within flap-window; who comes more often is banned for flap-ban; 0: any"),
    ROW("flap-window", CONF_DURATION_MS, "60s", 1000, 86400000, "ms", flap_window_ms,
        "time in which they are counted"),
    ROW("flap-ban", CONF_DURATION_MS, "300s", 1000, 86400000, "ms", flap_ban_ms,
        "how long such a client is refused"),
    ROW("max-packet-size", CONF_SIZE, "1179648", 1024, LIMITS_PACKET, "bytes", max_packet_size,
        "largest MQTT packet accepted"),
    ROW("max-inflight", CONF_U64, "1000", 1, 65535, "messages", max_inflight,
        "QoS 1 and 2 messages sent and not acknowledged per client"),
    ROW("max-queued", CONF_U64, "50000", 0, 1000000, "messages", max_queued,
        "messages that wait per client without a persistent session"),
    ROW("max-queued-bytes", CONF_SIZE, "8MiB", 1024, UINT32_MAX, "bytes", max_queued_bytes,
        "of them"),
    CHOICE("queue-drop", "newest", "newest|oldest", queue_drop,
           "which of them goes when there is no room; QoS 0 never waits there"),
    ROW("client-messages", CONF_U64, "0", 0, 1000000, "per second", client_messages,
        "PUBLISH packets read from one client; who sends more is read later; 0: any"),
    ROW("client-bytes", CONF_SIZE, "0", 0, UINT32_MAX, "bytes per second", client_bytes,
        "read from one client; who sends more is read later; 0: any"),
    ROW("max-output", CONF_SIZE, "8MiB", 65536, UINT32_MAX, "bytes", max_output,
        "output that waits per client; QoS 0 beyond it is dropped"),
    ROW("receive-maximum", CONF_U64, "1000", 1, 65535, "messages", receive_maximum,
        "QoS 1 and 2 messages that a 5.0 client may have unacknowledged"),
    ROW("topic-alias-maximum", CONF_U64, "16", 0, 1024, NULL, topic_alias_maximum,
        "topic aliases that a 5.0 client may use"),
    ROW("topic-alias-outbound", CONF_U64, "32", 0, ALIAS_OUT_MAX, NULL, topic_alias_outbound,
        "topic aliases used towards a 5.0 client that allows them; 0: none"),
    ROW("keep-alive-max", CONF_U64, "0", 0, 65535, "s", keep_alive_max_s,
        "longest keep alive granted to 5.0 clients; 0: any"),
    ROW("session-expiry-max", CONF_U64, "4294967295", 0, UINT32_MAX, "s", session_expiry_max_s,
        "longest session expiry granted; 4294967295: any"),
    ROW("max-subscriptions", CONF_U64, "10000", 1, 1000000, NULL, max_subscriptions,
        "subscriptions of one client; their filters may have 512 bytes each on average, 128 KiB in "
        "any case"),
    ROW("retain-available", CONF_BOOL, "on", 0, 0, NULL, retain_available,
        "off: no client of this gateway may publish or get retained messages; who does is "
        "disconnected"),
    ROW("check-payload-format", CONF_BOOL, "off", 0, 0, NULL, check_payload_format,
        "refuse payloads that say they are UTF-8 and are not"),
    ROW("server-reference", CONF_STR, "", 0, HOST_MAX, NULL, server_reference,
        "where 5.0 clients are told to go while this gateway drains, like other.example.org:18883 "
        "(several separated by spaces); empty: nowhere"),
    ROW("response-information", CONF_STR, "", 0, HOST_MAX, NULL, response_information,
        "what 5.0 clients that ask get before their client id, as the base of response topics; "
        "empty: nothing"),
    ROW("connect-timeout", CONF_DURATION_MS, "10s", 100, 600000, "ms", connect_timeout_ms,
        "time from accept to CONNECT"),
    ROW("cores", CONF_LIST, "127.0.0.1:7201", 0, CORE_CLIENT_CORES_MAX, NULL, cores,
        "call addresses of the cores, host:port"),
    ROW("stores", CONF_LIST, "127.0.0.1:7301", 1, SHARDS_MAX, NULL, stores,
        "call addresses of the stores, host:port: of each shard, and of spares"),
    ROW("feed-listen", CONF_STR, "0.0.0.0:0", 1, HOST_MAX, NULL, feed_listen,
        "where cores and stores send their feeds to; port 0: any"),
    ROW("advertise", CONF_STR, "", 0, HOST_MAX, NULL, advertise,
        "host under which they find it; empty: the address that they see"),
    ROW("lease", CONF_DURATION_MS, "3s", 300, 60000, "ms", lease_ms,
        "silence after which a peer counts as gone"),
    ROW("filters-max", CONF_U64, "4000000", 1000, 100000000, NULL, filters_max,
        "different topic filters at most"),
    ROW("tokens-max", CONF_U64, "262144", 16, 1048576, "messages", tokens_max,
        "QoS 1 and 2 publishes on their way through the cores"),
    ROW("tokens-size", CONF_SIZE, "128MiB", 1048576, UINT64_C(1) << 40, "bytes", tokens_size,
        "bytes of publishes on their way through the cores"),
    ROW("balance-above", CONF_U64, "0", 0, 1000, "percent", balance_above,
        "with so many more clients than the mean of all gateways, some are told to go to another "
        "one (as after adding gateways); 0: never"),
    ROW("balance-rate", CONF_U64, "10", 1, 100000, "per second", balance_rate,
        "how many clients go then"),
    ROW("drain-wait", CONF_DURATION_MS, "1s", 0, 600000, "ms", drain_wait_ms,
        "from not ready to the first DISCONNECT when told to stop"),
    ROW("drain-rate", CONF_U64, "1000", 0, 1000000, "per second", drain_rate,
        "connections closed per second when told to stop; 0: all at once"),
};

static void
check_tls(struct conf *conf, const struct gateway_config *config)
{
    const struct conf_list *certs = &config->tls_cert, *keys = &config->tls_key;
    for (size_t i = 0; i < certs->count; i++)
        conf_check_file(conf, "tls-cert", certs->items[i]);
    for (size_t i = 0; i < keys->count; i++)
        conf_check_file(conf, "tls-key", keys->items[i]);
    if (certs->count != keys->count)
        conf_mistake(conf, "tls-key", "%zu keys for %zu certificates", keys->count, certs->count);
    conf_check_file(conf, "tls-ca", config->tls_ca);
    conf_check_file(conf, "tls-crl", config->tls_crl);
    if (config->tls_client_cert != TLS_CLIENT_NONE && config->tls_ca[0] == '\0')
        conf_mistake(conf, "tls-client-cert", "needs tls-ca");
    if (config->tls_crl[0] != '\0' && config->tls_client_cert == TLS_CLIENT_NONE)
        conf_mistake(conf, "tls-crl", "needs tls-client-cert");
    if (config->tls_identity != TLS_IDENTITY_NONE && config->tls_client_cert == TLS_CLIENT_NONE)
        conf_mistake(conf, "tls-identity", "needs tls-client-cert");
    if (certs->count == 0 && (config->tls_client_cert != TLS_CLIENT_NONE ||
                              (conf_is_given(conf, "tls-port") && config->tls_port != 0) ||
                              (conf_is_given(conf, "wss-port") && config->wss_port != 0)))
        conf_mistake(conf, "tls-cert", "is needed");
}

static void
check_listeners(struct conf *conf, const struct gateway_config *config)
{
    const struct conf_list *trusted = &config->proxy_trusted;
    struct address_range range;
    unsigned mode;
    if (!listener_unix_parse_mode(config->unix_mode, &mode))
        conf_mistake(conf, "unix-mode", "'%s' is no mode like 0660", config->unix_mode);
    for (size_t i = 0; i < trusted->count; i++)
        if (address_range_parse(slice_cstr(trusted->items[i]), &range) != OK)
            conf_mistake(conf, "proxy-trusted", "'%s' is no address and no range like 10.0.0.0/8",
                         trusted->items[i]);
    if (config->ws_forwarded && trusted->count == 0)
        conf_mistake(conf, "proxy-trusted", "is needed for ws-forwarded");
    for (unsigned kind = 0; kind < LISTENER_KINDS && trusted->count == 0; kind++)
        if (config->listeners[kind].proxy)
            conf_mistake(conf, "proxy-trusted", "is needed for %s-proxy",
                         listener_name((enum listener_kind)kind));
}

static void
check(struct conf *conf, void *arg)
{
    const struct gateway_config *config = arg;
    conf_check_common(conf, &config->common);
    conf_check_addresses(conf, "cores", &config->cores);
    conf_check_addresses(conf, "stores", &config->stores);
    conf_check_address(conf, "feed-listen", config->feed_listen);
    conf_check_host(conf, "advertise", config->advertise);
    conf_check_bind(conf, "mqtt-bind", config->mqtt_bind);
    check_tls(conf, config);
    for (size_t i = 0; i < config->jwt_key_file.count; i++)
        conf_check_file(conf, "jwt-key-file", config->jwt_key_file.items[i]);
    check_listeners(conf, config);
}

enum conf_outcome
gateway_config_load(struct gateway_config *config, int argc, char *const *argv, struct conf **out)
{
    static const struct conf_program program = {
        "sluice-gateway", "MQTT connections: sockets, sessions, flow control", SLUICE_VERSION};
    struct conf_table table = CONF_TABLE(rows, config);
    *config = (struct gateway_config){0};
    return conf_load(&program, &table, 1, argc, argv, check, config, out);
}
