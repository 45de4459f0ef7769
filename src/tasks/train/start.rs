//! Everything that is checked before a run computes anything: output folder, lists, data, models to start from.

use crate::backend::Device;
use crate::checkpoint::{self, Run, State};
use crate::data::align::{Alignment, Crop, Landmarks};
use crate::data::faces::{Faces, Selection, Source};
use crate::data::lists::People;
use crate::engine::network::fitting;
use crate::error::{Error, Result};
use crate::files;
use crate::formats::safetensors::{self, Tensors};
use crate::model::config::{Config, Data, Mode};
use crate::model::{Model, Parameter, Part};
use crate::tasks::Context;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A run folder must be absent or empty.
pub fn check_out(out: &Path) -> Result<()> {
    files::check_empty(out).map_err(|error| match Run::is_in(out) {
        true => Error::Output(format!(
            "{}: not empty; give a new folder to --out, or go on with: hallucinet train --resume {0}",
            out.display()
        )),
        false => error,
    })
}

/// Training data, listed and checked, not decoded yet.
pub struct Training {
    source: Source,
    rows: Vec<usize>,
    alignment: Alignment,
    identities: usize,
    /// Fingerprint of names and identities.
    pub fingerprint: String,
}

/// Opens the data and every list that the configuration names.
pub fn open_data(config: &Config, data: &Path) -> Result<Training> {
    let alignment = alignment(&config.data, data)?;
    let people = match &config.data.people {
        Some(name) => Some(People::read(&beside(data, Path::new(name)))?.of_sets(&config.data.sets)?),
        None => None,
    };
    let source = Source::open(data)?;
    let rows = source.select(&Selection { people, min_images: config.data.min_images })?;
    let listing = source.listing().subset(&rows);
    let mut hash = crc32fast::Hasher::new();
    for (name, label) in listing.names.iter().zip(&listing.labels) {
        hash.update(name.as_bytes());
        hash.update(&label.to_le_bytes());
    }
    let fingerprint = format!("{} pictures, crc32 {:08x}", listing.len(), hash.finalize());
    Ok(Training { source, rows, alignment, identities: listing.identities.len(), fingerprint })
}

impl Training {
    /// Decodes and cuts every picture, or maps the pack.
    pub fn load(self, context: &Context) -> Result<Arc<Faces>> {
        let listener = context.listener;
        let faces = self.source.load(&self.rows, &self.alignment, &mut |done, total| {
            listener.progress("read", done as u64, total as u64, 1, "");
            // Who stops now finds a run with a step in it, which can be gone on with.
            Ok(())
        })?;
        faces.warnings().iter().for_each(|warning| listener.warn(warning));
        listener.say(&format!("data     {} pictures of {} identities", faces.len(), faces.identities()));
        Ok(Arc::new(faces))
    }
}

/// How faces are cut, by a configuration and the data folder that relative lists are looked for in.
pub fn alignment(data: &Data, folder: &Path) -> Result<Alignment> {
    match (&data.crop, &data.landmarks) {
        (Some(crop), _) => Ok(Alignment::Crop(Crop::from(*crop))),
        (None, Some(name)) => Ok(Alignment::Landmarks(Landmarks::read(&beside(folder, Path::new(name)))?)),
        (None, None) => Ok(Alignment::None),
    }
}

/// A list of the configuration: under the data folder, then its parent; the first of the two is named where neither has it.
pub fn beside(folder: &Path, list: &Path) -> PathBuf {
    let under = folder.join(list);
    // A data folder given as `.` has its parent only in its full name.
    let parent = std::fs::canonicalize(folder).ok().and_then(|full| full.parent().map(|parent| parent.join(list)));
    match parent {
        Some(parent) if !under.exists() && parent.exists() => parent,
        _ => under,
    }
}

/// Tensors to start from and what there is to say about them.
#[derive(Clone, Debug, Default)]
pub struct Init {
    pub tensors: Tensors,
    pub notes: Vec<String>,
    /// Of the data that will be trained on.
    pub fingerprint: String,
}

/// Reads the models of `--init` and keeps what fits by name; a file of tensors needs no metadata. The classifier and the
/// centers of other identities start afresh.
pub fn open_init(config: &Config, paths: &[PathBuf], data: &Training) -> Result<Init> {
    let model = Model::trained_by(config, data.identities)?;
    let parameters = model.parameters();
    let mut init = Init { fingerprint: data.fingerprint.clone(), ..Init::default() };
    for path in paths {
        let tensors = safetensors::read(&checkpoint::resolve_model(path)?)?.tensors;
        let place = path.display().to_string();
        let (mut used, mut others) = (0, None);
        for parameter in parameters.iter().filter(|parameter| tensors.contains_key(&parameter.name)) {
            if let Some(identities) = of_other_identities(&tensors, parameter) {
                others = Some(identities);
                continue;
            }
            let tensor = fitting(&tensors, parameter, &place)?;
            init.tensors.insert(parameter.name.clone(), tensor.clone());
            used += 1;
        }
        if used == 0 {
            return Err(Error::Input(format!("{place}: it has none of the networks that this configuration trains")));
        }
        init.notes.push(format!("init     {used} tensors from {place}"));
        if let Some(there) = others {
            let here = data.identities;
            init.notes.push(format!("init     fc6 and centers start afresh: {there} identities there, {here} here"));
        }
    }
    check_frozen(config, &init)?;
    check_teacher(config, &init)?;
    Ok(init)
}

/// The identities that a classifier or centers of another training set tell apart.
fn of_other_identities(tensors: &Tensors, parameter: &Parameter) -> Option<usize> {
    let by_identity = parameter.part == Part::Centers || parameter.name.starts_with("recognizer.fc6.");
    let there = tensors.get(&parameter.name).filter(|_| by_identity)?.shape.first()?;
    (Some(there) != parameter.file_shape.first()).then_some(*there)
}

/// Nothing is learnt from a recogniser that has learnt nothing: a stage that distils needs one that was trained before it.
fn check_teacher(config: &Config, init: &Init) -> Result<()> {
    let mut taught = init.tensors.keys().any(|name| name.starts_with("recognizer."));
    for stage in config.stages() {
        if stage.loss.distills(stage.recipe.mode) && !taught {
            return Err(Error::Usage(
                "loss.distill learns from a recogniser that was trained on HR: give one with --init, put a recognition-hr stage \
                 before, or leave it at 0"
                    .into(),
            ));
        }
        taught |= stage.recipe.mode == Mode::RecognitionHr;
    }
    Ok(())
}

/// A frozen hallucinator must have been trained by somebody.
fn check_frozen(config: &Config, init: &Init) -> Result<()> {
    let given = init.tensors.keys().any(|name| name.starts_with("hallucinator."));
    for stage in config.stages() {
        match stage.recipe.mode {
            Mode::Hallucination | Mode::Joint => return Ok(()),
            Mode::RecognitionOnHallucinated if !given => {
                return Err(Error::Usage(
                    "mode recognition-on-hallucinated trains on a frozen hallucinator: give a trained one with --init"
                        .into(),
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A checkpoint goes on only with the data it was made with; another instruction set gives other bits, which is said.
pub fn check_same(context: &Context, state: &State, source: &Training, device: &dyn Device) -> Result<()> {
    if state.data != source.fingerprint {
        return Err(Error::Input(format!(
            "the training data has changed since the checkpoint ({} then, {} now)",
            state.data, source.fingerprint
        )));
    }
    let here = device.info().architecture;
    if state.instruction_set != here {
        context.listener.warn(&format!(
            "the checkpoint was made with {}, this is {here}: the result will not be the same to the last bit",
            state.instruction_set
        ));
    }
    Ok(())
}
