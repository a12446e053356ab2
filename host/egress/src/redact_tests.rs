use super::*;
use crate::secret::Secret;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

fn seals(secret: &str) -> Seals {
    let mut seals = Seals::new();
    seals.seal(Secret::new(secret));
    seals
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The ways in which an echo shows a secret.
fn forms(secret: &str) -> Vec<String> {
    let percent = |set| utf8_percent_encode(secret, set).to_string();
    vec![
        secret.to_owned(),
        STANDARD.encode(secret),
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
        STANDARD.encode(format!("user:{secret}")),
        STANDARD.encode(format!("u:{secret}!")),
        URL_SAFE_NO_PAD.encode(format!("us:{secret} and more")),
        hex(secret),
        hex(secret).to_ascii_uppercase(),
        percent(COMPONENT),
        percent(SEGMENT),
        percent(percent_encoding::NON_ALPHANUMERIC)
            .replace("%2D", "-")
            .replace("%2E", ".")
            .replace("%5F", "_")
            .replace("%7E", "~"),
        url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        percent(COMPONENT).replace("%20", "+"),
        percent(PHP).replace("%20", "+"),
        percent(PYTHON),
        percent(WHOLE_URL),
        STANDARD.encode(secret).replace('+', "\\u002B"),
        json_escaped(secret),
        serde_json::to_string(&serde_json::json!({ "a": json_escaped(secret) })).unwrap(),
    ]
}

#[test]
fn every_form_is_taken_out() {
    for secret in ["hunter2", "p@ss/w+rd \"q\\ü", "????>>>>~~~~", "abcd"] {
        let seals = seals(secret);
        for form in forms(secret) {
            let text = seals.redact(&format!("<{form}>"));
            assert!(text.contains("[secret]"), "{secret} as {form}: {text}");
            assert!(!text.contains(&form), "{secret} as {form}: {text}");
        }
    }
}

#[test]
fn the_usual_escapes_of_json_writers_are_taken_out() {
    let seals = seals("a/b&c<é>d");
    let dotnet = "a/b\\u0026c\\u003C\\u00E9\\u003Ed";
    for form in ["a\\/b&c<é>d", "a/b\\u0026c\\u003cé\\u003ed", "a/b&c<\\u00e9>d", dotnet] {
        assert_eq!(seals.redact(&format!("\"{form}\"")), "\"[secret]\"", "{form}");
    }
}

#[test]
fn what_a_header_makes_of_a_secret_is_taken_out() {
    assert_eq!(seals(" hunter2\t").redact("{\"x-token\":\"hunter2\"}"), "{\"x-token\":\"[secret]\"}");
    assert_eq!(seals(" pässwörd ").redact("x-token: pÃ¤sswÃ¶rd"), "x-token: [secret]", "UTF-8 read as Latin-1");
}

#[test]
fn basic_credentials_are_taken_out_whole() {
    let text = format!("{{\"authorization\":\"Basic {}\"}}", STANDARD.encode("some-user:correct horse"));
    assert_eq!(seals("correct horse").redact(&text), r#"{"authorization":"Basic [secret]"}"#);
}

#[test]
fn the_parts_of_a_secret_url_are_secrets() {
    let mut seals = Seals::new();
    seals.seal_uri(Secret::new("https://hooks.example.com/services/T000/XXXXXXXXXXXXXXXXXXXX?sig=abcdefgh"));
    for (text, expected) in [
        ("Cannot POST /services/T000/XXXXXXXXXXXXXXXXXXXX", "Cannot POST /[secret]"),
        ("{\"sig\":\"abcdefgh\"}", "{\"sig\":\"[secret]\"}"),
        ("XXXXXXXXXXXXXXXXXXXX", "[secret]"),
        ("https://hooks.example.com/services/T000/XXXXXXXXXXXXXXXXXXXX?sig=abcdefgh", "[secret]"),
        ("services at hooks.example.com", "services at hooks.example.com"),
    ] {
        assert_eq!(seals.redact(text), expected, "{text}");
    }
}

#[test]
fn what_holds_no_secret_stays_as_it_is() {
    assert!(matches!(Seals::new().redact_bytes(b"abc"), Cow::Borrowed(_)));
    assert!(matches!(seals("hunter2").redact_bytes(b"abc \xff"), Cow::Borrowed(_)));
    assert_eq!(seals("abc").redact("abc"), "abc", "shorter than four bytes");
    assert_eq!(seals("hunter2").redact("hunter2hunter2 hunter2"), "[secret][secret] [secret]");
}

proptest! {
    /// The mark itself is left out of what is searched: a secret may be a part of the word.
    #[test]
    fn no_encoded_form_is_left(secret in "\\PC{4,40}", before in "[ -~]{0,9}", after in "[ -~]{0,9}") {
        let seals = seals(&secret);
        for form in forms(&secret) {
            let text = seals.redact(&format!("{before}{form}{after}"));
            prop_assert!(!text.replace("[secret]", "\u{0}").contains(&form), "{} in {}", form, text);
        }
    }

    #[test]
    fn base64_of_an_embedded_secret_is_taken_out(secret in "[!-~]{4,40}", before in "\\PC{0,9}", after in "\\PC{0,9}") {
        let encoded = STANDARD.encode(format!("{before}{secret}{after}"));
        let text = seals(&secret).redact(&encoded);
        prop_assert!(text.contains("[secret]"));
        prop_assert!(!text.contains(&encoded));
    }
}
