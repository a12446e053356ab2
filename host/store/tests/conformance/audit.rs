//! Who changed what.

use crate::*;
use postern_store::{AuditEntry, Change, Error, Expect, Expiry, Kind, PageRequest, PurgedExpired};

on_both_engines!(
    changes_and_their_records_are_one_transaction,
    records_are_listed_newest_first,
    old_records_go,
    a_record_has_a_bound
);

fn entry(at: i64, object: &str) -> AuditEntry {
    AuditEntry {
        at: Timestamp::from_millis(at),
        actor: "ann".into(),
        action: "subscription.create".into(),
        object: object.into(),
        detail: Some(Json::parse("{\n \"a\": 1.50}").unwrap()),
    }
}

fn change(expect: Expect) -> Change {
    Change { kind: Kind::Subscription, id: "a".into(), expect, body: Some("1".into()) }
}

async fn listed(store: &Embedded, limit: usize) -> Vec<AuditEntry> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.list_audit(PageRequest { limit, after }).await.unwrap();
        assert!(page.items.len() <= limit && (page.items.len() == limit || page.next.is_none()));
        found.extend(page.items);
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

async fn changes_and_their_records_are_one_transaction(place: Place) {
    let store = place.open();
    assert_eq!(store.apply_audited(vec![change(Expect::Absent)], vec![entry(1, "a")]).await.unwrap(), [1]);
    let refused = store.apply_audited(vec![change(Expect::Absent)], vec![entry(2, "b")]).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })));
    store.audit_append(AuditEntry { detail: None, ..entry(3, "c") }).await.unwrap();
    let expected = [AuditEntry { detail: None, ..entry(3, "c") }, entry(1, "a")];
    assert_eq!(listed(&store, 10).await, expected);
    store.close().await;
    assert_eq!(listed(&place.open(), 10).await, expected);
}

async fn records_are_listed_newest_first(place: Place) {
    let store = place.open();
    let mut expected = Vec::new();
    for n in 0..300 {
        // Three of each millisecond, some of more than one row.
        let mut entry = entry(n / 3, &n.to_string());
        entry.detail = Some(payload(if n % 50 == 0 { 20_000 } else { 10 }));
        store.audit_append(entry.clone()).await.unwrap();
        expected.push(entry);
    }
    expected.reverse();
    for limit in [1, 7, 100, 150, 300, 301, usize::MAX] {
        if limit > 1 {
            assert!(listed(&store, limit).await == expected, "{limit}");
        }
    }
    let page = store.list_audit(PageRequest { limit: 1, after: None }).await.unwrap();
    let foreign = PageRequest { limit: 1, after: page.next };
    assert!(matches!(store.list_deliveries(Default::default(), foreign).await, Err(Error::BadCursor)));
    let forged = PageRequest { limit: 1, after: Some("x".into()) };
    assert!(matches!(store.list_audit(forged).await, Err(Error::BadCursor)));
}

async fn old_records_go(place: Place) {
    let store = place.open();
    for n in 0..20 {
        let mut entry = entry(n, &n.to_string());
        entry.detail = Some(payload(20_000));
        store.audit_append(entry).await.unwrap();
    }
    let purge = |before, budget| {
        let expiry = Expiry { now: Timestamp::from_millis(0), audit_before: Timestamp::from_millis(before) };
        store.purge_expired(expiry, budget)
    };
    let purged = |audit_entries, more| PurgedExpired { idempotency_keys: 0, audit_entries, more };
    // Four rows each: a budget is never cut in the middle of a record.
    assert_eq!(purge(10, 5).await.unwrap(), purged(2, true));
    assert_eq!(listed(&store, 100).await.last().unwrap().object, "2", "the oldest go first");
    assert_eq!(purge(10, 1000).await.unwrap(), purged(8, false));
    assert_eq!(listed(&store, 100).await.len(), 10);
    assert_eq!(purge(10, 1000).await.unwrap(), purged(0, false));
}

async fn a_record_has_a_bound(place: Place) {
    let store = place.open();
    let mut large = entry(1, "a");
    large.detail = Some(payload(70_000));
    let refused = store.apply_audited(vec![change(Expect::Absent)], vec![large]).await;
    assert!(matches!(refused, Err(Error::TooLarge(_))));
    assert!(store.documents(Kind::Subscription).await.unwrap().is_empty() && listed(&store, 5).await.is_empty());
}
