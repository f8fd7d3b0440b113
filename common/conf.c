/* SPDX-License-Identifier: Apache-2.0 */
/* Settings: the sources are asked in order, the first that names a row wins. Values are parsed only
 * then, so that a bad value that is overruled is no mistake. */
#include "common/conf.h"

#include "common/buf.h"
#include "common/conf_source.h"
#include "common/conf_value.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/probe.h"

#include <stdio.h>

#define CONF_MISTAKES_MAX (256u * 1024)

void
conf_mistake(struct conf *conf, const char *name, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    str_vformat(text, sizeof(text), format, args);
    va_end(args);
    buf_printf(&conf->mistakes, "%s: ", conf->program->name);
    if (name != NULL)
        buf_printf(&conf->mistakes, "setting %s: ", name);
    buf_printf(&conf->mistakes, "%s\n", text);
}

const char *
conf_mistakes(const struct conf *conf)
{
    return conf->mistakes_text != NULL ? conf->mistakes_text : "";
}

static void
conf_apply(struct conf *conf)
{
    const struct conf_table *table;
    struct buf words;
    size_t i;
    buf_init(&words, 4096);
    for (i = 0; i < conf->row_count; i++) {
        const struct conf_row *row = conf_source_row(conf, i, &table);
        const struct conf_given *given = &conf->given[i];
        const char *text = given->text != NULL ? given->text : row->fallback;
        char env[CONF_ENV_NAME_MAX];
        conf_source_env_name(row->name, "", env);
        if (text == NULL) {
            conf_mistake(conf, row->name, "is required: give --%s or %s%s", row->name, env,
                         row->type == CONF_SECRET ? " (or the same with _FILE)" : "");
        } else if (conf_value_set(row, slice_cstr(text), table->settings) != OK) {
            buf_reset(&words);
            conf_value_describe(row, &words);
            conf_mistake(conf, row->name, "\"%.200s\" (from %s) is not %.*s",
                         row->type == CONF_SECRET ? "***" : text,
                         given->text != NULL ? given->source : "default", (int)buf_len(&words),
                         buf_len(&words) != 0 ? (const char *)buf_slice(&words).data : "");
        } else {
            continue;
        }
        conf_value_set_empty(row, table->settings);
    }
    buf_fini(&words);
}

static void
conf_print_help(const struct conf *conf)
{
    const struct conf_table *table;
    struct buf out;
    size_t i;
    buf_init(&out, 1024 * 1024);
    buf_printf(
        &out,
        "%s %s - %s\n\n"
        "A setting is read from its flag, then from its name in the environment, then from\n"
        "the file given by --config FILE or SLUICE_CONFIG (lines of `name = value`), then it\n"
        "has its default. Secrets are also read from the file that SLUICE_<NAME>_FILE names.\n\n"
        "  --help     this text\n  --version  the version\n"
        "  --check    check all settings and exit: 0 good, 2 not\n  --config FILE\n"
        "  --probe PATH  ask the one that runs here, like /readyz, and exit: 0 well, 1 not\n",
        conf->program->name, conf->program->version, conf->program->about);
    for (i = 0; i < conf->row_count; i++) {
        const struct conf_row *row = conf_source_row(conf, i, &table);
        char env[CONF_ENV_NAME_MAX];
        conf_source_env_name(row->name, "", env);
        buf_printf(&out, "\n  --%s  (%s)\n      %s\n      ", row->name, env, row->help);
        conf_value_describe(row, &out);
        if (row->unit != NULL)
            buf_printf(&out, " (%s)", row->unit);
        if (row->fallback == NULL)
            buf_append_cstr(&out, "; required\n");
        else
            buf_printf(&out, "; default \"%s\"\n", row->fallback);
    }
    fwrite(buf_slice(&out).data, 1, buf_len(&out), stdout);
    fflush(stdout);
    buf_fini(&out);
}

static struct conf *
conf_new(const struct conf_program *program, const struct conf_table *tables, size_t table_count)
{
    struct conf *conf = mem_zalloc(sizeof(*conf));
    const struct conf_table *table;
    size_t i;
    conf->program = program;
    conf->own_tables = mem_dup(tables, table_count * sizeof(*tables));
    conf->tables = conf->own_tables;
    conf->table_count = table_count;
    for (i = 0; i < table_count; i++)
        conf->row_count += tables[i].count;
    conf->given = mem_zalloc_array(conf->row_count + 1, sizeof(*conf->given));
    buf_init(&conf->mistakes, CONF_MISTAKES_MAX);
    for (i = 0; i < conf->row_count; i++) {
        const struct conf_row *row = conf_source_row(conf, i, &table);
        void *at = (char *)table->settings + row->offset;
        if (row->type == CONF_STR || row->type == CONF_SECRET)
            *(char **)at = NULL;
        else if (row->type == CONF_LIST)
            *(struct conf_list *)at = (struct conf_list){NULL, 0};
    }
    return conf;
}

/* The value of a row by name alone: of whichever source gives it, or its default. */
static const char *
conf_text(const struct conf *conf, const char *name)
{
    const struct conf_table *table;
    size_t index = conf_source_find(conf, slice_cstr(name));
    if (index == conf->row_count)
        return "";
    return conf->given[index].text != NULL ? conf->given[index].text
                                           : conf_source_row(conf, index, &table)->fallback;
}

static enum conf_outcome
conf_probe(const struct conf *conf)
{
    uint64_t port = 0;
    struct buf body;
    enum err err = ERR_MALFORMED;
    buf_init(&body, 16u * 1024 * 1024);
    if (str_parse_u64(slice_cstr(conf_text(conf, "http-port")), 1, 65535, &port) == OK)
        err = probe_ask(conf_text(conf, "http-bind"), (uint16_t)port, conf->probe, &body);
    if (buf_len(&body) != 0)
        fwrite(buf_slice(&body).data, 1, buf_len(&body), stdout);
    else
        fprintf(stdout, "%s: %s: %s\n", conf->program->name, conf->probe, err_text(err));
    fflush(stdout);
    buf_fini(&body);
    return err == OK ? CONF_DONE : CONF_UNWELL;
}

enum conf_outcome
conf_load(const struct conf_program *program, const struct conf_table *tables, size_t table_count,
          int argc, char *const *argv, conf_check_fn check, void *arg, struct conf **out)
{
    struct conf *conf = conf_new(program, tables, table_count);
    *out = conf;
    conf_source_flags(conf, argc, argv);
    if (conf->help) {
        conf_print_help(conf);
        return CONF_DONE;
    }
    if (conf->version) {
        fprintf(stdout, "%s %s\n", program->name, program->version);
        fflush(stdout);
        return CONF_DONE;
    }
    conf_source_env(conf);
    conf_source_warn_env(conf);
    conf_source_file(conf);
    if (conf->probe != NULL && buf_len(&conf->mistakes) == 0)
        return conf_probe(conf);
    conf_apply(conf);
    if (buf_len(&conf->mistakes) == 0 && check != NULL)
        check(conf, arg);
    if (buf_len(&conf->mistakes) != 0) {
        conf->mistakes_text = slice_dup(buf_slice(&conf->mistakes));
        log_plain(conf->mistakes_text);
        return CONF_BAD;
    }
    if (conf->check) {
        fprintf(stdout, "%s: settings are good\n", program->name);
        fflush(stdout);
        return CONF_DONE;
    }
    return CONF_RUN;
}

void
conf_free(struct conf *conf)
{
    const struct conf_table *table;
    size_t i;
    if (conf == NULL)
        return;
    for (i = 0; i < conf->row_count; i++) {
        const struct conf_row *row = conf_source_row(conf, i, &table);
        conf_value_clear(row, table->settings);
        if (conf->given[i].text != NULL)
            mem_free_secret(conf->given[i].text, strlen(conf->given[i].text));
    }
    buf_fini(&conf->mistakes);
    mem_free(conf->mistakes_text);
    mem_free(conf->file);
    mem_free(conf->probe);
    mem_free(conf->given);
    mem_free(conf->own_tables);
    mem_free(conf);
}

int
conf_exit_status(enum conf_outcome outcome)
{
    switch (outcome) {
    case CONF_RUN:
    case CONF_DONE:
        return 0;
    case CONF_UNWELL:
        return 1;
    case CONF_BAD:
        break;
    }
    return 2;
}

void
conf_describe(const struct conf *conf, conf_describe_fn fn, void *arg)
{
    const struct conf_table *table;
    size_t i;
    for (i = 0; i < conf->row_count; i++) {
        const struct conf_row *row = conf_source_row(conf, i, &table);
        const struct conf_given *given = &conf->given[i];
        const char *text = given->text != NULL ? given->text : row->fallback;
        if (text == NULL)
            text = "";
        if (row->type == CONF_SECRET && text[0] != '\0')
            text = "***";
        fn(arg, row, text, given->text != NULL ? given->source : "default");
    }
}

bool
conf_is_given(const struct conf *conf, const char *name)
{
    size_t index = conf_source_find(conf, slice_cstr(name));
    return index < conf->row_count && conf->given[index].text != NULL;
}
