//! Access tokens, fetched once and kept apart.

use crate::support::{Reply, Server, Setup, get, outcomes, reply};
use postern_core::oauth2::Authentication;
use postern_egress::{Audience, Broker, Call, ClientCredentials, ErrorKind, Header, Secret};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Hands out `access-token-1`, `access-token-2`, …
async fn login() -> Server {
    let number = AtomicUsize::new(0);
    Server::start(move |_| {
        let number = number.fetch_add(1, Ordering::SeqCst) + 1;
        reply("200 OK", "", format!(r#"{{"access_token": "access-token-{number}", "expires_in": 3600}}"#).as_bytes())
    })
    .await
}

/// A call of a provider with a token, and the token's placeholder.
fn call(broker: &Broker, provider: &'static str, login: &Server, target: &Server) -> (Call, String) {
    let mut setup = Setup::new(&[&login.url(""), &target.url("")]);
    setup.provider = provider;
    setup.time = Duration::from_secs(if provider == "test.hasty" { 1 } else { 30 });
    let sealed = setup.seals.seal_token(ClientCredentials {
        token_url: login.url("/token"),
        client_id: "client".into(),
        client_secret: Secret::new("hunter2hunter2"),
        scopes: Vec::new(),
        parameters: Vec::new(),
        authentication: Authentication::Body,
        audience: Audience::default(),
    });
    (setup.call_of(broker), sealed)
}

async fn send(call: &Call, sealed: &str, target: &Server) -> Result<String, ErrorKind> {
    let mut request = get(target.url("/"));
    request.headers.push(Header::new("X-Token", sealed));
    let answer = call.send(request).await.map_err(|error| error.kind)?;
    Ok(String::from_utf8(answer.body).unwrap())
}

#[tokio::test]
async fn many_calls_at_once_fetch_one_token_and_each_provider_its_own() {
    let (login, target) = (login().await, Server::echo().await);
    let broker = Broker::new(Setup::to(&target).options).unwrap();
    let calls = [(); 3].map(|()| call(&broker, "test.one", &login, &target));
    let [first, second, third] = &calls;
    let answers =
        tokio::join!(send(&first.0, &first.1, &target), send(&second.0, &second.1, &target), send(&third.0, &third.1, &target));
    for answer in [answers.0, answers.1, answers.2] {
        let answer = answer.unwrap();
        assert!(answer.contains("[secret]") && !answer.contains("access-token"), "an echo tells nobody: {answer}");
    }
    let fetched = |body: &str| login.received().iter().filter(|received| received.body == body).count();
    let body = "grant_type=client_credentials&client_id=client&client_secret=hunter2hunter2";
    assert_eq!(fetched(body), 1, "{:?}", login.received());

    let (other, sealed) = call(&broker, "test.two", &login, &target);
    send(&other, &sealed, &target).await.unwrap();
    assert_eq!(fetched(body), 2);
    let carried: Vec<_> = target.received().iter().map(|received| received.header("x-token").unwrap().to_owned()).collect();
    assert_eq!(carried, ["access-token-1", "access-token-1", "access-token-1", "access-token-2"]);

    broker.forget(&"test.two".parse().unwrap());
    let (again, sealed) = self::call(&broker, "test.two", &login, &target);
    send(&again, &sealed, &target).await.unwrap();
    assert_eq!(fetched(body), 3, "the tokens of a provider that was removed are forgotten, and no other's");
    let (first, sealed) = self::call(&broker, "test.one", &login, &target);
    send(&first, &sealed, &target).await.unwrap();
    assert_eq!(fetched(body), 3);
}

#[tokio::test]
async fn a_request_without_the_placeholder_fetches_nothing() {
    let (login, target) = (login().await, Server::ok().await);
    let broker = Broker::new(Setup::to(&target).options).unwrap();
    let (call, _) = call(&broker, "test.one", &login, &target);
    send(&call, "no placeholder", &target).await.unwrap();
    assert!(login.received().is_empty());
}

#[tokio::test]
async fn a_login_server_that_is_silent_ends_with_the_call_and_keeps_nobody_waiting() {
    let (silent, target) = (Server::start(|_| Reply::Silence).await, Server::ok().await);
    let broker = Broker::new(Setup::to(&target).options).unwrap();
    let (hasty, sealed) = call(&broker, "test.hasty", &silent, &target);
    assert_eq!(send(&hasty, &sealed, &target).await, Err(ErrorKind::Timeout));
    assert_eq!(outcomes(&hasty), ["failed timeout true"], "the fetch is on record");
    assert!(target.received().is_empty());
    let (again, sealed) = call(&broker, "test.hasty", &silent, &target);
    assert_eq!(send(&again, &sealed, &target).await, Err(ErrorKind::Timeout));
    assert_eq!(silent.received().len(), 2, "who came next asked anew");
}
