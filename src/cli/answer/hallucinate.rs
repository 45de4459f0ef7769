//! The pictures that `hallucinate` wrote.

use super::Answer;
use crate::tasks::hallucinate::{Hallucinated, Psnr};
use serde_json::json;

/// How many, where, and how close they come to their originals where they had one.
pub fn hallucinate(done: &Hallucinated) -> Answer {
    let Hallucinated { device, images, skipped, .. } = done;
    let out = done.out.display().to_string();
    let mut text = format!("hallucinated {images} pictures -> {out}");
    if *skipped > 0 {
        text += &format!(" ({skipped} were there already)");
    }
    let psnr = done.psnr.map(|Psnr { images, bicubic, hallucinated }| {
        text += &format!(
            "\nPSNR[RGB] against {images} of {} that came in high resolution: bicubic {bicubic:.2} dB, hallucinated {hallucinated:.2} dB",
            done.images
        );
        json!({ "images": images, "bicubic": bicubic, "hallucinated": hallucinated })
    });
    let sheet = done.sheet.as_ref().map(|sheet| sheet.display().to_string());
    let json =
        json!({ "device": device, "images": images, "skipped": skipped, "out": out, "sheet": sheet, "psnr_rgb": psnr });
    Answer { text, json, code: 0 }
}
