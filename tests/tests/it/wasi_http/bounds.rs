//! The broker's bounds and the sandbox's hold for stock clients.

use super::{PROVIDER, assert_failed, decisions, deliver, deliver_by, exchanges, log, with_stock};
use postern_tests::platform::{FIXTURE, outcome};
use postern_tests::{Receiver, Reply};
use serde_json::json;

const MIB: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_without_end_stop_at_the_cap() {
    // A thousand refusals are much computing for a host that was built without optimisation.
    let daemon = with_stock("[sandbox]\ncompute-milliseconds = 20000").await;
    daemon.add_hostile().await;
    let mut receiver = Receiver::start().await;
    let config = json!({ "behaviour": "many-requests", "url": receiver.url(), "amount": 1000 });
    let delivery = deliver_by(&daemon, PROVIDER, config).await;
    assert_failed(&delivery, "8 of 1000: ErrorCode::ConnectionLimitReached");
    assert_eq!(receiver.drain().len(), 8);
    let contract = deliver_by(&daemon, FIXTURE, json!({ "behaviour": "many-requests", "url": receiver.url() })).await;
    assert_eq!(decisions(&delivery), decisions(&contract), "eight answers, and the first of those beyond");
    assert_eq!(receiver.drain().len(), 8);
    assert!(log(&delivery).contains("egress.limits.requests-per-call"), "{delivery:#}");

    let delivery = deliver(&daemon, json!({ "behaviour": "burst", "url": receiver.url() })).await;
    assert_failed(&delivery, "8 of 20: ErrorCode::ConnectionLimitReached");
    assert_eq!(receiver.drain().len(), 8, "those under way at the same time count too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_served_up_to_its_bound_and_one_that_was_cut_ends_with_an_error() {
    let daemon = with_stock("").await;
    daemon.add_hostile().await;
    let receiver = Receiver::start().await;
    let answers = |bytes| receiver.always(Reply::Full(200, Vec::new(), "x".repeat(bytes)));
    answers(MIB);
    let config = json!({ "behaviour": "fetch", "url": receiver.url() });
    let whole = deliver(&daemon, config.clone()).await;
    assert_eq!(whole["externalId"], "status-200 bytes-1048576", "{whole:#}");
    answers(3 * MIB);
    let cut = deliver(&daemon, config.clone()).await;
    assert_eq!(cut["error"], "reading incoming body stream: HTTP response body size exceeds limit: 1048576 bytes");
    assert!(log(&cut).contains("egress.limits.response-body-bytes"), "{cut:#}");
    let contract = deliver_by(&daemon, FIXTURE, config).await;
    assert_eq!(decisions(&cut), decisions(&contract));
    assert_eq!(exchanges(&cut)[0]["responseBody"], exchanges(&contract)[0]["responseBody"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_is_refused_by_name() {
    let daemon = with_stock("").await;
    let mut receiver = Receiver::start().await;
    let config = |behaviour: &str, amount: usize| json!({ "behaviour": behaviour, "url": receiver.url(), "amount": amount });
    let table = [
        (config("upload", 3 * MIB), "HttpRequestBodySize(Some(1048577))", "egress.limits.request-body-bytes"),
        (config("many-headers", 100), "HttpRequestHeaderSectionSize", "egress.limits.request-headers"),
    ];
    for (config, code, limit) in table {
        let refused = deliver(&daemon, config).await;
        assert_failed(&refused, code);
        assert_eq!(exchanges(&refused)[0]["code"], "size", "{refused:#}");
        assert!(log(&refused).contains(limit), "{refused:#}");
    }
    let long = format!("{}/{}", receiver.url(), "x".repeat(9000));
    let refused = deliver(&daemon, json!({ "behaviour": "fetch", "url": receiver.url(), "elsewhere": long })).await;
    assert_failed(&refused, "HttpRequestUriTooLong");
    assert!(receiver.is_untouched());

    let delivery = deliver(&daemon, config("upload", MIB)).await;
    assert_eq!(delivery["externalId"], "status-200 bytes-0", "{delivery:#}");
    assert_eq!(receiver.next().await.body.len(), MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hoarding_ends_with_the_limits_name() {
    let daemon = with_stock("[sandbox]\ncompute-milliseconds = 10000").await;
    for (behaviour, texts) in [
        ("hoard", ["handles, at most 1000", "[sandbox] handles"]),
        ("header-bomb", ["the headers of a request, at most 32 KiB", "[sandbox] header-bytes"]),
    ] {
        let delivery = deliver(&daemon, json!({ "behaviour": behaviour, "url": "https://example.com" })).await;
        assert_eq!(outcome(&delivery)["cause"], "limit", "{delivery:#}");
        for text in texts {
            assert_failed(&delivery, text);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_drips_ends_with_the_call_and_was_never_sent() {
    let daemon = with_stock("[sandbox]\ncall-milliseconds = 1000").await;
    let receiver = Receiver::start().await;
    let delivery = deliver(&daemon, json!({ "behaviour": "drip", "url": receiver.url() })).await;
    assert_eq!(outcome(&delivery)["cause"], "deadline", "{delivery:#}");
    assert_failed(&delivery, "[sandbox] call-milliseconds");
    assert!(receiver.is_untouched(), "a request leaves when its body is finished");
}
