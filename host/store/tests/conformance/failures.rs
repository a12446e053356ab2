//! The index of failures, and searches for final deliveries.

use crate::*;
use postern_core::DeliveryId;
use postern_core::delivery::Status;
use postern_store::{FailureFilter, FailureGroup, Failures, Retention};
use std::time::Duration;

on_both_engines!(
    failures_are_counted_by_what_they_have_in_common,
    every_filter_names_what_it_says,
    what_begins_again_is_no_failure,
    failures_go_with_their_events,
    searches_go_on_where_they_ended,
);

fn http(status: u16) -> State {
    State::Failed { error: status.to_string(), reason: Some(Reason { class: Class::Http, status: Some(status) }) }
}

fn timeout() -> State {
    State::Failed { error: "late".into(), reason: Some(Class::Timeout.into()) }
}

fn subscription(n: u8) -> SubscriptionId {
    SubscriptionId::from_bytes([n; 16])
}

/// One event for two subscriptions, with what became of it.
async fn deliver(store: &Embedded, n: u8, states: [State; 2]) -> Vec<(DeliveryId, Timestamp)> {
    let mut new = new_event(2, 10);
    let event = Arc::get_mut(&mut new.event).unwrap();
    event.tenant = ["default", "acme"][usize::from(n) % 2].parse().unwrap();
    event.event_type = ["a.one", "a.two", "a.three"][usize::from(n) % 3].parse().unwrap();
    for (index, route) in new.routes.iter_mut().enumerate() {
        route.subscription = subscription(index as u8);
        route.provider = ["p.q", "p.r"][index].parse().unwrap();
        route.entity = Some(format!("thing {}", n % 4));
    }
    store.ingest(new).await.unwrap();
    let claims = claim_all(store).await;
    let steps: Vec<_> = claims.iter().zip(states).map(|(claim, state)| finish(claim, state)).collect();
    let done = steps.iter().map(|step| (step.id, step.step.at)).collect();
    store.finish(&steps).await.unwrap();
    done
}

async fn all_failures(store: &Embedded, filter: &FailureFilter) -> Failures {
    store.failures(filter.clone()).await.unwrap()
}

fn count(failures: &Failures) -> usize {
    failures.groups.iter().map(|group| group.count).sum()
}

async fn search(store: &Embedded, filter: &FailureFilter, status: Status, before: Timestamp, limit: usize) -> Vec<DeliveryId> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.final_deliveries(filter.clone(), status, before, after, limit).await.unwrap();
        assert!(page.deliveries.len() <= limit);
        found.extend(page.deliveries);
        after = page.after;
        if after.is_none() {
            return found;
        }
    }
}

async fn failures_are_counted_by_what_they_have_in_common(place: Place) {
    let store = place.open();
    assert_eq!(all_failures(&store, &FailureFilter::default()).await, Failures::default());
    let mut done = Vec::new();
    for n in 0..12 {
        let state = if n % 6 == 0 { timeout() } else { http(500) };
        done.push(deliver(&store, n, [state, success()]).await);
    }
    store.close().await;
    let store = place.open();
    let expected = [("acme", 500, vec![1, 3, 5, 7, 9, 11]), ("default", 500, vec![2, 4, 8, 10]), ("default", 0, vec![0, 6])];
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(tenant, status, which): (&str, u16, Vec<usize>)| {
            let times = || which.iter().map(|n| done[*n][0].1);
            let last = times().max().unwrap();
            FailureGroup {
                tenant: tenant.parse().unwrap(),
                subscription: subscription(0),
                provider: "p.q".parse().unwrap(),
                reason: Some(match status {
                    0 => Class::Timeout.into(),
                    status => Reason { class: Class::Http, status: Some(status) },
                }),
                count: which.len(),
                first: times().min().unwrap(),
                last,
                latest: which.iter().map(|n| done[*n][0]).filter(|(_, at)| *at == last).map(|(id, _)| id).max().unwrap(),
            }
        })
        .collect();
    assert_eq!(all_failures(&store, &FailureFilter::default()).await, Failures { groups: expected, cut: false });
}

struct Made {
    n: u8,
    id: DeliveryId,
    state: State,
}

impl Made {
    fn reason(&self) -> Option<Reason> {
        match self.state {
            State::Failed { reason, .. } => reason,
            _ => None,
        }
    }
}

async fn every_filter_names_what_it_says(place: Place) {
    let store = place.open();
    let mut made = Vec::new();
    for n in 0..24u8 {
        let states = match n % 4 {
            0 => [http(500), http(404)],
            1 => [timeout(), success()],
            2 => [success(), success()],
            _ => [http(500), timeout()],
        };
        for ((id, _), state) in deliver(&store, n, states.clone()).await.into_iter().zip(states) {
            made.push(Made { n, id, state });
        }
    }
    let middle = made[24].id.event.created_at();
    let none = FailureFilter::default;
    let first = Some(subscription(0));
    type Check = Box<dyn Fn(&Made) -> bool>;
    let cases: Vec<(FailureFilter, Check)> = vec![
        (none(), Box::new(|_| true)),
        (FailureFilter { tenant: Some("acme".parse().unwrap()), ..none() }, Box::new(|made| made.n % 2 == 1)),
        (FailureFilter { subscription: Some(subscription(1)), ..none() }, Box::new(|made| made.id.index == 1)),
        (FailureFilter { provider: Some("p.q".parse().unwrap()), ..none() }, Box::new(|made| made.id.index == 0)),
        (FailureFilter { event_type: Some("a.two".parse().unwrap()), ..none() }, Box::new(|made| made.n % 3 == 1)),
        (FailureFilter { entity: Some("thing 3".into()), ..none() }, Box::new(|made| made.n % 4 == 3)),
        (FailureFilter { entity: Some("thing 9".into()), ..none() }, Box::new(|_| false)),
        (
            FailureFilter { class: Some(Class::Http), ..none() },
            Box::new(|made| made.reason().is_some_and(|reason| reason.class == Class::Http)),
        ),
        (
            FailureFilter { http_status: Some(404), ..none() },
            Box::new(|made| made.reason().is_some_and(|reason| reason.status == Some(404))),
        ),
        (FailureFilter { since: Some(middle), ..none() }, Box::new(move |made| made.id.event.created_at() >= middle)),
        (
            FailureFilter { until: Some(middle), subscription: first, ..none() },
            Box::new(move |made| made.id.index == 0 && made.id.event.created_at() < middle),
        ),
    ];
    let later = now().saturating_add(Duration::from_secs(9));
    for (filter, check) in cases {
        let expected = |status| -> Vec<DeliveryId> {
            made.iter().filter(|made| made.state.status() == status && check(made)).map(|made| made.id).collect()
        };
        let failed = expected(Status::Failed);
        assert_eq!(count(&all_failures(&store, &filter).await), failed.len(), "{filter:?}");
        for limit in [1, 5, 100] {
            assert_eq!(search(&store, &filter, Status::Failed, later, limit).await, failed, "{filter:?}");
            let by_reason = filter.class.is_some() || filter.http_status.is_some();
            let succeeded = if by_reason { Vec::new() } else { expected(Status::Success) };
            assert_eq!(search(&store, &filter, Status::Success, later, limit).await, succeeded, "{filter:?}");
        }
        for status in [Status::Pending, Status::Retrying] {
            assert_eq!(search(&store, &filter, status, later, 9).await, []);
        }
    }
}

async fn what_begins_again_is_no_failure(place: Place) {
    let store = place.open();
    let (first, second) = (deliver(&store, 0, [http(500), timeout()]).await, deliver(&store, 4, [http(500), success()]).await);
    let later = now().saturating_add(Duration::from_secs(9));
    assert_eq!(search(&store, &FailureFilter::default(), Status::Failed, first[0].1, 9).await, [], "they changed then");
    store.reopen(vec![first[0].0, second[1].0], now(), None).await.unwrap();
    let failed = search(&store, &FailureFilter::default(), Status::Failed, later, 9).await;
    assert_eq!(failed, [first[1].0, second[0].0]);
    assert_eq!(search(&store, &FailureFilter::default(), Status::Success, later, 9).await, []);
    assert_eq!(count(&all_failures(&store, &FailureFilter::default()).await), 2);
    // It fails once more, for another reason, and one that waits is given up.
    let claims = claim_at(&store, later).await;
    assert_eq!(claims.len(), 2);
    store.finish(&[finish(&claims[0], timeout())]).await.unwrap();
    store.release(vec![claims[1].claim]).await.unwrap();
    store.cancel(claims[1].id, now(), "no".into()).await.unwrap();
    let groups = all_failures(&store, &FailureFilter::default()).await.groups;
    let classes: Vec<_> = groups.iter().map(|group| group.reason.unwrap().class).collect();
    assert_eq!(count(&Failures { groups, cut: false }), 4);
    assert!(classes.contains(&Class::Cancelled) && classes.iter().filter(|class| **class == Class::Timeout).count() == 2);
    assert_eq!(tokio::task::block_in_place(|| store.check()).unwrap().failures, 4);
}

async fn failures_go_with_their_events(place: Place) {
    let store = place.open();
    for n in 0..200 {
        deliver(&store, n, [http(500), success()]).await;
    }
    let later = now().saturating_add(Duration::from_secs(9));
    assert_eq!(count(&all_failures(&store, &FailureFilter::default()).await), 200);
    assert_eq!(
        store.purge(Retention { before: later, failed_before: Timestamp::from_millis(0) }, 10_000).await.unwrap().events,
        0
    );
    assert_eq!(store.purge(Retention { before: later, failed_before: later }, 10_000).await.unwrap().events, 200);
    assert_eq!(all_failures(&store, &FailureFilter::default()).await, Failures::default());
    let checked = tokio::task::block_in_place(|| store.check()).unwrap();
    assert_eq!((checked.problems, checked.failures), (vec![], 0));
}

async fn searches_go_on_where_they_ended(place: Place) {
    let store = place.open();
    let mut failed = Vec::new();
    for n in 0..150 {
        failed.extend(deliver(&store, n, [http(500), http(404)]).await.into_iter().map(|(id, _)| id));
    }
    let later = now().saturating_add(Duration::from_secs(9));
    for limit in [1, 7, 299, 300, 301, 5000] {
        assert_eq!(search(&store, &FailureFilter::default(), Status::Failed, later, limit).await, failed, "{limit}");
    }
    // In the order in which they are begun again, none twice: what began is not found any more.
    let (mut begun, mut after) = (Vec::new(), None);
    loop {
        let page = store.final_deliveries(FailureFilter::default(), Status::Failed, later, after, 32).await.unwrap();
        begun.extend(store.reopen(page.deliveries, now(), None).await.unwrap());
        after = page.after;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(begun, failed);
    assert_eq!(search(&store, &FailureFilter::default(), Status::Failed, later, 9).await, []);
}
