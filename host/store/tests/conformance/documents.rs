//! Objects that administrators define.

use crate::*;
use postern_store::{Change, Document, Error, Expect, Kind};

on_both_engines!(
    documents_have_revisions,
    a_change_that_conflicts_changes_nothing,
    documents_change_size_and_keep_their_order,
    odd_ids
);

fn change(id: &str, expect: Expect, body: Option<&str>) -> Change {
    Change { kind: Kind::Subscription, id: id.into(), expect, body: body.map(str::to_owned) }
}

async fn documents_have_revisions(place: Place) {
    let store = place.open();
    let apply = |changes| store.apply(changes);
    assert_eq!(apply(vec![change("a", Expect::Absent, Some("1"))]).await.unwrap(), [1]);
    assert_eq!(
        apply(vec![change("a", Expect::Revision(1), Some("2")), change("b", Expect::Anything, Some("x"))]).await.unwrap(),
        [2, 1]
    );
    assert_eq!(
        apply(vec![change("a", Expect::Present, Some("3")), change("a", Expect::Revision(3), Some("4"))]).await.unwrap(),
        [3, 4]
    );
    let expected = Document { id: "a".into(), revision: 4, body: "4".into() };
    assert_eq!(store.document(Kind::Subscription, "a").await.unwrap(), Some(expected.clone()));
    assert_eq!(store.document(Kind::Connection, "a").await.unwrap(), None);
    assert_eq!(apply(vec![change("b", Expect::Revision(1), None), change("c", Expect::Absent, None)]).await.unwrap(), [0, 0]);
    store.close().await;
    let store = place.open();
    assert_eq!(store.documents(Kind::Subscription).await.unwrap(), [expected]);
    assert_eq!(store.apply(vec![change("b", Expect::Absent, Some("new"))]).await.unwrap(), [1]);
}

async fn a_change_that_conflicts_changes_nothing(place: Place) {
    let store = place.open();
    store.apply(vec![change("a", Expect::Absent, Some("1"))]).await.unwrap();
    for (expect, id, expected, found) in [
        (Expect::Absent, "a", "nothing", "1"),
        (Expect::Revision(7), "a", "7", "1"),
        (Expect::Present, "z", "something", "nothing"),
        (Expect::Revision(1), "z", "1", "nothing"),
    ] {
        let changes = vec![change("new", Expect::Absent, Some("x")), change(id, expect, Some("y"))];
        let error = store.apply(changes).await.unwrap_err();
        assert!(
            matches!(&error, Error::Conflict { id: at, expected: e, found: f } if at == id && e == expected && f == found),
            "{error}"
        );
    }
    assert_eq!(store.documents(Kind::Subscription).await.unwrap().len(), 1);
    // Of many that compete, one wins each round, and a loser does not spoil who shares its commit.
    let store = Arc::new(store);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..50 {
        let store = store.clone();
        tasks.spawn(async move {
            let own = store.apply(vec![change(&format!("own-{n}"), Expect::Absent, Some("x"))]);
            let race = store.apply(vec![change("a", Expect::Revision(1), Some("won"))]);
            let (own, race) = tokio::join!(own, race);
            own.unwrap();
            race.is_ok()
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|won| *won).count(), 1);
    assert_eq!(store.documents(Kind::Subscription).await.unwrap().len(), 51);
}

async fn documents_change_size_and_keep_their_order(place: Place) {
    let store = place.open();
    for (round, bytes) in [10, 50_000, 7_000, 100, 13_000, 2_000_000, 1].into_iter().enumerate() {
        let body = "b".repeat(bytes);
        store
            .apply(vec![change("m", Expect::Anything, Some(&body)), change(&format!("k{round}"), Expect::Absent, Some(&body))])
            .await
            .unwrap();
        assert_eq!(store.document(Kind::Subscription, "m").await.unwrap().unwrap().body, body);
    }
    let ids: Vec<_> = store.documents(Kind::Subscription).await.unwrap().into_iter().map(|document| document.id).collect();
    assert_eq!(ids, ["k0", "k1", "k2", "k3", "k4", "k5", "k6", "m"]);
    store.apply(vec![change("k5", Expect::Present, None)]).await.unwrap();
    assert_eq!(store.documents(Kind::Subscription).await.unwrap().len(), 7);
}

async fn odd_ids(place: Place) {
    let store = place.open();
    let ids = ["", "a", "a\0", "a\0b", "ä", "a/b c"];
    for id in ids {
        store.apply(vec![change(id, Expect::Absent, Some(&"x".repeat(7_000)))]).await.unwrap();
    }
    let found: Vec<_> = store.documents(Kind::Subscription).await.unwrap().into_iter().map(|document| document.id).collect();
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    assert_eq!(found, sorted);
    let long = "x".repeat(513);
    assert!(matches!(store.apply(vec![change(&long, Expect::Anything, Some("1"))]).await, Err(Error::TooLarge(_))));
    assert_eq!(store.apply(vec![change(&long[1..], Expect::Anything, Some("1"))]).await.unwrap(), [1]);
}
