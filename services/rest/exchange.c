/* SPDX-License-Identifier: Apache-2.0 */
/* See exchange.h. */
#include "services/rest/exchange.h"

#include "common/mem.h"

#include <assert.h>

const char *
exchange_header(const struct exchange *exchange, const char *name)
{
    return exchange->header(exchange->source, name);
}

const char *
exchange_cookie(const struct exchange *exchange, const char *name)
{
    return exchange->cookie(exchange->source, name);
}

bool
exchange_accepts(const struct exchange *exchange, const char *type)
{
    const char *accept = exchange_header(exchange, "Accept");
    size_t len = strcspn(type, "/") + 1;
    char any[32];
    str_format(any, sizeof any, "%.*s*", (int)len, type);
    return accept == NULL || accept[0] == 0 || strstr(accept, "*/*") != NULL ||
           strcasestr(accept, type) != NULL || strcasestr(accept, any) != NULL;
}

bool
exchange_has_json(const struct exchange *exchange)
{
    const char *type = exchange_header(exchange, "Content-Type");
    return type != NULL && strncasecmp(type, "application/json", 16) == 0 &&
           (type[16] == 0 || type[16] == ';' || type[16] == ' ');
}

void
exchange_set_header(struct exchange *exchange, const char *name, const char *value)
{
    size_t i = exchange->header_count;
    if (strcmp(name, "Set-Cookie") != 0)
        for (i = 0; i < exchange->header_count; i++)
            if (strcmp(exchange->headers[i].name, name) == 0)
                break;
    if (i < exchange->header_count) {
        mem_free(exchange->headers[i].value);
    } else {
        assert(exchange->header_count < EXCHANGE_HEADERS_MAX); /* names are ours */
        exchange->header_count++;
    }
    exchange->headers[i] = (struct exchange_header){name, mem_strdup(value)};
}

void
exchange_set_retry(struct exchange *exchange, uint64_t retry_ms)
{
    char seconds[24];
    uint64_t whole = retry_ms / 1000 + 1;
    str_format(seconds, sizeof seconds, "%llu", (unsigned long long)whole);
    exchange_set_header(exchange, "Retry-After", seconds);
}

void
exchange_forget(struct exchange *exchange)
{
    if (exchange->stream.arg != NULL)
        exchange->stream.end(exchange->stream.arg);
    exchange->stream = (struct exchange_stream){0};
    mem_free(exchange->content);
    exchange->content = NULL;
    exchange->borrowed = NULL;
    exchange->content_len = 0;
    exchange->type = NULL;
    exchange->status = 0;
}

void
exchange_answer_bytes(struct exchange *exchange, int status, const char *type, uint8_t *bytes,
                      size_t len)
{
    exchange_forget(exchange);
    exchange->status = status;
    exchange->type = type;
    exchange->content = bytes;
    exchange->content_len = len;
}

void
exchange_answer(struct exchange *exchange, int status, const char *type, char *text)
{
    exchange_answer_bytes(exchange, status, type, (uint8_t *)text, strlen(text));
}

void
exchange_answer_empty(struct exchange *exchange, int status)
{
    exchange_answer_bytes(exchange, status, NULL, NULL, 0);
}

void
exchange_answer_static(struct exchange *exchange, int status, const char *type, struct slice bytes)
{
    exchange_answer_bytes(exchange, status, type, NULL, bytes.len);
    exchange->borrowed = bytes.data;
}

void
exchange_answer_stream(struct exchange *exchange, const char *type, struct exchange_stream stream)
{
    exchange_answer_bytes(exchange, 200, type, NULL, 0);
    exchange->stream = stream;
}

void
exchange_fini(struct exchange *exchange)
{
    exchange_forget(exchange);
    for (size_t i = 0; i < exchange->header_count; i++)
        mem_free(exchange->headers[i].value);
    exchange->header_count = 0;
}
