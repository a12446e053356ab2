//! Tests of the whole product, one module per topic. See the crate's library for how they start it.

mod address_space;
mod architecture;
mod bad_input;
mod command_line;
mod connections;
mod delivery;
mod egress;
mod emitting;
mod recovery;
mod revisions;
mod rules;
mod sandbox;
mod secrecy;
mod stats;
mod tenants;
