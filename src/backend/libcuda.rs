//! Whether this machine has the CUDA driver: found by its file's name, never loaded. Knows folders, nothing of devices.

use std::path::{Path, PathBuf};

/// The driver's library, as every CUDA program looks for it.
pub const NAME: &str = "libcuda.so.1";

/// Where distributions, containers and WSL put it.
const FOLDERS: [&str; 8] = [
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/lib/wsl/lib",
    "/usr/local/nvidia/lib64",
    "/usr/local/cuda/compat",
    "/run/opengl-driver/lib",
];

/// Larger caches are not looked at.
const LARGEST_CACHE: u64 = 64 << 20;

/// The driver's library: where the loader's path, its cache or the usual folders have it.
pub fn find() -> Option<PathBuf> {
    let named: Vec<PathBuf> = std::env::var_os("LD_LIBRARY_PATH")
        .map(|list| std::env::split_paths(&list).filter(|folder| !folder.as_os_str().is_empty()).collect())
        .unwrap_or_default();
    let usual = FOLDERS.iter().map(PathBuf::from);
    in_folders(named.into_iter()).or_else(in_cache).or_else(|| in_folders(usual))
}

fn in_folders(mut folders: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    folders.find_map(|folder| Some(folder.join(NAME)).filter(|path| path.exists()))
}

/// The loader's cache holds full paths, each ended by a zero.
fn in_cache() -> Option<PathBuf> {
    let cache = Path::new("/etc/ld.so.cache");
    if std::fs::metadata(cache).ok()?.len() > LARGEST_CACHE {
        return None;
    }
    let bytes = std::fs::read(cache).ok()?;
    let mut texts = bytes.split(|byte| *byte == 0).filter_map(|text| std::str::from_utf8(text).ok());
    texts.find_map(|text| {
        // The first text follows binary fields without a zero between, so only its end is a path.
        let path = text.get(text.find('/')?..)?;
        path.strip_suffix(NAME).filter(|folder| folder.ends_with('/')).map(|_| PathBuf::from(path))
    })
}
