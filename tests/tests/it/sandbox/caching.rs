//! Machine code is kept between starts, and used only as it was written.

use super::Scene;
use crate::metrics::Figures;
use serde_json::json;
use std::fs;
use std::path::PathBuf;

/// The files with machine code, and their bytes.
fn entries(scene: &Scene) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(scene.daemon.data().join("cache")).expect("the cache").flatten().map(|entry| entry.path());
    let mut found: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "cwasm"))
        .map(|path| (path.clone(), fs::read(path).expect("an entry")))
        .collect();
    found.sort();
    found
}

/// How often the cache had what was wanted since the start, and how often not.
async fn counts(scene: &Scene) -> (f64, f64) {
    let figures = Figures::of(&scene.daemon).await;
    let count = |result: &str| figures.get(&format!("postern_compile_cache_total{{result=\"{result}\"}}"));
    (count("hit"), count("miss"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_was_spoiled_is_compiled_again_and_written_over() {
    // A cache of its own, with one bundled provider and the fixture in it.
    let mut scene = Scene::with_hostile("[providers]\ncompile-cache = \"\"").await;
    assert_eq!(counts(&scene).await, (0.0, 2.0));
    let good = entries(&scene);
    assert_eq!(good.len(), 2);
    let [(flipped, flipped_bytes), (cut, cut_bytes)] = &good[..] else { unreachable!("there are two") };
    for spoiled in [false, true, false] {
        scene.daemon.terminate().await;
        if spoiled {
            let bit = [&flipped_bytes[..5000], &[flipped_bytes[5000] ^ 1], &flipped_bytes[5001..]].concat();
            fs::write(flipped, bit).expect("it can be spoiled");
            fs::write(cut, &cut_bytes[..cut_bytes.len() / 2]).expect("it can be spoiled");
        }
        scene.daemon.restart().await;
        assert_eq!(counts(&scene).await, if spoiled { (0.0, 2.0) } else { (2.0, 0.0) });
        let delivery = scene.misbehave(json!({ "behaviour": "ok" })).await;
        assert_eq!(delivery["status"], "success", "{delivery:#}");
        assert_eq!(entries(&scene), good, "what was spoiled is as it was");
    }
}
