use super::*;
use proptest::prelude::*;
use serde_json::json;

fn render(source: &str, escaping: Escaping, payload: serde_json::Value) -> Result<String, TemplateError> {
    let context = Context::new(&Delivery {
        id: "d-0",
        attempt: 1,
        event_id: "e",
        event_type: "incident.created",
        timestamp: "2026-01-02T03:04:05.678Z",
        payload: &payload,
        subscription_id: "s",
        subscription_name: "On call",
    });
    Template::compile(source, escaping)?.render(&context)
}

#[test]
fn both_the_new_and_the_seeds_names_are_there() {
    let source = "{{event.type}} {{eventId}} {{ payload.title }} {{event.payload.title}} {{deliveryId}} {{subscription.name}}{{missing.deep}}";
    assert_eq!(
        render(source, Escaping::Text, json!({"title": "T"})).unwrap(),
        "incident.created incident.created T T d-0 On call"
    );
}

#[test]
fn json_values_stay_inside_their_string() {
    let hostile = "\",\"admin\":true,\"x\":\"\\\n\u{0}";
    let source = r#"{"title":"{{ payload.t }}","n":{{ payload.n }},"all":{{ payload | tojson }},"again":"{% set x %}{{payload.t}}{% endset %}{{ x }}"}"#;
    let text = render(source, Escaping::Json, json!({"t": hostile, "n": 1.5})).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["title"], hostile);
    assert_eq!(value["again"], hostile);
    assert_eq!(value["n"], 1.5);
    assert_eq!(value["all"]["t"], hostile);
    assert_eq!(value.as_object().unwrap().len(), 4);
    let listed = render(r#"{"x":"{{ payload.list }}"}"#, Escaping::Json, json!({"list": ["a\"b"]})).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&listed).unwrap()["x"], r#"["a\"b"]"#);
}

#[test]
fn url_values_stay_inside_their_segment() {
    let render_url =
        |value: &str| render("https://example.com/a/{{ payload.v }}/b?q={{ payload.v }}", Escaping::Url, json!({"v": value}));
    assert_eq!(render_url("x/../y?z&w#").unwrap(), "https://example.com/a/x%2F..%2Fy%3Fz%26w%23/b?q=x%2F..%2Fy%3Fz%26w%23");
    assert!(render_url("..").is_err());
    assert!(render_url(".").is_err());
    for source in [
        "{{ payload.v }}",
        "https://{{ payload.v }}/",
        "https://example.com{{ payload.v }}/",
        "https://example.com:{{ payload.v }}/x",
        "https://a@{{payload.v}}/",
        "/{{x}}",
    ] {
        assert!(Template::compile(source, Escaping::Url).is_err(), "{source}");
    }
    assert!(Template::compile("https://example.com?x={{ payload.v }}", Escaping::Url).is_ok());
}

#[test]
fn header_values_stay_on_their_line() {
    assert_eq!(render("a {{ payload.v }}", Escaping::Header, json!({"v": "b\r\nEvil: 1"})).unwrap(), "a b  Evil: 1");
}

#[test]
fn escaping_cannot_be_switched_off() {
    for source in ["{{ payload.v | safe }}", "{{ payload.v | e }}", "{{ payload.v | escape }}"] {
        assert!(render(source, Escaping::Json, json!({"v": "\""})).is_err(), "{source}");
    }
    let text = render("{% autoescape false %}{{ payload.v }}{% endautoescape %}", Escaping::Json, json!({"v": "\""})).unwrap();
    assert_eq!(text, "\\\"");
}

#[test]
fn rendering_is_bounded() {
    let endless = "{% for a in range(10000) %}{% for b in range(10000) %}x{% endfor %}{% endfor %}";
    assert!(render(endless, Escaping::Text, json!({})).is_err());
    let growing = "{% for a in range(100) %}{{ payload.v }}{% endfor %}";
    assert!(render(growing, Escaping::Text, json!({"v": "x".repeat(10_000)})).is_err());
    assert!(Template::compile("{{ open", Escaping::Text).unwrap_err().to_string().contains("line 1"));
}

/// Text that tries to break out of where it stands.
fn hostile() -> impl Strategy<Value = String> {
    let bits = prop::sample::select(vec![
        "\"",
        "'",
        "\\",
        "\n",
        "\r\n",
        "\0",
        "{{ payload }}",
        "{% raw %}",
        "}}",
        "</script>",
        "../",
        "..",
        ".",
        "/",
        "%2e%2e",
        "%",
        "?",
        "#",
        "&",
        "=",
        ":",
        "@",
        "//evil.example/",
        "[x](javascript:1)",
        "`",
        "*",
        "_",
        "|",
        "<!-",
        "\u{2028}",
        "\u{7f}",
        "\u{85}",
        "é",
        "\u{1F600}",
        "\",\"x\":\"",
        "Evil: 1",
        "# ",
        "- ",
        "1. ",
        "![",
        "~~",
    ]);
    prop::collection::vec(prop_oneof![bits.prop_map(str::to_owned), ".{0,6}"], 0..8).prop_map(|bits| bits.concat())
}

proptest! {
    #[test]
    fn json_keeps_its_structure(value in hostile(), key in hostile()) {
        let source = r#"{"a":"{{ payload.v }}","b":["x{{ payload.v }}y"],"c":{{ payload | tojson }},"d":"{{ payload.o }}","e":"{{ payload.v | upper }}"}"#;
        let text = render(source, Escaping::Json, json!({"v": value, "o": {key: value.clone()}})).unwrap();
        let parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
        let keys: Vec<_> = parsed.as_object().unwrap().keys().cloned().collect();
        prop_assert_eq!(keys, ["a", "b", "c", "d", "e"]);
        prop_assert_eq!(parsed["a"].as_str(), Some(value.as_str()));
        prop_assert_eq!(parsed["b"][0].as_str().map(str::to_owned), Some(format!("x{value}y")));
        prop_assert_eq!(parsed["c"]["v"].as_str(), Some(value.as_str()));
        prop_assert!(parsed["d"].is_string() && parsed["e"].is_string());
    }

    #[test]
    fn urls_keep_their_host_path_segments_and_query(value in hostile()) {
        let source = "https://example.com/a/{{ payload.v }}/b?q={{ payload.v }}&r=1";
        match render(source, Escaping::Url, json!({"v": value})) {
            Ok(text) => {
                let url = url::Url::parse(&text).unwrap();
                prop_assert_eq!(url.host_str(), Some("example.com"));
                prop_assert_eq!(url.path_segments().unwrap().count(), 3);
                prop_assert!(url.fragment().is_none() && url.username().is_empty());
                let query: Vec<_> = url.query_pairs().into_owned().collect();
                prop_assert_eq!(query, [("q".to_owned(), value), ("r".to_owned(), "1".to_owned())]);
            }
            Err(_) => prop_assert!(value == "." || value == ".."),
        }
    }

    #[test]
    fn headers_have_no_control_characters(value in hostile()) {
        let text = render("v={{ payload.v }}; o={{ payload }}", Escaping::Header, json!({"v": value})).unwrap();
        prop_assert!(!text.chars().any(char::is_control));
    }

    #[test]
    fn markdown_has_no_active_characters(value in hostile()) {
        let text = render("{{ payload.v }}", Escaping::Markdown, json!({"v": value})).unwrap();
        prop_assert!(!text.contains(['\r', '\n']));
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            if character == '\\' {
                prop_assert!(characters.next().is_some_and(|next| next.is_ascii_punctuation()));
            } else {
                prop_assert!(!character.is_ascii_punctuation(), "{} is active in {}", character, text);
            }
        }
    }

    #[test]
    fn text_is_itself_and_never_a_template(value in hostile()) {
        prop_assert_eq!(render("<{{ payload.v }}>", Escaping::Text, json!({"v": value})).unwrap(), format!("<{value}>"));
    }
}
