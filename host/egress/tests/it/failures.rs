//! What goes wrong on the way, and whether the target may know of it.

use crate::support::{Reply, Server, Setup, get, outcomes, post};
use postern_egress::{ErrorKind, SendError};
use std::future::Future;
use std::task::{Context, Waker};

async fn error_of(server: &Server) -> SendError {
    Setup::to(server).call().send(post(server.url("/"), "text/plain", "x")).await.unwrap_err()
}

#[tokio::test]
async fn nobody_listens() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let call = Setup::new(&[&url]).call();
    let error = call.send(get(&url)).await.unwrap_err();
    assert_eq!((error.kind, error.sent), (ErrorKind::Refused, false), "{}", error.message);
    assert_eq!(outcomes(&call), ["failed refused false"]);
}

#[tokio::test]
async fn a_name_that_does_not_exist() {
    let call = Setup::new(&["https://nowhere.invalid"]).call();
    let error = call.send(get("https://nowhere.invalid/x")).await.unwrap_err();
    assert_eq!((error.kind, error.sent), (ErrorKind::Dns, false), "{}", error.message);
    assert!(error.message.contains("`nowhere.invalid`"), "{}", error.message);
}

#[tokio::test]
async fn the_connection_is_closed_before_or_in_the_answer() {
    let error = error_of(&Server::start(|_| Reply::Close).await).await;
    assert_eq!((error.kind, error.sent), (ErrorKind::Reset, true), "{}", error.message);
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
    let error = error_of(&Server::start(|_| Reply::Last(half.to_vec())).await).await;
    assert_eq!((error.kind, error.sent), (ErrorKind::Reset, true), "{}", error.message);
}

#[tokio::test]
async fn the_answer_is_no_http() {
    let error = error_of(&Server::start(|_| Reply::Raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n".to_vec())).await).await;
    assert_eq!((error.kind, error.sent), (ErrorKind::Protocol, true), "{}", error.message);
}

#[tokio::test]
async fn a_call_that_is_cut_off_leaves_its_record() {
    let server = Server::start(|_| Reply::Silence).await;
    let call = Setup::to(&server).call();
    let mut sending = Box::pin(call.send(get(server.url("/"))));
    assert!(sending.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(call.exchanges().is_empty(), "it is under way");
    drop(sending);
    assert_eq!(outcomes(&call), ["failed timeout true"]);
}
