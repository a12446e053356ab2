//! Whatever a secret looks like, and in whatever form a receiver sends it back, nobody is told.

use crate::generated::values;
use crate::telling::{assert_untold, crawl, forms};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use postern_tests::chat::{MARK, PROVIDER, builder, connection};
use postern_tests::platform::{INCIDENT_CREATED, WEBHOOK, attempts, exchange, id};
use postern_tests::{Daemon, Receiver, Reply};
use proptest::prelude::*;
use reqwest::Method;
use serde_json::{Value, json};

/// How many sets of secrets are tried.
const CASES: usize = 12;

/// The user that goes with the password.
const USER: &str = "agent";

/// A secret that what else the daemon says cannot hold by chance.
fn secret() -> impl Strategy<Value = String> {
    let any = prop_oneof![
        // ASCII.
        "[ -~]{8,200}",
        // What is escaped somewhere.
        "[\"\\\\%+/=&<>'{}:;,~ ab]{8,60}",
        // Every language, and white space at the ends.
        "\\PC{8,60}",
        "[ \t]{1,2}[!-~]{8,30}[ \t]{1,2}",
        // No header can hold it.
        "[a-z\"\\\\é/+]{4,20}[\r\n\t\u{1}]{1,2}[a-z%+/é]{4,20}",
    ];
    any.prop_filter("it is found by chance", |secret| {
        let trimmed = secret.trim();
        trimmed.len() >= 8 && !trimmed.bytes().all(|byte| byte.is_ascii_hexdigit()) && !secret.contains(MARK)
    })
}

/// As Standard Webhooks has it.
fn signing_secret() -> impl Strategy<Value = String> {
    prop::collection::vec(any::<u8>(), 24..=64).prop_map(|bytes| format!("whsec_{}", STANDARD.encode(bytes)))
}

/// One for each place of a secret.
#[derive(Clone, Debug)]
struct Secrets {
    bearer: String,
    password: String,
    header: String,
    token: String,
    signing: String,
    previous: String,
}

fn secrets() -> impl Strategy<Value = Secrets> {
    let strategy = (secret(), secret(), secret(), secret(), signing_secret(), signing_secret());
    strategy.prop_map(|(bearer, password, header, token, signing, previous)| Secrets {
        bearer,
        password,
        header,
        token,
        signing,
        previous,
    })
}

impl Secrets {
    fn all(&self) -> Vec<String> {
        let Self { bearer, password, header, token, signing, previous } = self.clone();
        let credentials = format!("{USER}:{password}");
        vec![bearer, password, credentials, header, token, signing, previous]
    }
}

/// Whether a header can hold it.
fn fits_header(secret: &str) -> bool {
    !secret.chars().any(|c| c.is_ascii_control() && c != '\t')
}

/// A refusal that tells a secret in every form, alone and among other things.
fn telling(secret: &str) -> Reply {
    let mut body: Vec<_> = forms(secret).into_iter().collect();
    let among = format!("{USER}:{secret}, they say");
    body.extend([STANDARD.encode(&among), URL_SAFE_NO_PAD.encode(&among)]);
    body.push(Value::from(Value::from(among).to_string()).to_string());
    let shown = if fits_header(secret) { secret.to_owned() } else { STANDARD.encode(secret) };
    Reply::Full(503, vec![("X-Token", shown), ("Content-Type", "text/plain".into())], body.join("\n"))
}

/// A success that calls what it made by the secret.
fn named(secret: &str) -> Reply {
    Reply::Full(200, vec![("Content-Type", "application/json".into())], json!({ "id": secret, "name": secret }).to_string())
}

/// A way of using a secret: who receives it, and what is changed to give it.
struct Use {
    receiver: Receiver,
    /// The subscription that delivers to the receiver.
    subscription: String,
    /// What is patched, and with what.
    path: String,
    change: fn(&Secrets) -> Value,
    secret: fn(&Secrets) -> &str,
    /// How the secret arrives: header and value.
    arrives: fn(&str) -> (&'static str, String),
}

const FIRST: &str = "the first secret";

/// A subscription with each kind of authentication, and one with a connection.
async fn uses(daemon: &Daemon) -> Vec<Use> {
    let mut uses = Vec::new();
    let mut webhook = async |config: Value, change, secret, arrives| {
        let receiver = Receiver::start().await;
        let mut whole = json!({ "url": receiver.url() });
        whole.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
        let subscription = daemon.subscribe_webhook(whole).await;
        let path = format!("/api/v1/subscriptions/{subscription}");
        uses.push(Use { receiver, subscription, path, change, secret, arrives });
    };
    webhook(
        json!({ "authType": "bearer", "bearerToken": FIRST }),
        |secrets| json!({ "providerConfig": { "bearerToken": secrets.bearer } }),
        |secrets| &secrets.bearer,
        |secret| ("authorization", format!("Bearer {secret}")),
    )
    .await;
    webhook(
        json!({ "authType": "basic", "basicUsername": USER, "basicPassword": FIRST }),
        |secrets| json!({ "providerConfig": { "basicPassword": secrets.password } }),
        |secrets| &secrets.password,
        |secret| ("authorization", format!("Basic {}", STANDARD.encode(format!("{USER}:{secret}")))),
    )
    .await;
    webhook(
        json!({ "authType": "header", "authHeaderName": "X-Custom", "authHeaderValue": FIRST }),
        |secrets| {
            let signing = json!({ "signingSecret": secrets.signing, "previousSigningSecrets": [secrets.previous] });
            let mut config = json!({ "authHeaderValue": secrets.header });
            config.as_object_mut().unwrap().extend(signing.as_object().unwrap().clone());
            json!({ "providerConfig": config })
        },
        |secrets| &secrets.header,
        |secret| ("x-custom", secret.to_owned()),
    )
    .await;
    let receiver = Receiver::start().await;
    let connection = daemon.connect(&receiver, FIRST).await;
    uses.push(Use {
        subscription: daemon.subscribe_room(&connection, "ops").await,
        path: format!("/api/v1/connections/{connection}"),
        change: |secrets| json!({ "settings": { "token": secrets.token } }),
        secret: |secrets| &secrets.token,
        arrives: |secret| ("authorization", format!("Bearer {secret}")),
        receiver,
    });
    uses
}

/// What is told: where, and what.
type Told = Vec<(String, String)>;

async fn call(daemon: &Daemon, told: &mut Told, path: &str, body: Value, statuses: &[u16]) {
    let answer = daemon.api.call(Method::POST, path, body).await;
    assert!(statuses.contains(&answer.status), "{path}: {} {}", answer.status, answer.text);
    told.push((format!("headers of {path}"), format!("{:?}", answer.headers)));
    told.push((path.to_owned(), answer.text));
}

/// Gives the secrets, and delivers an event whose receivers tell them, then echo.
async fn deliver(daemon: &Daemon, uses: &mut [Use], secrets: &Secrets, told: &mut Told) {
    for one in &mut *uses {
        let answer = daemon.api.call(Method::PATCH, &one.path, (one.change)(secrets)).await;
        assert_eq!(answer.status, 200, "{} {:?}: {}", one.path, (one.secret)(secrets), answer.text);
        assert!(answer.text.contains(MARK), "{}", answer.text);
        told.push((one.path.clone(), answer.text));
        let secret = (one.secret)(secrets);
        if fits_header(&(one.arrives)(secret).1) {
            one.receiver.script([telling(secret), Reply::Echo]);
        }
        one.receiver.always(named(secret));
        one.receiver.drain();
    }
    let event = daemon.emit("Told").await;
    let deliveries = daemon.all_settled(&event).await;
    assert_eq!(deliveries.len(), uses.len());
    for delivery in &deliveries {
        let one = uses.iter_mut().find(|one| delivery["subscription"] == *one.subscription).expect("one of these");
        let secret = (one.secret)(secrets);
        let (name, value) = (one.arrives)(secret);
        let arrived = one.receiver.drain();
        if fits_header(&value) {
            assert_eq!((&delivery["status"], arrived.len()), (&json!("success"), 2), "{secret:?}: {delivery:#}");
            // A header's value loses the white space at its ends on the way.
            assert!(arrived.iter().all(|received| received.header(name) == value.trim()), "{secret:?}: {arrived:?}");
        } else {
            assert_eq!((&delivery["status"], arrived.len()), (&json!("failed"), 0), "{secret:?}: {delivery:#}");
            assert!(delivery.to_string().contains("line break or another control character"), "{delivery:#}");
        }
        for attempt in attempts(delivery) {
            let path = format!("/api/v1/deliveries/{}/attempts/{}", id(&delivery["id"]), attempt["number"]);
            told.push((path.clone(), daemon.api.call(Method::GET, &path, Value::Null).await.text));
        }
        told.push((format!("delivery {}", delivery["id"]), delivery.to_string()));
    }
}

/// Tries everything that answers at once, where receivers call what they made by the secret.
async fn try_out(daemon: &Daemon, uses: &[Use], secrets: &Secrets, told: &mut Told) {
    for one in uses {
        for what in ["send-test", "preview"] {
            let path = format!("/api/v1/subscriptions/{}/{what}", one.subscription);
            call(daemon, told, &path, json!({ "eventType": INCIDENT_CREATED }), &[200]).await;
        }
    }
    let chat = uses.last().expect("the connection's");
    call(daemon, told, &format!("{}/test", chat.path), json!({}), &[200]).await;
    let trial = json!({ "connection": connection(&chat.receiver, &secrets.token)["settings"] });
    call(daemon, told, &format!("/api/v1/providers/{PROVIDER}/test-connection"), trial, &[200]).await;
    let rooms = json!([{ "id": secrets.token, "name": format!("Room {}", secrets.token) }]);
    chat.receiver.always(postern_tests::chat::says(&rooms));
    let options = json!({ "name": "rooms", "connectionId": chat.path.rsplit('/').next() });
    // A token that no header holds gets no options.
    call(daemon, told, &format!("/api/v1/providers/{PROVIDER}/options"), options, &[200, 502]).await;
}

/// Offers settings that do not fit, with a secret in them.
async fn refuse(daemon: &Daemon, secret: &str, told: &mut Told) {
    let webhook =
        |config: Value| json!({ "name": "S", "providerId": WEBHOOK, "events": ["incident.*"], "providerConfig": config });
    let chat = |settings: Value| json!({ "name": "C", "providerId": PROVIDER, "settings": settings });
    let url = "https://example.com";
    for (path, body) in [
        ("/api/v1/subscriptions", webhook(json!({ "url": url, "signingSecret": secret }))),
        ("/api/v1/subscriptions", webhook(json!({ "url": url, "bearerToken": { secret: secret } }))),
        ("/api/v1/subscriptions", webhook(json!({ "url": url, "bearerToken": secret, "authType": "basic" }))),
        ("/api/v1/subscriptions", webhook(json!({ "url": url, "previousSigningSecrets": [[secret]] }))),
        ("/api/v1/subscriptions", webhook(json!(secret))),
        ("/api/v1/connections", chat(json!({ "baseUrl": "no url", "token": secret }))),
        ("/api/v1/connections", chat(json!({ "baseUrl": url, "token": [secret] }))),
        ("/api/v1/connections", chat(json!(secret))),
    ] {
        call(daemon, told, path, body, &[422]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_told_in_any_form() {
    let mut daemon = builder().config("[log]\nlevel = \"trace\"").start().await.with_chat().await;
    let mut uses = uses(&daemon).await;
    let cases = values(&secrets(), CASES);
    let mut logged = 0;
    for (number, secrets) in cases.iter().enumerate() {
        let mut told = Told::new();
        deliver(&daemon, &mut uses, secrets, &mut told).await;
        try_out(&daemon, &uses, secrets, &mut told).await;
        for secret in [&secrets.bearer, &secrets.token] {
            refuse(&daemon, secret, &mut told).await;
        }
        let marked = told.iter().filter(|(_, text)| text.contains(MARK)).count();
        assert!(marked > 15, "secrets were where case {number} looked: {marked}");
        let log = daemon.stderr();
        told.push((format!("the log of case {number}"), log[log.floor_char_boundary(logged)..].to_owned()));
        logged = log.len();
        assert_untold(&told, &secrets.all());
    }
    // What is kept now is the last case's; of those before, there are deliveries.
    let kept = [&cases[0], &cases[CASES - 1]].map(Secrets::all).concat();
    assert_untold(&crawl(&daemon).await, &kept);
    assert!(daemon.terminate().await.status.success());
    let log = daemon.stderr();
    assert_untold(&[("the log of the end".to_owned(), log[log.floor_char_boundary(logged)..].to_owned())], &kept);
}

/// What is promised of secrets that are too short to be looked for: what comes back is left as it is, since they would be
/// found everywhere. Settings and recorded requests show none of them either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_of_four_bytes_are_taken_out_of_answers_and_shorter_ones_are_not() {
    let daemon = builder().start().await;
    daemon.register_incidents().await;
    let mut receiver = Receiver::start().await;
    let url = receiver.url();
    let config = json!({ "url": url, "authType": "header", "authHeaderName": "X-Custom", "authHeaderValue": FIRST });
    let path = format!("/api/v1/subscriptions/{}", daemon.subscribe_webhook(config).await);
    let short = "[!-~é√]{1,4}".prop_filter("at most four bytes", |secret| secret.len() <= 4);
    let mut secrets = values(&short, CASES);
    secrets.extend(["~^~", "~^~^", "√", "é^^", "é^√", "é~é"].map(str::to_owned));
    for secret in secrets.iter().filter(|secret| secret.len() <= 4) {
        let changed = daemon.api.patch(&path, json!({ "providerConfig": { "authHeaderValue": secret } })).await;
        assert_eq!(changed["providerConfig"]["authHeaderValue"], MARK);
        let text = format!("<{secret}>");
        receiver.script([Reply::Full(200, vec![("X-Told", text.clone())], text.clone())]);
        let delivery = daemon.settled(&daemon.emit("Short").await).await;
        assert_eq!(receiver.next().await.header("x-custom"), secret);
        let exchange = exchange(&delivery);
        let header = |side: &str, name: &str| {
            let headers = exchange[side].as_array().expect("headers");
            headers.iter().find(|header| header[0].as_str().unwrap().eq_ignore_ascii_case(name)).expect("it is there")[1].clone()
        };
        assert_eq!(header("requestHeaders", "X-Custom"), MARK, "{exchange:#}");
        let expected = if secret.len() < 4 { text } else { format!("<{MARK}>") };
        assert_eq!(
            (&header("responseHeaders", "x-told"), &exchange["responseBody"]["text"]),
            (&json!(expected), &json!(expected))
        );
    }
}
