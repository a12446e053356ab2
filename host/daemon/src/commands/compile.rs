//! `postern compile-component`, which the daemon starts for each component that it has to compile.

use clap::Args;
use postern_runtime::Compiler;
use std::process::ExitCode;

/// The command's name.
const NAME: &str = "compile-component";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What the daemon says.
    arguments: Vec<String>,
}

/// This very program, also when its file was replaced meanwhile.
pub(crate) fn own() -> Compiler {
    Compiler { program: "/proc/self/exe".into(), arguments: vec![NAME.into()] }
}

pub(crate) fn run(options: &Options) -> ExitCode {
    postern_runtime::compile::main(&options.arguments)
}
