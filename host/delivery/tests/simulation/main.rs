//! Whole histories under a simulated clock: the schedule and the machine as they are, and the store's queue as it promises
//! to be. Events arrive, attempts end in every way, the process is killed, settings change, people retry and cancel; then
//! everything works again and all must come to an end.

mod history;
mod lanes;
mod queue;

use history::{Action, Change, Ending, History};
use proptest::prelude::*;

fn ending() -> impl Strategy<Value = Ending> {
    let asked = prop_oneof![1..5_000u64, 1..200_000_000u64];
    prop_oneof![
        6 => Just(Ending::Success),
        4 => Just(Ending::Backoff),
        2 => asked.clone().prop_map(Ending::After),
        1 => Just(Ending::Never),
        2 => asked.prop_map(Ending::Refused),
        1 => Just(Ending::Ambiguous),
        2 => Just(Ending::Trap),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        any::<bool>().prop_map(Change::Paused),
        any::<bool>().prop_map(Change::Enabled),
        prop::option::of((1..4u32, 1..3_000u64)).prop_map(Change::Quota),
        (0..4usize).prop_map(Change::Destination),
        (0..queue::POLICIES).prop_map(Change::Policy),
        any::<bool>().prop_map(Change::Hold),
        Just(Change::Build),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    let entity = prop::option::weighted(0.6, 0..3u8);
    prop_oneof![
        8 => (0..lanes::SUBSCRIPTIONS, entity, 1..5u8).prop_map(|(lane, entity, count)| Action::Emit(lane, entity, count)),
        8 => (1..20usize).prop_map(Action::Begin),
        14 => (0..50usize, ending(), 0.0..1.0f64).prop_map(|(which, ending, chance)| Action::End(which, ending, chance)),
        5 => Just(Action::Record),
        4 => prop_oneof![1..2_000i64, 1..4_000_000i64].prop_map(Action::Wait),
        1 => Just(Action::Look),
        3 => (0..lanes::SUBSCRIPTIONS, change()).prop_map(|(lane, change)| Action::Change(lane, change)),
        1 => Just(Action::Crash),
        1 => Just(Action::ClaimFails),
        2 => (0..200usize).prop_map(Action::Reopen),
        2 => (0..200usize).prop_map(Action::Cancel),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// What each step must keep to is checked by [`History::step`]; here is what must be true in the end.
    #[test]
    fn nothing_is_lost_and_every_rule_holds_whatever_happens(actions in prop::collection::vec(action(), 1..200)) {
        let mut history = History::new();
        for action in actions {
            history.step(action);
        }
        history.heal();
        let unfinished = history.unfinished();
        prop_assert!(unfinished.is_empty(), "{unfinished:?}");
    }
}
