//! The schemas refuse what could not be delivered, when it is saved.

use postern_provider::testing::{self, assert_described, schemas};
use postern_provider_teams::Teams;
use serde_json::{Value, json};

const PATH: &str =
    "/workflows/0a1b/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=x_Y-9";

fn valid(schema: &Value, settings: &Value) -> bool {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap().is_valid(settings)
}

fn config(settings: Value) -> bool {
    valid(&schemas::<Teams>().0, &settings)
}

fn connection(url: &str) -> bool {
    valid(&schemas::<Teams>().1, &json!({"webhookUrl": url}))
}

#[test]
fn a_connection_is_a_workflows_url_in_any_of_microsofts_clouds() {
    for host in [
        "default9876a89769878976b9786d76.73.environment.api.powerplatform.com:443",
        "default9876a89769878976b9786d76.73.environment.api.powerplatform.com",
        "prod-05.westeurope.logic.azure.com:443",
        "a.api.gov.powerplatform.microsoft.us",
        "a.api.high.powerplatform.microsoft.us",
        "a.api.appsplatform.us",
        "prod-00.usgovvirginia.logic.azure.us:443",
        "a.api.powerplatform.partner.microsoftonline.cn",
        "prod-00.chinaeast2.logic.azure.cn",
    ] {
        assert!(connection(&format!("https://{host}{PATH}")), "{host}");
    }
    assert!(connection(
        "https://a.b.environment.api.powerplatform.com:443/powerautomate/automations/direct/workflows/0a/triggers/manual/paths/invoke/?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=a-b_c"
    ));
}

#[test]
fn what_is_no_workflow_or_lacks_the_signature_is_refused() {
    for url in [
        "".to_owned(),
        format!("http://prod-05.westeurope.logic.azure.com{PATH}"),
        format!("https://logic.azure.com{PATH}"),
        format!("https://prod-05.westeurope.logic.azure.com:8443{PATH}"),
        format!("https://prod-05.westeurope.logic.azure.com.evil.example{PATH}"),
        format!("https://evil.example/prod-05.westeurope.logic.azure.com{PATH}"),
        format!("https://evil.example#.logic.azure.com{PATH}"),
        format!("https://user@prod-05.westeurope.logic.azure.com{PATH}"),
        "https://acme.webhook.office.com/webhookb2/1@2/IncomingWebhook/3/4".to_owned(),
        "https://a.api.powerplatform.com/workflows/0a/triggers/manual/paths/invoke?api-version=1".to_owned(),
        "https://a.api.powerplatform.com/workflows/0a/triggers/manual/paths/invoke?api-version=1&sig=".to_owned(),
        "https://a.api.powerplatform.com/workflows/0a/triggers/manual/paths/invoke?api-version=1&nosig=x".to_owned(),
    ] {
        assert!(!connection(&url), "{url}");
    }
    let schema = schemas::<Teams>().1;
    assert!(!valid(&schema, &json!({})));
    assert!(!valid(&schema, &json!({"webhookUrl": format!("https://a.logic.azure.com{PATH}"), "channel": "General"})));
}

#[test]
fn a_subscription_needs_nothing_and_may_have_one_template() {
    assert!(config(json!({})));
    assert!(config(json!({"messageTemplate": "**{{ payload.title }}**"})));
    assert!(config(json!({"cardTemplate": "{\"type\": \"AdaptiveCard\"}"})));
    assert!(!config(json!({"messageTemplate": "x", "cardTemplate": "{}"})));
    assert!(!config(json!({"message": "x"})));
}

#[test]
fn the_schemas_say_what_a_form_and_the_host_need() {
    let (config, connection) = schemas::<Teams>();
    for schema in [&config, &connection] {
        assert_described(schema);
    }
    let url = &connection["properties"]["webhookUrl"];
    assert_eq!((&url["writeOnly"], &url["format"]), (&json!(true), &json!("uri")));
    assert_eq!(connection["required"], json!(["webhookUrl"]));
    assert_eq!(config["properties"]["messageTemplate"]["x-template"], "markdown");
    assert_eq!(config["properties"]["cardTemplate"]["x-template"], "json");
}

#[test]
fn the_manifest_asks_for_the_webhooks_own_host_and_nothing_more() {
    let description = testing::describe::<Teams>();
    assert_eq!(description.manifest.hosts, ["{connection.webhookUrl}"]);
    assert!(description.test_connection && !description.list_options && !description.reconcile && !description.migrate_config);
    let example: Value = serde_json::from_str(description.manifest.example_payload.unwrap()).unwrap();
    assert_eq!(example["attachments"][0]["content"]["type"], "AdaptiveCard");
}
