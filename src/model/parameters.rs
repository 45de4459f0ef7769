//! Parameters: name, shape, initial values, multipliers, and one layout in the store that every plan of a model shares.

use crate::error::{Error, Result};
use crate::graph::{Graph, Program, Value};
use crate::ops::{Desc, Type, bf16};
use crate::random::Random;
use crate::shape::Shape;
use std::collections::BTreeMap;

/// Which network a parameter belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Hallucinator,
    Recognizer,
    /// The class centers of the center loss.
    Centers,
}

/// How initial values are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Uniform in `+-sqrt(3 / fan_in)`, Caffe's "xavier".
    Xavier { fan_in: usize },
    /// Normal with this standard deviation.
    Gaussian { deviation: f64 },
    /// The same value everywhere.
    Constant(f32),
}

/// One tensor that is learned.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// As in files: `recognizer.conv1a.weight`.
    pub name: String,
    /// As the kernels see it; in memory NHWC (a filter: OHWI).
    pub shape: Shape,
    /// As files show it; the same numbers in the order of NCHW.
    pub file_shape: Vec<usize>,
    pub init: Init,
    pub part: Part,
    pub lr_mult: f32,
    pub decay_mult: f32,
}

impl Parameter {
    /// Initial values in memory order, a function of the seed and the name alone.
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        let mut random = Random::named(seed, &self.name);
        let mut draw = || match self.init {
            Init::Xavier { fan_in } => {
                let bound = (3.0 / fan_in as f64).sqrt();
                random.between(-bound, bound) as f32
            }
            Init::Gaussian { deviation } => (deviation * random.normal()) as f32,
            Init::Constant(value) => value,
        };
        (0..self.shape.elements()).map(|_| draw()).collect()
    }

    /// Whether this is what pictures are multiplied with, not a number per channel.
    fn is_filter(&self) -> bool {
        self.file_shape.len() > 1
    }

    /// Numbers in the order of files (NCHW) to the order of memory (NHWC).
    pub fn to_memory(&self, file: &[f32]) -> Vec<f32> {
        let mut memory = vec![0.0; file.len()];
        self.permute(|in_memory, in_file| memory[in_memory] = file[in_file]);
        memory
    }

    /// Numbers in the order of memory to the order of files.
    pub fn to_file(&self, memory: &[f32]) -> Vec<f32> {
        let mut file = vec![0.0; memory.len()];
        self.permute(|in_memory, in_file| file[in_file] = memory[in_memory]);
        file
    }

    fn permute(&self, mut pair: impl FnMut(usize, usize)) {
        let Shape { n, c, h, w } = self.shape;
        let mut in_file = 0;
        for (n, c) in (0..n).flat_map(|n| (0..c).map(move |c| (n, c))) {
            for (h, w) in (0..h).flat_map(|h| (0..w).map(move |w| (h, w))) {
                pair(self.shape.at(n, c, h, w), in_file);
                in_file += 1;
            }
        }
    }
}

/// All parameters of a model with their places at the beginning of the store.
#[derive(Clone, Debug)]
pub struct Parameters {
    list: Vec<Parameter>,
    /// What filters are stored in; all else is f32.
    filters: Type,
    offsets: Vec<usize>,
    bytes: usize,
}

/// Parameters begin at multiples of this many bytes.
const ALIGNMENT: usize = 256;

impl Parameters {
    /// All in f32: what learns is kept in it.
    pub(super) fn new(list: Vec<Parameter>) -> Self {
        Self::with_filters(list, Type::F32)
    }

    /// With filters in a format of activations, which are read as they are multiplied.
    pub(super) fn with_filters(list: Vec<Parameter>, filters: Type) -> Self {
        let mut parameters =
            Parameters { list: Vec::new(), filters, offsets: Vec::with_capacity(list.len()), bytes: 0 };
        for parameter in &list {
            parameters.offsets.push(parameters.bytes);
            let end = parameters.bytes + parameters.desc(parameter).bytes();
            parameters.bytes = end.next_multiple_of(ALIGNMENT);
        }
        Parameters { list, ..parameters }
    }

    /// Shape and format of a parameter in the store.
    pub fn desc(&self, parameter: &Parameter) -> Desc {
        let dtype = if parameter.is_filter() { self.filters } else { Type::F32 };
        Desc { shape: parameter.shape, dtype }
    }

    /// Writes the numbers of every parameter, in memory order, into a program's store, rounded where they are stored in less.
    pub fn write(&self, program: &Program, numbers: impl Fn(&Parameter) -> Vec<f32>) -> Result<()> {
        self.placed().try_for_each(|placed| self.write_one(program, placed, numbers(placed.0)))
    }

    /// As [`Parameters::write`], of one parameter with its offset.
    pub fn write_one(
        &self,
        program: &Program,
        (parameter, offset): (&Parameter, usize),
        numbers: Vec<f32>,
    ) -> Result<()> {
        if self.desc(parameter).dtype == Type::Bf16 {
            let rounded: Vec<bf16> = numbers.into_iter().map(bf16::from_f32).collect();
            program.write_store(offset, &rounded)
        } else {
            program.write_store(offset, &numbers)
        }
    }

    /// In the order of the layer tables.
    pub fn iter(&self) -> impl Iterator<Item = &Parameter> {
        self.list.iter()
    }

    /// Each with its offset in the store, in bytes.
    pub fn placed(&self) -> impl Iterator<Item = (&Parameter, usize)> {
        self.list.iter().zip(self.offsets.iter().copied())
    }

    /// Bytes of the store that they take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Puts all of them into a graph, at the beginning of its store; `learns` says which ones get gradients.
    pub(super) fn bind(&self, graph: &mut Graph, learns: impl Fn(&Parameter) -> bool) -> Bound {
        self.bind_at(0, graph, learns)
    }

    /// Puts all of them into a graph behind what its store has already; none of them learns.
    pub(super) fn bind_frozen(&self, graph: &mut Graph) -> Bound {
        let base = graph.reserve(self.bytes);
        self.bind_at(base, graph, |_| false)
    }

    fn bind_at(&self, base: usize, graph: &mut Graph, learns: impl Fn(&Parameter) -> bool) -> Bound {
        let values = self.placed().map(|(parameter, offset)| {
            let value = graph.stored_at(base + offset, self.desc(parameter), learns(parameter));
            (parameter.name.clone(), value)
        });
        Bound { values: values.collect() }
    }
}

/// The parameters of a model as values of one graph.
#[derive(Clone, Debug)]
pub struct Bound {
    values: BTreeMap<String, Value>,
}

impl Bound {
    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Result<Value> {
        self.values.get(name).copied().ok_or_else(|| Error::Shape(format!("the model has no parameter {name}")))
    }

    /// All of them, by name.
    pub fn into_values(self) -> BTreeMap<String, Value> {
        self.values
    }
}
