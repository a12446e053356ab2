//! Which handler answers which call, with what its signature does not say.

use super::{
    audit, builds, connections, deliveries, destinations, emissions, event_types, events, inbox, metrics, probes, providers,
    stats, subscriptions, tokens,
};
use crate::App;
use crate::document::{self, call};
use aide::axum::ApiRouter;
use aide::axum::routing::{delete_with, get_with, post_with, put_with};
use axum::http::StatusCode;

const MISSING: StatusCode = StatusCode::NOT_FOUND;
const CONFLICT: StatusCode = StatusCode::CONFLICT;
const UNFIT: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
const BUSY: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
const GUEST: StatusCode = StatusCode::BAD_GATEWAY;

/// What is below `/api/v1`.
pub(super) fn calls() -> ApiRouter<App> {
    let groups = [
        ("Event types", event_types()),
        ("Events", events()),
        ("Providers", providers()),
        ("Connections", connections()),
        ("Subscriptions", subscriptions()),
        ("Deliveries", deliveries()),
        ("Administration", administration()),
    ];
    let tagged = |(tag, group): (&str, ApiRouter<App>)| group.with_path_items(|path| path.tag(tag));
    groups.into_iter().map(tagged).fold(ApiRouter::new(), ApiRouter::merge)
}

/// What anybody may call.
pub(super) fn open() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route("/healthz", get_with(probes::healthz, call("live", "Whether the process lives", &[])))
        .api_route("/readyz", get_with(probes::readyz, call("ready", "Whether it can take emissions", &[])))
        .api_route(document::PATH, get_with(document::show, call("describe", "This description", &[])))
        .api_route(document::DOCS, get_with(document::docs, call("docs", "This description as a page", &[])))
        .with_path_items(|path| path.tag("Open to everybody"))
}

/// What operators' tools call, outside of the versioned API.
pub(super) fn operations() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route("/metrics", get_with(metrics::show, call("metrics", "The figures of the process, for Prometheus", &[])))
        .with_path_items(|path| path.tag("Administration"))
}

fn event_types() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/plugins/{plugin}/events/{hook}",
            put_with(event_types::register, call("registerEventType", "Registers a hook, or replaces it", &[CONFLICT])),
        )
        .api_route("/event-types", get_with(event_types::list, call("listEventTypes", "Lists event types", &[])))
        .api_route(
            "/event-types/{id}",
            get_with(event_types::show, call("getEventType", "One event type, with its properties", &[MISSING])).delete_with(
                event_types::remove,
                call("removeEventType", "Removes an event type; events stay", &[MISSING, CONFLICT]),
            ),
        )
}

fn events() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/plugins/{plugin}/hooks/{hook}",
            post_with(emissions::emit_hook, call("emitHook", "Emits an event; the body is its payload", &[MISSING, CONFLICT, BUSY])),
        )
        .api_route(
            "/events",
            get_with(events::list, call("listEvents", "Lists events with their deliveries, newest first", &[])).post_with(
                emissions::emit,
                |operation| {
                    call("emit", "Emits up to 100 events", &[MISSING, CONFLICT, BUSY])(operation).description(
                        "All are judged before the first is stored. CloudEvents are taken in binary mode as well: the attributes in \
                         headers `ce-…`, the data as the body.",
                    )
                },
            ),
        )
        .api_route("/events/{id}", get_with(events::show, call("getEvent", "One event, with its deliveries", &[MISSING])))
}

fn providers() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/providers",
            get_with(providers::list, call("listProviders", "Lists providers", &[]))
                .post_with(builds::add, call("addProvider", "Adds a provider, or a new build of it", &[CONFLICT, GUEST])),
        )
        .api_route(
            "/providers/watched",
            get_with(builds::watched, call("listWatchedFiles", "Lists the files in watched folders", &[])),
        )
        .api_route(
            "/providers/{id}",
            get_with(providers::show, call("getProvider", "One provider", &[MISSING]))
                .delete_with(providers::remove, call("removeProvider", "Removes a provider", &[MISSING, CONFLICT])),
        )
        .api_route(
            "/providers/{id}/approve",
            post_with(
                providers::approve,
                call("approveProvider", "Grants what a provider asks for", &[MISSING, CONFLICT, UNFIT, GUEST]),
            ),
        )
        .api_route(
            "/providers/{id}/versions",
            get_with(builds::versions, call("listBuilds", "Lists the builds of a provider that are kept", &[MISSING])),
        )
        .api_route(
            "/providers/{id}/rollback",
            post_with(
                builds::roll_back,
                call("rollBackProvider", "Puts an earlier build in force again", &[MISSING, CONFLICT, UNFIT, GUEST]),
            ),
        )
        .api_route(
            "/providers/{id}/enable",
            post_with(
                providers::enable,
                call("enableProvider", "Lets a quarantined or disabled provider deliver again", &[MISSING, CONFLICT]),
            ),
        )
        .api_route(
            "/providers/{id}/disable",
            post_with(
                providers::disable,
                call("disableProvider", "Pauses a provider; its deliveries wait", &[MISSING, CONFLICT]),
            ),
        )
        .api_route(
            "/providers/{id}/grant",
            get_with(providers::grant, call("getGrant", "What a provider is allowed", &[MISSING])).put_with(
                providers::set_grant,
                call("setGrant", "Replaces what a provider is allowed", &[MISSING, CONFLICT, UNFIT, GUEST]),
            ),
        )
        .api_route(
            "/providers/{id}/test-connection",
            post_with(
                providers::test_connection,
                call("testSettings", "Tries settings before they are saved", &[MISSING, CONFLICT, GUEST]),
            ),
        )
        .api_route(
            "/providers/{id}/options",
            post_with(providers::options, call("listOptions", "The entries of a drop-down", &[MISSING, CONFLICT, GUEST])),
        )
}

fn connections() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/connections",
            get_with(connections::list, call("listConnections", "Lists connections", &[]))
                .post_with(connections::create, call("createConnection", "Makes a connection", &[])),
        )
        .api_route(
            "/connections/{id}",
            get_with(connections::show, call("getConnection", "One connection, with who uses it", &[MISSING]))
                .patch_with(connections::update, call("updateConnection", "Changes a connection", &[MISSING]))
                .delete_with(connections::remove, call("removeConnection", "Removes a connection", &[MISSING, CONFLICT])),
        )
        .api_route(
            "/connections/{id}/test",
            post_with(connections::test, call("testConnection", "Tries a saved connection", &[MISSING, CONFLICT, UNFIT, GUEST])),
        )
}

fn subscriptions() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/subscriptions",
            get_with(subscriptions::list, call("listSubscriptions", "Lists subscriptions", &[]))
                .post_with(subscriptions::create, call("createSubscription", "Makes a subscription", &[])),
        )
        .api_route(
            "/subscriptions/{id}",
            get_with(subscriptions::show, call("getSubscription", "One subscription", &[MISSING]))
                .patch_with(subscriptions::update, call("updateSubscription", "Changes a subscription", &[MISSING]))
                .delete_with(subscriptions::remove, call("removeSubscription", "Removes a subscription", &[MISSING])),
        )
        .api_route(
            "/subscriptions/{id}/send-test",
            post_with(
                subscriptions::send_test,
                call("sendTest", "Delivers a test event and waits for what comes of it", &[MISSING, CONFLICT]),
            ),
        )
        .api_route(
            "/subscriptions/{id}/preview",
            post_with(
                subscriptions::preview,
                call("preview", "The settings as rendered for an event; nothing is sent", &[MISSING, CONFLICT]),
            ),
        )
}

fn deliveries() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route("/deliveries", get_with(deliveries::list, call("listDeliveries", "Lists deliveries, newest first", &[])))
        .api_route(
            "/deliveries/{id}",
            get_with(deliveries::show, call("getDelivery", "One delivery, with its history", &[MISSING])),
        )
        .api_route(
            "/deliveries/{id}/attempts/{number}",
            get_with(deliveries::attempt, call("getAttempt", "One attempt, with its exchanges and log", &[MISSING])),
        )
        .api_route(
            "/deliveries/{id}/retry",
            post_with(inbox::retry, call("retryDelivery", "Tries a final delivery again, as a new run", &[MISSING, CONFLICT])),
        )
        .api_route(
            "/deliveries/{id}/cancel",
            post_with(inbox::cancel, call("cancelDelivery", "Gives a delivery up that waits", &[MISSING, CONFLICT])),
        )
        .api_route(
            "/failures",
            get_with(inbox::failures, call("listFailures", "Failed deliveries by what they have in common, most first", &[])),
        )
        .api_route(
            "/deliveries/replay",
            post_with(inbox::replay, call("replay", "Tries all deliveries again that a filter names, paced", &[])),
        )
        .api_route("/replays", get_with(inbox::replays, call("listReplays", "Lists replays", &[])))
        .api_route("/replays/{id}", get_with(inbox::show_replay, call("getReplay", "One replay, with its progress", &[MISSING])))
        .api_route(
            "/replays/{id}/stop",
            post_with(inbox::stop_replay, call("stopReplay", "Stops a replay; what it began goes on", &[MISSING])),
        )
        .api_route(
            "/destinations",
            get_with(destinations::list, call("listDestinations", "Where deliveries go, and whether it works", &[])),
        )
        .api_route("/stats", get_with(stats::show, call("getStats", "Counts of events and deliveries", &[])))
}

fn administration() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/tokens",
            get_with(tokens::list, call("listTokens", "Lists tokens", &[]))
                .post_with(tokens::create, call("createToken", "Makes a token, which is shown this once", &[])),
        )
        .api_route("/tokens/{id}", delete_with(tokens::revoke, call("revokeToken", "Revokes a token", &[MISSING, CONFLICT])))
        .api_route("/audit", get_with(audit::list, call("listAudit", "Lists who changed what, newest first", &[])))
}
