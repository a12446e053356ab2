//! Builds the providers that tests use, as the product's own are built.

use postern_guest_builder::{Guest, Result, build};

fn main() -> Result<()> {
    let migrating = |features| guest("postern-fixture-migrating", "tests/fixtures/migrating", features);
    let tracker = |features| guest("postern-fixture-tracker", "tests/fixtures/tracker", features);
    build(&[
        guest("postern-fixture-connected", "tests/fixtures/connected", &[]),
        guest("postern-fixture-courier", "tests/fixtures/courier", &[]),
        guest("postern-fixture-explorer", "tests/fixtures/explorer", &[]),
        guest("postern-fixture-hostile", "tests/fixtures/hostile", &[]),
        guest("postern-fixture-stock", "tests/fixtures/stock", &[]),
        migrating(&[]),
        migrating(&["renamed"]),
        migrating(&["renamed", "repaired"]),
        migrating(&["plain"]),
        tracker(&[]),
        tracker(&["paced"]),
        tracker(&["repaired"]),
        tracker(&["greedy"]),
    ])?;
    Ok(())
}

fn guest(package: &'static str, folder: &'static str, features: &'static [&'static str]) -> Guest {
    Guest { package, folder, features }
}
