/* SPDX-License-Identifier: Apache-2.0 */
/* See post_access.h. Each body is one block: the struct, then the bytes it points to. */
#include "services/gateway/post_access.h"

#include "common/mem.h"

static size_t
request_size(const struct sign_in_request *request)
{
    return sizeof(*request) + request->user.len + request->password.len + request->auth.first.len +
           request->auth.challenge.len + request->auth.final.len;
}

struct sign_in_request *
sign_in_request_new(const struct sign_in_request *request)
{
    struct sign_in_request *copy = mem_alloc(request_size(request));
    uint8_t *at = (uint8_t *)(copy + 1);
    *copy = *request;
    copy->user = slice_put(&at, request->user);
    copy->password = slice_put(&at, request->password);
    copy->auth.first = slice_put(&at, request->auth.first);
    copy->auth.challenge = slice_put(&at, request->auth.challenge);
    copy->auth.final = slice_put(&at, request->auth.final);
    return copy;
}

void
sign_in_request_free(struct sign_in_request *request)
{
    if (request != NULL)
        mem_free_secret(request, request_size(request));
}

struct signed_in *
signed_in_new(const struct signed_in *answer)
{
    struct signed_in *copy = mem_alloc(sizeof(*copy) + answer->user.len + answer->terms.roles.len +
                                       answer->terms.rules.len + answer->auth_data.len);
    uint8_t *at = (uint8_t *)(copy + 1);
    *copy = *answer;
    copy->user = slice_put(&at, answer->user);
    copy->terms.roles = slice_put(&at, answer->terms.roles);
    copy->terms.rules = slice_put(&at, answer->terms.rules);
    copy->auth_data = slice_put(&at, answer->auth_data);
    return copy;
}

void
signed_in_free(struct signed_in *answer)
{
    mem_free(answer);
}

struct role_news *
role_news_new(const struct role_news *news)
{
    struct role_news *copy = mem_alloc(sizeof(*copy) + news->name.len + news->rules.len);
    uint8_t *at = (uint8_t *)(copy + 1);
    *copy = *news;
    copy->name = slice_put(&at, news->name);
    copy->rules = slice_put(&at, news->rules);
    return copy;
}

void
role_news_free(struct role_news *news)
{
    mem_free(news);
}

struct ban_news *
ban_news_new(const struct ban_news *news)
{
    struct ban_news *copy = mem_alloc(sizeof(*copy) + news->subject.len);
    uint8_t *at = (uint8_t *)(copy + 1);
    *copy = *news;
    copy->subject = slice_put(&at, news->subject);
    return copy;
}

void
ban_news_free(struct ban_news *news)
{
    mem_free(news);
}
