//! Tests of the whole product, one module per topic. See the crate's library for how they start it.

mod architecture;
mod bad_input;
mod command_line;
mod delivery;
mod egress;
mod recovery;
mod sandbox;
