//! Where deliveries go, and whether it works.

use crate::App;
use crate::access::{Read, Tenancy};
use crate::answer::Page;
use crate::body::{Paging, Params, part};
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use postern_delivery::schedule::DestinationView;

pub(super) async fn list(
    access: Read,
    State(app): State<App>,
    Params(paging): Params<Paging>,
) -> Result<Json<Page<DestinationView>>, Problem> {
    access.everything()?;
    let (found, next) = part(app.schedule.destinations(), |known: &DestinationView| known.destination.clone(), &paging)?;
    Ok(Page::of(found, next, |destination| destination))
}
