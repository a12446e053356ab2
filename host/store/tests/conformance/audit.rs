//! Who changed what.

use crate::*;
use postern_store::{AuditEntry, AuditFilter, Change, Error, Expect, Expiry, Kind, PageRequest, PurgedExpired};

on_both_engines!(
    changes_and_their_records_are_one_transaction,
    records_are_listed_newest_first,
    every_filter_selects_what_it_says,
    old_records_go,
    a_record_has_a_bound
);

fn entry(at: i64, object: &str) -> AuditEntry {
    AuditEntry {
        at: Timestamp::from_millis(at),
        actor: "ann".into(),
        token: Some("0123456789ab".into()),
        address: Some("2001:db8::7".parse().unwrap()),
        action: "subscription.create".into(),
        kind: Some(Kind::Subscription),
        tenant: Some("acme".parse().unwrap()),
        object: object.into(),
        detail: Some(Json::parse("{\n \"a\": 1.50}").unwrap()),
    }
}

fn change(expect: Expect) -> Change {
    Change { kind: Kind::Subscription, id: "a".into(), expect, body: Some("1".into()) }
}

async fn listed(store: &Embedded, limit: usize) -> Vec<AuditEntry> {
    selected(store, &AuditFilter::default(), limit).await
}

async fn selected(store: &Embedded, filter: &AuditFilter, limit: usize) -> Vec<AuditEntry> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.list_audit(filter.clone(), PageRequest { limit, after }).await.unwrap();
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
    let page = store.list_audit(AuditFilter::default(), PageRequest { limit: 1, after: None }).await.unwrap();
    let foreign = PageRequest { limit: 1, after: page.next };
    assert!(matches!(store.list_deliveries(Default::default(), foreign).await, Err(Error::BadCursor)));
    let forged = PageRequest { limit: 1, after: Some("x".into()) };
    assert!(matches!(store.list_audit(AuditFilter::default(), forged).await, Err(Error::BadCursor)));
}

async fn every_filter_selects_what_it_says(place: Place) {
    let store = place.open();
    let mut all = Vec::new();
    for n in 0..400 {
        let mut entry = entry(n / 2, &(n % 7).to_string());
        if n % 3 == 0 {
            (entry.actor, entry.token, entry.address) = ("postern".into(), None, None);
        }
        entry.tenant = [None, Some("acme"), Some("globex")][n as usize % 3].map(|tenant| tenant.parse().unwrap());
        if n == 10 {
            entry.object = "rare".into();
        }
        store.audit_append(entry.clone()).await.unwrap();
        all.insert(0, entry);
    }
    let none = AuditFilter::default;
    let at = |millis| Some(Timestamp::from_millis(millis));
    type Check = Box<dyn Fn(&AuditEntry) -> bool>;
    let cases: Vec<(AuditFilter, Check)> = vec![
        (none(), Box::new(|_| true)),
        (AuditFilter { tenant: Some("acme".parse().unwrap()), ..none() }, {
            Box::new(|entry| entry.tenant.as_ref().is_some_and(|tenant| tenant.as_str() == "acme"))
        }),
        (AuditFilter { actor: Some("postern".into()), ..none() }, Box::new(|entry| entry.actor == "postern")),
        (AuditFilter { actor: Some("0123456789ab".into()), ..none() }, Box::new(|entry| entry.token.is_some())),
        (AuditFilter { object: Some("rare".into()), ..none() }, Box::new(|entry| entry.object == "rare")),
        (AuditFilter { since: at(50), ..none() }, Box::new(|entry| entry.at.as_millis() >= 50)),
        (AuditFilter { until: at(50), ..none() }, Box::new(|entry| entry.at.as_millis() < 50)),
        (AuditFilter { since: at(9), until: at(150), object: Some("3".into()), ..none() }, {
            Box::new(|entry| (9..150).contains(&entry.at.as_millis()) && entry.object == "3")
        }),
        (AuditFilter { since: at(50), until: at(50), ..none() }, Box::new(|_| false)),
        (AuditFilter { since: at(60), until: at(50), ..none() }, Box::new(|_| false)),
        (AuditFilter { actor: Some("nobody".into()), ..none() }, Box::new(|_| false)),
    ];
    for (filter, check) in cases {
        let expected: Vec<_> = all.iter().filter(|entry| check(entry)).cloned().collect();
        for limit in [1, 10, 500] {
            assert_eq!(selected(&store, &filter, limit).await, expected, "{filter:?}");
        }
    }
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
