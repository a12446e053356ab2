//! `postern store export`.

use super::progress::{Progress, Stopped};
use super::{counts, log, look, open};
use crate::commands::place::Place;
use crate::output::Format;
use anyhow::{Context, Result, bail};
use clap::Args;
use postern_store::Store;
use postern_store::transfer::{TransferError, Transferred};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The file to make, readable to you only; `-` is standard output.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// Go on though opening the store cuts off what cannot be read of its files.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    format: Format,
}

impl Export {
    pub(super) async fn run(self) -> Result<()> {
        let config = self.place.load()?;
        log(&config)?;
        let to_stdout = self.file == Path::new("-");
        if !to_stdout && self.file.exists() {
            bail!("{} exists; remove it or name another file", self.file.display());
        }
        let (engine, files) = look(&config).await?;
        if let Some(problem) = files.first().filter(|_| !self.force) {
            bail!(
                "{}: {}. To export, the store must be opened, and that cuts off what cannot be read. \
                 Copy the directory, then go on with --force",
                problem.record,
                problem.reason
            );
        }
        let store = Arc::new(open(&config, engine, self.force).await?);
        let progress = Progress::of_bytes("exporting", None)?;
        let stopped = Stopped::listen()?;
        let (work, file) = (store.clone(), self.file.clone());
        let exported = tokio::task::spawn_blocking(move || {
            if to_stdout {
                let mut writer = BufWriter::new(progress.meter(io::stdout().lock(), &stopped));
                return Ok(work.export(&mut writer)?);
            }
            to_file(&file, |writer| work.export(&mut BufWriter::new(progress.meter(writer, &stopped))))
        });
        let exported = exported.await;
        store.close().await;
        let done = exported??;
        let from = config.store.directory.display();
        let sentence = format!(
            "exported {}\nThe secrets in it are encrypted. Keep the master key of {from} as well, in another place: \
             without it they are lost.",
            counts(&done)
        );
        if to_stdout {
            eprintln!("{sentence}");
        } else {
            self.format.object(&serde_json::to_value(done)?, Some(sentence))?;
        }
        match done.damaged {
            0 => Ok(()),
            damaged => {
                bail!(
                    "{damaged} damaged record(s) or file(s) were left out; `postern store check` tells which. The rest was exported"
                )
            }
        }
    }
}

/// Makes a file that is whole, or none.
fn to_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<Transferred, TransferError>) -> Result<Transferred> {
    let cannot = || format!("{} cannot be written", path.display());
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".postern-export-").tempfile_in(parent).with_context(cannot)?;
    let done = write(file.as_file_mut())?;
    file.as_file().sync_all().with_context(cannot)?;
    file.persist_noclobber(path).with_context(cannot)?;
    std::fs::File::open(parent).and_then(|directory| directory.sync_all()).with_context(cannot)?;
    Ok(done)
}
