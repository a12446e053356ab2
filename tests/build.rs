//! Builds the providers that tests use, as the product's own are built.

use postern_guest_builder::{Guest, Result, build};

fn main() -> Result<()> {
    build(&[
        Guest { package: "postern-fixture-connected", folder: "tests/fixtures/connected" },
        Guest { package: "postern-fixture-hostile", folder: "tests/fixtures/hostile" },
    ])?;
    Ok(())
}
