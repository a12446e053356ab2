//! What the receiver gets, and what the provider makes of the answer.

use postern_provider::http::{ErrorKind, Request};
use postern_provider::testing::{self, Host, TestDelivery};
use postern_provider::{Failure, Receipt, Retry};
use postern_provider_webhook::Webhook;
use serde_json::{Value, json};
use std::time::Duration;

/// The key, message and signature that the libraries of Standard Webhooks test with.
const SIGNING_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

fn config(settings: Value) -> TestDelivery {
    let mut config = json!({"url": "https://example.com/hook"});
    config.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    TestDelivery::new(config)
}

/// Delivers to a receiver that answers 204.
fn request(delivery: TestDelivery) -> Request {
    let host = Host::new();
    host.secret("sealed-current", SIGNING_SECRET);
    host.secret("sealed-previous", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
    host.answer(204, &[], "");
    assert_eq!(testing::deliver::<Webhook>(delivery), Ok(Receipt::none()));
    host.requests().pop().unwrap()
}

/// Delivers a config that fails before anything is sent.
fn refused(settings: Value) -> String {
    let host = Host::new();
    let failure = testing::deliver::<Webhook>(config(settings)).unwrap_err();
    assert_eq!((failure.retry, host.requests().len()), (Retry::Never, 0));
    failure.message
}

fn answered(status: u16, headers: &[(&str, &str)], body: &str, settings: Value) -> Result<Receipt, Failure> {
    let host = Host::new();
    host.answer(status, headers, body);
    testing::deliver::<Webhook>(config(settings))
}

fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

#[test]
fn the_usual_message_is_json_and_keeps_the_payload_to_the_digit() {
    let request = request(config(json!({})).payload(r#"{"z": 1.50, "a": 12345678901234567890123}"#));
    assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "https://example.com/hook"));
    assert_eq!(request.timeout, Some(Duration::from_secs(10)));
    assert_eq!(
        String::from_utf8(request.body.unwrap()).unwrap(),
        concat!(
            r#"{"id":"delivery-1","eventType":"incident.incident.created","timestamp":"2026-01-02T03:04:05.000Z","#,
            r#""subscription":{"id":"subscription-1","name":"Operations"},"data":{"z": 1.50, "a": 12345678901234567890123}}"#
        )
    );
    assert_eq!(
        request.headers,
        [
            ("Content-Type", "application/json"),
            ("User-Agent", concat!("Postern-Webhook/", env!("CARGO_PKG_VERSION"))),
            ("X-Delivery-Id", "delivery-1"),
            ("X-Event-Type", "incident.incident.created"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
}

#[test]
fn a_form_holds_the_message_in_one_field() {
    let request = request(config(json!({"contentType": "application/x-www-form-urlencoded", "bodyTemplate": r#"{"a": "ä&b"}"#})));
    assert_eq!(header(&request, "content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(request.body.unwrap(), b"payload=%7B%22a%22%3A+%22%C3%A4%26b%22%7D");
}

#[test]
fn a_body_template_replaces_the_message_and_must_make_json() {
    let request = request(config(json!({"method": "PUT", "bodyTemplate": r#"{"text": "Disk full"}"#})));
    assert_eq!((request.method.as_str(), request.body.unwrap().as_slice()), ("PUT", br#"{"text": "Disk full"}"#.as_slice()));
    assert!(refused(json!({"bodyTemplate": "{\"text\": "})).contains("bodyTemplate"));
}

#[test]
fn each_authentication_sets_its_header() {
    let authorization = |settings| header(&request(config(settings)), "authorization").map(str::to_owned);
    assert_eq!(authorization(json!({"authType": "none", "bearerToken": "t"})), None);
    assert_eq!(authorization(json!({"authType": "bearer", "bearerToken": "t"})).as_deref(), Some("Bearer t"));
    let basic = |password: &str| json!({"authType": "basic", "basicUsername": "Aladdin", "basicPassword": password});
    assert_eq!(authorization(basic("open sesame")).as_deref(), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
    assert_eq!(authorization(basic("")).as_deref(), Some("Basic QWxhZGRpbjo="));
    let keyed = request(config(json!({"authType": "header", "authHeaderName": "X-Api-Key", "authHeaderValue": "k"})));
    assert_eq!(header(&keyed, "x-api-key"), Some("k"));
}

#[test]
fn incomplete_authentication_sends_nothing() {
    assert!(refused(json!({"authType": "bearer"})).contains("bearerToken"));
    assert!(refused(json!({"authType": "basic", "basicUsername": "x"})).contains("basicPassword"));
    assert!(refused(json!({"authType": "header", "authHeaderValue": "x"})).contains("authHeaderName"));
    assert!(refused(json!({"previousSigningSecrets": ["sealed-previous"]})).contains("signingSecret"));
}

#[test]
fn custom_headers_replace_the_usual_ones_but_neither_authentication_nor_signature() {
    let replaced =
        request(config(json!({"customHeaders": [{"name": "user-agent", "value": "Ours"}, {"name": "X-Team", "value": "7"}]})));
    assert_eq!((header(&replaced, "User-Agent"), header(&replaced, "X-Team")), (Some("Ours"), Some("7")));
    assert_eq!(replaced.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("user-agent")).count(), 1);

    let custom = |name: &str| json!([{"name": name, "value": "x"}]);
    let bearer = json!({"authType": "bearer", "bearerToken": "t", "customHeaders": custom("authorization")});
    assert!(refused(bearer).contains("authType"));
    let own = json!({"authType": "header", "authHeaderName": "X-Key", "authHeaderValue": "k", "customHeaders": custom("x-key")});
    assert!(refused(own).contains("x-key"));
    assert!(refused(json!({"customHeaders": custom("Webhook-Signature")})).contains("signature"));
    let free = request(config(json!({"customHeaders": custom("Authorization")})));
    assert_eq!(header(&free, "Authorization"), Some("x"));
}

#[test]
fn a_signature_is_the_one_that_standard_webhooks_libraries_check() {
    let signed = |settings| request(config(settings).id("msg_p5jXN8AQM9LWM0D4loKWxJek").attempted_at("2021-02-25T15:02:10.999Z"));
    let one = signed(json!({"signingSecret": "sealed-current", "bodyTemplate": r#"{"test": 2432232314}"#}));
    assert_eq!(header(&one, "webhook-id"), Some("msg_p5jXN8AQM9LWM0D4loKWxJek"));
    assert_eq!(header(&one, "webhook-timestamp"), Some("1614265330"));
    assert_eq!(header(&one, "webhook-signature"), Some(SIGNATURE));

    let two = signed(json!({
        "signingSecret": "sealed-previous",
        "previousSigningSecrets": ["sealed-current"],
        "bodyTemplate": r#"{"test": 2432232314}"#
    }));
    let signatures: Vec<_> = header(&two, "webhook-signature").unwrap().split(' ').collect();
    assert_eq!((signatures.len(), signatures[1]), (2, SIGNATURE));
    assert_ne!(signatures[0], SIGNATURE);
}

#[test]
fn the_answers_status_decides_what_happens_next() {
    let retry = |status, settings| answered(status, &[], "", settings).unwrap_err().retry;
    for status in [301, 400, 401, 403, 404, 410, 422] {
        assert_eq!(retry(status, json!({})), Retry::Never, "{status}");
    }
    for status in [408, 425, 429, 500, 502, 503, 504] {
        assert_eq!(retry(status, json!({})), Retry::Backoff, "{status}");
    }
    assert_eq!(retry(404, json!({"retryOnStatus": [404]})), Retry::Backoff);
    assert!(answered(299, &[], "", json!({"retryOnStatus": [299]})).is_ok());
    let text = answered(500, &[], "out of\norder", json!({})).unwrap_err().message;
    assert_eq!(text, "the target answered HTTP 500: out of order");
}

#[test]
fn retry_after_is_understood_in_seconds_and_as_a_date() {
    let retry = |headers: &[(&str, &str)]| answered(429, headers, "", json!({})).unwrap_err().retry;
    assert_eq!(retry(&[("Retry-After", "30")]), Retry::After(Duration::from_secs(30)));
    let date = ("Retry-After", "Fri, 02 Jan 2026 03:05:05 GMT");
    assert_eq!(retry(&[date, ("Date", "Fri, 02 Jan 2026 03:04:55 GMT")]), Retry::After(Duration::from_secs(10)));
    assert_eq!(retry(&[date]), Retry::After(Duration::from_millis(59_322)), "counted from the attempt's beginning");
    assert_eq!(retry(&[("Retry-After", "tomorrow")]), Retry::Backoff);
}

#[test]
fn no_answer_is_tried_again_but_a_denial_is_not() {
    let failing = |kind| {
        let host = Host::new();
        host.fail(kind, "the reason");
        testing::deliver::<Webhook>(config(json!({}))).unwrap_err()
    };
    for kind in [ErrorKind::Dns, ErrorKind::Refused, ErrorKind::Reset, ErrorKind::Tls, ErrorKind::Timeout] {
        assert_eq!(failing(kind), Failure::backoff("the reason"));
    }
    assert_eq!(failing(ErrorKind::Denied), Failure::never("the reason"));
}

#[test]
fn an_external_id_is_taken_from_the_answer() {
    let id = |body: &str| answered(200, &[], body, json!({})).unwrap().external_id;
    assert_eq!(id(r#"{"messageId": "m-1"}"#).as_deref(), Some("m-1"));
    assert_eq!(id(r#"{"id": {"evil": true}}"#), None);
    assert_eq!(id("thanks"), None);
}

#[test]
fn a_config_of_another_shape_fails_with_its_path() {
    let failure = testing::deliver::<Webhook>(config(json!({"customHeaders": [{"name": "X"}]}))).unwrap_err();
    assert_eq!(failure.retry, Retry::Never);
    assert!(failure.message.starts_with("config.customHeaders[0]"), "{}", failure.message);
}

#[test]
fn a_test_sends_a_signed_message_and_says_what_the_receiver_answered() {
    let host = Host::new();
    host.secret("sealed-current", SIGNING_SECRET);
    host.answer(202, &[], "");
    let settings = json!({"url": "https://example.com/hook", "method": "PATCH", "signingSecret": "sealed-current"});
    assert_eq!(testing::test_connection::<Webhook>(&settings, None).unwrap(), "the receiver answered HTTP 202");
    let request = host.requests().pop().unwrap();
    assert_eq!(request.method, "PATCH");
    assert_eq!(header(&request, "X-Event-Type"), Some("postern.test"));
    assert_eq!(header(&request, "webhook-id"), Some("test-1767323045"));
    let body: Value = serde_json::from_slice(&request.body.unwrap()).unwrap();
    assert_eq!((&body["id"], &body["timestamp"]), (&json!("test-1767323045"), &json!(testing::NOW)));

    host.answer(401, &[], "who are you?");
    let message = testing::test_connection::<Webhook>(&settings, None).unwrap_err().message;
    assert!(message.contains("401") && message.contains("who are you?"), "{message}");
    let templated = json!({"url": "https://example.com/{{ payload.id }}"});
    assert!(testing::test_connection::<Webhook>(&templated, None).unwrap_err().message.contains("template"));
}
