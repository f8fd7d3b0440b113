/* SPDX-License-Identifier: Apache-2.0 */
/* Two processes: a sender (this one) and a receiver (the same executable, started again and again)
 * that is killed with SIGKILL in the middle of the traffic. The receiver writes to a pipe which
 * numbers it has finished with before it declares them done; the sender keeps (PEER_KEEP).
 * Checked: nothing lost, nothing out of order, nothing again after the sender knew it was done. */
#include "common/peer.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/cursor.h"
#include "common/log.h"
#include "common/loop.h"
#include "tests/unit/cunit_main.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILLS       50
#define REPORT_FD   3
#define PATIENCE_MS 60000u
#define TICKETS     65536u

static const char secret_text[] = "crash";

static struct peers_config
config_of(const char *service)
{
    return (struct peers_config){
        .service = service,
        .name = service,
        .version = "1",
        .secret = slice_cstr(secret_text),
        .call_listen = "127.0.0.1:0",
        .feed_listen = "127.0.0.1:0",
    };
}

/* ---- the receiver */

static uint64_t first_number, last_number;

static void
report(uint64_t kind, uint64_t a, uint64_t b)
{
    uint64_t words[3] = {kind, a, b};
    if (write(REPORT_FD, words, sizeof(words)) != (ssize_t)sizeof(words))
        _exit(1);
}

static void
receive_record(void *arg, struct peer *peer, uint8_t type, struct slice body, uint64_t seq)
{
    uint64_t number = cursor_load_u64(body.data);
    (void)arg;
    (void)peer;
    (void)type;
    (void)seq;
    if (first_number == 0)
        first_number = number;
    else if (number != last_number + 1)
        report(3, last_number, number);
    last_number = number;
}

static void
receive_frame_end(void *arg, struct peer *peer, uint64_t seq)
{
    (void)arg;
    report(2, first_number, last_number);
    first_number = 0;
    peer_done(peer, seq);
}

/* argv: child, call address to listen at or "", feed address, address to dial or "". */
static int
receiver_main(char **argv)
{
    struct loop *loop = loop_new();
    struct peers_events events = {.record = receive_record, .frame_end = receive_frame_end};
    struct peers_dial dial = {"sender", argv[4], false};
    struct peers_config config = config_of("receiver");
    struct peers *peers;
    log_set_level(LOG_LEVEL_ERROR);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    config.call_listen = argv[2];
    config.feed_listen = argv[3];
    if (argv[4][0] != '\0') {
        config.dial = &dial;
        config.n_dial = 1;
    }
    if (peers_new(loop, &config, &events, NULL, &peers) != OK)
        return 1;
    report(1, peers_call_port(peers), peers_feed_port(peers));
    loop_run(loop);
    return 0;
}

/* ---- the sender */

static struct loop *loop;

struct sender {
    struct peers *peers;
    struct peer *peer;
    bool up;
    int ups, lapses;
    uint64_t sent;       /* highest number appended */
    uint64_t known_done; /* highest number known to be done */
    uint64_t floor;      /* known_done when this session began */
    uint64_t last_of[TICKETS];
    /* the receiver */
    pid_t pid;
    int fd;
    uint16_t call_port, feed_port;
    uint64_t seen; /* highest number finished by any receiver */
    uint64_t last; /* by the present one */
    uint64_t reports;
    bool fresh; /* no report of this receiver yet */
};

static enum peer_keep
sender_up(void *arg, struct peer *peer, const struct peer_info *info)
{
    struct sender *s = arg;
    s->lapses += info->lapsed;
    s->peer = peer;
    s->up = true;
    s->ups++;
    s->floor = s->known_done;
    return PEER_KEEP;
}

static void
sender_down(void *arg, struct peer *peer, enum err why)
{
    struct sender *s = arg;
    (void)peer;
    (void)why;
    s->up = false;
}

static void
sender_done(void *arg, struct peer *peer, uint64_t ticket)
{
    struct sender *s = arg;
    (void)peer;
    s->known_done = s->last_of[ticket % TICKETS];
}

static const struct peers_events sender_events = {
    .up = sender_up, .down = sender_down, .done = sender_done};

static void
start_receiver(struct sender *s, const char *call, const char *feed, const char *dial)
{
    int fds[2];
    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    s->pid = fork();
    if (s->pid == 0) {
        char name[] = "/proc/self/exe", child[] = "child";
        char a[64], b[64], c[64];
        char *argv[] = {name, child, a, b, c, NULL};
        (void)str_format(a, sizeof(a), "%s", call);
        (void)str_format(b, sizeof(b), "%s", feed);
        (void)str_format(c, sizeof(c), "%s", dial);
        (void)dup2(fds[1], REPORT_FD);
        for (int fd = REPORT_FD + 1; fd < 1024; fd++)
            (void)close(fd);
        (void)execv(name, argv);
        _exit(127);
    }
    (void)close(fds[1]);
    CU_ASSERT_TRUE_FATAL(s->pid > 0);
    (void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
    s->fd = fds[0];
    s->fresh = true;
}

static void
read_reports(struct sender *s)
{
    uint64_t words[3];
    while (read(s->fd, words, sizeof(words)) == (ssize_t)sizeof(words)) {
        if (words[0] == 1) {
            s->call_port = (uint16_t)words[1];
            s->feed_port = (uint16_t)words[2];
            continue;
        }
        CU_ASSERT_EQUAL_FATAL(words[0], 2); /* 3: a number was missing */
        CU_ASSERT_TRUE_FATAL(words[1] <= s->seen + 1);
        if (s->fresh)
            CU_ASSERT_TRUE_FATAL(words[1] > s->floor)
        else
            CU_ASSERT_EQUAL_FATAL(words[1], s->last + 1);
        s->last = words[2];
        CU_ASSERT_TRUE_FATAL(words[2] <= s->sent);
        s->fresh = false;
        if (words[2] > s->seen)
            s->seen = words[2];
        s->reports++;
    }
}

/* Before there are peers the loop has nothing to wait for. */
static void
wait_for_ports(struct sender *s)
{
    struct pollfd wait = {s->fd, POLLIN, 0};
    CU_ASSERT_EQUAL_FATAL(poll(&wait, 1, PATIENCE_MS), 1);
    read_reports(s);
    CU_ASSERT_TRUE_FATAL(s->call_port != 0);
}

static void
kill_receiver(struct sender *s)
{
    (void)kill(s->pid, SIGKILL);
    (void)waitpid(s->pid, NULL, 0);
    read_reports(s);
    (void)close(s->fd);
}

static void
send_some(struct sender *s)
{
    static uint8_t body[100];
    struct slice part = slice_of(body, sizeof(body));
    for (int i = 0; s->up && i < 500; i++) {
        uint64_t ticket;
        buf_store_u64(body, s->sent + 1);
        if (peer_append(s->peer, FEED_DATA, 1, &part, 1, &ticket) != OK)
            return;
        s->last_of[ticket % TICKETS] = ++s->sent;
    }
}

#define UNTIL(condition, sending)                                                                  \
    do {                                                                                           \
        uint64_t until_ = clock_monotonic_ms() + PATIENCE_MS;                                      \
        while (!(condition) && clock_monotonic_ms() < until_) {                                    \
            if (sending)                                                                           \
                send_some(&s);                                                                     \
            loop_run_once(loop, true);                                                             \
            read_reports(&s);                                                                      \
        }                                                                                          \
        CU_ASSERT_TRUE_FATAL(condition);                                                           \
    } while (0)

static struct sender s;

static void
finish(void)
{
    UNTIL(s.known_done == s.sent && s.seen == s.sent, false);
    CU_ASSERT_EQUAL(s.ups, KILLS + 1);
    kill_receiver(&s);
    peers_free(s.peers);
}

static uint64_t
some_reports(int round)
{
    return s.reports + 1 + (uint64_t)(round * 7 % 23);
}

static void
nothing_is_lost_when_a_dialing_receiver_is_killed(void)
{
    struct peers_config config = config_of("sender");
    char address[64];
    memset(&s, 0, sizeof(s));
    CU_ASSERT_EQUAL_FATAL(peers_new(loop, &config, &sender_events, &s, &s.peers), OK);
    (void)str_format(address, sizeof(address), "127.0.0.1:%u", (unsigned)peers_call_port(s.peers));
    for (int round = 0; round < KILLS; round++) {
        uint64_t enough = some_reports(round);
        start_receiver(&s, "", "127.0.0.1:0", address);
        UNTIL(s.reports >= enough, true);
        kill_receiver(&s);
    }
    start_receiver(&s, "", "127.0.0.1:0", address);
    UNTIL(!s.fresh, true);
    finish();
}

static void
nothing_is_lost_when_a_listening_receiver_is_killed(void)
{
    struct peers_config config = config_of("sender");
    char call[64], feed[64];
    struct peers_dial dial = {"receiver", call, false};
    uint64_t slowest = 0;
    memset(&s, 0, sizeof(s));
    start_receiver(&s, "127.0.0.1:0", "127.0.0.1:0", "");
    wait_for_ports(&s);
    (void)str_format(call, sizeof(call), "127.0.0.1:%u", (unsigned)s.call_port);
    (void)str_format(feed, sizeof(feed), "127.0.0.1:%u", (unsigned)s.feed_port);
    config.dial = &dial;
    config.n_dial = 1;
    CU_ASSERT_EQUAL_FATAL(peers_new(loop, &config, &sender_events, &s, &s.peers), OK);
    for (int round = 0; round < KILLS; round++) {
        uint64_t enough = some_reports(round);
        uint64_t start;
        UNTIL(s.reports >= enough, true);
        kill_receiver(&s);
        start = clock_monotonic_ms();
        start_receiver(&s, call, feed, "");
        UNTIL(!s.fresh, true);
        if (clock_monotonic_ms() - start > slowest)
            slowest = clock_monotonic_ms() - start;
    }
    printf("(slowest return %llu ms) ", (unsigned long long)slowest);
    finish();
}

static void
a_stopped_receiver_does_not_trust_its_old_session(void)
{
    struct peers_config config = config_of("sender");
    char address[64];
    memset(&s, 0, sizeof(s));
    CU_ASSERT_EQUAL_FATAL(peers_new(loop, &config, &sender_events, &s, &s.peers), OK);
    (void)str_format(address, sizeof(address), "127.0.0.1:%u", (unsigned)peers_call_port(s.peers));
    start_receiver(&s, "", "127.0.0.1:0", address);
    UNTIL(s.reports >= 3, true);
    (void)kill(s.pid, SIGSTOP);
    UNTIL(!s.up, true);
    CU_ASSERT_EQUAL(peers_stats(s.peers)->leases_ended, 1);
    (void)kill(s.pid, SIGCONT);
    UNTIL(s.ups == 2, true);
    CU_ASSERT_EQUAL(s.lapses, 1);
    UNTIL(s.known_done == s.sent && s.seen == s.sent, false);
    kill_receiver(&s);
    peers_free(s.peers);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(nothing_is_lost_when_a_dialing_receiver_is_killed),
    CUNIT_CASE(nothing_is_lost_when_a_listening_receiver_is_killed),
    CUNIT_CASE(a_stopped_receiver_does_not_trust_its_old_session),
};

int
main(int argc, char **argv)
{
    int rc;
    if (argc == 5 && strcmp(argv[1], "child") == 0)
        return receiver_main(argv);
    log_set_level(LOG_LEVEL_ERROR);
    loop = loop_new();
    rc = cunit_run("peer_crash", cases, sizeof(cases) / sizeof(cases[0]));
    loop_free(loop);
    return rc;
}
