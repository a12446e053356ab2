//! A provider with everything: a connection, and every optional function.

use postern_provider::prelude::*;
use postern_provider::secrets::{self, Encoding, Hmac, KeyFormat, SignatureAlgorithm};
use postern_provider::testing::{self, Host, TestDelivery};
use serde_json::{Value, json};
use std::time::{Duration, UNIX_EPOCH};

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Config {
    project_key: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Site {
    base_url: String,
    api_token: Secret,
}

#[derive(Deserialize)]
struct Incident {
    title: String,
}

struct Tracker;

impl Provider for Tracker {
    type Config = Config;
    type Connection = Site;
    const TEST_CONNECTION: Option<TestConnection<Self>> = Some(|settings| {
        let site = settings.connection()?;
        http::get(format!("{}/me", site.base_url)).basic("me", &site.api_token).send()?.success()?;
        Ok("signed in".into())
    });
    const LIST_OPTIONS: Option<ListOptions> = Some(|request| {
        let site: Site = request.connection()?;
        let keys: Vec<String> = http::get(format!("{}/{}", site.base_url, request.name)).send()?.success()?.json()?;
        Ok(keys.into_iter().map(|key| OptionItem::new(key.clone(), key)).collect())
    });
    const MIGRATE_CONFIG: Option<MigrateConfig> = Some(|kind, from, value| match (kind, from) {
        (SettingsKind::Config, 1) => Ok(json!({"projectKey": value["project"]})),
        _ => Err(Failure::never("there is no such version")),
    });
    const RECONCILE: Option<Reconcile<Self>> = Some(|delivery| {
        let found: Vec<String> = http::get(format!("{}/search", delivery.connection()?.base_url)).send()?.success()?.json()?;
        Ok(found.into_iter().next().map(Receipt::with_external_id))
    });

    fn manifest() -> Manifest {
        Manifest::new("tracker", "2.0.0", "Tracker").host("{connection.baseUrl}").config_version(2).supports("incident.*")
    }

    fn deliver(delivery: &Delivery<Config, Site>) -> Result<Receipt, Failure> {
        let site = delivery.connection()?;
        let incident: Incident = delivery.event.payload.parse()?;
        log::debug(format!("attempt {}", delivery.attempt));
        let issue = json!({"project": delivery.config.project_key, "summary": incident.title});
        let response = http::post(&site.base_url).bearer(&site.api_token).json(&issue).send()?.success()?;
        let key: String = response.json()?;
        Ok(Receipt::with_external_id(key))
    }
}

postern_provider::export!(Tracker);

/// A provider with nothing.
struct Plain;

impl Provider for Plain {
    type Config = Config;
    type Connection = NoConnection;

    fn manifest() -> Manifest {
        Manifest::new("plain", "1.0.0", "Plain")
    }

    fn deliver(_: &Delivery<Config>) -> Result<Receipt, Failure> {
        Ok(Receipt::none())
    }
}

fn site() -> Value {
    json!({"baseUrl": "https://tracker.example", "apiToken": "sealed"})
}

fn delivery() -> TestDelivery {
    TestDelivery::new(json!({"projectKey": "OPS"})).connection(site())
}

#[test]
fn the_manifest_claims_exactly_the_functions_that_are_there() {
    let all = testing::describe::<Tracker>();
    assert!(all.test_connection && all.list_options && all.migrate_config && all.reconcile);
    let connection: Value = serde_json::from_str(&all.connection_schema.unwrap()).unwrap();
    assert_eq!(connection["properties"]["apiToken"], json!({"type": "string", "writeOnly": true}));
    let none = testing::describe::<Plain>();
    assert!(!none.test_connection && !none.list_options && !none.migrate_config && !none.reconcile);
    assert_eq!(none.connection_schema, None);
    assert!(testing::reconcile::<Plain>(delivery()).is_err());
}

#[test]
fn a_delivery_reaches_the_provider_typed() {
    let host = Host::new();
    host.answer(201, &[], r#""OPS-7""#);
    let receipt = testing::deliver::<Tracker>(delivery().attempt(2)).unwrap();
    assert_eq!(receipt.external_id.as_deref(), Some("OPS-7"));
    let request = &host.requests()[0];
    assert_eq!(request.body.as_deref(), Some(br#"{"project":"OPS","summary":"Disk full"}"#.as_slice()));
    assert_eq!(request.headers[0], ("Authorization".into(), "Bearer sealed".into()));
    assert_eq!(host.logs(), [(log::Level::Debug, "attempt 2".into())]);
    assert_eq!(postern_provider::clock::now(), UNIX_EPOCH + Duration::from_millis(1_767_323_045_678));
}

#[test]
fn what_does_not_fit_fails_for_good_and_says_where() {
    let never = |delivery| {
        let failure = testing::deliver::<Tracker>(delivery).unwrap_err();
        assert_eq!(failure.retry, Retry::Never);
        failure.message
    };
    assert!(never(delivery().connection(json!({"baseUrl": 1}))).starts_with("connection.baseUrl"));
    assert!(never(delivery().config_text("{")).starts_with("config"));
    assert!(never(delivery().payload(r#"{"title": 1}"#)).contains("payload"));
    assert!(never(delivery().payload("{")).contains("payload"));
    assert!(never(delivery().attempted_at("noon")).contains("noon"));
    assert!(never(TestDelivery::new(json!({"projectKey": "OPS"}))).contains("connection"));
}

#[test]
fn the_events_json_has_the_names_that_authors_know() {
    struct Echo;
    impl Provider for Echo {
        type Config = Value;
        type Connection = NoConnection;

        fn manifest() -> Manifest {
            Manifest::new("echo", "1.0.0", "Echo")
        }

        fn deliver(delivery: &Delivery<Value>) -> Result<Receipt, Failure> {
            Ok(Receipt::with_external_id(serde_json::to_string(&delivery.event)?))
        }
    }
    let receipt = testing::deliver::<Echo>(TestDelivery::new(json!({})).payload("{ \"b\": 1.0, \"a\": 2 }")).unwrap();
    assert_eq!(
        receipt.external_id.as_deref(),
        Some(concat!(
            r#"{"id":"event-1","eventId":"incident.incident.created","payload":{ "b": 1.0, "a": 2 },"#,
            r#""timestamp":"2026-01-02T03:04:05.000Z","deliveryId":"delivery-1"}"#
        ))
    );
}

#[test]
fn the_optional_functions_are_called() {
    let host = Host::new();
    host.answer(200, &[], "");
    host.answer(200, &[], r#"["OPS", "DEV"]"#);
    host.answer(200, &[], r#"["OPS-7"]"#);
    let config = json!({"projectKey": "OPS"});
    assert_eq!(testing::test_connection::<Tracker>(&config, Some(&site())).unwrap(), "signed in");
    let options = testing::list_options::<Tracker>("projects", &json!({}), Some(&site()), None).unwrap();
    assert_eq!(options[1], OptionItem::new("DEV", "DEV"));
    let found = testing::reconcile::<Tracker>(delivery()).unwrap();
    assert_eq!(found, Some(Receipt::with_external_id("OPS-7")));
    let migrate = |from| testing::migrate_config::<Tracker>(SettingsKind::Config, from, &json!({"project": "OPS"}));
    assert_eq!(migrate(1).unwrap(), config);
    assert!(migrate(7).is_err());
}

#[test]
fn the_host_works_with_secrets_for_the_provider() {
    let host = Host::new();
    host.secret("sealed", "4a656665");
    let secret = Secret::from_placeholder("sealed");
    // RFC 4231, test case 2.
    let code = Hmac::sha256(&secret).key_format(KeyFormat::Hex).encode("what do ya want for nothing?", Encoding::Hex);
    assert_eq!(code.as_deref(), Ok("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
    assert!(Hmac::sha256(&Secret::from_placeholder("other")).encode("x", Encoding::Hex).is_err());
    let sign = |message: &str| secrets::sign(&secret, SignatureAlgorithm::Es256, message, Encoding::Base64Url).unwrap();
    assert!(sign("a") == sign("a") && sign("a") != sign("b"));
    assert!(secrets::reveal(&secret).is_err());
    host.allow_reveal();
    assert_eq!(secrets::reveal(&secret).as_deref(), Ok("4a656665"));
}
