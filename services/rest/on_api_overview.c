/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of the whole cluster for charts: the metrics of gateways and stores, summed. Who does not
 * answer is named, and missing from the sums. */
#include "common/clock.h"
#include "common/mem.h"
#include "proto/feed_records.h"
#include "services/rest/api_desks.h"
#include "services/rest/api_json.h"
#include "services/rest/metric_text.h"
#include "services/rest/question.h"

#define DEADLINE_MS 1500u

static const char gateway_metrics[] =
    "sluice_gateway_clients,sluice_gateway_messages_received_total,"
    "sluice_gateway_messages_sent_total,sluice_gateway_messages_dropped_total,"
    "sluice_gateway_bytes_received_total,sluice_gateway_bytes_sent_total,"
    "sluice_gateway_connections_refused_total,sluice_gateway_clean_subscriptions,"
    "sluice_gateway_publish_to_delivery_seconds";
static const char store_metrics[] =
    "sluice_store_sessions,sluice_store_users,sluice_store_subscriptions,"
    "sluice_store_retained_messages,sluice_store_queue_messages,sluice_store_queue_bytes,"
    "sluice_store_dropped_total";

struct sums {
    uint64_t gateways;
    double clients, received, sent, received_bytes, sent_bytes, subscriptions;
    double sessions, users, retained, queued, queued_bytes;
    json_t *drops, *refused, *unreachable;
    struct metric_text_histogram delivery;
};

static void
add_gateway(struct sums *sums, struct slice text)
{
    sums->gateways++;
    sums->clients += metric_text_sum(text, "sluice_gateway_clients", NULL);
    sums->subscriptions += metric_text_sum(text, "sluice_gateway_clean_subscriptions", NULL);
    sums->received += metric_text_sum(text, "sluice_gateway_messages_received_total", NULL);
    sums->sent += metric_text_sum(text, "sluice_gateway_messages_sent_total", NULL);
    sums->received_bytes += metric_text_sum(text, "sluice_gateway_bytes_received_total", NULL);
    sums->sent_bytes += metric_text_sum(text, "sluice_gateway_bytes_sent_total", NULL);
    metric_text_by_label(text, "sluice_gateway_messages_dropped_total", "reason", sums->drops);
    metric_text_by_label(text, "sluice_gateway_connections_refused_total", "reason", sums->refused);
    metric_text_histogram_add(text, "sluice_gateway_publish_to_delivery_seconds", &sums->delivery);
}

static void
add_store(struct sums *sums, struct slice text)
{
    double users = metric_text_sum(text, "sluice_store_users", NULL);
    sums->sessions += metric_text_sum(text, "sluice_store_sessions", NULL);
    sums->users = users > sums->users ? users : sums->users; /* all see the same people */
    sums->subscriptions += metric_text_sum(text, "sluice_store_subscriptions", NULL);
    sums->retained += metric_text_sum(text, "sluice_store_retained_messages", NULL);
    sums->queued += metric_text_sum(text, "sluice_store_queue_messages", NULL);
    sums->queued_bytes += metric_text_sum(text, "sluice_store_queue_bytes", NULL);
    metric_text_by_label(text, "sluice_store_dropped_total", "reason", sums->drops);
}

static void
make_question(struct question *question, const char *metrics)
{
    question_init(question, CALL_ADMIN_STATUS);
    question_text(question, "metrics", metrics);
    question_flag(question, "alone", true);
    question->deadline_ms = DEADLINE_MS;
}

/* Takes answer. */
static void
take(struct sums *sums, enum err err, Sluice__AdminAnswer *answer, const char *name,
     void (*add)(struct sums *sums, struct slice text))
{
    if (err == OK && answer->n_items != 0)
        add(sums, question_item_text(answer->items[0], "metrics"));
    else
        json_array_append_new(sums->unreachable, json_string(name));
    question_free(answer);
}

static void
add_gateways(struct upstream *upstream, struct sums *sums)
{
    struct question question;
    char **names;
    size_t count;
    if (question_gateways(upstream, &names, &count) != OK) {
        json_array_append_new(sums->unreachable, json_string("cores"));
        return;
    }
    make_question(&question, gateway_metrics);
    for (size_t i = 0; i < count; i++) {
        Sluice__AdminAnswer *answer = NULL;
        enum err err = question_ask_gateway(upstream, names[i], &question, &answer);
        take(sums, err, answer, names[i], add_gateway);
    }
    api_json_free_texts(names, count);
}

static json_t *
quantile(const struct metric_text_histogram *histogram, double share)
{
    double bound = metric_text_quantile(histogram, share);
    return bound >= 0 ? json_real(bound) : json_null();
}

static json_t *
delivery(const struct metric_text_histogram *histogram)
{
    json_t *buckets = json_array();
    double all = histogram->count != 0 ? histogram->counts[histogram->count - 1] : 0;
    for (size_t i = 0; i + 1 < histogram->count; i++) /* the last is infinite: "count" */
        json_array_append_new(buckets,
                              json_pack("[f, f]", histogram->bounds[i], histogram->counts[i]));
    return json_pack("{s:I, s:o, s:o, s:o}", "count", (json_int_t)all, "p50",
                     quantile(histogram, 0.5), "p99", quantile(histogram, 0.99), "buckets",
                     buckets);
}

void
on_api_overview(struct api_request *request)
{
    struct upstream *upstream = request->api->upstream;
    struct sums sums = {
        .drops = json_object(), .refused = json_object(), .unreachable = json_array()};
    struct question question;
    add_gateways(upstream, &sums);
    make_question(&question, store_metrics);
    for (size_t i = 0; i < upstream_count(upstream, UPSTREAM_STORE); i++) {
        Sluice__AdminAnswer *answer = NULL;
        enum err err = question_ask(upstream, UPSTREAM_STORE, i, &question, &answer);
        take(&sums, err, answer, upstream_address(upstream, UPSTREAM_STORE, i), add_store);
    }
    json_t *json = json_object();
    const struct {
        const char *name;
        double value;
    } numbers[] = {
        {"gateways", (double)sums.gateways},
        {"clients", sums.clients},
        {"sessions", sums.sessions},
        {"users", sums.users},
        {"subscriptions", sums.subscriptions},
        {"retained", sums.retained},
        {"queued", sums.queued},
        {"queued_bytes", sums.queued_bytes},
        {"received_total", sums.received},
        {"sent_total", sums.sent},
        {"received_bytes_total", sums.received_bytes},
        {"sent_bytes_total", sums.sent_bytes},
    };
    json_object_set_new(json, "time", api_json_time(clock_wall_ms()));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        json_object_set_new(json, numbers[i].name, json_integer((json_int_t)numbers[i].value));
    json_object_set_new(json, "drops_total", sums.drops);
    json_object_set_new(json, "refused_total", sums.refused);
    json_object_set_new(json, "delivery_seconds", delivery(&sums.delivery));
    json_object_set_new(json, "unreachable", sums.unreachable);
    api_answer(request, 200, json);
}
