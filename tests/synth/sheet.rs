//! Contact sheets for a person to look at: `cargo test --release --test synth sheet -- --ignored`.

use hallucinet::data::synth::{World, face, write};

fn sheet(path: &str, columns: usize, rows: usize, zoom: usize, cell: impl Fn(usize, usize) -> Vec<u8>) {
    let (w, h) = (columns * 96 * zoom, rows * 112 * zoom);
    let mut rgb = vec![0u8; w * h * 3];
    for r in 0..rows {
        for c in 0..columns {
            let tile = cell(r, c);
            for y in 0..112 * zoom {
                for x in 0..96 * zoom {
                    let to = ((r * 112 * zoom + y) * w + c * 96 * zoom + x) * 3;
                    let from = (y / zoom * 96 + x / zoom) * 3;
                    rgb[to..to + 3].copy_from_slice(&tile[from..from + 3]);
                }
            }
        }
    }
    let mut encoder = png::Encoder::new(std::fs::File::create(path).unwrap(), w as u32, h as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(&rgb).unwrap();
}

#[test]
#[ignore = "writes PNG sheets to the temporary folder, for eyes"]
fn sheets() {
    let dir = std::env::temp_dir();
    let at = |name: &str| dir.join(name).display().to_string();
    sheet(&at("synth_people.png"), 14, 8, 1, |r, c| face(7, (r * 14 + c) as u32, 0));
    sheet(&at("synth_large.png"), 6, 3, 3, |r, c| face(9, (r * 6 + c) as u32, 1));
    sheet(&at("synth_one.png"), 10, 6, 1, |r, c| face(7, r as u32 + 3, c as u32));
}

#[test]
#[ignore = "a timing"]
fn speed() {
    let start = std::time::Instant::now();
    let total: u64 = (0..200).map(|i| u64::from(face(3, i, i)[5000])).sum();
    println!("{:.3} ms a picture ({total})", start.elapsed().as_secs_f64() * 1000.0 / 200.0);
}

#[test]
#[ignore = "one face, very large"]
fn zoomed() {
    let dir = std::env::temp_dir().join("synth_zoom.png").display().to_string();
    sheet(&dir, 3, 1, 6, |_, c| face(9, [2, 6, 14][c], 1));
}

#[test]
#[ignore = "a timing of the whole command"]
fn speed_of_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let start = std::time::Instant::now();
    write(&dir.path().join("out"), World::strangers(7), 50, 10, &|_| Ok(())).unwrap();
    println!("{:.3} ms a picture on all cores, with PNG and fsync", start.elapsed().as_secs_f64() * 1000.0 / 500.0);
}
