//! Components that `postern provider add` fetches.

use super::PATH;
use crate::commands::{assert_refused, json_of, ok};
use postern_tests::Daemon;
use postern_tests::receiver::Nobody;
use postern_tests::tracker::BUILD;
use reqwest::Method;
use serde_json::Value;
use std::collections::BTreeMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Serves files: each path with its status, a header and the content.
async fn files(files: Vec<(&'static str, u16, String, Vec<u8>)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let files: BTreeMap<_, _> = files.into_iter().map(|(path, status, header, body)| (path, (status, header, body))).collect();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.unwrap_or(0) > 0 {}
            let text = String::from_utf8_lossy(&head).into_owned();
            let path = text.split(' ').nth(1).unwrap_or_default();
            let nothing = (404, "X-Nothing: here".to_owned(), Vec::new());
            let (status, header, body) = files.get(path).unwrap_or(&nothing);
            let head = format!("HTTP/1.1 {status} x\r\n{header}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(&[head.as_bytes(), body].concat()).await;
        }
    });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_is_fetched_by_the_command_and_not_by_the_daemon() {
    let daemon = Daemon::start().await;
    let none = || "X-A: b".to_owned();
    let server = files(vec![
        ("/tracker.wasm", 200, none(), BUILD.to_vec()),
        ("/latest", 302, "Location: /tracker.wasm".into(), Vec::new()),
        ("/round", 302, "Location: /round".into(), Vec::new()),
        ("/broken", 500, none(), Vec::new()),
        ("/page.wasm", 200, none(), b"<html>".to_vec()),
    ])
    .await;
    let url = |path: &str| format!("{server}{path}");
    for (path, texts) in [
        ("/nothing.wasm", vec!["there is nothing at", "/nothing.wasm"]),
        ("/round", vec!["redirects"]),
        ("/broken", vec!["answered 500"]),
        ("/page.wasm", vec!["no WebAssembly"]),
    ] {
        assert_refused(&daemon.command(&["provider", "add", &url(path), "--plugin", "test"]).await, &texts);
    }
    let nobody = format!("{}/x.wasm", Nobody::new().url());
    assert_refused(&daemon.command(&["provider", "add", &nobody, "--plugin", "test"]).await, &["cannot be fetched"]);
    let other = ["provider", "add", "http://192.0.2.1/x.wasm", "--plugin", "test"];
    assert_refused(&daemon.command(&other).await, &["no TLS", "--digest"]);
    assert_eq!(daemon.api.call(Method::GET, PATH, Value::Null).await.status, 404);

    let digest = json_of(&daemon, &["provider", "add", &url("/latest"), "--plugin", "test"]).await["digest"].clone();
    let digest = digest.as_str().unwrap();
    let add =
        |digest: String| ["provider", "add", &url("/tracker.wasm"), "--plugin", "test", "--digest", &digest].map(str::to_owned);
    let wrong = add(digest.replace(['0', '1'], "2"));
    let wrong: Vec<_> = wrong.iter().map(String::as_str).collect();
    assert_refused(&daemon.command(&wrong).await, &[digest, "nothing was added"]);
    let right = add(digest.to_uppercase());
    let right: Vec<_> = right.iter().map(String::as_str).chain(["--approve"]).collect();
    assert_eq!(ok(&daemon, &right).await, "test.tracker 1.0.0 is active");
}
