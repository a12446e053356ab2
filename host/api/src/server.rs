//! Serves until it is told to stop.

use crate::{App, routes};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long requests that are under way at a stop may take to end.
const DRAIN: Duration = Duration::from_secs(10);

/// Serves the API until `stop`, then lets requests that are under way end.
///
/// # Errors
/// The listener failed.
pub async fn serve(listener: TcpListener, app: App, stop: CancellationToken) -> std::io::Result<()> {
    let service = routes::router(app).into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(stop.clone().cancelled_owned());
    let cut = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        result = serving => result,
        () = cut => Ok(()),
    }
}
