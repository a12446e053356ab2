//! The `postern` program: the daemon, and the commands that talk to one.

mod arguments;
mod commands;
mod config;
mod demo;
mod host;
mod operator;
mod output;
mod telemetry;

use anyhow::Result;
use arguments::{Arguments, Command};
use clap::Parser;
use std::process::ExitCode;

/// A quarter of the processor's time went into the system's allocator under load; this one takes a fifth off the whole.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Command::CompileComponent(options) = &arguments.command {
        // Before there are threads.
        return commands::compile::run(options);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the asynchronous runtime does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(arguments)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<ExitCode> {
    let remote = arguments.remote;
    let done = match arguments.command {
        // It alone tells more than success or failure by its exit code.
        Command::Apply(apply) => return commands::apply::run(apply, &remote).await,
        Command::Serve(serve) => commands::serve::run(serve).await,
        Command::Demo(options) => demo::run(options).await,
        Command::Event(command) => commands::event::run(command, &remote).await,
        Command::Provider(command) => commands::author::run(command, &remote).await,
        Command::Subscription(command) => commands::subscription::run(command, &remote).await,
        Command::Connection(command) => commands::connection::run(command, &remote).await,
        Command::Delivery(command) => commands::delivery::run(command, &remote).await,
        Command::Audit(command) => commands::audit::run(command, &remote).await,
        Command::Token(command) => commands::token::run(command, &remote).await,
        Command::Secrets(command) => commands::secrets::run(command).await,
        Command::Store(command) => commands::store::run(command).await,
        Command::Config(command) => commands::config::run(command),
        Command::CompileComponent(options) => return Ok(commands::compile::run(&options)),
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut <Arguments as clap::CommandFactory>::command(),
                "postern",
                &mut std::io::stdout(),
            );
            Ok(())
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}
