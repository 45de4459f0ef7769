//! A machine for the pickles that hold lists of bytes and truths, and for no others. Knows opcodes and five names of
//! numpy's; it has nothing that could be called, imported or built: a name it does not know ends the reading.
//!
//! Protocols 0 to 5 (CPython `Lib/pickletools.py`). Bytes stay where they are in the file until somebody asks for them,
//! so that a small file cannot grow: every value is a few words, and stack and memo have limits that honest files are
//! far from.

use std::collections::HashMap;

use super::blob::{Blob, Encoding};
use crate::error::excerpt;

/// Values on the stack at a time; picklers put lists together a thousand at a time.
const MOST_VALUES: usize = 1 << 16;
/// Values remembered.
const MOST_REMEMBERED: usize = 1 << 20;
/// Longest line of a number or a memo key in protocol 0.
const LONGEST_WORD: usize = 64;

type Outcome<T> = Result<T, String>;

/// What a pickle may be made of.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    Nothing,
    Bool(bool),
    Int(i64),
    Bytes(Blob),
    Text(Blob),
    /// An index into `tuples`, `lists` or `arrays`.
    Tuple(usize),
    List(usize),
    Array(usize),
    /// numpy's type of one byte.
    Byte,
    Name(Name),
}

/// The names that are understood; none of them is ever called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// `_codecs.encode`: bytes written as text, before protocol 3.
    Encode,
    /// `numpy.core.multiarray._reconstruct` and `numpy.ndarray`: an array to be filled by BUILD.
    Reconstruct,
    NdArray,
    /// `numpy.core.multiarray.scalar`: one element.
    Scalar,
    /// `numpy.core.numeric._frombuffer`: an array, in protocol 5.
    FromBuffer,
    /// `numpy.dtype`
    Type,
}

/// A pickle that is being read, or was.
pub struct Machine<'a> {
    file: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<usize, Value>,
    tuples: Vec<Vec<Value>>,
    lists: Vec<Vec<Value>>,
    /// Bytes and how many the shape says they are; nothing until BUILD fills it.
    arrays: Vec<Option<(Blob, i64)>>,
}

impl<'a> Machine<'a> {
    /// Reads a whole pickle; the error is half a sentence that names the opcode and its byte.
    pub fn run(file: &'a [u8]) -> Outcome<Self> {
        let mut machine = Machine {
            file,
            at: 0,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            tuples: Vec::new(),
            lists: Vec::new(),
            arrays: Vec::new(),
        };
        loop {
            let start = machine.at;
            let opcode = machine.take(1).ok().and_then(|bytes| bytes.first().copied());
            let opcode = opcode.ok_or_else(|| format!("the file ends at byte {start}, before the pickle does"))?;
            if opcode == b'.' {
                return machine.finished(start);
            }
            machine.step(opcode).map_err(|why| {
                let shown = if opcode.is_ascii_graphic() { format!(" '{}'", opcode as char) } else { String::new() };
                format!("opcode 0x{opcode:02x}{shown} at byte {start}: {why}")
            })?;
            if machine.stack.len() > MOST_VALUES || machine.memo.len() > MOST_REMEMBERED {
                return Err(format!("at byte {start} it holds more values than any verification pack needs"));
            }
        }
    }

    fn finished(self, at: usize) -> Outcome<Self> {
        match (self.stack.len(), self.marks.len(), self.at == self.file.len()) {
            (1, 0, true) => Ok(self),
            (1, 0, false) => Err(format!("the pickle ends at byte {at} and the file does not")),
            (_, 0, _) => Err(format!("the pickle ends at byte {at} with {} values, not 1", self.stack.len())),
            _ => Err(format!("the pickle ends at byte {at}, inside a list")),
        }
    }

    /// The items of the pickle itself; none where it is no tuple or list.
    pub fn result(&self) -> &[Value] {
        self.stack.first().map_or(&[], |value| self.items(*value))
    }

    /// The items of a tuple or list.
    pub fn items(&self, value: Value) -> &[Value] {
        let items = match value {
            Value::Tuple(index) => self.tuples.get(index),
            Value::List(index) => self.lists.get(index),
            _ => None,
        };
        items.map_or(&[], Vec::as_slice)
    }

    /// Where the bytes of a string of bytes or an array are, and how many the shape of an array says they are.
    pub fn bytes_of(&self, value: Value) -> Option<(Blob, Option<i64>)> {
        match value {
            Value::Bytes(blob) => Some((blob, None)),
            Value::Array(index) => self.arrays.get(index).copied().flatten().map(|(blob, extent)| (blob, Some(extent))),
            _ => None,
        }
    }

    /// The bytes of a string of bytes or an array.
    pub fn materialise(&self, value: Value) -> Outcome<Vec<u8>> {
        let (blob, extent) = self.bytes_of(value).ok_or("an array has no content")?;
        let bytes = blob.decoded(self.file)?;
        match extent {
            Some(extent) if usize::try_from(extent) != Ok(bytes.len()) => Err(format!(
                "the array whose bytes begin at byte {} has {} bytes, not {extent}",
                blob.start,
                bytes.len()
            )),
            _ => Ok(bytes),
        }
    }

    fn step(&mut self, opcode: u8) -> Outcome<()> {
        match opcode {
            b'(' => self.marks.push(self.stack.len()),
            0x80 => match self.number(1)? {
                0..=5 => (),
                newer => return Err(format!("protocol {newer} is not known, only 0 to 5 are")),
            },
            0x95 => {
                let length = self.number(8)?;
                let left = self.file.len() - self.at;
                if length > left as u64 {
                    return Err(format!("a frame of {length} bytes, and {left} are left"));
                }
            }
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            b'N' | 0x88 | 0x89 | b'I' | b'L' | b'J' | b'K' | b'M' | 0x8a => {
                let value = self.constant(opcode)?;
                self.stack.push(value);
            }
            b'S' | b'T' | b'U' | b'B' | b'C' | 0x8e | 0x96 | b'V' | b'X' | 0x8c | 0x8d => {
                let value = self.string(opcode)?;
                self.stack.push(value);
            }
            b')' | b't' | 0x85..=0x87 | b']' | b'l' | b'a' | b'e' => self.container(opcode)?,
            b'p' | b'q' | b'r' | 0x94 | b'g' | b'h' | b'j' => self.remember(opcode)?,
            b'c' | 0x93 | b'R' | b'b' => self.object(opcode)?,
            _ => return Err("no opcode that lists of pictures need, and nothing else is read".into()),
        }
        Ok(())
    }

    fn constant(&mut self, opcode: u8) -> Outcome<Value> {
        Ok(match opcode {
            b'N' => Value::Nothing,
            0x88 | 0x89 => Value::Bool(opcode == 0x88),
            b'K' | b'M' => Value::Int(self.number(if opcode == b'K' { 1 } else { 2 })? as i64),
            b'J' => Value::Int(i64::from(self.number(4)? as u32 as i32)),
            0x8a => {
                let length = self.number(1)? as usize;
                let bytes = self.take(length)?;
                if length > 8 {
                    return Err(format!("a number of {length} bytes"));
                }
                let sign = if bytes.last().is_some_and(|byte| *byte > 127) { 0xff } else { 0 };
                let mut whole = [sign; 8];
                whole.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
                Value::Int(i64::from_le_bytes(whole))
            }
            _ => match self.word()? {
                "00" if opcode == b'I' => Value::Bool(false),
                "01" if opcode == b'I' => Value::Bool(true),
                digits => {
                    let digits = digits.strip_suffix('L').unwrap_or(digits);
                    Value::Int(digits.parse().map_err(|_| format!("{} is not a number", excerpt(digits)))?)
                }
            },
        })
    }

    fn string(&mut self, opcode: u8) -> Outcome<Value> {
        let (encoding, width) = match opcode {
            b'S' => {
                let Blob { start, end, .. } = self.line()?;
                let quoted = self.file.get(start..end).unwrap_or_default().trim_ascii_end();
                return match quoted {
                    [b'\'', .., b'\''] | [b'"', .., b'"'] if quoted.len() > 1 => {
                        let (start, end) = (start + 1, start + quoted.len() - 1);
                        Ok(Value::Bytes(Blob { encoding: Encoding::StringEscape, start, end }))
                    }
                    _ => Err("a string without its quotes".into()),
                };
            }
            b'V' => return Ok(Value::Text(self.line()?)),
            b'X' => (Encoding::Utf8, 4),
            0x8c => (Encoding::Utf8, 1),
            0x8d => (Encoding::Utf8, 8),
            b'U' | b'C' => (Encoding::Plain, 1),
            b'T' | b'B' => (Encoding::Plain, 4),
            _ => (Encoding::Plain, 8),
        };
        let length = self.number(width)?;
        let length = usize::try_from(length).map_err(|_| format!("a string of {length} bytes"))?;
        let start = self.at;
        self.take(length)?;
        let blob = Blob { encoding, start, end: self.at };
        Ok(if encoding == Encoding::Utf8 { Value::Text(blob) } else { Value::Bytes(blob) })
    }

    fn container(&mut self, opcode: u8) -> Outcome<()> {
        match opcode {
            b']' | b'l' => {
                let items = if opcode == b'l' { self.pop_mark()? } else { Vec::new() };
                self.lists.push(items);
                self.stack.push(Value::List(self.lists.len() - 1));
            }
            b'a' | b'e' => {
                let items = if opcode == b'e' { self.pop_mark()? } else { vec![self.pop()?] };
                let list = match self.top()? {
                    Value::List(index) => self.lists.get_mut(index),
                    _ => None,
                };
                list.ok_or("something is appended to what is no list")?.extend(items);
            }
            _ => {
                let items = match opcode {
                    b')' => Vec::new(),
                    b't' => self.pop_mark()?,
                    _ => {
                        let count = usize::from(opcode - 0x84);
                        let from = self.stack.len().checked_sub(count).filter(|from| *from >= self.floor());
                        self.stack.drain(from.ok_or("the stack is empty")?..).collect()
                    }
                };
                self.tuples.push(items);
                self.stack.push(Value::Tuple(self.tuples.len() - 1));
            }
        }
        Ok(())
    }

    fn remember(&mut self, opcode: u8) -> Outcome<()> {
        let key = match opcode {
            0x94 => self.memo.len(),
            b'q' | b'h' => self.number(1)? as usize,
            b'r' | b'j' => self.number(4)? as usize,
            _ => {
                let word = self.word()?;
                word.parse().map_err(|_| format!("{} is not a number", excerpt(word)))?
            }
        };
        if matches!(opcode, b'g' | b'h' | b'j') {
            let value = self.memo.get(&key).ok_or_else(|| format!("nothing is remembered under {key}"))?;
            self.stack.push(*value);
        } else {
            let value = self.top()?;
            self.memo.insert(key, value);
        }
        Ok(())
    }

    /// Names, and what picklers do with the few that are known.
    fn object(&mut self, opcode: u8) -> Outcome<()> {
        let value = match opcode {
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                Value::Name(self.name(module, name)?)
            }
            0x93 => match (self.pop()?, self.pop()?) {
                (Value::Text(name), Value::Text(module)) => Value::Name(self.name(module, name)?),
                _ => return Err("a name that is not text".into()),
            },
            b'R' => {
                let arguments = self.pop()?;
                let Value::Name(name) = self.pop()? else { return Err("something is called that has no name".into()) };
                self.reduced(name, arguments)?
            }
            _ => return self.build(),
        };
        self.stack.push(value);
        Ok(())
    }

    fn name(&self, module: Blob, name: Blob) -> Outcome<Name> {
        let (module, name) = (module.text(self.file), name.text(self.file));
        Ok(match (module.as_str(), name.as_str()) {
            ("_codecs", "encode") => Name::Encode,
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Name::Reconstruct,
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Name::Scalar,
            ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Name::FromBuffer,
            ("numpy", "ndarray") => Name::NdArray,
            ("numpy", "dtype") => Name::Type,
            _ => return Err(format!("{} of {} is not data", excerpt(&name), excerpt(&module))),
        })
    }

    /// The value that a call of a known name stands for.
    fn reduced(&mut self, name: Name, arguments: Value) -> Outcome<Value> {
        let wrong = || Err(format!("{name:?} with arguments that no pickler gives it"));
        let text = |value: Value| match value {
            Value::Text(blob) | Value::Bytes(blob) => blob.text(self.file),
            _ => String::new(),
        };
        match (name, self.items(arguments)) {
            (Name::Encode, [Value::Text(blob), codec]) if matches!(text(*codec).as_str(), "latin1" | "latin-1") => {
                Ok(Value::Bytes(*blob))
            }
            (Name::Type, [code, ..]) => match text(*code).trim_start_matches('|') {
                "u1" | "b1" | "?" | "B" => Ok(Value::Byte),
                other => Err(format!("numbers of type {}, where bytes are needed", excerpt(other))),
            },
            (Name::Scalar, [Value::Byte, Value::Bytes(blob)]) if blob.is_short() => match *blob.decoded(self.file)? {
                [byte] => Ok(Value::Int(i64::from(byte))),
                _ => wrong(),
            },
            (Name::Reconstruct, [Value::Name(Name::NdArray), ..]) => {
                self.arrays.push(None);
                Ok(Value::Array(self.arrays.len() - 1))
            }
            (Name::FromBuffer, [Value::Bytes(blob), Value::Byte, shape, ..]) => {
                let filled = (*blob, self.extent(*shape)?);
                self.arrays.push(Some(filled));
                Ok(Value::Array(self.arrays.len() - 1))
            }
            _ => wrong(),
        }
    }

    /// Fills an array with its state `(version, shape, type, is_fortran, bytes)`; a type of one byte has nothing to be
    /// told.
    fn build(&mut self) -> Outcome<()> {
        let state = self.pop()?;
        match (self.top()?, self.items(state)) {
            (Value::Byte, [_, ..]) => Ok(()),
            (Value::Array(index), [_, shape, Value::Byte, _, Value::Bytes(blob)]) => {
                let filled = (*blob, self.extent(*shape)?);
                self.arrays.get_mut(index).ok_or("no such array")?.replace(filled);
                Ok(())
            }
            _ => Err("a state that is not that of an array of bytes".into()),
        }
    }

    /// The extent of a shape of one dimension.
    fn extent(&self, shape: Value) -> Outcome<i64> {
        match self.items(shape) {
            [Value::Int(extent)] => Ok(*extent),
            extents => Err(format!("an array of {} dimensions, where 1 is needed", extents.len())),
        }
    }

    fn top(&self) -> Outcome<Value> {
        let above = self.stack.len() > self.floor();
        self.stack.last().copied().filter(|_| above).ok_or("the stack is empty".into())
    }

    fn pop(&mut self) -> Outcome<Value> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// Nothing below the last mark is touched.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop_mark(&mut self) -> Outcome<Vec<Value>> {
        let from = self.marks.pop().ok_or("there is no mark")?;
        // What is taken off keeps no more room than it needs, which `split_off` does not promise.
        Ok(self.stack.drain(from.min(self.stack.len())..).collect())
    }

    fn take(&mut self, length: usize) -> Outcome<&'a [u8]> {
        let left = self.file.len() - self.at;
        let bytes = self.at.checked_add(length).and_then(|end| self.file.get(self.at..end));
        let bytes = bytes.ok_or_else(|| format!("{length} bytes are needed and {left} are left"))?;
        self.at += length;
        Ok(bytes)
    }

    fn number(&mut self, width: usize) -> Outcome<u64> {
        Ok(self.take(width)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// The rest of the line, which goes on after it.
    fn line(&mut self) -> Outcome<Blob> {
        let start = self.at;
        let rest = self.file.get(start..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == b'\n').ok_or("its line does not end")?;
        self.at = start + length + 1;
        Ok(Blob { encoding: Encoding::UnicodeEscape, start, end: start + length })
    }

    /// The rest of the line as a short word.
    fn word(&mut self) -> Outcome<&'a str> {
        let Blob { start, end, .. } = self.line()?;
        let line = self.file.get(start..end).filter(|line| line.len() <= LONGEST_WORD);
        line.and_then(|line| std::str::from_utf8(line).ok()).map(str::trim_end).ok_or("its line is not a number".into())
    }
}
