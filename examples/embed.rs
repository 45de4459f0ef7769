//! Features of pictures, and how alike each is to the first: `cargo run --release --example embed -- MODEL PICTURE...`

use hallucinet::data::image;
use hallucinet::engine::Verified;
use hallucinet::{Device, Engine, Error, Image, Result};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Writes a line a picture: its path, the cosine to the first picture, the first numbers of its feature.
pub fn run(arguments: &[String], output: &mut dyn Write) -> Result<()> {
    let Some((model, paths)) = arguments.split_first().filter(|(_, paths)| !paths.is_empty()) else {
        return Err(Error::Usage("embed MODEL PICTURE...".into()));
    };
    let engine = Engine::load(model)?.on(Device::best())?;
    let pictures = paths.iter().map(|path| image::read(Path::new(path))).collect::<Result<Vec<_>>>()?;
    // Any RGB rows will do: a frame of a camera, a texture, a buffer of another library.
    let images: Vec<Image> = pictures.iter().map(Image::from).collect();
    let features = engine.embed_mirrored(&images)?;
    let first = &features.values[..features.width];
    for (path, feature) in paths.iter().zip(features.rows()) {
        let cosine = Verified::new(first, feature, None)?.cosine;
        writeln!(output, "{path}\t{cosine:.4}\t{:.3?} ...", &feature[..4])
            .map_err(Error::io("cannot write", Path::new("stdout")))?;
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
