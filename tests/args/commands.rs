//! Every command with its flags, as `CONTRACT.md` writes them.

use std::path::{Path, PathBuf};

use hallucinet::cli::args::{
    Action, Channels, Command, Common, ConfigSource, Cut, Device, Eval, Export, Identify, Input, Network, Plan,
    Request, Train,
};
use hallucinet::model::config::{Downsample, Mode, Overrides, Precision};

use crate::{command, request};

fn paths(names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(PathBuf::from).collect()
}

#[test]
fn common_flags_stand_before_or_after_the_command() {
    let expected =
        Common { device: Device::Cuda(Some(1)), threads: Some(3), seed: Some(9), json: true, quiet: false, verbose: 2 };
    let flags = "--device cuda:1 --threads 3 --seed 9 --json -vv";
    assert_eq!(command(&format!("{flags} doctor")), (expected.clone(), Command::Doctor));
    assert_eq!(command(&format!("doctor {flags}")), (expected.clone(), Command::Doctor));
    assert_eq!(command(&format!("data info x {flags}")).0, expected);
    assert_eq!(command("doctor").0, Common::default());
    for (word, device) in [("auto", Device::Auto), ("cpu", Device::Cpu), ("cuda", Device::Cuda(None))] {
        assert_eq!(command(&format!("doctor --device {word}")).0.device, device);
    }
    assert!(command("doctor -q").0.quiet);
    assert_eq!(command(&format!("doctor --seed {}", i64::MAX)).0.seed, Some(i64::MAX as u64));
}

#[test]
fn demo_has_a_place_for_its_report() {
    let Command::Demo(demo) = command("demo").1 else { panic!() };
    assert_eq!(demo.out, Path::new("demo"));
    let Command::Demo(demo) = command("demo --out here").1 else { panic!() };
    assert_eq!(demo.out, Path::new("here"));
}

#[test]
fn data_commands() {
    let Command::Synth(synth) = command("data synth --out o --identities 3 --images 4 --sheet s.png").1 else {
        panic!()
    };
    assert_eq!((synth.out.as_path(), synth.identities, synth.images), (Path::new("o"), 3, 4));
    assert_eq!(synth.sheet, Some("s.png".into()));
    let Command::Pack(pack) = command("data pack in --out f.pack --crop 4,2,115,134").1 else { panic!() };
    assert_eq!((pack.input, pack.out), ("in".into(), "f.pack".into()));
    assert_eq!(pack.cut, Cut { crop: Some([4, 2, 115, 134]), landmarks: None });
    assert!(matches!(command("data info x").1, Command::Info(info) if info.input == Path::new("x")));
    assert!(matches!(command("data check x").1, Command::Check(check) if check.input == Path::new("x")));
    let Command::Degrade(degrade) = command("data degrade a b --out o").1 else { panic!() };
    assert_eq!((degrade.inputs, degrade.scale, degrade.flavour), (paths(&["a", "b"]), 4, Downsample::Matlab));
    let Command::Degrade(degrade) = command("data degrade a --out o --scale 16 --flavour opencv").1 else { panic!() };
    assert_eq!((degrade.scale, degrade.flavour), (16, Downsample::Opencv));
}

#[test]
fn train_starts_a_run() {
    let line = "train --config c.toml --data d --out r --mode joint --init a --init b --set train.lr=0.1 --set data.crop=[1,2,3,4] --seed 5";
    let Command::Train(Train::New(run)) = command(line).1 else { panic!() };
    assert_eq!(run.config, ConfigSource::File("c.toml".into()));
    assert_eq!((run.data, run.out, run.init), ("d".into(), "r".into(), paths(&["a", "b"])));
    let set = [("train.lr", "0.1"), ("data.crop", "[1,2,3,4]")];
    let set = set.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    assert_eq!(run.overrides, Overrides { mode: Some(Mode::Joint), set, seed: Some(5) });
    let Command::Train(Train::New(run)) = command("train --preset quick --data d --out r").1 else { panic!() };
    assert_eq!(run.config, ConfigSource::Preset("quick".to_owned()));
    assert_eq!(run.overrides, Overrides::default());
}

#[test]
fn precision_is_a_key_of_the_configuration() {
    let Command::Train(Train::New(run)) = command("train --preset quick --data d --out r --precision bf16").1 else {
        panic!()
    };
    assert_eq!(run.overrides.set, [("train.precision".to_owned(), "bf16".to_owned())]);
}

#[test]
fn plan_and_bench_need_no_argument_at_all() {
    let paper = Network {
        config: ConfigSource::Preset("paper".into()),
        overrides: Overrides::default(),
        batch: None,
        identities: 10_572,
    };
    assert_eq!(command("bench").1, Command::Bench(paper.clone()));
    assert_eq!(command("plan").1, Command::Plan(Plan { network: paper, inference: None, time: false }));
    let Command::Plan(plan) = command("plan --config c --batch 256 --precision bf16 --inference lr --mode joint").1
    else {
        panic!()
    };
    assert_eq!((plan.network.config, plan.network.batch), (ConfigSource::File("c".into()), Some(256)));
    assert_eq!((plan.inference, plan.network.overrides.mode), (Some(Input::Lr), Some(Mode::Joint)));
    assert!(matches!(command("plan --preset lfw --time").1, Command::Plan(plan) if plan.time));
}

#[test]
fn ablate_counts_seeds_and_lists_folds() {
    let Command::Ablate(ablate) = command("ablate --data d --out o").1 else { panic!() };
    assert_eq!(ablate.config, ConfigSource::Preset("ablate-quick".to_owned()));
    assert_eq!((ablate.seeds, ablate.folds, ablate.pairs, ablate.dry_run), (vec![1], vec![], None, false));
    let line = "ablate --config c --data d --pairs p --out o --seeds 3 --seed 5 --folds 1,8 --rows joint,recognition-lr --set loss.distill=0 --dry-run";
    let Command::Ablate(ablate) = command(line).1 else { panic!() };
    assert_eq!((ablate.seeds, ablate.folds, ablate.dry_run), (vec![5, 6, 7], vec![1, 8], true));
    assert_eq!(ablate.rows, ["joint", "recognition-lr"]);
    assert_eq!(ablate.overrides.set, [("loss.distill".to_owned(), "0".to_owned())]);
    let Command::Ablate(ablate) = command("ablate --data d --out o --seeds 4,2").1 else { panic!() };
    assert_eq!(ablate.seeds, [4, 2]);
}

#[test]
fn train_goes_on_with_a_run_on_any_device() {
    for line in ["train --resume r", "train --resume r --device cpu --threads 2 --json -q"] {
        assert_eq!(command(line).1, Command::Train(Train::Resume("r".into())));
    }
}

#[test]
fn eval_takes_pairs_and_folds() {
    let line = "eval --model run --data images --pairs pairs.txt --fold 8 --input lr --json";
    let (common, Command::Eval(eval)) = command(line) else { panic!() };
    assert!(common.json);
    let expected = Eval {
        model: "run".into(),
        precision: None,
        data: "images".into(),
        pairs: Some("pairs.txt".into()),
        gallery: false,
        gallery_images: 1,
        fold: Some(8),
        input: Some(Input::Lr),
        out: None,
        no_mirror: false,
        mean_subtraction: false,
        pca: None,
        allow_missing: false,
        cut: Cut::default(),
    };
    assert_eq!(eval, expected);
    let line = "eval --model m --data d --precision bf16 --out o --no-mirror --allow-missing --landmarks l.txt";
    let Command::Eval(eval) = command(line).1 else { panic!() };
    assert!(eval.no_mirror && eval.allow_missing && eval.pairs.is_none());
    assert_eq!(eval.precision, Some(Precision::Bf16));
    assert_eq!(eval.cut.landmarks, Some("l.txt".into()));
}

#[test]
fn commands_that_use_a_model() {
    let Command::Hallucinate(hallucinate) = command("hallucinate --model m a b --out o").1 else { panic!() };
    assert_eq!((hallucinate.inputs, hallucinate.out, hallucinate.sheet), (paths(&["a", "b"]), "o".into(), None));
    for name in ["f.npy", "dir/f.jsonl", "f.safetensors"] {
        let Command::Embed(embed) = command(&format!("embed --model m a --out {name} --mirror --input hr")).1 else {
            panic!()
        };
        assert_eq!((embed.out.as_path(), embed.mirror, embed.input), (Path::new(name), true, Some(Input::Hr)));
    }
    for threshold in [-1.0, -0.25, 0.0, 1.0] {
        let Command::Verify(verify) = command(&format!("verify --model m a b --threshold {threshold}")).1 else {
            panic!()
        };
        assert_eq!((verify.first, verify.second, verify.threshold), ("a".into(), "b".into(), Some(threshold)));
    }
    assert!(matches!(command("verify --model m a b").1, Command::Verify(verify) if verify.threshold.is_none()));
}

#[test]
fn import_asks_for_the_order_of_channels_only_where_it_is_another() {
    let Command::Import(import) = command("import net.caffemodel --out m").1 else { panic!() };
    assert_eq!((import.file.as_path(), import.out.as_path()), (Path::new("net.caffemodel"), Path::new("m")));
    assert!(import.channels.is_none() && import.cut == Cut::default());
    let Command::Import(import) = command("import a --out m --channels rgb --crop 1,2,3,4").1 else { panic!() };
    assert_eq!((import.channels, import.cut.crop), (Some(Channels::Rgb), Some([1, 2, 3, 4])));
}

#[test]
fn calibrate_keeps_a_rate() {
    let Command::Calibrate(given) =
        command("calibrate --model m --data d --pairs p --far 1e-3 --input lr --no-mirror --allow-missing").1
    else {
        panic!()
    };
    assert_eq!((given.model, given.data, given.pairs), ("m".into(), "d".into(), Some("p".into())));
    assert_eq!((given.far, given.input), (1e-3, Some(Input::Lr)));
    assert!(given.no_mirror && given.allow_missing && given.cut == Cut::default());
    assert!(
        matches!(command("calibrate --model m --data d --far 0.5").1, Command::Calibrate(given) if given.pairs.is_none())
    );
}

#[test]
fn identify_does_one_thing_at_a_time() {
    let action = |line: &str| {
        let Command::Identify(Identify { gallery, action }) = command(&format!("identify --gallery g {line}")).1 else {
            panic!()
        };
        assert_eq!(gallery, Path::new("g"));
        action
    };
    let Action::Search { inputs, top, threshold, way } = action("--model m a b") else { panic!() };
    assert_eq!((inputs, top, threshold), (paths(&["a", "b"]), 5, None));
    assert_eq!((way.model, way.input, way.no_mirror, way.data), ("m".into(), None, false, None));
    let Action::Search { top, threshold, way, .. } =
        action("--model m a --top 1 --threshold -0.5 --input lr --no-mirror")
    else {
        panic!()
    };
    assert_eq!((top, threshold, way.input, way.no_mirror), (1, Some(-0.5), Some(Input::Lr), true));
    let Action::Add { inputs, name, .. } = action("--model m --add a b --name Ann") else { panic!() };
    assert_eq!((inputs, name.as_deref()), (paths(&["a", "b"]), Some("Ann")));
    assert_eq!(action("--remove Ann Bob"), Action::Remove(vec!["Ann".to_owned(), "Bob".to_owned()]));
    assert_eq!(action("--list"), Action::List);
}

#[test]
fn check_has_a_test_a_judge_and_a_report() {
    let Command::Check(check) = command("data check x --pairs p --model m --out o --crop 1,2,3,4").1 else { panic!() };
    assert_eq!(
        (check.input, check.pairs, check.model, check.out),
        ("x".into(), Some("p".into()), Some("m".into()), Some("o".into()))
    );
    assert_eq!(check.cut.crop, Some([1, 2, 3, 4]));
}

#[test]
fn eval_has_other_protocols() {
    let Command::Eval(eval) = command("eval --model m --data d --pairs p --mean-subtraction --pca 128").1 else {
        panic!()
    };
    assert_eq!((eval.mean_subtraction, eval.pca, eval.gallery), (true, Some(128), false));
    let Command::Eval(eval) = command("eval --model m --data d --gallery --gallery-images 3").1 else { panic!() };
    assert_eq!((eval.gallery, eval.gallery_images), (true, 3));
}

#[test]
fn export_takes_what_its_format_needs() {
    let (_, onnx) = command("export --model m --format onnx --out o");
    assert_eq!(onnx, Command::Export(Export::Onnx { model: "m".into(), out: "o".into() }));
    let (_, bin) = command("export --format bin --data d --pairs p --crop 1,2,3,4 --out o");
    let Command::Export(Export::Bin { model: None, cut, .. }) = bin else { panic!("{bin:?}") };
    assert_eq!(cut.crop, Some([1, 2, 3, 4]));
    for line in ["export --format onnx --out o", "export --format bin --data d --out o", "export --model m --out o"] {
        assert!(request(line).is_err(), "{line}");
    }
    assert!(request("export --model m --format onnx --out o --pairs p").is_err());
}

#[test]
fn help_and_version_are_printed_and_tell_every_command() {
    let Ok(Request::Print(help)) = request("--help") else { panic!() };
    let verbs = "demo data train eval ablate hallucinate embed verify calibrate identify import doctor";
    for verb in verbs.split(' ').chain(["Exit codes"]) {
        assert!(help.contains(verb), "{help}");
    }
    let Ok(Request::Print(version)) = request("--version") else { panic!() };
    assert_eq!(version.trim(), format!("hallucinet {}", env!("CARGO_PKG_VERSION")));
    let lines = "demo, data, data synth, data pack, data info, data check, data degrade, train, eval, ablate, hallucinate, embed, verify, calibrate, identify, import, export, plan, bench, doctor";
    for verb in lines.split(", ") {
        let Ok(Request::Print(help)) = request(&format!("{verb} --help")) else { panic!("{verb}") };
        assert!(help.contains(&format!("Usage: hallucinet {verb}")), "{help}");
    }
}

#[cfg(unix)]
#[test]
fn a_path_need_not_be_text() {
    use std::os::unix::ffi::OsStringExt;
    let name = std::ffi::OsString::from_vec(vec![b'p', 0xff]);
    let arguments = ["hallucinet", "data", "info"].map(Into::into).into_iter().chain([name.clone()]);
    let Ok(Request::Run(_, command)) = hallucinet::cli::args::parse(arguments) else { panic!() };
    let Command::Info(info) = *command else { panic!() };
    assert_eq!(info.input, Path::new(&name));
}
