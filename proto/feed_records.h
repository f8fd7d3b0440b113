/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records that travel in feeds between the programs: their numbers, their
 * layouts, and who sends which to whom. This is the catalogue of the routing
 * and delivery protocol; how frames carry records is common/feed_frame.h, and
 * what the questions with one answer look like is calls.proto.
 *
 * All integers are big-endian. "record" below is the layout of
 * publish_record.h. A filter or topic that ends a record has no length: it
 * takes the rest. Unknown record types are ignored and counted, so that a
 * newer program can talk to an older one.
 */
#ifndef SLUICE_PROTO_FEED_RECORDS_H
#define SLUICE_PROTO_FEED_RECORDS_H

enum feed_record {
    /* -- gateway or store -> core ------------------------------------------ */
    /* u64 ticket, u8 flags (ROUTE_*), filter. The core answers ROUTE_DONE(ticket)
     * when every live gateway has acknowledged a digest that covers the filter.
     * Ticket 0 asks for no answer. Adding a known filter replaces its flags. With ROUTE_SHARED
     * two u32 stand before the filter, which then is "$share/group/filter": the members that take
     * QoS 1 and 2 there, and those that take QoS 0. */
    FEED_ROUTE_ADD = 1,
    /* filter */
    FEED_ROUTE_REMOVE = 2,
    /* Empty. Ends the resync that follows every new pair of incarnations: all
     * routes of the sender have been added before it. Also store <-> gateway. */
    FEED_RESYNC_END = 3,
    /* record. Also core -> gateway and core -> store. */
    FEED_PUBLISH = 4,
    /* u64 version: every worker has applied the digest up to this version. */
    FEED_DIGEST_ACK = 5,
    /* u64 token. Answered like a publish, when everything that this core took
     * from anybody before it is in the hands of its destinations. */
    FEED_FLUSH = 6,
    /* u64 number, u8 hops, u8 flags (SHARED_*), u16 length, "$share/group/filter", record: a
     * message for the group that no member here can have; give it to another. number: that of the
     * SHARED_PUBLISH (UINT64_MAX: none). Numbered and answered like a publish of the sender's own.
     */
    FEED_SHARED_RETURN = 7,
    /* n times: u64 number: members have these messages of SHARED_PUBLISH: forget your copies. */
    FEED_SHARED_DONE = 8,
    /* u64 attempt, u64 age_ms, u8 type, body: a FEED_PUBLISH or FEED_SHARED_RETURN of QoS 2 that
     * may have gone through a core before that is lost to the sender. attempt: rises whenever the
     * sender loses a core; age_ms: since it was first sent. Only to a core with STATE_EXACT. */
    FEED_AGAIN = 9,
    /* n times: u64 number: a gateway is about to give these messages of SHARED_PUBLISH (QoS 2) to
     * members: forget your copies. It does so once FEED_SHARED_TAKEN says so. Numbers rise. */
    FEED_SHARED_CLAIM = 10,
    /* u64 id, u8 enum repeats_verdict: the answer to FEED_SHARED_ASK. */
    FEED_SHARED_ANSWER = 11,
    /* n times: u64 number: these messages of SHARED_PUBLISH (QoS 2) are here and are not claimed:
     * members take them with QoS 1. */
    FEED_SHARED_HELD = 14,
    /* u64 incarnation, u8 flags (COUNTERS_*), n times: u8 enum feed_counter, u64 value: what the
     * sender has counted since its start. Every second or so, to every core. */
    FEED_COUNTERS = 12,
    /* u64 id, u32 enum err, body: the answer to FEED_ASK. Gateways only. */
    FEED_ANSWER = 13,

    /* -- core -> gateway or store ------------------------------------------ */
    /* n times: u64 token, u8 flags (bit 0: somebody elsewhere wanted it). */
    FEED_TOKEN_DONE = 16,
    /* n times: u64 ticket */
    FEED_ROUTE_DONE = 17,
    /* u64 version: forget all digest filters of this core; those that follow
     * up to FEED_RESYNC_END are its whole digest. */
    FEED_DIGEST_RESET = 18,
    /* u64 version, filter (a prefix shortened to "a/b/#" covers more) */
    FEED_DIGEST_ADD = 19,
    /* u64 version, filter */
    FEED_DIGEST_REMOVE = 20,
    /* u64 number (0: none), u8 hops (times it was handed back; SHARED_ASKED), u32 pick, u16 length,
     * "$share/group/filter", record: for one member of the group here: number `pick` of them,
     * counted modulo how many there are. With hops 0 a gateway hands it back (SHARED_FULL) if no
     * member can take it at once; else it may wait for a member. A gateway answers a number with
     * SHARED_DONE or SHARED_RETURN. */
    FEED_SHARED_PUBLISH = 21,
    /* core -> store: u8 others (0 or 1), "$share/group/filter": whether other places have members
     * of the group that are connected. Told when the store has told the group, and at each change.
     */
    FEED_SHARED_OTHERS = 22,

    /* u64 id, u64 origin, u64 token, u64 floor, u64 attempt, "$share/group/filter": have you taken
     * this publish for the group? If not, take it from nobody but me from now on. To places with
     * STATE_EXACT. */
    FEED_SHARED_ASK = 26,

    /* -- core -> gateway ---------------------------------------------------- */
    /* u64 number, u8 flags (TAKEN_*): claims up to this number are granted. */
    FEED_SHARED_TAKEN = 27,
    /* u32 gateways, u64 clients: how many gateways are up, and what they hold in all. To the
     * gateway that has asked this core for FEED_SYS, once for each of its FEED_COUNTERS. */
    FEED_LOAD = 23,
    /* record of a $SYS topic: kept, as if retained, and delivered. From the one core that the
     * gateway has asked for it (COUNTERS_WANT_SYS). */
    FEED_SYS = 24,
    /* u64 id, u32 method (CALL_ADMIN_*), body: a question of an operator. */
    FEED_ASK = 25,

    /* -- gateway -> store --------------------------------------------------- */
    /* protobuf SessionAnnounce: during a resync, one per session held. */
    FEED_SESSION_ANNOUNCE = 32,
    /* u64 session, u64 epoch, u64 conn, u64 after: CONNACK is on its way; push
     * the queue from the first sequence above `after` that is not acknowledged.
     * `after` is 0 for a new connection (everything unacknowledged, with DUP
     * where it may have been sent before). */
    FEED_SESSION_READY = 33,
    /* u64 session, u64 epoch, u8 flags (CLOSE_*), u32 expiry_s (used if
     * CLOSE_HAS_EXPIRY): the connection is gone. */
    FEED_SESSION_CLOSE = 34,
    /* u64 session, u64 epoch, u64 seq: PUBACK or PUBCOMP came (or the message
     * can never be delivered): remove it from the queue. */
    FEED_QUEUE_ACK = 35,
    /* u64 session, u64 epoch, u64 seq: PUBREC came. Answered by
     * FEED_QUEUE_RECORDED when committed. */
    FEED_QUEUE_REC = 36,
    /* u64 session, u64 epoch, u16 packet id, record: a QoS 2 publish of a
     * persistent session. Answered by FEED_INBOUND_DONE. */
    FEED_INBOUND_PUBLISH = 37,
    /* u64 session, u64 epoch, u16 packet id: PUBREL came. Answered by
     * FEED_INBOUND_RELEASED. */
    FEED_INBOUND_RELEASE = 38,

    /* -- store -> gateway --------------------------------------------------- */
    /* u16 n, n targets, record. Target: u64 conn, u64 seq (0 for QoS 0),
     * u8 flags (DELIVER_*), u8 k, k times u32 subscription identifier. */
    FEED_DELIVER = 48,
    /* u64 conn, u64 seq: send PUBREL. */
    FEED_QUEUE_RECORDED = 49,
    /* u64 conn, u16 packet id, u8 reason: send PUBREC. */
    FEED_INBOUND_DONE = 50,
    /* u64 conn, u16 packet id: send PUBCOMP. */
    FEED_INBOUND_RELEASED = 51,
    /* u64 conn, u64 session, u64 epoch, u8 reason: this connection no longer
     * owns its session: DISCONNECT with the reason (5.0) and close. */
    FEED_SESSION_KICK = 52,
    /* user name: forget what was remembered about this user, ask again what it may do. */
    FEED_USER_CHANGED = 53,
    /* Empty: the roles and bans that follow up to FEED_ACCESS_END are all there are. At the begin
     * of a session. */
    FEED_ACCESS_RESET = 54,
    FEED_ACCESS_END = 55,
    /* u8 there (0: it is gone), u16 length, name, rules (text, access_rules.h) */
    FEED_ROLE = 56,
    /* u8 there (0: it is gone), protobuf Ban (gone: the name at least) */
    FEED_BAN = 57
};

enum {
    ROUTE_QOS1 = 1 << 0,   /* wants QoS 1 and 2 only (stores: their persistent sessions) */
    ROUTE_SHARED = 1 << 1, /* a shared subscription: one member of the group gets each message */

    SHARED_FULL = 1 << 0, /* RETURN: members are there, but they cannot take more now */
    SHARED_HOPS_MAX = 4,  /* handed back more often: nobody can take it */
    SHARED_ASKED =
        1 << 7, /* PUBLISH, in hops: given after a FEED_SHARED_ASK. To places with STATE_EXACT */

    /* Begin of a session: what was claimed in the former one and lies above the number was given to
     * others. */
    TAKEN_BEGIN = 1 << 0,

    CLOSE_WILL = 1 << 0,       /* publish the will (else it is deleted) */
    CLOSE_HAS_EXPIRY = 1 << 1, /* DISCONNECT changed the session expiry */

    DELIVER_QOS_MASK = 3,
    DELIVER_RETAIN = 1 << 2,
    DELIVER_DUP = 1 << 3,
    DELIVER_REL = 1 << 4 /* PUBREC is already recorded: send PUBREL, not the message */
};

/* Application bits that every heartbeat carries (peer state). */
enum {
    STATE_SERVING = 1 << 0, /* core: takes publishes; store: takes opens */
    STATE_EXACT =
        1 << 1 /* speaks FEED_AGAIN, FEED_SHARED_CLAIM, FEED_SHARED_ASK and their answers */
};

/* Flags of FEED_COUNTERS. */
enum {
    COUNTERS_WANT_SYS = 1 << 0 /* send FEED_SYS */
};

/* What is counted. Below FEED_COUNTER_RISING: gauges, the state of now; the others only rise while
 * a program lives. Numbers of a newer program are ignored. */
enum feed_counter {
    COUNTER_CLIENTS_CONNECTED = 1,
    COUNTER_CLIENTS_DISCONNECTED = 2, /* sessions without a connection */
    COUNTER_SUBSCRIPTIONS = 3,        /* gateways: of clean sessions; stores: of persistent ones */
    COUNTER_RETAINED = 4,
    COUNTER_STORED_MESSAGES = 5, /* in queues of persistent sessions */
    COUNTER_STORED_BYTES = 6,
    COUNTER_UPTIME_S = 7,
    FEED_COUNTER_RISING = 16,
    COUNTER_PACKETS_RECEIVED = 16, /* MQTT packets of any kind */
    COUNTER_PACKETS_SENT = 17,
    COUNTER_BYTES_RECEIVED = 18,
    COUNTER_BYTES_SENT = 19,
    COUNTER_PUBLISH_RECEIVED = 20, /* PUBLISH packets */
    COUNTER_PUBLISH_SENT = 21,
    COUNTER_PUBLISH_DROPPED = 22,
    COUNTER_SOCKETS = 23,  /* connections accepted */
    COUNTER_CONNECTS = 24, /* CONNECTs welcomed */
    COUNTER_CLIENTS_EXPIRED = 25,
    FEED_COUNTER_MAX = 32
};

/* Methods of calls; below 100 belongs to common/peer. */
enum call_method {
    CALL_SESSION_OPEN = 100,
    CALL_SESSION_SUBSCRIBE = 101,
    CALL_SESSION_UNSUBSCRIBE = 102,
    CALL_RETAINED_GET = 103,
    CALL_AUTH = 104,
    CALL_USER_GET = 110,
    CALL_USER_PUT = 111,
    CALL_USER_DELETE = 112,
    CALL_USER_LIST = 113,
    CALL_USER_STATUS = 114,
    CALL_USER_VERIFY = 115,
    /* access.proto */
    CALL_SIGN_IN = 116,
    CALL_ROLE_LIST = 117,
    CALL_ROLE_GET = 118,
    CALL_ROLE_PUT = 119,
    CALL_ROLE_DELETE = 120,
    CALL_BAN_LIST = 121,
    CALL_BAN_GET = 122,
    CALL_BAN_PUT = 123,
    CALL_BAN_DELETE = 124,
    CALL_KEY_LIST = 125,
    CALL_KEY_GET = 126,
    CALL_KEY_PUT = 127,
    CALL_KEY_DELETE = 128,
    CALL_KEY_VERIFY = 129,
    CALL_AUDIT_APPEND = 130,
    CALL_AUDIT_LIST = 131,

    /*
     * What operators ask (admin.proto; body AdminAsk, answer AdminAnswer). Who answers stands
     * behind each: G a gateway (through CALL_ADMIN_RELAY of a core), C a core, S a store.
     */
    /* GCS. metrics: names of families, comma-separated. First item: the program (service, name,
     * version, incarnation, uptime_s, lag_us, ready, obstacle, metrics: lines of the text format);
     * then one for each peer (service, name, address, up, serving, lease_ms). */
    CALL_ADMIN_STATUS = 140,
    CALL_ADMIN_SETTINGS = 141,  /* GCS: name, value, source, unit, help */
    CALL_ADMIN_LOG_LEVEL = 142, /* GCS: level: sets it; answered with the level */
    /* S. client, or search (begins the client id), connected, disconnected, persistent, transient
     * (flags that leave others out). Items: client, user, state, persistent, gateway, ... */
    CALL_ADMIN_SESSIONS = 143,
    CALL_ADMIN_SESSION_END = 144, /* S: client. ERR_NOT_FOUND */
    CALL_ADMIN_DISCONNECT = 145,  /* S: client. ERR_NOT_FOUND: not connected */
    /* GS: client: its subscriptions (S: persistent ones of a session that is not connected; G: of a
     * connection), or topic: all whose filter matches it. */
    CALL_ADMIN_SUBSCRIPTIONS = 146,
    /* S: topic, payload, qos, retain, expiry_s, properties (wire form). Answered when everybody who
     * wants it has it, or, with state "queued", when it is durable: state, matched. */
    CALL_ADMIN_PUBLISH = 147,
    /* C: those whose filter matches topic, or all: share, place, service, members, members_qos0 */
    CALL_ADMIN_GROUPS = 148,
    CALL_ADMIN_RELAY = 149, /* C: body AdminRelay */
    /* G: client, or search, user. Items: client, user, address, ... */
    CALL_ADMIN_CLIENTS = 150,
    CALL_ADMIN_DISCONNECTS = 151, /* G: search, user, per_second: sends them away at a pace */
    /* G: begin or end (flags), per_second. Answered: draining, connections */
    CALL_ADMIN_DRAIN = 152,
    /* GCS: trace: its number, random, of the asker. With begin: client, topic (a filter); all but
     * gateways answers with its name. With end: no more. Else events behind `after`: time_ms,
     * client, event, topic, detail; lost: how many were forgotten; next: always. A trace that
     * nobody asks for ends after 15 s. */
    CALL_ADMIN_TRACE = 153
};

/*
 * Packet identifier of a delivery from a queue: the same from any gateway after
 * any crash, never stored. In flight are always fewer than 65,535.
 */
#define FEED_PACKET_ID(seq) ((uint16_t)(1 + (seq) % 65535))

#endif
