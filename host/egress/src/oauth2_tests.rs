use super::*;
use serde_json::json;

fn credentials(authentication: Authentication) -> ClientCredentials {
    ClientCredentials {
        token_url: "https://login.example/token".into(),
        client_id: "the client".into(),
        client_secret: Secret::new("hunter2+hunter2"),
        scopes: vec!["read".into(), "write".into()],
        parameters: vec![("audience".into(), "api".into())],
        authentication,
        audience: Audience::default(),
    }
}

fn answer(status: u16, body: &str) -> Response {
    Response { status, headers: Vec::new(), body: body.into(), truncated: false }
}

#[test]
fn a_request_holds_placeholders_only() {
    for authentication in [Authentication::Basic, Authentication::Body] {
        let (request, seals) = credentials(authentication).request();
        let body = String::from_utf8(request.body.clone().unwrap()).unwrap();
        assert!(body.starts_with("grant_type=client_credentials&scope=read+write&audience=api"), "{body}");
        assert!(!format!("{request:?}").contains("hunter2"));
        match authentication {
            Authentication::Basic => {
                let decoded = basic_credentials(request.headers[2].value.as_bytes()).unwrap();
                let decoded = String::from_utf8(decoded).unwrap();
                assert!(decoded.starts_with("the+client:sealed-"), "{decoded}");
                assert_eq!(seals.find(&decoded["the+client:".len()..]).unwrap().expose(), "hunter2%2Bhunter2");
            }
            Authentication::Body => assert!(body.contains("&client_id=the+client&client_secret=sealed-"), "{body}"),
        }
    }
}

#[test]
fn a_token_is_used_until_shortly_before_its_end() {
    let seconds = |expires_in| usable_for(expires_in).as_secs();
    assert_eq!([Some(3600), Some(20), Some(0), None].map(seconds), [3570, 10, 0, 270]);
    assert_eq!(seconds(Some(u64::MAX)), 24 * 60 * 60 - 30);
    let token = credentials(Authentication::Basic).read(&answer(200, &json!({ "access_token": "t" }).to_string()));
    assert!(token.is_ok_and(|token| token.secret.expose() == "t"));
}

#[test]
fn an_answer_without_a_token_says_why_and_is_not_repeated() {
    let read = |status, body: &str| credentials(Authentication::Basic).read(&answer(status, body)).err().unwrap();
    let refused = r#"{"error": "invalid_client", "error_description": "no such client"}"#;
    assert_eq!(read(401, refused), "it answered 401: invalid_client no such client");
    assert_eq!(read(500, "<html>"), "it answered 500");
    assert!(!read(200, r#"{"token": "hunter2"}"#).contains("hunter2"));
    assert!(read(200, r#"{"access_token": ""}"#).contains("printable"));
    assert!(read(200, "{\"access_token\": \"a\\r\\nX: b\"}").contains("printable"));
}

#[test]
fn whatever_a_token_depends_on_makes_it_another() {
    let provider: ProviderId = "test.one".parse().unwrap();
    let key = |change: fn(&mut ClientCredentials)| {
        let mut credentials = credentials(Authentication::Basic);
        change(&mut credentials);
        credentials.key(&provider)
    };
    let keys = [
        key(|_| {}),
        key(|it| it.token_url.push('x')),
        key(|it| it.client_id.push('x')),
        key(|it| it.client_secret = Secret::new("other")),
        key(|it| it.authentication = Authentication::Body),
        key(|it| it.scopes = vec!["read".into()]),
        key(|it| it.parameters.clear()),
        credentials(Authentication::Basic).key(&"test.two".parse().unwrap()),
    ];
    let different: std::collections::HashSet<_> = keys.iter().collect();
    assert_eq!(different.len(), keys.len());
    assert_eq!(key(|_| {}), keys[0]);
}
