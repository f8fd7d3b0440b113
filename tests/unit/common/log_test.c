/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of log lines: their text, their level, and what happens when nobody reads. */
#include "common/log.h"
#include "tests/unit/cunit_main.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#define WALL UINT64_C(1709210096789)

static char line[LOG_LINE_MAX];

static const char *
render(enum log_format format, const struct log_field *fields)
{
    size_t n =
        log_render(line, sizeof(line), format, WALL, "test", LOG_LEVEL_INFO, "happened", fields);
    CU_ASSERT_EQUAL(n, strlen(line));
    return line;
}

static void
json_has_all_types(void)
{
    char text[] = "v";
    const struct log_field fields[] = {LOG_STR("a", "x y"),
                                       LOG_STR("b", slice_of("sl", 2)),
                                       LOG_STR("c", text),
                                       LOG_U64("d", UINT64_MAX),
                                       LOG_I64("e", -5),
                                       LOG_HEX("f", 0xabc),
                                       LOG_BOOL("g", 1),
                                       LOG_ERR(ERR_BUSY),
                                       LOG_END};
    CU_ASSERT_STRING_EQUAL(
        render(LOG_FORMAT_JSON, fields),
        "{\"time\":\"2024-02-29T12:34:56.789Z\",\"level\":\"info\",\"program\":\"test\","
        "\"event\":\"happened\",\"a\":\"x y\",\"b\":\"sl\",\"c\":\"v\","
        "\"d\":18446744073709551615,\"e\":-5,\"f\":\"0000000000000abc\",\"g\":true,"
        "\"error\":\"full or busy\"}\n");
}

static void
kv_quotes_only_what_needs_it(void)
{
    const struct log_field fields[] = {LOG_STR("a", "plain/x-1"), LOG_STR("b", "two words"),
                                       LOG_STR("c", ""), LOG_U64("d", 7), LOG_END};
    CU_ASSERT_STRING_EQUAL(render(LOG_FORMAT_KV, fields),
                           "2024-02-29T12:34:56.789Z info test happened a=plain/x-1 "
                           "b=\"two words\" c=\"\" d=7\n");
}

static void
hostile_bytes_cannot_break_a_line(void)
{
    static const char hostile[] = "q\" b\\ n\n z\0 e\x1b[31m \xff \xc2\x9b \xc3\xbc";
    const struct log_field fields[] = {LOG_STR("a", slice_of(hostile, sizeof(hostile) - 1)),
                                       LOG_END};
    const char *expected =
        "\"q\\\" b\\\\ n\\u000a z\\u0000 e\\u001b[31m \xef\xbf\xbd \\u009b \xc3\xbc\"";
    CU_ASSERT_PTR_NOT_NULL(strstr(render(LOG_FORMAT_JSON, fields), expected));
    CU_ASSERT_PTR_NOT_NULL(strstr(render(LOG_FORMAT_KV, fields), expected));
    CU_ASSERT_PTR_EQUAL(strchr(line, '\n'), line + strlen(line) - 1);
}

static void
a_long_line_is_cut_between_fields(void)
{
    static uint8_t big[LOG_LINE_MAX];
    const struct log_field fields[] = {LOG_U64("first", 1),
                                       LOG_STR("big", slice_of(big, sizeof(big))),
                                       LOG_U64("last", 2), LOG_END};
    memset(big, 'x', sizeof(big));
    render(LOG_FORMAT_JSON, fields);
    CU_ASSERT_PTR_NOT_NULL(strstr(line, "\"event\":\"happened\",\"first\":1,\"cut\":true}\n"));
    render(LOG_FORMAT_KV, fields);
    CU_ASSERT_PTR_NOT_NULL(strstr(line, "happened first=1 cut=true\n"));
}

static void
a_line_of_any_length_fits_its_buffer(void)
{
    static uint8_t big[300];
    size_t n;
    memset(big, '"', sizeof(big));
    for (n = 0; n < sizeof(big); n++) {
        const struct log_field fields[] = {LOG_STR("k", slice_of(big, n)), LOG_END};
        char small[300];
        size_t len = log_render(small, sizeof(small), LOG_FORMAT_JSON, WALL, "t", LOG_LEVEL_WARN,
                                "e", fields);
        CU_ASSERT(len < sizeof(small) && small[len] == '\0');
        CU_ASSERT(len > 2 && strcmp(small + len - 2, "}\n") == 0);
    }
}

static void
levels_parse_and_gate(void)
{
    enum log_level level = LOG_LEVEL_INFO;
    CU_ASSERT_EQUAL(log_level_parse(slice_cstr("debug"), &level), OK);
    CU_ASSERT_EQUAL(level, LOG_LEVEL_DEBUG);
    CU_ASSERT_EQUAL(log_level_parse(slice_cstr("loud"), &level), ERR_INVALID);
    log_set_level(LOG_LEVEL_WARN);
    CU_ASSERT(log_is_enabled(LOG_LEVEL_ERROR));
    CU_ASSERT_FALSE(log_is_enabled(LOG_LEVEL_INFO));
    CU_ASSERT_EQUAL(log_get_level(), LOG_LEVEL_WARN);
    log_set_level(LOG_LEVEL_INFO);
}

static void
a_limit_counts_what_it_holds_back(void)
{
    struct log_limit limit = {0};
    uint64_t held = 99;
    CU_ASSERT(log_every_at(&limit, 1000, 5000, &held));
    CU_ASSERT_EQUAL(held, 0);
    CU_ASSERT_FALSE(log_every_at(&limit, 1000, 5001, &held));
    CU_ASSERT_FALSE(log_every_at(&limit, 1000, 5999, &held));
    CU_ASSERT(log_every_at(&limit, 1000, 6000, &held));
    CU_ASSERT_EQUAL(held, 2);
}

/* stderr becomes a pipe that nobody reads: lines are dropped and counted, then told about. */
static void
a_stuck_reader_costs_lines_not_time(void)
{
    static char text[1 << 17];
    int ends[2];
    int saved = dup(STDERR_FILENO);
    ssize_t n;
    size_t len = 0;
    unsigned i;
    CU_ASSERT_EQUAL_FATAL(pipe2(ends, O_CLOEXEC), 0);
    dup2(ends[1], STDERR_FILENO);
    for (i = 0; i < 3000; i++)
        log_info("flood", LOG_U64("number", i), LOG_END);
    CU_ASSERT(log_dropped() > 1000);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    while ((n = read(ends[0], text, sizeof(text))) > 0)
        ;
    log_info("after", LOG_END);
    while ((n = read(ends[0], text + len, sizeof(text) - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"event\":\"after\"}"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"event\":\"log_lines_dropped\",\"lines\":"));
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[0]);
    close(ends[1]);
}

static void *
writer(void *arg)
{
    unsigned i;
    (void)arg;
    for (i = 0; i < 100; i++) {
        log_info("from_thread", LOG_U64("number", i), LOG_END);
        log_set_level(LOG_LEVEL_INFO);
    }
    return NULL;
}

static void
lines_of_threads_do_not_mix(void)
{
    static char text[1 << 17];
    pthread_t threads[4];
    FILE *file = tmpfile(); /* never full, as a pipe may be */
    int saved = dup(STDERR_FILENO);
    size_t len = 0;
    size_t at = 0;
    ssize_t n;
    unsigned whole = 0;
    unsigned i;
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    dup2(fileno(file), STDERR_FILENO);
    for (i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, writer, NULL);
    for (i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(file);
    while ((n = read(fileno(file), text + len, sizeof(text) - len)) > 0)
        len += (size_t)n;
    (void)fclose(file);
    while (at < len) {
        struct slice rest = slice_of(text + at, len - at);
        size_t end = slice_find(rest, '\n');
        whole += slice_has_prefix(rest, slice_cstr("{\"time\":")) && end < rest.len &&
                 rest.data[end - 1] == '}';
        at += end + 1;
    }
    CU_ASSERT_EQUAL(whole, 400);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(json_has_all_types),
    CUNIT_CASE(kv_quotes_only_what_needs_it),
    CUNIT_CASE(hostile_bytes_cannot_break_a_line),
    CUNIT_CASE(a_long_line_is_cut_between_fields),
    CUNIT_CASE(a_line_of_any_length_fits_its_buffer),
    CUNIT_CASE(levels_parse_and_gate),
    CUNIT_CASE(a_limit_counts_what_it_holds_back),
    CUNIT_CASE(a_stuck_reader_costs_lines_not_time),
    CUNIT_CASE(lines_of_threads_do_not_mix),
};
CUNIT_MAIN("log", cases)
