//! Who of a folder is this? The pictures most alike to one: `cargo run --release --example search -- MODEL FOLDER PICTURE [MOST]`
//!
//! A folder of many thousand faces wants its features kept: see `hallucinet identify`.

use hallucinet::data::{folder, image};
use hallucinet::engine::Verified;
use hallucinet::{Device, Engine, Error, Image, Result};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Pictures in memory at a time.
const CHUNK: usize = 32;

/// Writes a line for each of the `MOST` pictures that are most alike, the nearest first: cosine and path.
pub fn run(arguments: &[String], output: &mut dyn Write) -> Result<()> {
    let (model, root, query, most) = match arguments {
        [model, root, query] => (model, Path::new(root), query, 5),
        [model, root, query, most] => {
            let most = most.parse().map_err(|_| Error::Usage(format!("{most} is no number of pictures")))?;
            (model, Path::new(root), query, most)
        }
        _ => return Err(Error::Usage("search MODEL FOLDER PICTURE [MOST]".into())),
    };
    let engine = Engine::load(model)?.on(Device::best())?;
    let query = image::read(Path::new(query))?;
    let wanted = engine.embed_mirrored(&[Image::from(&query)])?.values;
    let names = folder::plain(root)?.names;
    let mut found = Vec::with_capacity(names.len());
    for names in names.chunks(CHUNK) {
        let pictures = names.iter().map(|name| image::read(&root.join(name))).collect::<Result<Vec<_>>>()?;
        let images: Vec<Image> = pictures.iter().map(Image::from).collect();
        for (name, feature) in names.iter().zip(engine.embed_mirrored(&images)?.rows()) {
            found.push((Verified::new(&wanted, feature, None)?.cosine, name));
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    for (cosine, name) in found.iter().take(most) {
        writeln!(output, "{cosine:.4}\t{name}").map_err(Error::io("cannot write", Path::new("stdout")))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments, &mut std::io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(error.exit_code() as u8)
        }
    }
}
