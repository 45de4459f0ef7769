//! Everything that can go wrong with a device, injected: each is an `Error::Device` in one sentence, never a panic, and what comes
//! after works.

use crate::{BATCH, small, standin};
use hallucinet::backend::cuda::Cuda;
use hallucinet::backend::{Device, Launch};
use hallucinet::graph::{Program, largest_batch};
use hallucinet::model::{self, Training};
use hallucinet::{Error, Result};
use std::sync::Arc;

fn open() -> Result<Cuda> {
    standin::open()
}

/// A sentence of the device's, with exit code 4.
fn sentence(error: &Error) -> String {
    let said = error.to_string();
    assert!(error.exit_code() == 4 && said.starts_with("cuda:0: ") && !said.contains('\n'), "{said}");
    said
}

/// A whole training step, from opening the device to its loss.
fn step(device: Arc<dyn Device>) -> Result<f32> {
    let (program, training) = load(device)?;
    run(&program, &training)
}

fn load(device: Arc<dyn Device>) -> Result<(Program, Training)> {
    let (config, model) = small("hallucination", "fast", "f32");
    let stage = config.stages().remove(0);
    let (graph, training) = model::training(&model, &stage.recipe, &stage.loss, BATCH)?;
    let program = Program::new(device, graph.plan())?;
    for parameter in model.parameters().iter() {
        program.write(training.weights[&parameter.name], &parameter.initial(1))?;
    }
    Ok((program, training))
}

fn run(program: &Program, training: &Training) -> Result<f32> {
    program.write(training.pixels, &vec![100u8; BATCH * 112 * 96 * 3])?;
    program.write(training.moves, &[[0i32; 3]; BATCH])?;
    program.write(training.rates, &[0f32; 2])?;
    program.run()?;
    Ok(program.read::<f32>(training.norm)?[0])
}

#[test]
fn a_device_that_is_not_there_is_one_sentence() {
    if !standin::inside_only("faults::a_device_that_is_not_there_is_one_sentence") {
        return;
    }
    let images = hallucinet::backend::cuda::embedded();
    let said = |error: Option<Error>| error.map(|error| error.to_string()).unwrap_or_default();
    assert!(said(Cuda::with_images(1, images).err()).contains("only cuda:0"));
    for (name, value, usual, word) in [
        ("device", "none", "present", "no CUDA-capable device"),
        ("driver", "12040", "13000", "CUDA 12.4"),
        ("capability", "7.5", "9.0", "compute capability 7.5"),
    ] {
        standin::set(name, value);
        let refused = sentence(&open().err().unwrap());
        assert!(refused.contains(word), "{refused}");
        standin::set(name, usual);
        assert!(open().is_ok());
    }
}

/// Every allocation of a whole step fails once, in turn, until there is none left to fail.
#[test]
fn out_of_memory_at_every_allocation() {
    if !standin::inside_only("faults::out_of_memory_at_every_allocation") {
        return;
    }
    let device: Arc<dyn Device> = Arc::new(open().unwrap());
    let expected = step(device).unwrap();
    let mut failures = 0;
    loop {
        standin::set("fail_allocation", &(failures + 1).to_string());
        let result = open().and_then(|device| step(Arc::new(device)));
        standin::set("fail_allocation", "0");
        match result {
            Ok(norm) => {
                assert_eq!(norm.to_bits(), expected.to_bits());
                break;
            }
            Err(error) => {
                let said = sentence(&error);
                assert!(said.contains("out of memory") && said.contains("MiB are free"), "{said}");
                failures += 1;
            }
        }
        assert!(failures < 100);
    }
    assert!(failures >= 4, "store, arena and the buffers of uploads");
}

/// The largest batch that fits is computed from plans, and it is the largest: one more does not fit, this one does.
#[test]
fn the_largest_batch_fits_and_one_more_does_not() {
    if !standin::inside_only("faults::the_largest_batch_fits_and_one_more_does_not") {
        return;
    }
    let (config, model) = small("hallucination", "fast", "f32");
    let stage = config.stages().remove(0);
    let plan = |batch: usize| Ok(model::training(&model, &stage.recipe, &stage.loss, batch)?.0.plan());
    standin::set("memory", &(64 << 20).to_string());
    let device: Arc<dyn Device> = Arc::new(open().unwrap());
    let free = device.info().memory.unwrap().free;
    let batch = largest_batch(4096, free, |batch| plan(batch).map(|plan| plan.memory_bytes())).unwrap();
    assert!((2..4096).contains(&batch), "{batch}");
    assert!(Program::new(Arc::clone(&device), plan(batch).unwrap()).is_ok());
    let refused = sentence(&Program::new(device, plan(batch + 1).unwrap()).err().unwrap());
    assert!(refused.contains("out of memory"), "{refused}");
    standin::set("memory", &(16u64 << 30).to_string());
}

/// A launch that the driver refuses is named, with its layer, its geometry and the shapes of what it works on.
#[test]
fn a_refused_launch_is_named() {
    if !standin::inside_only("faults::a_refused_launch_is_named") {
        return;
    }
    let pictures = format!("{BATCH}x3x28x24 F32");
    for (layer, shapes) in [
        ("augment", format!("[{0} U8, {BATCH}x3x1x1 I32] to [{0} U8, {0} F32]", format_args!("{BATCH}x3x112x96"))),
        ("hallucinator.conv_in", format!("[{pictures}, 4x3x3x3 F32")),
        ("hallucinator.conv_in backward", format!("[{pictures}, {BATCH}x4x28x24 F32, 4x3x3x3 F32] to [4x3x3x3 F32")),
        ("pixel_loss", format!("[{0}, {0}] to [1x1x1x1 F32, {0}]", format_args!("{BATCH}x3x112x96 F32"))),
    ] {
        let (program, training) = load(Arc::new(open().unwrap())).unwrap();
        let named = |launch: &Launch| *launch.label == *layer && launch.shapes.contains(&shapes);
        let refused = program.plan().launches.iter().position(named).unwrap();
        standin::set("refuse_launch", &(refused + 1).to_string());
        let error = run(&program, &training).unwrap_err();
        let launch = &program.plan().launches[refused];
        let said = sentence(&error);
        for what in [&format!("{layer}: "), &format!("{:?}", launch.kernel), "grid ", &*launch.shapes] {
            assert!(said.contains(what), "{said} does not name {what}");
        }
        // Nothing was lost: the same program runs when it is asked again.
        assert!(run(&program, &training).unwrap().is_finite());
    }
}

/// A kernel that dies while it runs is found by whoever waits for it; launch by launch it is named.
#[test]
fn a_kernel_that_dies_is_an_error_and_can_be_named() {
    if !standin::inside_only("faults::a_kernel_that_dies_is_an_error_and_can_be_named") {
        return;
    }
    let (program, training) = load(Arc::new(open().unwrap())).unwrap();
    standin::set("fail_launch", "7");
    sentence(&run(&program, &training).unwrap_err());
    standin::report();
    let (program, training) = load(Arc::new(open().unwrap().one_by_one(true))).unwrap();
    standin::set("fail_launch", "7");
    let said = sentence(&run(&program, &training).unwrap_err());
    let launch = &program.plan().launches[6];
    assert!(said.contains(&format!("{:?}", launch.kernel)), "{said}");
    standin::report();
}
