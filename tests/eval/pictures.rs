//! HR against LR, packs against folders, and models that have one network only.

use crate::fixture::{PAIRS, World, with};
use hallucinet::data::image::Picture;
use hallucinet::resample::{Flavour, resize_u8};
use hallucinet::shape::{HR, LR};

pub fn degraded(face: Picture) -> Picture {
    let mut rgb = vec![0; 3 * LR.0 * LR.1];
    resize_u8(Flavour::Matlab, &face.rgb, HR, &mut rgb, LR).unwrap();
    Picture::new(LR.1, LR.0, rgb).unwrap()
}

#[test]
fn stored_low_pictures_score_as_those_made_on_the_way() {
    let world = World::new();
    let joint = world.model("joint.safetensors", true, true);
    world.draw("low", degraded);
    let from_high = world.document(&joint, "faces", &with(&PAIRS, &["--input", "lr", "--out", "a"]));
    let from_low = world.document(&joint, "low", &with(&PAIRS, &["--out", "b"]));
    assert_eq!(from_low["verification"], from_high["verification"]);
    assert_eq!(world.scores("a"), world.scores("b"));
    assert!(from_low["restoration"].is_null());
    assert_eq!(world.document(&joint, "faces", &PAIRS)["verification"]["input"], "hr");
}

#[test]
fn a_pack_scores_as_its_folder() {
    let world = World::new();
    let joint = world.model("joint.safetensors", true, true);
    let source = hallucinet::data::faces::Source::open(&world.path("faces")).unwrap();
    let alignment = hallucinet::data::align::Alignment::None;
    source.pack(&alignment, &world.path("faces.pack"), &mut |_, _| Ok(())).unwrap();
    let more = with(&PAIRS, &["--fold", "2", "--input", "lr"]);
    assert_eq!(world.document(&joint, "faces.pack", &more), world.document(&joint, "faces", &more));
}

#[test]
fn without_a_hallucinator_low_pictures_are_enlarged_by_bicubic() {
    let world = World::new();
    let recognizer = world.model("recognizer.safetensors", false, true);
    let document = world.document(&recognizer, "faces", &with(&PAIRS, &["--input", "lr"]));
    let restoration = &document["restoration"];
    for key in ["psnr_rgb", "psnr_y", "psnr_y_crop4", "ssim", "identity_cosine"] {
        assert!(restoration[key]["hallucinated"].is_null() && restoration[key]["bicubic"].is_f64(), "{key}");
    }
    // The same recogniser beside a hallucinator calls bicubic by the same numbers.
    let joint = world.model("joint.safetensors", true, true);
    let beside = &world.document(&joint, "faces", &PAIRS)["restoration"];
    for key in ["psnr_rgb", "ssim", "identity_cosine"] {
        assert_eq!(beside[key]["bicubic"], restoration[key]["bicubic"], "{key}");
    }
}

#[test]
fn without_a_recogniser_restoration_alone_is_scored() {
    let world = World::new();
    let hallucinator = world.model("hallucinator.safetensors", true, false);
    let document = world.document(&hallucinator, "faces", &[]);
    assert!(document["verification"].is_null());
    let restoration = &document["restoration"];
    assert_eq!(restoration["images"], 24);
    assert!(restoration["identity_cosine"]["bicubic"].is_null());
    assert!(restoration["identity_cosine"]["hallucinated"].is_null());
    assert!(restoration["psnr_rgb"]["hallucinated"].is_f64());
    let (code, sentence) = world.failure(&hallucinator, "faces", &PAIRS);
    assert_eq!(code, 3);
    assert!(sentence.contains("no recogniser"), "{sentence}");
}
