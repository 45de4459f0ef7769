//! The command line: arguments to a typed command, the command to its task, the task's findings to text, JSON and an exit code.
//! The only place that prints.

mod answer;
pub mod args;
pub mod console;
pub mod interrupt;
mod manual;
mod request;

use crate::backend::Choice;
use crate::error::{Error, Result};
use crate::tasks::{self, Context, Listener};
use answer::Answer;
use args::{Command, Common, Device, Request};
use console::{Console, Progress};
use std::ffi::OsString;
use std::sync::Mutex;

/// Runs the program and returns its exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> i32 {
    let (common, command) = match args::parse(arguments) {
        Ok(Request::Run(common, command)) => (common, command),
        Ok(Request::Print(text)) => {
            return finish(&Console::new(&Common::default()), |console| console.print(&text).map(|()| 0));
        }
        Err(error) => return Console::new(&Common::default()).fail(&error),
    };
    let console = Console::new(&common);
    finish(&console, |console| dispatch(console, &common, *command))
}

fn finish(console: &Console, work: impl FnOnce(&Console) -> Result<i32>) -> i32 {
    work(console).unwrap_or_else(|error| console.fail(&error))
}

fn dispatch(console: &Console, common: &Common, command: Command) -> Result<i32> {
    if let Some(threads) = common.threads {
        // Decoding and drawing use the process's own pool; the device has another one of the same size.
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()
            .map_err(|error| Error::Device(format!("cannot start {threads} threads: {error}")))?;
    }
    let stop = interrupt::listen()?;
    let listener = Screen { console, bar: Mutex::new(None) };
    let context =
        Context { device: choice(common.device), threads: common.threads, listener: &listener, stop: stop.as_ref() };
    let answer = perform(&context, common, command)?;
    listener.clear();
    if common.json {
        console.json(&answer.json)?
    } else {
        console.print(&answer.text)?
    }
    Ok(answer.code)
}

/// Runs the task of a command and words its findings.
fn perform(context: &Context, common: &Common, command: Command) -> Result<Answer> {
    Ok(match command {
        Command::Train(args::Train::New(new)) => {
            let config = request::config(&new.config, &new.overrides)?;
            let request = tasks::train::Request { config, data: new.data, out: new.out, init: new.init };
            match new.dry_run {
                true => answer::rehearsed(&tasks::train::rehearse(context, &request)?),
                false => answer::train(&tasks::train::train(context, &request)?),
            }
        }
        Command::Train(args::Train::Resume(run)) => answer::train(&tasks::train::resume(context, &run)?),
        Command::Demo(given) => answer::demo(&tasks::demo::demo(context, &request::demo(given, common.seed))?)?,
        Command::Eval(given) => answer::eval(&tasks::eval::eval(context, &request::eval(given))?),
        Command::Ablate(given) => {
            let dry_run = given.dry_run;
            let request = request::ablate(*given)?;
            match dry_run {
                true => answer::ablation_plan(&tasks::ablate::plan(context, &request)?),
                false => answer::ablate(&tasks::ablate::ablate(context, &request)?),
            }
        }
        Command::Synth(given) => {
            let request = request::synth(given, common.seed);
            tasks::synth::write(context, &request)?;
            answer::synth(&request)
        }
        Command::Pack(given) => {
            let request = request::pack(given);
            answer::pack(&tasks::pack::pack(context, &request)?, &request.out)
        }
        Command::Info(given) => answer::info(&tasks::inspect::info(context, &given.input)?),
        Command::Check(given) => answer::check(&tasks::check::check(context, &request::check(given))?),
        Command::Degrade(given) => {
            let request = request::degrade(given);
            answer::degrade(tasks::degrade::degrade(context, &request)?, &request)
        }
        Command::Hallucinate(given) => {
            answer::hallucinate(&tasks::hallucinate::hallucinate(context, &request::hallucinate(given))?)
        }
        Command::Embed(given) => answer::embed(&tasks::embed::embed(context, &request::embed(given))?),
        Command::Verify(given) => answer::verify(&tasks::verify::verify(context, &request::verify(given))?),
        Command::Calibrate(given) => {
            answer::calibrate(&tasks::calibrate::calibrate(context, &request::calibrate(given))?)
        }
        Command::Identify(given) => answer::identify(&tasks::identify::identify(context, &request::identify(given))?),
        Command::Import(given) => answer::import(&tasks::import::import(context, &request::import(given))?),
        Command::Export(given) => {
            answer::export(&tasks::export::export(context, &request::export(given, common.seed))?)
        }
        Command::Plan(given) => {
            let measured = given.time;
            let request = request::plan(given)?;
            let time = measured.then(|| tasks::plan::time(context, &request)).transpose()?;
            answer::plan(&tasks::plan::plan(&request)?, time.as_ref())
        }
        Command::Bench(given) => answer::bench(&tasks::bench::bench(context, &request::bench(given)?)?),
        Command::Doctor => answer::doctor(&tasks::doctor::doctor(context)?),
        Command::Completions(shell) => manual::completions(shell),
        Command::Man(out) => manual::pages(&out)?,
    })
}

fn choice(device: Device) -> Choice {
    match device {
        Device::Auto => Choice::Auto,
        Device::Cpu => Choice::Cpu,
        Device::Cuda(ordinal) => Choice::Cuda(ordinal.unwrap_or(0)),
    }
}

/// A task's listener: the console, with at most one bar at a time.
struct Screen<'a> {
    console: &'a Console,
    bar: Mutex<Option<(String, Progress)>>,
}

impl Screen<'_> {
    fn clear(&self) {
        if let Ok(mut bar) = self.bar.lock() {
            bar.take();
        }
    }
}

impl Listener for Screen<'_> {
    fn say(&self, note: &str) {
        self.console.say(note);
    }

    fn warn(&self, warning: &str) {
        self.console.warn(warning);
    }

    fn progress(&self, what: &str, done: u64, total: u64, images: u64, note: &str) {
        // A poisoned lock means that drawing panicked once; the work goes on without its bar.
        let Ok(mut bar) = self.bar.lock() else { return };
        // The clock starts at the first report, so what was done before it has no rate.
        if bar.as_ref().is_none_or(|(shown, _)| shown != what) {
            *bar = Some((what.to_owned(), self.console.progress(what, done, total, images)));
        }
        if let Some((_, progress)) = bar.as_mut() {
            progress.set(done, note);
        }
        if done == total
            && let Some((_, progress)) = bar.take()
        {
            progress.finish(done, note);
        }
    }
}
