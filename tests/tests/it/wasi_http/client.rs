//! What a stock client can do: deliver, with secrets that it never sees.

use super::{assert_failed, decisions, deliver, exchanges, log, with_stock};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern_tests::receiver::Nobody;
use postern_tests::{Receiver, Reply};
use serde_json::json;

const SECRET: &str = "s3cr3t/tok+en=of-a-receiver";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_secret_arrives_wherever_the_client_put_it_and_comes_back_to_nobody() {
    let daemon = with_stock("[egress]\nplain-http = [\"127.0.0.1:*\"]").await;
    let mut receiver = Receiver::that(Reply::Echo).await;
    let encoded = STANDARD.encode(format!("user:{SECRET}"));
    for (place, text) in [
        ("bearer", format!("\"authorization\", \"Bearer {SECRET}\"")),
        ("basic", format!("\"authorization\", \"Basic {encoded}\"")),
        ("header", format!("\"x-stolen\", \"{SECRET}\"")),
        ("query", "/?key=s3cr3t/tok%2Ben%3Dof-a-receiver ".to_owned()),
        ("body", format!("\"token\":\"{SECRET}\"")),
    ] {
        let config = json!({ "behaviour": "post", "url": receiver.url(), "token": SECRET, "place": place });
        let delivery = deliver(&daemon, config).await;
        assert_eq!(delivery["externalId"], "status-200", "{place}: {delivery:#}");
        let received = receiver.next().await;
        let arrived = received.text();
        let arrived = if place == "query" { arrived.replace("%2F", "/") } else { arrived };
        assert!(arrived.contains(&text), "{place}: `{text}` is not in {arrived}");
        assert_eq!(received.method, "POST");
        assert!(String::from_utf8_lossy(&received.body).contains("Through a stock client"), "the event arrived: {arrived}");

        // The client logs the answer, which holds what the receiver was sent.
        assert!(log(&delivery).contains("headers"), "{place}: {delivery:#}");
        let told = delivery.to_string() + &daemon.stderr();
        assert!(told.contains("[secret]"), "{place}: {delivery:#}");
        for form in [SECRET, &encoded, "s3cr3t/tok", "s3cr3t%2Ftok"] {
            assert!(!told.contains(form), "{place}: `{form}` is told: {delivery:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_url_is_opened_on_the_way() {
    let daemon = with_stock("[egress]\nplain-http = [\"127.0.0.1:*\"]").await;
    let mut receiver = Receiver::start().await;
    let hook = format!("{}/hooks/s3cr3t-path", receiver.url());
    let delivery = deliver(&daemon, json!({ "behaviour": "fetch", "url": "https://example.com", "hook": hook })).await;
    assert_eq!(delivery["externalId"], "status-200 bytes-0", "{delivery:#}");
    assert_eq!(receiver.next().await.target, "/hooks/s3cr3t-path");
    assert_eq!(exchanges(&delivery)[0]["url"], format!("{}/[secret]", receiver.url()));
    assert!(!delivery.to_string().contains("s3cr3t-path"), "{delivery:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clients_bounds_of_time_are_kept() {
    let daemon = with_stock("").await;
    let receiver = Receiver::that(Reply::Hold).await;
    let config = json!({ "behaviour": "fetch", "url": receiver.url(), "firstByteTimeout": 200, "betweenBytesTimeout": 60_000 });
    let delivery = deliver(&daemon, config).await;
    assert_failed(&delivery, "HttpResponseTimeout");
    assert!(log(&delivery).contains("No answer began within 200 ms"), "{delivery:#}");
    let exchange = &exchanges(&delivery)[0];
    assert_eq!((&exchange["kind"], &exchange["sent"]), (&json!("timeout"), &json!(true)), "{delivery:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_client_gives_up_or_leaves_behind_is_on_record() {
    let daemon = with_stock("").await;
    let mut receiver = Receiver::start().await;
    receiver.decide(|received| if received.target == "/left" { Reply::Hold } else { Reply::Status(204) });
    let delivery = deliver(&daemon, json!({ "behaviour": "leave", "url": receiver.url() })).await;
    assert_eq!(delivery["externalId"], "status-204", "{delivery:#}");
    let arrived = receiver.drain().len();
    let recorded = exchanges(&delivery);
    assert!(recorded.len() >= arrived, "{arrived} requests arrived: {delivery:#}");
    assert!(recorded.iter().any(|exchange| exchange["status"] == 204));
    for left in recorded.iter().filter(|exchange| exchange["status"] != 204) {
        assert_eq!((&left["kind"], &left["sent"]), (&json!("timeout"), &json!(true)), "{left:#}");
    }

    receiver.always(Reply::Hold);
    let delivery = deliver(&daemon, json!({ "behaviour": "give-up", "url": receiver.url() })).await;
    assert_eq!(delivery["externalId"], "given-up", "{delivery:#}");
    let recorded = exchanges(&delivery);
    assert!(recorded.len() >= receiver.drain().len(), "{delivery:#}");
    assert!(recorded.iter().all(|exchange| exchange["kind"] == "timeout"), "{delivery:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_hangs_ends_with_the_call() {
    let daemon = with_stock("[sandbox]\ncall-milliseconds = 1000").await;
    let receiver = Receiver::that(Reply::Hold).await;
    let delivery = deliver(&daemon, json!({ "behaviour": "fetch", "url": receiver.url(), "firstByteTimeout": 60_000 })).await;
    assert_eq!(delivery["status"], "failed");
    let exchange = &exchanges(&delivery)[0];
    assert_eq!((&exchange["kind"], &exchange["sent"]), (&json!("timeout"), &json!(true)), "{delivery:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_on_the_way_have_codes_of_their_own() {
    let daemon = with_stock("").await;
    let closing = Receiver::that(Reply::Close).await;
    let nobody = Nobody::new();
    for (url, code, kind) in [(closing.url(), "ConnectionTerminated", "reset"), (nobody.url(), "ConnectionRefused", "refused")] {
        let delivery = deliver(&daemon, json!({ "behaviour": "fetch", "url": url })).await;
        assert_failed(&delivery, code);
        let exchange = &exchanges(&delivery)[0];
        assert_eq!(exchange["kind"], kind, "{delivery:#}");
        assert!(log(&delivery).contains(exchange["message"].as_str().unwrap()), "the sentence is in the log: {delivery:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_supported_says_so() {
    let daemon = with_stock("").await;
    let receiver = Receiver::start().await;
    for (behaviour, text) in [("trailers", "trailers are not supported"), ("unfinished", "dropped before it was finished")] {
        let delivery = deliver(&daemon, json!({ "behaviour": behaviour, "url": receiver.url() })).await;
        assert_failed(&delivery, text);
        assert!(decisions(&delivery).is_empty(), "no request was made: {delivery:#}");
    }
    assert!(receiver.is_untouched());

    // Without a scheme it is https, which this receiver does not speak.
    let delivery = deliver(&daemon, json!({ "behaviour": "without-scheme", "url": receiver.url() })).await;
    let exchange = &exchanges(&delivery)[0];
    assert!(exchange["url"].as_str().unwrap().starts_with("https://127.0.0.1"), "{delivery:#}");
}
