//! Builds the providers that misbehave, as the product's own are built.

use postern_guest_builder::{Guest, Result, build};

fn main() -> Result<()> {
    build(&[Guest { package: "postern-fixture-hostile", folder: "tests/fixtures/hostile" }])?;
    Ok(())
}
