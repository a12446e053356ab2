//! Counts.

use crate::*;
use postern_store::{Counts, Stats, StatsFilter};
use std::time::Duration;

on_both_engines!(
    deliveries_are_counted_by_status_type_and_provider,
    only_what_is_asked_for_counts,
    one_tenants_deliveries_are_counted_alone,
);

fn of_all(since: Timestamp) -> StatsFilter {
    StatsFilter { since, tenant: None }
}

async fn deliveries_are_counted_by_status_type_and_provider(place: Place) {
    let store = place.open();
    assert_eq!(store.stats(of_all(now())).await.unwrap(), Stats::default());
    let since = now();
    for n in 0..200usize {
        let mut new = new_event(n % 5, 10);
        Arc::get_mut(&mut new.event).unwrap().event_type = format!("a.t{}", n % 2).parse().unwrap();
        for (index, route) in new.routes.iter_mut().enumerate() {
            route.provider = format!("p.q{index}").parse().unwrap();
        }
        store.ingest(new).await.unwrap();
    }
    let later = now().saturating_add(Duration::from_secs(99));
    let state = |index| match index {
        0 => Some(success()),
        1 => Some(failed()),
        2 => Some(retrying(later)),
        _ => None,
    };
    let claims = claim_all(&store).await;
    let steps: Vec<_> = claims.iter().filter_map(|claim| Some(finish(claim, state(claim.id.index)?))).collect();
    store.finish(&steps).await.unwrap();
    let stats = store.stats(of_all(since)).await.unwrap();
    let all = Counts { total: 400, success: 160, failed: 120, retrying: 80, pending: 40 };
    assert_eq!((stats.events, stats.deliveries, stats.cut_at), (200, all, None));
    let of = |name: &str| stats.by_provider[&name.parse().unwrap()];
    assert_eq!(of("p.q0"), Counts { total: 160, success: 160, ..Counts::default() });
    assert_eq!(of("p.q1"), Counts { total: 120, failed: 120, ..Counts::default() });
    assert_eq!(of("p.q2"), Counts { total: 80, retrying: 80, ..Counts::default() });
    assert_eq!(of("p.q3"), Counts { total: 40, pending: 40, ..Counts::default() });
    assert_eq!(stats.by_provider.len(), 4);
    assert_eq!(stats.by_event_type.len(), 2);
    assert_eq!(stats.by_event_type.values().map(|counts| counts.total).sum::<usize>(), 400);
}

async fn only_what_is_asked_for_counts(place: Place) {
    let store = place.open();
    for millis in [5u64, 6, 7] {
        let mut new = new_event(1, 10);
        Arc::get_mut(&mut new.event).unwrap().id = EventId::from_bytes((u128::from(millis) << 80).to_be_bytes());
        store.ingest(new).await.unwrap();
    }
    for (since, expected) in [(-1, 3), (5, 3), (6, 2), (7, 1), (8, 0), (i64::MAX, 0)] {
        let stats = store.stats(of_all(Timestamp::from_millis(since))).await.unwrap();
        assert_eq!((stats.events, stats.deliveries.total), (expected, expected), "{since}");
    }
}

async fn one_tenants_deliveries_are_counted_alone(place: Place) {
    let store = place.open();
    let since = now();
    for n in 0..300usize {
        let mut new = new_event(n % 3, 10);
        let event = Arc::get_mut(&mut new.event).unwrap();
        event.tenant = ["default", "acme", "globex"][n % 3].parse().unwrap();
        event.event_type = format!("a.{}", event.tenant).parse().unwrap();
        store.ingest(new).await.unwrap();
    }
    for (tenant, events, deliveries) in [("default", 100, 0), ("acme", 100, 100), ("globex", 100, 200), ("nobody", 0, 0)] {
        let filter = StatsFilter { since, tenant: Some(tenant.parse().unwrap()) };
        let stats = store.stats(filter).await.unwrap();
        assert_eq!((stats.events, stats.deliveries.pending, stats.cut_at), (events, deliveries, None), "{tenant}");
        let types: Vec<_> = stats.by_event_type.keys().map(|id| id.to_string()).collect();
        assert_eq!(types, if events > 0 { vec![format!("a.{tenant}")] } else { Vec::new() });
        assert_eq!(stats.by_provider.values().map(|counts| counts.total).sum::<usize>(), deliveries);
    }
}
