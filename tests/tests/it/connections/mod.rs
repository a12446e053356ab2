//! Connections: kept with their secrets sealed, tried out, and used by subscriptions.

mod commands;
mod kept;
mod marks;
mod tried;
mod used;
