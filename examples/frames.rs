//! A stream of raw RGB frames, each a face, from stdin to stdout at 96x112:
//!
//! ```text
//! ffmpeg -i face.mp4 -vf scale=24:28 -f rawvideo -pix_fmt rgb24 - \
//!   | cargo run --release --example frames -- MODEL 24 28 \
//!   | ffplay -f rawvideo -pixel_format rgb24 -video_size 96x112 -
//! ```

use hallucinet::{Device, Engine, Error, Image, Result};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::process::ExitCode;

/// Sharpens frame by frame, so that each leaves as soon as it can; gives their number.
pub fn run(arguments: &[String], input: &mut dyn Read, output: &mut dyn Write) -> Result<usize> {
    let [model, width, height] = arguments else {
        return Err(Error::Usage("frames MODEL WIDTH HEIGHT < frames > sharper".into()));
    };
    let side = |text: &str| match text.parse::<usize>() {
        Ok(pixels) if (1..=8192).contains(&pixels) => Ok(pixels),
        _ => Err(Error::Usage(format!("{text} is no number of pixels from 1 to 8192"))),
    };
    let (width, height) = (side(width)?, side(height)?);
    let engine = Engine::load(model)?.on(Device::best())?;
    let mut frame = vec![0; 3 * width * height];
    let mut frames = 0;
    while fill(input, &mut frame)? {
        for picture in engine.hallucinate(&[Image::new(width, height, &frame)?])? {
            output.write_all(&picture.rgb).map_err(Error::io("cannot write", Path::new("stdout")))?;
        }
        frames += 1;
    }
    output.flush().map_err(Error::io("cannot write", Path::new("stdout")))?;
    Ok(frames)
}

/// Reads a whole frame; nothing where the stream ends before it.
fn fill(input: &mut dyn Read, frame: &mut [u8]) -> Result<bool> {
    let mut filled = 0;
    while filled < frame.len() {
        match input.read(&mut frame[filled..]) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(Error::Input(format!("the stream ends inside a frame of {} bytes", frame.len()))),
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => (),
            Err(error) => return Err(Error::io("cannot read", Path::new("stdin"))(error)),
        }
    }
    Ok(true)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments, &mut std::io::stdin().lock(), &mut std::io::stdout().lock()) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(error.exit_code() as u8)
        }
    }
}
