/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of settings: each type's values, the order of the sources, and that mistakes come all at
 * once. stdout and stderr are caught, since --help and mistakes go there. */
#include "common/conf.h"
#include "common/conf_value.h"
#include "common/log.h"
#include "tests/unit/cunit_main.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct settings {
    struct conf_common common;
    uint64_t port;
    bool fast;
    uint64_t delay_ms;
    uint64_t memory;
    struct conf_list peers;
    unsigned mode;
};

static const struct conf_row rows[] = {
    CONF_COMMON_ROWS(struct settings, common, "9100"),
    {"mqtt-port", CONF_U64, "18883", 0, 65535, NULL, NULL, "port", offsetof(struct settings, port)},
    {"fast", CONF_BOOL, "off", 0, 0, NULL, NULL, "speed", offsetof(struct settings, fast)},
    {"delay", CONF_DURATION_MS, "5s", 1, 60000, NULL, NULL, "wait",
     offsetof(struct settings, delay_ms)},
    {"memory", CONF_SIZE, "8MiB", 1024, 0, NULL, NULL, "room", offsetof(struct settings, memory)},
    {"peers", CONF_LIST, "", 0, 3, NULL, NULL, "others", offsetof(struct settings, peers)},
};
static const struct conf_row more_rows[] = {
    {"mode", CONF_ENUM, "safe", 0, 0, NULL, "safe|quick|wild", "mode",
     offsetof(struct settings, mode)},
};
static const struct conf_program program = {"sluice-test", "a test", "1.2.3"};

static struct settings settings;
static struct conf *conf;
static char said[65536];

/* Runs conf_load with stdout and stderr into a file; what was said is in `said`. */
static enum conf_outcome
load_checked(char *const *argv, conf_check_fn check)
{
    const struct conf_table tables[] = {CONF_TABLE(rows, &settings),
                                        CONF_TABLE(more_rows, &settings)};
    char path[] = "/tmp/conf_test_XXXXXX";
    int fd = mkstemp(path);
    int out = dup(STDOUT_FILENO);
    int err = dup(STDERR_FILENO);
    enum conf_outcome outcome;
    ssize_t n;
    int argc = 0;
    fflush(stdout);
    unlink(path);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    while (argv[argc] != NULL)
        argc++;
    outcome = conf_load(&program, tables, 2, argc, argv, check, NULL, &conf);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    n = pread(fd, said, sizeof(said) - 1, 0);
    said[n > 0 ? n : 0] = '\0';
    close(fd);
    close(out);
    close(err);
    return outcome;
}

#define ARGS(...) ((char *const[]){arg0, __VA_ARGS__, NULL})
static char arg0[] = "sluice-test";
static char secret[] = "--cluster-secret=0123456789abcdef";

/* Arguments are char *, literals are const: one copy per call, alive until the next load. */
static char *
arg(const char *text)
{
    static char store[16][256];
    static unsigned next;
    char *to = store[next++ % 16];
    str_format(to, 256, "%s", text);
    return to;
}

static void
defaults_fill_every_table(void)
{
    CU_ASSERT_EQUAL(load_checked(ARGS(secret), NULL), CONF_RUN);
    CU_ASSERT_EQUAL(settings.port, 18883);
    CU_ASSERT_FALSE(settings.fast);
    CU_ASSERT_EQUAL(settings.delay_ms, 5000);
    CU_ASSERT_EQUAL(settings.memory, 8u << 20);
    CU_ASSERT_EQUAL(settings.peers.count, 0);
    CU_ASSERT_EQUAL(settings.mode, 0);
    CU_ASSERT_EQUAL(settings.common.http_port, 9100);
    CU_ASSERT_EQUAL(settings.common.log_level, LOG_LEVEL_INFO);
    CU_ASSERT_STRING_EQUAL(settings.common.cluster_secret, "0123456789abcdef");
    CU_ASSERT_STRING_EQUAL(settings.common.cluster_ca, "");
    CU_ASSERT_STRING_EQUAL(conf_mistakes(conf), "");
    CU_ASSERT_FALSE(conf_is_given(conf, "mqtt-port"));
    CU_ASSERT(conf_is_given(conf, "cluster-secret"));
    conf_free(conf);
}

static void
flags_have_two_forms_and_booleans_stand_alone(void)
{
    CU_ASSERT_EQUAL(load_checked(ARGS(secret, arg("--mqtt-port"), arg("1883"), arg("--fast"),
                                      arg("--delay=250ms"), arg("--memory"), arg("2GiB"),
                                      arg("--peers=a:1, b:2,,c:3"), arg("--mode=wild")),
                                 NULL),
                    CONF_RUN);
    CU_ASSERT_EQUAL(settings.port, 1883);
    CU_ASSERT(settings.fast);
    CU_ASSERT_EQUAL(settings.delay_ms, 250);
    CU_ASSERT_EQUAL(settings.memory, UINT64_C(2) << 30);
    CU_ASSERT_EQUAL(settings.mode, 2);
    CU_ASSERT_EQUAL_FATAL(settings.peers.count, 3);
    CU_ASSERT_STRING_EQUAL(settings.peers.items[1], "b:2");
    conf_free(conf);
}

static void
file_write(char *path, const char *text)
{
    int fd = mkstemp(path);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void
a_flag_beats_the_environment_beats_the_file(void)
{
    char path[] = "/tmp/conf_test_XXXXXX";
    file_write(path, "# comment\n\nmqtt-port = 1\r\ndelay=1s\nmode = \"quick\"\nfast = on\n");
    setenv("SLUICE_CONFIG", path, 1);
    setenv("SLUICE_MQTT_PORT", "2", 1);
    setenv("SLUICE_DELAY", "2s", 1);
    CU_ASSERT_EQUAL(load_checked(ARGS(secret, arg("--mqtt-port=3")), NULL), CONF_RUN);
    CU_ASSERT_EQUAL(settings.port, 3);
    CU_ASSERT_EQUAL(settings.delay_ms, 2000);
    CU_ASSERT_EQUAL(settings.mode, 1);
    CU_ASSERT(settings.fast);
    conf_free(conf);
    unsetenv("SLUICE_CONFIG");
    CU_ASSERT_EQUAL(load_checked(ARGS(secret, arg("--config"), arg(path)), NULL), CONF_RUN);
    CU_ASSERT_EQUAL(settings.port, 2);
    CU_ASSERT(settings.fast);
    conf_free(conf);
    unsetenv("SLUICE_MQTT_PORT");
    unsetenv("SLUICE_DELAY");
    unlink(path);
}

static void
a_secret_comes_from_a_file_without_its_newline(void)
{
    char path[] = "/tmp/conf_test_XXXXXX";
    file_write(path, "sixteen bytes or more\n");
    setenv("SLUICE_CLUSTER_SECRET_FILE", path, 1);
    CU_ASSERT_EQUAL(load_checked(ARGS(arg("--fast")), NULL), CONF_RUN);
    CU_ASSERT_STRING_EQUAL(settings.common.cluster_secret, "sixteen bytes or more");
    conf_free(conf);
    setenv("SLUICE_CLUSTER_SECRET", "another secret of enough", 1);
    CU_ASSERT_EQUAL(load_checked(ARGS(arg("--fast")), NULL), CONF_BAD);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "given both"));
    conf_free(conf);
    unsetenv("SLUICE_CLUSTER_SECRET");
    unlink(path);
    CU_ASSERT_EQUAL(load_checked(ARGS(arg("--fast")), NULL), CONF_BAD);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "cannot be read: No such file"));
    conf_free(conf);
    unsetenv("SLUICE_CLUSTER_SECRET_FILE");
}

static void
all_mistakes_are_told_at_once(void)
{
    char path[] = "/tmp/conf_test_XXXXXX";
    file_write(path, "nonsense\nno-such = 1\ndelay = 2s\ndelay = 3s\n");
    CU_ASSERT_EQUAL(
        load_checked(ARGS(arg("--cluster-secret=short"), arg("--mqtt-port=70000"), arg("--wrong"),
                          arg("value"), arg("--memory=lots"), arg("stray"), arg("--mode=fine"),
                          arg("--mode=safe"), arg("--peers=a,b,c,d"), arg("--config"), arg(path)),
                     NULL),
        CONF_BAD);
    CU_ASSERT_STRING_EQUAL(said, conf_mistakes(conf));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(said, "setting mqtt-port: \"70000\" (from flag) is not a number, 0..65535\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "setting cluster-secret: \"***\" (from flag) is not text"));
    CU_ASSERT_PTR_NULL(strstr(said, "short"));
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "unknown flag --wrong\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "setting memory: \"lots\" (from flag) is not a size (KiB, "
                                        "MiB, GiB), 1KiB or more\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "unexpected argument stray\n"));
    CU_ASSERT_PTR_NULL(strstr(said, "argument value"));
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "is not one of safe|quick|wild\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "setting mode: the flag is given twice\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "setting peers: \"a,b,c,d\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(said, ":1: not of the form key = value\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(said, ":2: unknown setting no-such\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(said, ":4: setting delay is given twice\n"));
    conf_free(conf);
    unlink(path);
}

static void
a_required_setting_that_is_missing_says_how_to_give_it(void)
{
    CU_ASSERT_EQUAL(load_checked(ARGS(arg("--fast")), NULL), CONF_BAD);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "setting cluster-secret: is required: give "
                                        "--cluster-secret or SLUICE_CLUSTER_SECRET (or"));
    conf_free(conf);
}

static void
an_unknown_name_in_the_environment_is_a_warning(void)
{
    setenv("SLUICE_SERVICE_HOST", "10.0.0.1", 1);
    CU_ASSERT_EQUAL(load_checked(ARGS(secret), NULL), CONF_RUN);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "SLUICE_SERVICE_HOST"));
    CU_ASSERT_PTR_NULL(strstr(said, "10.0.0.1"));
    conf_free(conf);
    unsetenv("SLUICE_SERVICE_HOST");
}

static void
help_version_and_check_end_the_program_well(void)
{
    CU_ASSERT_EQUAL(load_checked(ARGS(arg("--help"), arg("--mqtt-port=x")), NULL), CONF_DONE);
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "--mqtt-port  (SLUICE_MQTT_PORT)"));
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "a number, 0..65535; default \"18883\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "one of safe|quick|wild"));
    CU_ASSERT_PTR_NOT_NULL(strstr(said, "1ms..1m; default \"5s\""));
    conf_free(conf);
    CU_ASSERT_EQUAL(load_checked(ARGS(arg("--version")), NULL), CONF_DONE);
    CU_ASSERT_STRING_EQUAL(said, "sluice-test 1.2.3\n");
    conf_free(conf);
    CU_ASSERT_EQUAL(load_checked(ARGS(secret, arg("--check")), NULL), CONF_DONE);
    conf_free(conf);
    CU_ASSERT_EQUAL(load_checked(ARGS(secret, arg("--check"), arg("--fast=maybe")), NULL),
                    CONF_BAD);
    conf_free(conf);
}

static void
describe_one(void *out, const struct conf_row *row, const char *value, const char *source)
{
    buf_printf(out, "%s=%s(%s);", row->name, value, source);
}

static void
describe_masks_secrets(void)
{
    struct buf out;
    buf_init(&out, 10000);
    setenv("SLUICE_FAST", "yes", 1);
    CU_ASSERT_EQUAL(load_checked(ARGS(secret, arg("--mqtt-port=5")), NULL), CONF_RUN);
    conf_describe(conf, describe_one, &out);
    buf_put_u8(&out, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)buf_slice(&out).data, "cluster-secret=***(flag);"));
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)buf_slice(&out).data, "mqtt-port=5(flag);"));
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)buf_slice(&out).data, "fast=yes(env);"));
    CU_ASSERT_PTR_NOT_NULL(strstr((const char *)buf_slice(&out).data, "delay=5s(default);"));
    conf_free(conf);
    unsetenv("SLUICE_FAST");
    buf_fini(&out);
}

static void
refuse(struct conf *loaded, void *unused)
{
    (void)unused;
    conf_mistake(loaded, "peers", "needs a mode");
    conf_mistake(loaded, NULL, "port %u is odd", (unsigned)settings.port);
}

static void
a_check_between_settings_can_refuse(void)
{
    CU_ASSERT_EQUAL(load_checked(ARGS(secret), refuse), CONF_BAD);
    CU_ASSERT_STRING_EQUAL(said, "sluice-test: setting peers: needs a mode\n"
                                 "sluice-test: port 18883 is odd\n");
    conf_free(conf);
}

static void
values_at_their_bounds(void)
{
    static const struct {
        const char *row;
        const char *text;
        bool good;
    } table[] = {
        {"mqtt-port", "0", true},
        {"mqtt-port", "65535", true},
        {"mqtt-port", "65536", false},
        {"mqtt-port", "-1", false},
        {"mqtt-port", "", false},
        {"mqtt-port", "1k", false},
        {"delay", "1", true},
        {"delay", "0", false},
        {"delay", "1m", true},
        {"delay", "60001", false},
        {"delay", "1 m", true},
        {"delay", "1w", false},
        {"delay", "18446744073709551615d", false},
        {"delay", "s", false},
        {"memory", "1k", true},
        {"memory", "1023", false},
        {"memory", "99999999999GiB", false},
        {"memory", "18446744073709551615", true},
        {"fast", "TRUE", true},
        {"fast", "0", true},
        {"fast", "", false},
        {"fast", "2", false},
        {"peers", ",,,", true},
        {"peers", "a,b,c", true},
        {"peers", "a,b,c,d", false},
        {"log-level", "info", true},
        {"log-level", "Info", false},
        {"log-level", "", false},
    };
    size_t i;
    size_t r;
    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        for (r = 0; strcmp(rows[r].name, table[i].row) != 0; r++)
            ;
        conf_value_set_empty(&rows[r], &settings);
        CU_ASSERT_EQUAL(conf_value_set(&rows[r], slice_cstr(table[i].text), &settings),
                        table[i].good ? OK : ERR_INVALID);
        conf_value_clear(&rows[r], &settings);
    }
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(defaults_fill_every_table),
    CUNIT_CASE(flags_have_two_forms_and_booleans_stand_alone),
    CUNIT_CASE(a_flag_beats_the_environment_beats_the_file),
    CUNIT_CASE(a_secret_comes_from_a_file_without_its_newline),
    CUNIT_CASE(all_mistakes_are_told_at_once),
    CUNIT_CASE(a_required_setting_that_is_missing_says_how_to_give_it),
    CUNIT_CASE(an_unknown_name_in_the_environment_is_a_warning),
    CUNIT_CASE(help_version_and_check_end_the_program_well),
    CUNIT_CASE(describe_masks_secrets),
    CUNIT_CASE(a_check_between_settings_can_refuse),
    CUNIT_CASE(values_at_their_bounds),
};
CUNIT_MAIN("conf", cases)
