//! Listings: filters, pages, cursors.

use crate::*;
use postern_core::delivery::Status;
use postern_core::{Delivery, DeliveryId, TenantId};
use postern_store::{DeliveryFilter, Error, EventFilter, PageRequest};

on_both_engines!(
    pages_have_no_gaps_and_no_doubles,
    every_filter_selects_what_it_says,
    a_rare_match_fills_the_page_all_the_same,
    events_are_listed_with_their_deliveries,
    large_records_are_listed,
    a_foreign_cursor_is_refused,
);

fn page(limit: usize, after: Option<String>) -> PageRequest {
    PageRequest { limit, after }
}

async fn walk(store: &Embedded, filter: &DeliveryFilter, limit: usize) -> Vec<Delivery> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = store.list_deliveries(filter.clone(), page(limit, after)).await.unwrap();
        assert!(page.items.len() == limit || page.next.is_none(), "a page that is not the last is full");
        found.extend(page.items);
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

async fn pages_have_no_gaps_and_no_doubles(place: Place) {
    let store = place.open();
    let mut expected = Vec::new();
    for n in 0..150usize {
        let new = ingest(&store, n % 5).await;
        expected.push((new.event.id, n % 5));
    }
    let expected: Vec<_> = expected
        .into_iter()
        .rev()
        .flat_map(|(event, routes)| (0..routes).map(move |index| DeliveryId { event, index: index as u16 }))
        .collect();
    for limit in [1, 3, 7, 100, 299, 300, 301, 1000] {
        let found: Vec<_> = walk(&store, &DeliveryFilter::default(), limit).await.iter().map(|delivery| delivery.id).collect();
        assert_eq!(found, expected, "limit {limit}");
    }
    // A cursor stays good while new events come.
    let first = store.list_deliveries(DeliveryFilter::default(), page(10, None)).await.unwrap();
    ingest(&store, 3).await;
    let second = store.list_deliveries(DeliveryFilter::default(), page(10, first.next)).await.unwrap();
    assert_eq!(second.items.iter().map(|delivery| delivery.id).collect::<Vec<_>>(), expected[10..20]);
}

async fn every_filter_selects_what_it_says(place: Place) {
    let store = place.open();
    let tenants: [TenantId; 2] = [TenantId::default(), "acme".parse().unwrap()];
    let mut events = Vec::new();
    for n in 0..60usize {
        let mut new = new_event(3, 50);
        let event = Arc::get_mut(&mut new.event).unwrap();
        // Twenty in each millisecond.
        let millis = 1_700_000_000_000 + n as u128 / 20;
        event.id = EventId::from_bytes((millis << 80 | n as u128).to_be_bytes());
        event.tenant = tenants[n % 2].clone();
        event.event_type = ["a.one", "a.two", "b.one"][n % 3].parse().unwrap();
        new.routes[1].provider = "postern.slack".parse().unwrap();
        new.routes[2].subscription = SubscriptionId::from_bytes([n as u8 % 4; 16]);
        new.routes[n % 3].entity = Some(format!("inc-{}", n % 5));
        store.ingest(new.clone()).await.unwrap();
        events.push(new);
    }
    for (n, claim) in claim_all(&store).await.iter().enumerate() {
        let state =
            [success(), failed(), retrying(now().saturating_add(std::time::Duration::from_secs(60)))].into_iter().nth(n % 4);
        if let Some(state) = state {
            store.finish(&[finish(claim, state)]).await.unwrap();
        }
    }
    let all = walk(&store, &DeliveryFilter::default(), 50).await;
    assert_eq!(all.len(), 180);
    let middle = events[30].event.id;
    let none = DeliveryFilter::default;
    type Check = Box<dyn Fn(&Delivery) -> bool>;
    let cases: Vec<(DeliveryFilter, Check)> = vec![
        (DeliveryFilter { tenant: Some(tenants[1].clone()), ..none() }, Box::new(|d| d.tenant.as_str() == "acme")),
        (
            DeliveryFilter { subscription: Some(SubscriptionId::from_bytes([2; 16])), ..none() },
            Box::new(|d| d.route.subscription.to_bytes() == [2; 16]),
        ),
        (DeliveryFilter { provider: Some("postern.slack".parse().unwrap()), ..none() }, Box::new(|d| d.id.index == 1)),
        (DeliveryFilter { event: Some(middle), ..none() }, Box::new(move |d| d.id.event == middle)),
        (DeliveryFilter { event_type: Some("a.two".parse().unwrap()), ..none() }, Box::new(|d| d.event_type.as_str() == "a.two")),
        (DeliveryFilter { entity: Some("inc-4".into()), ..none() }, Box::new(|d| d.route.entity.as_deref() == Some("inc-4"))),
        (DeliveryFilter { entity: Some(String::new()), ..none() }, Box::new(|_| false)),
        (DeliveryFilter { status: Some(Status::Pending), ..none() }, Box::new(|d| d.state.status() == Status::Pending)),
        (DeliveryFilter { status: Some(Status::Retrying), ..none() }, Box::new(|d| d.state.status() == Status::Retrying)),
        (DeliveryFilter { status: Some(Status::Failed), ..none() }, Box::new(|d| d.state.status() == Status::Failed)),
        (DeliveryFilter { since: Some(middle.created_at()), ..none() }, Box::new(move |d| d.created_at >= middle.created_at())),
        (DeliveryFilter { until: Some(middle.created_at()), ..none() }, Box::new(move |d| d.created_at < middle.created_at())),
        (
            DeliveryFilter {
                tenant: Some(tenants[0].clone()),
                status: Some(Status::Success),
                since: Some(middle.created_at()),
                ..none()
            },
            Box::new(move |d| {
                d.tenant.as_str() == "default" && d.state.status() == Status::Success && d.created_at >= middle.created_at()
            }),
        ),
        (DeliveryFilter { event: Some(middle), until: Some(middle.created_at()), ..none() }, Box::new(|_| false)),
        (DeliveryFilter { event: Some(EventId::generate()), ..none() }, Box::new(|_| false)),
    ];
    for (filter, check) in cases {
        let expected: Vec<_> = all.iter().filter(|delivery| check(delivery)).cloned().collect();
        for limit in [4, 500] {
            assert_eq!(walk(&store, &filter, limit).await, expected, "{filter:?}");
        }
    }
}

async fn a_rare_match_fills_the_page_all_the_same(place: Place) {
    let store = place.open();
    let mut rare = Vec::new();
    for n in 0..600 {
        let mut new = new_event(1, 10);
        if n % 150 == 0 {
            new.routes[0].provider = "postern.rare".parse().unwrap();
            rare.push(new.event.id);
        }
        store.ingest(new).await.unwrap();
    }
    let filter = DeliveryFilter { provider: Some("postern.rare".parse().unwrap()), ..Default::default() };
    let found = store.list_deliveries(filter, page(4, None)).await.unwrap();
    assert!(found.items.iter().map(|delivery| delivery.id.event).eq(rare.into_iter().rev()));
}

async fn events_are_listed_with_their_deliveries(place: Place) {
    let store = place.open();
    let mut events = Vec::new();
    for n in 0..40 {
        let mut new = new_event(n % 3, 20);
        Arc::get_mut(&mut new.event).unwrap().event_type = ["a.one", "a.two"][n / 20].parse().unwrap();
        store.ingest(new.clone()).await.unwrap();
        events.insert(0, new);
    }
    for (filter, expected) in [
        (EventFilter::default(), &events[..]),
        (EventFilter { event_type: Some("a.one".parse().unwrap()), ..Default::default() }, &events[20..]),
        (EventFilter { tenant: Some("other".parse().unwrap()), ..Default::default() }, &[]),
    ] {
        for limit in [1, 7, 20, 100] {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = store.list_events(filter.clone(), page(limit, after)).await.unwrap();
                found.extend(page.items);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert!(found.iter().map(|(event, _)| event).eq(expected.iter().map(|new| &new.event)));
            assert!(found.iter().map(|(_, deliveries)| deliveries.len()).eq(expected.iter().map(|new| new.routes.len())));
        }
    }
}

async fn large_records_are_listed(place: Place) {
    let store = place.open();
    let mut ids = Vec::new();
    for n in 0..12 {
        let new = new_event(2, if n % 3 == 0 { 300_000 } else { 9_000 });
        store.ingest(new.clone()).await.unwrap();
        ids.insert(0, new.event.id);
    }
    for claim in claim_all(&store).await {
        let step = step(1, success(), 40_000);
        store.finish(&[finish_with(&claim, step)]).await.unwrap();
    }
    let filter = DeliveryFilter { status: Some(Status::Success), ..Default::default() };
    let found = walk(&store, &filter, 5).await;
    assert!(found.chunks(2).map(|pair| pair[0].id.event).eq(ids.iter().copied()));
    assert_eq!(store.list_events(EventFilter::default(), page(50, None)).await.unwrap().items.len(), 12);
}

async fn a_foreign_cursor_is_refused(place: Place) {
    let store = place.open();
    ingest(&store, 5).await;
    let deliveries = store.list_deliveries(DeliveryFilter::default(), page(1, None)).await.unwrap().next;
    for cursor in [Some("nonsense".to_owned()), Some(String::new()), deliveries] {
        assert!(matches!(store.list_events(EventFilter::default(), page(1, cursor)).await, Err(Error::BadCursor)));
    }
}
