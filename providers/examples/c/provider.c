// The example provider in C, with plain generated bindings.

#include "integration_provider.h"
#include "json.h"
#include "text.h"

#include <stdlib.h>

typedef postern_provider_types_failure_t failure;
typedef postern_provider_http_response_t response;

static const char CONFIG_SCHEMA[] = {
#embed "config.schema.json"
};
static const char EXAMPLE_PAYLOAD[] = {
#embed "example-payload.json"
};

// What an administrator fills in.
typedef struct {
    string api_endpoint;
    string api_key;
    string priority;
    uint32_t timeout;
} config;

static config read_config(string json) {
    config read = { 0 };
    double timeout = 0;
    // The host has checked the settings and filled in the defaults.
    bool complete = json_string(json, TEXT("apiEndpoint"), &read.api_endpoint) && json_string(json, TEXT("apiKey"), &read.api_key) &&
                    json_string(json, TEXT("priority"), &read.priority) && json_number(json, TEXT("timeout"), &timeout);
    if (!complete) abort();
    read.timeout = timeout;
    return read;
}

// What the bindings free has to be allocated.
static string owned(string text) {
    return text_of(1, text);
}

static integration_provider_option_string_t some(string text) {
    return (integration_provider_option_string_t){ .is_some = true, .val = owned(text) };
}

void exports_postern_provider_provider_describe(postern_provider_types_manifest_t *manifest) {
    string *hosts = malloc(sizeof *hosts);
    postern_provider_types_documented_header_t *headers = malloc(sizeof *headers);
    if (hosts == NULL || headers == NULL) abort();
    hosts[0] = owned(TEXT("{config.apiEndpoint}"));
    headers[0].name = owned(TEXT("Authorization"));
    headers[0].description = owned(TEXT("Bearer, and the API key"));
    *manifest = (postern_provider_types_manifest_t){
        .id = owned(TEXT("example-c")),
        .version = owned(TEXT("1.0.0")),
        .display_name = owned(TEXT("Example in C")),
        .description = owned(TEXT("Posts each event as JSON to a service that knows its callers by an API key.")),
        .icon = some(TEXT("bell")),
        .config = { .version = 1, .schema = owned((string){ (uint8_t *)CONFIG_SCHEMA, sizeof CONFIG_SCHEMA }) },
        .hosts = { hosts, 1 },
        .implements = POSTERN_PROVIDER_TYPES_CAPABILITIES_TEST_CONNECTION,
        .documentation = {
            .setup_guide = some(TEXT("Make an API key in the service, and enter it here together with the URL that takes events.")),
            .example_payload = some((string){ (uint8_t *)EXAMPLE_PAYLOAD, sizeof EXAMPLE_PAYLOAD }),
            .headers = { headers, 1 },
        },
    };
}

static string message(const postern_provider_types_delivery_t *delivery, config config) {
    string json = owned(TEXT("{\"event_type\":"));
    json_add_string(&json, delivery->event.event_type);
    text_add(&json, TEXT(",\"timestamp\":"));
    json_add_string(&json, delivery->event.timestamp);
    text_add(&json, TEXT(",\"delivery_id\":"));
    json_add_string(&json, delivery->id);
    text_add(&json, TEXT(",\"subscription_name\":"));
    json_add_string(&json, delivery->subscription.name);
    text_add(&json, TEXT(",\"priority\":"));
    json_add_string(&json, config.priority);
    // The payload is JSON already.
    text_add(&json, TEXT(",\"data\":"));
    text_add(&json, delivery->event.payload);
    text_add(&json, TEXT("}"));
    return json;
}

// Sends one request, without a body if that is empty. False if there is no answer; then `failure` says why.
static bool send(config config, const char *method, string url, string body, uint32_t timeout, response *answer, failure *failure) {
    string authorization = text_of(2, TEXT("Bearer "), config.api_key);
    postern_provider_http_header_t headers[] = {
        { TEXT("Authorization"), authorization },
        { TEXT("Content-Type"), TEXT("application/json") },
    };
    postern_provider_http_request_t request = {
        .url = url,
        .headers = { headers, body.len > 0 ? 2 : 1 },
        .body = { .is_some = body.len > 0, .val = { body.ptr, body.len } },
        .timeout_milliseconds = { .is_some = true, .val = timeout },
    };
    integration_provider_string_set(&request.method, method);
    postern_provider_http_error_t error;
    if (postern_provider_http_send(&request, answer, &error)) return true;
    failure->message = error.message;
    failure->retry.is_some = false;
    return false;
}

// Whether an answer is a success; if not, `failure` says so. Whether and when to try again, the host reads from the answer itself.
static bool succeeded(const response *answer, failure *failure) {
    unsigned status = answer->status;
    if (status >= 200 && status <= 299) return true;
    failure->retry.is_some = false;
    failure->message = owned(TEXT("the service answered HTTP "));
    text_add_number(&failure->message, status);
    text_add(&failure->message, TEXT(": "));
    text_add_bytes(&failure->message, answer->body.ptr, answer->body.len, 200);
    return false;
}

bool exports_postern_provider_provider_deliver(postern_provider_types_delivery_t *delivery, postern_provider_types_receipt_t *receipt,
                                               failure *failure) {
    config config = read_config(delivery->config);
    // Nothing is given away: where the key should be, a provider sees a placeholder.
    string line = text_of(4, TEXT("delivering "), delivery->event.event_type, TEXT(" with "), delivery->config);
    postern_provider_log_write(POSTERN_PROVIDER_LOG_LEVEL_DEBUG, &line);

    response answer;
    if (!send(config, "POST", config.api_endpoint, message(delivery, config), config.timeout, &answer, failure)) return false;
    if (!succeeded(&answer, failure)) return false;
    // What the service calls the thing that it made, if it says so.
    string id;
    string body = { answer.body.ptr, answer.body.len };
    receipt->external_id.is_some = json_string(body, TEXT("id"), &id) && id.len > 0 && id.len <= 256;
    receipt->external_id.val = id;
    return true;
}

bool exports_postern_provider_provider_test_connection(postern_provider_types_settings_t *settings, string *told,
                                                       failure *failure) {
    config config = read_config(settings->config.val);
    string url = text_of(2, config.api_endpoint, TEXT("/health"));
    response answer;
    if (!send(config, "GET", url, (string){ 0 }, 5000, &answer, failure) || !succeeded(&answer, failure)) return false;
    *told = owned(TEXT("the service answers"));
    return true;
}

// The exports that the manifest does not claim are never called, but have to be there.

bool exports_postern_provider_provider_list_options(postern_provider_types_options_request_t *request,
                                                    exports_postern_provider_provider_list_option_item_t *options, failure *failure) {
    failure->retry.is_some = false;
    failure->message = owned(TEXT("there are no options"));
    return false;
}

bool exports_postern_provider_provider_migrate_config(postern_provider_types_settings_kind_t kind, uint32_t from_version,
                                                      string *value, string *migrated, failure *failure) {
    failure->retry.is_some = false;
    failure->message = owned(TEXT("there is no older version"));
    return false;
}

bool exports_postern_provider_provider_reconcile(postern_provider_types_delivery_t *delivery,
                                                 exports_postern_provider_provider_option_receipt_t *found, failure *failure) {
    found->is_some = false;
    return true;
}
