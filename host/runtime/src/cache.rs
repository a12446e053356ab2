//! Machine code on disk, so that a start need not compile again.
//!
//! Loading machine code means running it, so a file is used only if this host wrote it: each one carries an HMAC under
//! a key that lies beside the cache with mode 0600, over the engine's compatibility hash, the component's digest and
//! the code. What does not verify is compiled anew and written over. The cache has a bound; what was not used for longest goes.

use ring::hmac;
use sha2::{Digest as _, Sha256};
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use wasmtime::component::Component;

const TAG: usize = 32;
const EXTENSION: &str = "cwasm";

pub(crate) struct Cache {
    directory: PathBuf,
    /// How many bytes it may hold.
    most: u64,
    key: hmac::Key,
    /// Which engine the code is for: its version, settings and the processor's features.
    engine: [u8; 32],
}

impl Cache {
    pub(crate) fn open(directory: &Path, most: u64, engine: &wasmtime::Engine) -> std::io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let key = read_or_make_key(&directory.join("key"))?;
        let mut hasher = Sha256Hasher(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self {
            directory: directory.to_owned(),
            most,
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            engine: hasher.0.finalize().into(),
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
                    // A file that cannot be marked as used goes earlier; that is all.
                    let _ =
                        std::fs::File::options().append(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
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
    pub(crate) fn store(&self, digest: &str, component: &Component) -> std::io::Result<()> {
        let code = component.serialize().map_err(|error| std::io::Error::other(format!("{error:#}")))?;
        let mut context = hmac::Context::with_key(&self.key);
        self.cover(&mut context, digest, &code);
        let path = self.path(digest);
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        file.write_all(context.sign().as_ref())?;
        file.write_all(&code)?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        self.shrink(&path)
    }

    /// Removes what was not used for longest, until the rest fits; never what was just written.
    fn shrink(&self, written: &Path) -> std::io::Result<()> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            let path = entry?.path();
            // Another process may have removed it.
            if let Some(found) = std::fs::metadata(&path).ok().filter(|_| path.extension().is_some_and(|it| it == EXTENSION)) {
                files.push((found.modified()?, found.len(), path));
            }
        }
        files.sort();
        let mut bytes: u64 = files.iter().map(|(_, length, _)| length).sum();
        for (_, length, path) in files.iter().filter(|(_, _, path)| path != written) {
            if bytes <= self.most {
                break;
            }
            std::fs::remove_file(path)?;
            bytes -= length;
        }
        Ok(())
    }

    fn cover(&self, context: &mut hmac::Context, digest: &str, code: &[u8]) {
        context.update(&self.engine);
        context.update(&Sha256::digest(digest.as_bytes()));
        context.update(code);
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.directory.join(format!("{digest}-{}.{EXTENSION}", &crate::hex(&self.engine)[..16]))
    }
}

#[expect(unsafe_code, reason = "machine code runs as it is; this is the host's own, which the caller has authenticated")]
fn deserialize(engine: &wasmtime::Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `code` verified under a key that only this host's user can read, for this engine and component, so it is
    // byte for byte what `Component::serialize` of a compatible engine returned.
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

    #[test]
    fn only_our_own_code_for_this_component_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let engine = wasmtime::Engine::default();
        let cache = Cache::open(directory.path(), u64::MAX, &engine).unwrap();
        let component = Component::new(&engine, wat::parse_str("(component)").unwrap()).unwrap();
        assert!(cache.load(&engine, "aa").is_none());
        cache.store("aa", &component).unwrap();
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
        std::fs::write(cache.path("aa"), component.serialize().unwrap()).unwrap();
        assert!(cache.load(&engine, "aa").is_none(), "from outside");

        std::fs::write(cache.path("aa"), &good).unwrap();
        std::fs::remove_file(directory.path().join("key")).unwrap();
        let another = Cache::open(directory.path(), u64::MAX, &engine).unwrap();
        assert!(another.load(&engine, "aa").is_none(), "under another host's key");
    }

    #[test]
    fn what_was_not_used_for_longest_goes_when_the_cache_is_full() {
        let directory = tempfile::tempdir().unwrap();
        let engine = wasmtime::Engine::default();
        let component = Component::new(&engine, wat::parse_str("(component)").unwrap()).unwrap();
        let mut cache = Cache::open(directory.path(), u64::MAX, &engine).unwrap();
        let there = |cache: &Cache| ["aa", "bb", "cc"].map(|digest| cache.path(digest).exists());
        for (digest, age) in [("aa", 20), ("bb", 10)] {
            cache.store(digest, &component).unwrap();
            let file = std::fs::File::options().append(true).open(cache.path(digest)).unwrap();
            file.set_modified(SystemTime::now() - std::time::Duration::from_secs(age)).unwrap();
        }
        assert!(cache.load(&engine, "aa").is_some(), "which was used just now");
        cache.most = 2 * std::fs::metadata(cache.path("aa")).unwrap().len();
        cache.store("cc", &component).unwrap();
        assert_eq!(there(&cache), [true, false, true]);
        cache.most = 0;
        cache.store("bb", &component).unwrap();
        assert_eq!(there(&cache), [false, true, false], "what was just written stays");
        assert!(directory.path().join("key").exists());
    }

    #[test]
    fn the_key_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        Cache::open(directory.path(), u64::MAX, &wasmtime::Engine::default()).unwrap();
        let mode = std::fs::metadata(directory.path().join("key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
