//! A wrong command line is refused with exit code 2 and one sentence, before anything is looked at.

use crate::request;

#[test]
fn each_mistake_has_its_sentence() {
    let cases: &[(&str, &[&str])] = &[
        ("", &["no command given"]),
        ("data", &["no command given", "data --help"]),
        ("trian", &["'trian'", "'train'"]),
        ("doctor x", &["'x'"]),
        ("doctor --jsn", &["'--jsn'", "'--json'"]),
        ("doctor -q -v", &["--quiet", "cannot be used with"]),
        ("doctor --threads 0", &["'0'", "--threads", "from 1 to 1024"]),
        ("doctor --threads -2", &["'-2'", "from 1 to 1024"]),
        ("doctor --threads two", &["'two'", "from 1 to 1024"]),
        ("doctor --threads", &["--threads", "value is required"]),
        ("doctor --seed -1", &["'-1'", "from 0 to 9223372036854775807"]),
        ("doctor --seed 9223372036854775808", &["from 0 to 9223372036854775807"]),
        ("doctor --device gpu", &["'gpu'", "auto, cpu, cuda, cuda:N"]),
        ("doctor --device cuda:", &["'cuda:'"]),
        ("doctor --device cuda:-1", &["'cuda:-1'"]),
        ("doctor --device cuda:+1", &["'cuda:+1'"]),
        ("data synth --out o --identities 0 --images 1", &["'0'", "--identities", "from 1"]),
        ("data synth --out o --images 1", &["not provided", "--identities"]),
        ("data pack in", &["not provided", "--out"]),
        ("data degrade --out o", &["not provided", "<IN>"]),
        ("data degrade a --out o --scale 0", &["'0'", "from 1 to 16"]),
        ("data degrade a --out o --scale 17", &["'17'", "from 1 to 16"]),
        ("data degrade a --out o --flavour lanczos", &["'lanczos'", "matlab, pillow, opencv"]),
        ("data pack in --out o --crop 1,2,3", &["'1,2,3'", "x,y,w,h"]),
        ("data pack in --out o --crop 1,2,0,4", &["x,y,w,h", "at least 1"]),
        ("data pack in --out o --crop 1,2,3,99999", &["at most 65535"]),
        ("data pack in --out o --crop 1,2,3,4 --landmarks l", &["--crop", "--landmarks"]),
        ("train", &["--config FILE or --preset NAME", "--resume RUN"]),
        ("train --config c --out o", &["train needs --data"]),
        ("train --preset quick --data d", &["train needs --out"]),
        ("train --preset quick --config c --data d --out o", &["--config and --preset"]),
        ("train --preset paper2 --data d --out o", &["'paper2'", "quick, lfw, paper"]),
        ("train --preset quick --data d --out o --mode both", &["'both'", "recognition-on-hallucinated, joint"]),
        ("train --preset quick --data d --out o --set train.lr", &["'train.lr'", "key=value"]),
        ("train --preset quick --data d --out o --set =1", &["'=1'", "key=value"]),
        ("train --resume r --out o", &["--out cannot be given with --resume"]),
        ("train --resume r --config c", &["--config cannot be given with --resume"]),
        ("train --resume r --preset quick", &["--preset cannot be given with --resume"]),
        ("train --resume r --data d", &["--data cannot be given with --resume"]),
        ("train --resume r --mode joint", &["--mode cannot be given with --resume"]),
        ("train --resume r --init m", &["--init cannot be given with --resume"]),
        ("train --resume r --set train.lr=1", &["--set cannot be given with --resume"]),
        ("train --resume r --seed 1", &["--seed cannot be given with --resume"]),
        ("train --resume r --precision bf16", &["--precision cannot be given with --resume"]),
        ("train --preset quick --data d --out o --precision fp16", &["'fp16'", "f32, bf16"]),
        ("plan --config c --preset quick", &["--config", "--preset"]),
        ("plan --batch 0", &["'0'", "--batch", "from 1 to 65536"]),
        ("bench --precision f16", &["'f16'", "f32, bf16"]),
        ("bench --identities 1", &["--identities", "at least 2"]),
        ("plan --time --batch 3", &["--time", "--batch"]),
        ("ablate --data d", &["not provided", "--out"]),
        ("ablate --data d --out o --seeds 0", &["'0'", "--seeds", "from 1"]),
        ("ablate --data d --out o --seeds 1,x", &["'1,x'", "--seeds", "a whole number"]),
        ("ablate --data d --out o --seeds 2,2", &["--seeds", "2 twice"]),
        ("ablate --data d --out o --folds 3,3", &["--folds", "3 twice"]),
        ("train --steps 3", &["'--steps'"]),
        ("eval --model m", &["not provided", "--data"]),
        ("eval --model m --data d --fold 1", &["not provided", "--pairs"]),
        ("eval --model m --data d --pairs p --fold 0", &["'0'", "--fold", "from 1"]),
        ("eval --model m --data d --input mr", &["'mr'", "hr or lr"]),
        ("hallucinate --model m --out o", &["not provided", "<IN>"]),
        ("embed --model m a --out f.csv", &["'f.csv'", ".npy, .jsonl or .safetensors"]),
        ("embed --model m a", &["not provided", "--out"]),
        ("verify --model m a", &["not provided", "<B>"]),
        ("verify a b", &["not provided", "--model"]),
        ("verify --model m a b --threshold 1.01", &["'1.01'", "from -1 to 1"]),
        ("verify --model m a b --threshold nan", &["'nan'", "from -1 to 1"]),
        ("verify --model m a b --threshold -inf", &["'-inf'", "from -1 to 1"]),
    ];
    for (line, parts) in cases {
        let error = match request(line) {
            Err(error) => error,
            Ok(request) => panic!("{line:?} was taken: {request:?}"),
        };
        let message = error.to_string();
        assert_eq!(error.exit_code(), 2, "{line}: {message}");
        assert_eq!(message.lines().count(), 1, "{line}: {message}");
        for part in *parts {
            assert!(message.contains(part), "{line:?}: {message:?} lacks {part:?}");
        }
    }
}
