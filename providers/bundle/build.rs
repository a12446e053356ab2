//! Builds the providers that the daemon carries with it.

use postern_guest_builder::{Guest, Result, build};

fn main() -> Result<()> {
    build(&[Guest { package: "postern-provider-webhook", folder: "providers/webhook", features: &[] }])?;
    Ok(())
}
