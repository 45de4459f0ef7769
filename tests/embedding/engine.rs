//! The Rust interface: what goes in by which size, batches, threads, errors.

use crate::{FEATURES, face, joint, model, on_cpu};
use hallucinet::data::align::TEMPLATE;
use hallucinet::data::image::Picture;
use hallucinet::engine::Precision;
use hallucinet::model::Source;
use hallucinet::resample::{Flavour, resize_u8};
use hallucinet::shape::{HR, LR};
use hallucinet::{Device, Engine, Error, Image};

/// Programs share an engine between threads and send it to others.
const fn shareable<T: Send + Sync>() {}
const _: () = shareable::<Engine>();

fn low(face: &Picture) -> Picture {
    let mut rgb = vec![0; 3 * LR.0 * LR.1];
    resize_u8(Flavour::Matlab, &face.rgb, HR, &mut rgb, LR).unwrap();
    Picture::new(LR.1, LR.0, rgb).unwrap()
}

/// The face at (7, 5) in a larger picture.
fn framed(face: &Picture) -> Picture {
    let (width, height) = (120, 130);
    let mut rgb = vec![90; 3 * width * height];
    for (y, row) in face.rgb.chunks_exact(3 * face.width).enumerate() {
        let at = 3 * ((y + 5) * width + 7);
        rgb[at..at + row.len()].copy_from_slice(row);
    }
    Picture::new(width, height, rgb).unwrap()
}

#[test]
fn a_picture_has_one_feature_whatever_the_batch() {
    let engine = on_cpu(joint());
    let faces: Vec<Picture> = (0..50).map(|i| face(i % 5, i)).collect();
    // 32 together, and 18 that fill more than half of a second batch.
    let images: Vec<Image> = faces.iter().map(Image::from).collect();
    let all = engine.embed(&images).unwrap();
    assert_eq!((all.width, all.rows().len()), (FEATURES, 50));
    for (image, row) in images.iter().zip(all.rows()) {
        assert_eq!(engine.embed(&[*image]).unwrap().values, row);
    }
    assert_eq!(engine.embed(&images[..9]).unwrap().values, all.values[..9 * FEATURES]);
    assert_eq!(engine.embed(&[]).unwrap().rows().len(), 0);
}

/// bf16 keeps 8 digits of each activation and filter: features differ, by little.
#[test]
fn bf16_is_near_f32() {
    let faces: Vec<Picture> = (0..3).map(|i| face(i, i)).collect();
    let images: Vec<Image> = faces.iter().map(Image::from).collect();
    let exact = joint().on(Device::cpu().threads(1)).unwrap().embed(&images).unwrap();
    let in_bf16 =
        |threads| joint().with_precision(Precision::Bf16).on(Device::cpu().threads(threads)).unwrap().embed(&images);
    let rounded = in_bf16(1).unwrap();
    assert_eq!(rounded, in_bf16(3).unwrap());
    let length = |of: &dyn Fn(f32, f32) -> f32| {
        exact.values.iter().zip(&rounded.values).map(|(a, b)| f64::from(of(*a, *b)).powi(2)).sum::<f64>().sqrt()
    };
    let error = length(&|a, b| a - b) / length(&|a, _| a);
    assert!(error > 0.0 && error < 0.1, "{error}");
}

/// The weights go to the device with whatever is asked first; what is asked later finds them there, for both kinds of pictures.
#[test]
fn answers_do_not_depend_on_what_was_asked_before() {
    let fresh = || on_cpu(joint());
    let faces: Vec<Picture> = (0..20).map(|i| face(i % 5, i)).collect();
    let (high, low): (Vec<Image>, Vec<Picture>) =
        (faces.iter().map(Image::from).collect(), faces.iter().map(low).collect());
    let low: Vec<Image> = low.iter().map(Image::from).collect();
    type Ask<'a> = &'a dyn Fn(&Engine) -> Vec<f32>;
    let asked: [Ask; 5] = [
        &|engine| engine.hallucinate(&low[..1]).unwrap()[0].rgb.iter().map(|byte| f32::from(*byte)).collect(),
        &|engine| engine.embed(&high[..1]).unwrap().values,
        &|engine| engine.embed(&low[..1]).unwrap().values,
        &|engine| engine.embed(&low).unwrap().values,
        &|engine| engine.embed(&high).unwrap().values,
    ];
    let alone: Vec<Vec<f32>> = asked.iter().map(|ask| ask(&fresh())).collect();
    for first in 0..asked.len() {
        let engine = fresh();
        for turn in 0..asked.len() {
            let which = (first + turn) % asked.len();
            assert_eq!(asked[which](&engine), alone[which], "asked {which} after {first}");
        }
    }
}

#[test]
fn threads_that_share_an_engine_get_what_one_gets() {
    let engine = on_cpu(joint());
    let faces: Vec<Picture> = (0..16).map(|i| face(i, 0)).collect();
    let alone: Vec<_> = faces.iter().map(|face| engine.embed(&[Image::from(face)]).unwrap()).collect();
    let sharper: Vec<_> = faces.iter().map(|face| engine.hallucinate(&[Image::from(face)]).unwrap()).collect();
    std::thread::scope(|scope| {
        for (i, face) in faces.iter().enumerate() {
            let (engine, alone, sharper) = (&engine, &alone[i], &sharper[i]);
            scope.spawn(move || {
                for _ in 0..4 {
                    assert_eq!(&engine.embed(&[Image::from(face)]).unwrap(), alone);
                    assert_eq!(&engine.hallucinate(&[Image::from(face)]).unwrap(), sharper);
                }
            });
        }
    });
}

#[test]
fn a_file_and_its_bytes_are_one_model_and_the_calibration_lies_beside_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    std::fs::write(&path, model(true, true, &[])).unwrap();
    let (a, b) = (face(0, 0), face(1, 0));
    let (a, b) = (Image::from(&a), Image::from(&b));
    let from_memory = on_cpu(joint()).verify(a, b).unwrap();
    assert_eq!((from_memory.threshold, from_memory.same), (None, None));
    assert_eq!(on_cpu(Engine::load(&path).unwrap()).verify(a, b).unwrap(), from_memory);
    std::fs::write(folder.path().join("calibration.json"), "{\"threshold\": -1.0}").unwrap();
    let calibrated = on_cpu(Engine::load(&path).unwrap()).verify(a, b).unwrap();
    assert_eq!((calibrated.cosine, calibrated.same), (from_memory.cosine, Some(true)));
    let strict = on_cpu(Engine::load(&path).unwrap().with_threshold(1.0));
    assert_eq!(strict.verify(a, b).unwrap().same, Some(false));
    assert_eq!(strict.verify(a, a).unwrap().cosine, 1.0);
}

#[test]
fn the_size_says_what_a_picture_is() {
    let engine = on_cpu(joint());
    let high = face(2, 1);
    let low = low(&high);
    let (high, low) = (Image::from(&high), Image::from(&low));
    assert_ne!(engine.embed(&[high]).unwrap(), engine.embed(&[low]).unwrap());
    // High resolution is brought down first, by the model's flavour.
    assert_eq!(engine.hallucinate(&[high]).unwrap(), engine.hallucinate(&[low]).unwrap());
    let through = on_cpu(joint().with_input(Source::Lr));
    assert_eq!(through.embed(&[high]).unwrap(), engine.embed(&[low]).unwrap());
    let both = engine.embed(&[low, high]).unwrap();
    assert_eq!(both.values, [engine.embed(&[low]).unwrap().values, engine.embed(&[high]).unwrap().values].concat());
    let refused = on_cpu(joint().with_input(Source::Hr)).embed(&[high, low]).unwrap_err();
    assert!(matches!(&refused, Error::Input(what) if what.starts_with("picture 1: ")), "{refused}");
}

#[test]
fn mirrored_features_are_those_of_the_mirror_image() {
    let engine = on_cpu(joint());
    let straight = face(4, 0);
    let mirror = straight.mirror();
    let both = engine.embed(&[Image::from(&straight), Image::from(&mirror)]).unwrap();
    let wide = engine.embed_mirrored(&[Image::from(&straight)]).unwrap();
    assert_eq!((wide.width, wide.values), (2 * FEATURES, both.values));
}

#[test]
fn faces_are_found_by_points_then_by_the_models_cut() {
    let plain = face(1, 2);
    let wanted = on_cpu(joint()).embed(&[Image::from(&plain)]).unwrap();
    let picture = framed(&plain);
    let image = Image::from(&picture);
    let points = TEMPLATE.map(|[x, y]| [x + 7.0, y + 5.0]);
    assert_eq!(on_cpu(joint()).embed(&[image.with_landmarks(points)]).unwrap(), wanted);
    assert_ne!(on_cpu(joint()).embed(&[image]).unwrap(), wanted, "the centre is not where the face is");
    let cutting = |key, value| on_cpu(Engine::from_bytes(&model(true, true, &[(key, value)])).unwrap());
    assert_eq!(cutting("data.crop", "[7,5,96,112]").embed(&[image]).unwrap(), wanted);
    let by_landmarks = cutting("data.landmarks", "list.txt");
    assert_eq!(by_landmarks.embed(&[image.with_landmarks(points)]).unwrap(), wanted);
    let refused = by_landmarks.embed(&[image]).unwrap_err();
    assert!(refused.to_string().contains("five points"), "{refused}");
    let refused = on_cpu(joint()).embed(&[image.with_landmarks([[1.0, 1.0]; 5])]).unwrap_err();
    assert_eq!(refused.exit_code(), 3, "{refused}");
}

#[test]
fn what_a_model_cannot_do_is_an_error_and_so_are_bytes_that_are_none() {
    let picture = face(0, 0);
    let image = Image::from(&picture);
    let hallucinator = on_cpu(Engine::from_bytes(&model(true, false, &[])).unwrap());
    assert_eq!(hallucinator.feature_width(), None);
    assert_eq!(hallucinator.embed(&[image]).unwrap_err().exit_code(), 3);
    assert!(hallucinator.hallucinate(&[image]).is_ok());
    let recognizer = on_cpu(Engine::from_bytes(&model(false, true, &[])).unwrap());
    assert_eq!(recognizer.hallucinate(&[image]).unwrap_err().exit_code(), 3);
    assert!(recognizer.embed(&[image]).is_ok());
    let bytes = model(true, true, &[]);
    for bytes in [&bytes[..0], &bytes[..7], &bytes[..bytes.len() - 1], b"not a model at all"] {
        assert_eq!(Engine::from_bytes(bytes).unwrap_err().exit_code(), 3);
    }
    for (width, height, bytes) in [(96, 112, 1), (0, 112, 0), (usize::MAX, 2, 6), (1, 1, 4)] {
        assert!(Image::new(width, height, &vec![0; bytes]).is_err(), "{width}x{height}");
    }
    let absent = joint().on(Device::cuda(77)).err().unwrap();
    assert_eq!(absent.exit_code(), 4);
    assert!(on_cpu(joint()).device().starts_with("cpu ("));
}
