//! Probes, open to everybody.

use crate::App;
use axum::extract::State;
use postern_store::Kind;

/// The process lives.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// It can take emissions: the store answers.
pub(super) async fn readyz(State(app): State<App>) -> Result<&'static str, crate::problem::Problem> {
    app.store.document(Kind::Setting, "readyz").await?;
    Ok("ready\n")
}
