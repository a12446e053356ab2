//! Machine code on disk, so that a start need not compile again.
//!
//! Loading machine code means running it, so a file is used only if this host wrote it: each one carries an HMAC under
//! a key that lies beside the cache with mode 0600, over the engine's compatibility hash, the contract, the component's digest
//! and the code. What does not verify is compiled anew and written over. When the files together exceed their bound, those go
//! that were not used for the longest time.

use crate::compile::parts;
use ring::hmac;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use wasmtime::component::Component;

const TAG: usize = 32;

pub(crate) struct Cache {
    directory: PathBuf,
    key: hmac::Key,
    /// Which engine the code is for: its version, settings and the processor's features; and what components are made with.
    engine: [u8; 32],
    /// How many bytes all files together may have.
    most_bytes: u64,
}

impl Cache {
    /// `made_with`: what a file becomes a component with, besides itself.
    pub(crate) fn open(
        directory: &Path,
        engine: &wasmtime::Engine,
        made_with: &[&[u8]],
        most_bytes: u64,
    ) -> std::io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let key = read_or_make_key(&directory.join("key"))?;
        let mut hasher = Sha256Hasher(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        made_with.hash(&mut hasher);
        Ok(Self {
            directory: directory.to_owned(),
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            engine: hasher.0.finalize().into(),
            most_bytes,
        })
    }

    /// The code for a component, if a file of our own has it.
    pub(crate) fn load(&self, engine: &wasmtime::Engine, digest: &str) -> Option<Component> {
        let path = self.path(digest);
        let file = std::fs::read(&path).ok()?;
        let (tag, code) = file.split_at_checked(TAG)?;
        let mut context = hmac::Context::with_key(&self.key);
        self.cover(&mut context, digest, code);
        // `verify` of the library takes the whole message; the tag is compared in constant time all the same.
        let expected = context.sign();
        if ring_equal(expected.as_ref(), tag) {
            match deserialize(engine, code) {
                Ok(component) => {
                    // Where that cannot be noted, it may go earlier than others.
                    let _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
                    return Some(component);
                }
                Err(error) => tracing::warn!(%digest, error = format!("{error:#}"), "cached code does not load; compiling again"),
            }
        } else {
            tracing::warn!(%digest, "cached code is not what this host wrote; compiling again");
        }
        None
    }

    /// Keeps the code of a component.
    pub(crate) fn store(&self, digest: &str, code: &[u8]) -> std::io::Result<()> {
        let mut context = hmac::Context::with_key(&self.key);
        self.cover(&mut context, digest, code);
        let path = self.path(digest);
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        file.write_all(context.sign().as_ref())?;
        parts(code).try_for_each(|part| file.write_all(part))?;
        // Not for its safety, since what a power cut leaves of it does not verify: what nobody syncs is written by the kernel some
        // time later, much of it at once, and the store on the same disk waits (seen as 96 ms after 50 upgrades).
        file.as_file().sync_all()?;
        file.persist(path)?;
        self.forget_oldest()
    }

    /// Removes files until the rest keep to the bound. The newest stays in any case.
    fn forget_oldest(&self) -> std::io::Result<()> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            let path = entry?.path();
            // Another daemon may share the directory, and remove one right now.
            let Ok(metadata) = std::fs::metadata(&path) else { continue };
            if path.extension().is_some_and(|extension| extension == "cwasm") {
                files.push((metadata.modified()?, metadata.len(), path));
            }
        }
        files.sort_by_key(|file| std::cmp::Reverse(file.0));
        let mut bytes = 0;
        for (position, (_, size, path)) in files.into_iter().enumerate() {
            bytes += size;
            if bytes > self.most_bytes && position > 0 {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn cover(&self, context: &mut hmac::Context, digest: &str, code: &[u8]) {
        context.update(&self.engine);
        context.update(&Sha256::digest(digest.as_bytes()));
        parts(code).for_each(|part| context.update(part));
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.directory.join(format!("{digest}-{}.cwasm", &crate::hex(&self.engine)[..16]))
    }
}

/// Takes machine code that this host made just now, or wrote before and recognised again.
#[expect(unsafe_code, reason = "machine code runs as it is; this is the host's own, which the caller has authenticated")]
pub(crate) fn deserialize(engine: &wasmtime::Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `code` came from this host's own compiler just now, or verified under a key that only this host's user can read,
    // for this engine and component; so it is byte for byte what a compatible engine's `precompile_component` returned. The
    // compiler itself is trusted as it would be in this process.
    unsafe { Component::deserialize(engine, code) }
}

fn ring_equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

fn read_or_make_key(path: &Path) -> std::io::Result<[u8; 32]> {
    use std::os::unix::fs::PermissionsExt;
    match std::fs::read(path) {
        Ok(bytes) if bytes.len() == 32 => return Ok(bytes.try_into().expect("32 bytes")),
        Ok(_) => std::fs::remove_file(path)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut key = [0; 32];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut key)
        .map_err(|_| std::io::Error::other("the system gives no random bytes"))?;
    let directory = path.parent().unwrap_or(Path::new("."));
    // Readable to its owner only from the beginning. Of two processes that make one, the first has its way.
    let mut file = tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o600)).tempfile_in(directory)?;
    file.write_all(&key)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(key),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => read_or_make_key(path),
        Err(error) => Err(error.error),
    }
}

struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest: [u8; 32] = self.0.clone().finalize().into();
        u64::from_be_bytes(digest[..8].try_into().expect("eight bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::time::Duration;
    use wasmtime::{Config, Engine, ModuleVersionStrategy};

    fn code(engine: &Engine) -> Vec<u8> {
        engine.precompile_component(&wat::parse_str("(component)").unwrap()).unwrap()
    }

    #[test]
    fn only_our_own_code_for_this_component_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let cache = Cache::open(directory.path(), &engine, &[], u64::MAX).unwrap();
        assert!(cache.load(&engine, "aa").is_none());
        cache.store("aa", &code(&engine)).unwrap();
        assert!(cache.load(&engine, "aa").is_some());

        let good = std::fs::read(cache.path("aa")).unwrap();
        std::fs::write(cache.path("bb"), &good).unwrap();
        assert!(cache.load(&engine, "bb").is_none(), "code of another component");
        for spoiled in [&good[..good.len() - 1], &good[..10], &[], &[good.as_slice(), b"x"].concat()] {
            std::fs::write(cache.path("aa"), spoiled).unwrap();
            assert!(cache.load(&engine, "aa").is_none());
        }
        let mut flipped = good.clone();
        flipped[TAG + 100] ^= 1;
        std::fs::write(cache.path("aa"), &flipped).unwrap();
        assert!(cache.load(&engine, "aa").is_none(), "tampered with");
        std::fs::write(cache.path("aa"), code(&engine)).unwrap();
        assert!(cache.load(&engine, "aa").is_none(), "from outside");

        std::fs::write(cache.path("aa"), &good).unwrap();
        let another = Cache::open(directory.path(), &engine, &[b"another contract"], u64::MAX).unwrap();
        assert!(another.load(&engine, "aa").is_none(), "of a component that was made of the same file with another contract");

        std::fs::remove_file(directory.path().join("key")).unwrap();
        let another = Cache::open(directory.path(), &engine, &[], u64::MAX).unwrap();
        assert!(another.load(&engine, "aa").is_none(), "under another host's key");
    }

    #[test]
    fn code_for_another_version_or_another_processor_is_not_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let cache = Cache::open(directory.path(), &engine, &[], u64::MAX).unwrap();
        let mut version = Config::new();
        version.module_version(ModuleVersionStrategy::Custom("47.0.0".into())).unwrap();
        let mut processor = Config::new();
        // This architecture, without what this very processor can do beyond its baseline.
        processor.target(&format!("{}-unknown-linux-gnu", std::env::consts::ARCH)).unwrap();
        for (what, config) in [("version", version), ("processor", processor)] {
            let other = Engine::new(&config).unwrap();
            let theirs = Cache::open(directory.path(), &other, &[], u64::MAX).unwrap();
            theirs.store("aa", &code(&other)).unwrap();
            assert!(theirs.load(&other, "aa").is_some());
            assert!(cache.load(&engine, "aa").is_none(), "{what}: it is another file");
            std::fs::copy(theirs.path("aa"), cache.path("aa")).unwrap();
            assert!(cache.load(&engine, "aa").is_none(), "{what}: under our name");
            std::fs::remove_file(cache.path("aa")).unwrap();
        }
    }

    #[test]
    fn what_was_not_used_for_the_longest_time_goes_when_the_bound_is_reached() {
        let directory = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let code = code(&engine);
        let two = 2 * (code.len() + TAG) as u64;
        let cache = Cache::open(directory.path(), &engine, &[], two).unwrap();
        let age = |digest: &str, seconds| {
            let file = File::options().append(true).open(cache.path(digest)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
        };
        for (digest, seconds) in [("aa", 30), ("bb", 20)] {
            cache.store(digest, &code).unwrap();
            age(digest, seconds);
        }
        assert!(cache.load(&engine, "aa").is_some(), "it is used, and so younger than the other");
        cache.store("cc", &code).unwrap();
        let known = ["aa", "bb", "cc"].map(|digest| cache.path(digest).exists());
        assert_eq!(known, [true, false, true]);
        let tight = Cache::open(directory.path(), &engine, &[], 1).unwrap();
        tight.store("dd", &code).unwrap();
        assert!(tight.load(&engine, "dd").is_some() && !tight.path("cc").exists(), "the newest stays");
    }

    #[test]
    fn the_key_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        Cache::open(directory.path(), &Engine::default(), &[], u64::MAX).unwrap();
        let mode = std::fs::metadata(directory.path().join("key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
