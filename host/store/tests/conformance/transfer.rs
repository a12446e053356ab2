//! Export, import and check.

use crate::*;
use postern_core::delivery::Status;
use postern_store::transfer::{TransferError, Transferred};
use postern_store::{AuditEntry, AuditFilter, Backlog, Change, Expect, Idempotency, Kind, PageRequest, StatsFilter};
use std::time::Duration;

on_both_engines!(
    everything_moves_to_the_other_engine,
    only_an_empty_store_takes_an_import,
    a_bad_file_changes_nothing,
    a_store_that_serves_is_checked_and_exported,
);

fn exported(store: &Embedded) -> (Transferred, Vec<u8>) {
    let mut bytes = Vec::new();
    (tokio::task::block_in_place(|| store.export(&mut bytes)).unwrap(), bytes)
}

fn import(store: &Embedded, bytes: &[u8]) -> Result<Transferred, TransferError> {
    tokio::task::block_in_place(|| store.import(&mut &*bytes))
}

fn other(place: &Place) -> Place {
    Place::new(if place.engine == Engine::Sled { Engine::Redb } else { Engine::Sled })
}

fn keyed() -> NewEvent {
    let key = Idempotency { key: [9; 32], now: now(), until: now().saturating_add(Duration::from_secs(3600)) };
    NewEvent { idempotency: Some(key), ..new_event(1, 30_000) }
}

async fn fill(store: &Embedded) {
    for n in 0..60 {
        let mut new = new_event(n % 4, if n % 9 == 0 { 30_000 } else { 10 });
        // Some are about one of three things, for one subscription.
        if n % 4 == 1 {
            new.routes[0].subscription = SubscriptionId::from_bytes([3; 16]);
            new.routes[0].entity = Some(format!("thing {}", n % 3));
        }
        if n == 5 {
            Arc::get_mut(&mut new.event).unwrap().payload = Json::parse("{\n \"a\": 1.50 }").unwrap();
        }
        store.ingest(new).await.unwrap();
    }
    store.ingest(keyed()).await.unwrap();
    let later = now().saturating_add(Duration::from_secs(99));
    for (n, claim) in claim_all(store).await.iter().enumerate() {
        let state = match n % 4 {
            0 => success(),
            1 => failed(),
            2 => retrying(later),
            _ => continue,
        };
        let body = if n % 7 == 0 { 20_000 } else { 10 };
        store.finish(&[finish_with(claim, step(1, state, body))]).await.unwrap();
    }
    for _ in 0..2 {
        let mut held = new_event(1, 10);
        held.routes[0].subscription = SubscriptionId::from_bytes([4; 16]);
        held.routes[0].entity = Some("held".into());
        store.ingest(held).await.unwrap();
    }
    let holder = store.claim(now(), vec![(SubscriptionId::from_bytes([4; 16]), 9)]).await.unwrap().remove(0);
    store.finish(&[Finish { hold: true, ..finish(&holder, failed()) }]).await.unwrap();
    let again = store.final_deliveries(Default::default(), Status::Success, later, None, 3).await.unwrap().deliveries;
    assert_eq!(store.reopen(again.clone(), now(), None).await.unwrap(), again);
    for kind in Kind::ALL {
        for (id, body) in [("a\0b", 10), ("long", 50_000), ("z", 1)] {
            let body = payload(body).as_str().to_owned();
            for body in ["old", &body] {
                let change = Change { kind, id: id.into(), expect: Expect::Anything, body: Some(body.into()) };
                let at = now();
                let entry = AuditEntry {
                    at,
                    actor: "ann".into(),
                    token: (kind == Kind::Token).then(|| "0123456789ab".into()),
                    address: (kind == Kind::Setting).then(|| "192.0.2.1".parse().unwrap()),
                    action: "x.put".into(),
                    kind: Some(kind),
                    object: id.into(),
                    tenant: (kind == Kind::Connection).then(|| "acme".parse().unwrap()),
                    detail: Some(Json::parse("[1,\n2]").unwrap()),
                };
                store.apply_audited(vec![change], vec![entry]).await.unwrap();
            }
        }
    }
}

/// All that the store answers.
async fn listings(store: &Embedded) -> String {
    let page = || PageRequest { limit: 10_000, after: None };
    let events = store.list_events(Default::default(), page()).await.unwrap().items;
    let mut histories = Vec::new();
    for delivery in store.list_deliveries(Default::default(), page()).await.unwrap().items {
        histories.push(store.delivery(delivery.id).await.unwrap());
    }
    let payloads: Vec<_> = events.iter().map(|(event, _)| event.payload.as_str().to_owned()).collect();
    let mut documents = Vec::new();
    for kind in Kind::ALL {
        documents.push(store.documents(kind).await.unwrap());
    }
    let audit: Vec<_> = store.list_audit(AuditFilter::default(), page()).await.unwrap().items;
    let details: Vec<_> = audit.iter().map(|entry| entry.detail.as_ref().map(|detail| detail.as_str().to_owned())).collect();
    let stats = store.stats(StatsFilter { since: Timestamp::from_millis(0), tenant: None }).await.unwrap();
    let Backlog { unfinished, behind, .. } = store.backlog();
    let failures = store.failures(Default::default()).await.unwrap();
    format!("{:?}", (events, payloads, histories, documents, audit, details, unfinished, behind, stats, failures))
}

async fn everything_moves_to_the_other_engine(place: Place) {
    let store = place.open();
    fill(&store).await;
    let (counts, bytes) = exported(&store);
    assert_eq!((counts.events, counts.documents, counts.idempotency_keys, counts.audit_entries), (63, 18, 1, 36));
    assert_eq!((counts.damaged, counts.external_ids > 0, counts.holds > 0), (0, true, true), "{counts:?}");
    let target = other(&place);
    let moved = target.open();
    assert_eq!(import(&moved, &bytes).unwrap(), counts);
    let before = listings(&store).await;
    assert!(listings(&moved).await == before);
    assert!(exported(&moved).1 == bytes, "the same again");
    assert!(moved.ingest(keyed()).await.unwrap().repeated, "idempotency keys move");
    let checked = tokio::task::block_in_place(|| moved.check()).unwrap();
    assert_eq!((checked.problem_count, checked.events, checked.steps), (0, 63, counts.steps), "{:?}", checked.problems);
    assert_eq!((checked.holds, checked.external_ids), (counts.holds, counts.external_ids));
    assert_eq!(checked, tokio::task::block_in_place(|| store.check()).unwrap());
    moved.close().await;
    let moved = target.open();
    assert!(listings(&moved).await == before);
    // What was claimed there is due here, like everything that is pending; retries wait for their time.
    let due = claim_at(&moved, now()).await;
    assert!(!due.is_empty() && due.iter().all(|claim| claim.recovered && claim.state == State::Pending));
    assert!(due.iter().any(|claim| claim.external_id.is_some()));
    moved.finish(&due.iter().map(|claim| finish(claim, success())).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(moved.figures().damaged, 0);
}

async fn only_an_empty_store_takes_an_import(place: Place) {
    let store = place.open();
    let (counts, bytes) = exported(&store);
    assert_eq!(counts, Transferred::default());
    assert_eq!(import(&store, &bytes).unwrap(), counts, "nothing into nothing");
    ingest(&store, 1).await;
    let before = listings(&store).await;
    assert!(matches!(import(&store, &bytes), Err(TransferError::NotEmpty)));
    assert_eq!(listings(&store).await, before);
}

async fn a_bad_file_changes_nothing(place: Place) {
    let store = place.open();
    fill(&store).await;
    let text = String::from_utf8(exported(&store).1).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let without = |skip: usize| {
        lines.iter().enumerate().filter(|(n, _)| *n != skip).map(|(_, line)| format!("{line}\n")).collect::<String>()
    };
    let step = lines.iter().position(|line| line.starts_with("{\"step\"")).unwrap();
    let event = lines[..step].iter().rposition(|line| line.starts_with("{\"event\"")).unwrap();
    let twice = lines[..=event].join("\n") + "\n" + lines[event] + "\n";
    let target = other(&place);
    let moved = target.open();
    for (bad, expected) in [
        (String::new(), "no export"),
        ("{}\n".into(), "line 1"),
        (without(0), "no export"),
        (without(lines.len() - 1), "ends here"),
        (text[..text.len() - 1].to_owned(), "cut"),
        (without(step), "missing"),
        (without(event), "of no delivery"),
        (twice, "twice"),
        (format!("{text}{}\n", lines[event]), "follows"),
        (text.replace("\"format\":1", "\"format\":2"), "format is 2"),
    ] {
        let error = import(&moved, bad.as_bytes()).unwrap_err();
        assert!(matches!(error, TransferError::Line { .. }) && error.to_string().contains(expected), "{expected}: {error}");
        assert_eq!((unfinished(&moved), moved.documents(Kind::Token).await.unwrap().len()), (0, 0));
    }
    import(&moved, text.as_bytes()).unwrap();
    moved.close().await;
    assert!(listings(&target.open()).await == listings(&store).await);
}

async fn a_store_that_serves_is_checked_and_exported(place: Place) {
    let store = Arc::new(place.open());
    let busy = store.clone();
    let work = tokio::spawn(async move {
        for n in 0..150 {
            ingest(&busy, n % 3).await;
            let steps: Vec<_> = claim_all(&busy).await.iter().map(|claim| finish(claim, success())).collect();
            busy.finish(&steps).await.unwrap();
        }
    });
    while !work.is_finished() {
        let checker = store.clone();
        let (checked, bytes) = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::new();
            checker.export(&mut bytes).unwrap();
            (checker.check().unwrap(), bytes)
        })
        .await
        .unwrap();
        assert_eq!(checked.problems, []);
        let target = Place::new(place.engine);
        let moved = target.open();
        import(&moved, &bytes).unwrap();
        assert_eq!(tokio::task::block_in_place(|| moved.check()).unwrap().problems, []);
    }
    work.await.unwrap();
}
