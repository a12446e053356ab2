//! Puts the daemon together from its configuration, and takes it apart again.

use crate::commands;
use crate::config::Config;
use crate::operator;
use crate::telemetry;
use anyhow::{Context, Result, bail};
use postern_api::figures::Figures;
use postern_api::throttle::Throttle;
use postern_api::token::{Scope, Tokens};
use postern_api::{Services, server};
use postern_core::{SystemClock, Timestamp};
use postern_delivery::catalog::{Bundled, ProviderLimits};
use postern_delivery::coordinator::Options;
use postern_delivery::schedule::{BreakerOptions, Limits};
use postern_delivery::{Catalog, Coordinator, Parts, folders};
use postern_egress::Broker;
use postern_runtime::Runtime;
use postern_store::vault::Vault;
use postern_store::{Embedded, Store};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A daemon that serves.
pub(crate) struct Host {
    /// Where its API listens.
    pub(crate) address: SocketAddr,
    /// Where the first token was written, if this start made it.
    pub(crate) admin_token: Option<PathBuf>,
    /// How many deliveries an earlier run left unfinished.
    pub(crate) unfinished: usize,
    store: Arc<dyn Store>,
    stop: CancellationToken,
    api: JoinHandle<std::io::Result<()>>,
    coordinator: JoinHandle<usize>,
    migrations: JoinHandle<()>,
    providers: JoinHandle<()>,
}

impl Host {
    /// Opens everything, in the order in which each stands on the last, and serves; with `accept_loss` also what is left of
    /// a damaged store.
    pub(crate) async fn start(config: &Config, accept_loss: bool) -> Result<Self> {
        let recorder = telemetry::figures()?;
        let directory = config.store.directory.clone();
        let store = open_store(config, accept_loss).await?;
        let tokens = Arc::new(Tokens::open(store.clone()).await?);
        let key_file = config.path(&config.secrets.master_key_file, "master-key");
        let vault = Vault::open(&directory, &key_file, std::env::var("POSTERN_MASTER_KEY").ok())?;
        let runtime = Runtime::start(postern_runtime::Options {
            cache: Some((config.path(&config.providers.compile_cache, "cache"), config.providers.compile_cache_mib << 20)),
            limits: config.sandbox.clone(),
            concurrency: config.delivery.concurrency,
            compiler: Some(commands::compile::own()),
        })?;
        let broker = Broker::new(operator::egress(config))?;
        let catalog = Catalog::open(Parts {
            store: store.clone(),
            vault,
            runtime,
            broker: broker.clone(),
            clock: Arc::new(SystemClock),
            components: directory.join(postern_store::transfer::COMPONENTS),
            bundled: postern_bundle::PROVIDERS
                .iter()
                .filter(|one| config.providers.loads(one.name))
                .map(|one| Bundled { plugin: one.plugin, name: one.name, component: one.component })
                .collect(),
            trust: config.providers.trust()?,
            keep_builds: config.providers.keep_builds,
            longest_backlog: config.delivery.backlog,
        })
        .await?;
        let listen = config.server.listen;
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen on {listen}; is another daemon there? Set [server] listen or --listen"))?;
        let address = listener.local_addr()?;
        broker.shield(address);
        if !address.ip().is_loopback() {
            tracing::warn!(%address, "the API is reachable from outside without TLS; put a proxy that speaks TLS before it");
        }
        let admin_token = if tokens.is_empty() { Some(first_token(&tokens, &directory).await?) } else { None };
        let unfinished = store.backlog().unfinished;
        let stop = CancellationToken::new();
        let forward = (catalog.clone(), stop.clone());
        let migrations = tokio::spawn(async move { forward.0.bring_settings_forward(forward.1).await });
        let rest = (catalog.clone(), stop.clone(), config.providers.watch.clone());
        let providers = tokio::spawn(async move {
            // What is known of files is known of providers that are loaded.
            rest.0.load_the_rest(rest.1.clone()).await;
            folders::run(rest.0, rest.2, rest.1).await;
        });
        let coordinator = Coordinator::new(catalog.clone(), options(config)?);
        let schedule = coordinator.handle();
        let coordinator = tokio::spawn(coordinator.run(stop.clone()));
        let throttle = Arc::new(Throttle::new(config.server.failed_logins_per_minute));
        let trusted_proxies = config.server.trusted_proxies.clone().into();
        let figures = Arc::new(Figures::new(recorder.clone(), config.server.open_metrics));
        tokio::spawn(telemetry::keep_figures(recorder, stop.clone()));
        let services = Services { catalog, store: store.clone(), schedule, tokens, throttle, figures, trusted_proxies };
        let api = tokio::spawn(server::serve(listener, Arc::new(services), stop.clone()));
        Ok(Self { address, admin_token, unfinished, store, stop, api, coordinator, migrations, providers })
    }

    /// Waits until the store can no longer be trusted, and says why.
    pub(crate) async fn broken(&self) -> String {
        self.store.broken().await
    }

    /// Stops taking emissions, lets attempts end, and closes the store.
    pub(crate) async fn stop(self) -> Result<()> {
        self.stop.cancel();
        self.api.await??;
        let cut_off = self.coordinator.await?;
        self.migrations.await?;
        self.providers.await?;
        if cut_off > 0 {
            tracing::warn!(cut_off, "attempts were cut off; they are made again after the next start");
        }
        self.store.close().await;
        Ok(())
    }
}

fn options(config: &Config) -> Result<Options> {
    let delivery = &config.delivery;
    Ok(Options {
        limits: Limits {
            concurrency: usize::try_from(delivery.concurrency)?,
            per_subscription: delivery.per_subscription,
            per_destination: delivery.per_destination,
            breaker: BreakerOptions {
                failures: delivery.breaker.failures,
                pause: delivery.breaker.pause.0,
                longest: delivery.breaker.longest.0,
            },
            traps: delivery.quarantine_after,
        },
        provider_limits: ProviderLimits { calls: delivery.per_provider, memory: delivery.provider_memory_mib << 20 },
        retry: config.retry(),
        disable_after: delivery.disable_after.0,
        keep: config.retention.deliveries.0,
        keep_failed: config.retention.failed.0,
        keep_audit: config.retention.audit.0,
        drain: delivery.drain.0,
    })
}

async fn open_store(config: &Config, accept_loss: bool) -> Result<Arc<dyn Store>> {
    let options = postern_store::Options {
        accept_loss,
        engine: config.store.engine,
        cache_bytes: config.store.cache_mib << 20,
        reserve_bytes: config.store.reserve_mib << 20,
        ..postern_store::Options::new(&config.store.directory)
    };
    let store = tokio::task::spawn_blocking(move || Embedded::open(options)).await??;
    Ok(Arc::new(store))
}

/// Makes the first token and writes it where only this user can read it.
async fn first_token(tokens: &Tokens, directory: &Path) -> Result<PathBuf> {
    let (secret, _) = tokens.create("first admin".into(), vec![Scope::Admin], None, Timestamp::now()).await?;
    let path = directory.join("admin-token");
    let write = || -> std::io::Result<()> {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        writeln!(file, "{secret}")?;
        file.sync_all()
    };
    if let Err(error) = write() {
        bail!("the first admin token cannot be written to {}: {error}", path.display());
    }
    Ok(path)
}
