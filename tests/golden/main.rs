//! One whole training step of every mode against an independent PyTorch implementation (`step.py` beside this file made the
//! numbers in float64). What would break: a wrong gradient, multiplier, order of update, clipping, center update or layout.

use hallucinet::backend::cpu::Cpu;
use hallucinet::graph::{Program, Value};
use hallucinet::model::config::{Config, Loss, Overrides, Recipe};
use hallucinet::model::{self, Model, Training};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;

const BATCH: usize = 3;

struct Golden {
    json: Json,
    bytes: Vec<u8>,
}

impl Golden {
    fn load() -> Self {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let text = std::fs::read_to_string(folder.join("step.json")).unwrap();
        Golden {
            json: serde_json::from_str(&text).unwrap(),
            bytes: std::fs::read(folder.join("step.safetensors")).unwrap(),
        }
    }

    fn f32(&self, name: &str) -> Vec<f32> {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        let tensor = file.tensor(name).unwrap_or_else(|_| panic!("no {name}"));
        assert_eq!(tensor.dtype(), Dtype::F32, "{name}");
        tensor.data().chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
    }

    fn u8(&self, name: &str) -> Vec<u8> {
        SafeTensors::deserialize(&self.bytes).unwrap().tensor(name).unwrap().data().to_vec()
    }

    fn names(&self) -> Vec<String> {
        SafeTensors::deserialize(&self.bytes).unwrap().names().into_iter().map(String::from).collect()
    }
}

struct Run {
    program: Program,
    training: Training,
    model: Model,
}

fn configuration(case: &Json) -> (Config, Recipe, Loss) {
    let set = |key: &str, value: String| (key.to_owned(), value);
    let text = |key: &str| case[key].as_str().map(str::to_owned);
    let mut settings = vec![
        set("model.recognizer_width", "0.0625".into()),
        set("model.features", "8".into()),
        set("model.hallucinator_channels", "4".into()),
        set("model.hallucinator_units", "1".into()),
        set("loss.center_update", text("center_update").unwrap()),
        set("train.mode", text("mode").unwrap()),
        set("train.batch", BATCH.to_string()),
        set("train.lr", "0.1".into()),
        set("train.hallucinator_lr", "0.02".into()),
        set("train.clip", case["clip"].to_string()),
        set("train.steps", "1".into()),
    ];
    settings.extend(case["distill"].as_f64().map(|weight| set("loss.distill", weight.to_string())));
    settings.extend(text("hallucinator").map(|word| set("model.hallucinator", word)));
    let config = Config::parse("golden", "", &Overrides { set: settings, ..Overrides::default() }).unwrap();
    let stage = config.stages().remove(0);
    (config, stage.recipe, stage.loss)
}

fn run(golden: &Golden, case: &Json, threads: usize) -> Run {
    let (config, recipe, loss) = configuration(case);
    let model = Model::trained_by(&config, 5).unwrap();
    let (graph, training) = model::training(&model, &recipe, &loss, BATCH).unwrap();
    let program = Program::new(Arc::new(Cpu::new(Some(threads)).unwrap()), graph.plan()).unwrap();
    let prefixes = ["recognizer".to_owned(), case["hallucinator"].as_str().unwrap_or_default().to_owned()];
    let given = |kind: &str, name: &str| -> Vec<f32> {
        if name == "center_loss.centers" {
            return golden.f32(if kind == "weight" { "given/centers" } else { "given/center_velocity" });
        }
        let prefix = &prefixes[usize::from(name.starts_with("hallucinator"))];
        golden.f32(&format!("given.{prefix}/{kind}/{name}"))
    };
    for parameter in model.parameters().iter() {
        let name = &parameter.name;
        program.write(training.weights[name], &parameter.to_memory(&given("weight", name))).unwrap();
        if let Some(velocity) = training.velocities.get(name) {
            program.write(*velocity, &parameter.to_memory(&given("velocity", name))).unwrap();
        }
    }
    for parameter in model.teacher().iter().filter(|parameter| training.teacher.contains_key(&parameter.name)) {
        let mut weights = given("weight", &model::taught_by(&parameter.name));
        weights.rotate_right(1);
        program.write(training.teacher[&parameter.name], &parameter.to_memory(&weights)).unwrap();
    }
    let labels: Vec<i32> =
        golden.json["labels"].as_array().unwrap().iter().map(|l| l.as_i64().unwrap() as i32).collect();
    let flags = golden.json["mirror"].as_array().unwrap().iter();
    let moves: Vec<[i32; 3]> = flags.map(|flag| [i32::from(flag.as_bool().unwrap()), 0, 0]).collect();
    program.write(training.pixels, &golden.u8("given/pictures")).unwrap();
    program.write(training.moves, &moves).unwrap();
    // A plan keeps only the inputs it reads: the pixel loss alone has no labels.
    if training.features.is_some() {
        program.write(training.labels, &labels).unwrap();
    }
    program.write(training.rates, &[recipe.lr as f32, recipe.hallucinator_lr as f32]).unwrap();
    program.run().unwrap();
    Run { program, training, model }
}

/// Everything the step changed or computed, by the golden file's names, in the order of files (NCHW).
fn results(case: &str, run: &Run) -> BTreeMap<String, Vec<f32>> {
    let mut results = BTreeMap::new();
    let read = |value: Value| run.program.read::<f32>(value).unwrap();
    for parameter in run.model.parameters().iter() {
        let name = &parameter.name;
        let mut add = |kind: &str, value: Value| {
            let key = match (name.as_str(), kind) {
                ("center_loss.centers", "weight") => format!("{case}/center/centers"),
                ("center_loss.centers", "velocity") => format!("{case}/center/center_velocity"),
                _ => format!("{case}/{kind}/{name}"),
            };
            results.insert(key, parameter.to_file(&read(value)));
        };
        add("weight", run.training.weights[name]);
        if let Some(gradient) = run.training.gradients.get(name) {
            add("gradient", *gradient);
            add("velocity", run.training.velocities[name]);
        }
    }
    let picture = model::Parameter {
        name: String::new(),
        shape: hallucinet::shape::Shape::new(BATCH, 3, 112, 96),
        file_shape: vec![],
        init: model::Init::Constant(0.0),
        part: model::Part::Recognizer,
        lr_mult: 1.0,
        decay_mult: 1.0,
    };
    results.insert("seen".into(), picture.to_file(&read(run.training.pictures)));
    if let Some(features) = run.training.features {
        results.insert(format!("{case}/output/features"), read(features));
    }
    results
}

fn compare(golden: &Golden, case: &Json, run: &Run) {
    let name = case["name"].as_str().unwrap();
    let mut results = results(name, run);
    let seen = results.remove("seen").unwrap();
    let shown = if case["hallucinator"].is_null() { "bicubic" } else { "hallucinated" };
    if case["mode"] != "recognition-hr" {
        results.insert(format!("{name}/output/{shown}"), seen);
    }
    let mut compared = 0;
    for key in golden.names().iter().filter(|key| key.starts_with(&format!("{name}/"))) {
        let Some(ours) = results.get(key) else {
            // The bicubic picture of a cascade is inside the plan and not fetched.
            assert!(key.ends_with("output/bicubic"), "the step has no {key}");
            continue;
        };
        let (_, short) = key.split_once('/').unwrap();
        let stride = case["expected"][short]["stride"].as_u64().unwrap() as usize;
        let expected = golden.f32(key);
        let ours: Vec<f32> = ours.iter().copied().step_by(stride).collect();
        assert_eq!(ours.len(), expected.len(), "{key}");
        let largest = expected.iter().fold(0f32, |m, v| m.max(v.abs())).max(f32::MIN_POSITIVE);
        let worst = ours.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max) / largest;
        let kind = short.split('/').next().unwrap();
        let allowed = tolerance(golden, if kind == "center" { "weight" } else { kind });
        assert!(f64::from(worst) <= allowed, "{key}: {worst:.2e} of the largest element, allowed {allowed:.2e}");
        compared += 1;
    }
    assert!(compared > 5, "{name}: only {compared} tensors compared");
    let losses = [
        ("pixel", run.training.pixel),
        ("softmax", run.training.softmax),
        ("center", run.training.center),
        ("distill", run.training.distill),
    ];
    for (part, value) in losses {
        assert_eq!(value.is_some(), case["losses"].get(part).is_some(), "{name}: {part}");
        let Some(value) = value else { continue };
        let ours = f64::from(run.program.read::<f32>(value).unwrap()[0]);
        let expected = case["losses"][part].as_f64().unwrap();
        assert!((ours - expected).abs() <= 1e-6 * expected.abs(), "{name}: {part} loss {ours}, not {expected}");
    }
    let norm = f64::from(run.program.read::<f32>(run.training.norm).unwrap()[0]);
    let expected = case["gradient_norm"].as_f64().unwrap();
    assert!((norm - expected).abs() <= 2e-6 * expected, "{name}: norm {norm}, not {expected}");
}

/// Twice what the same PyTorch script loses in float32, in the worst case of the file: each case is one draw of that error.
fn tolerance(golden: &Golden, kind: &str) -> f64 {
    let cases = golden.json["cases"].as_array().unwrap().iter();
    2.0 * cases.filter_map(|case| case["f32_difference"][kind].as_f64()).fold(0.0, f64::max)
}

#[test]
fn every_mode_equals_pytorch() {
    let golden = Golden::load();
    let cases = golden.json["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 8);
    for case in cases {
        compare(&golden, case, &run(&golden, case, 2));
    }
}

#[test]
fn bits_do_not_depend_on_the_number_of_threads() {
    let golden = Golden::load();
    for case in golden.json["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let bits = |threads: usize| -> Vec<Vec<u32>> {
            let run = run(&golden, case, threads);
            results(name, &run).values().map(|tensor| tensor.iter().map(|v| v.to_bits()).collect()).collect()
        };
        let one = bits(1);
        assert!(one == bits(2) && one == bits(3), "{name}");
    }
}
