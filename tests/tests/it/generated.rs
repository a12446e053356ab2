//! Values for tests of properties. A daemon serves all values of a test, so nothing is made smaller after a failure; the
//! failure names the value, and it is the same in every run.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Values of a strategy, the same in every run.
pub(crate) fn values<S: Strategy>(strategy: &S, count: usize) -> Vec<S::Value> {
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    (0..count).map(|_| strategy.new_tree(&mut runner).expect("a value").current()).collect()
}
