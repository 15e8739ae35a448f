//! Reads the pickles inside PyTorch's weight files as data. Code that a pickle names is never
//! executed: four names are known here, and any other is refused.
//!
//! The operations are those of Python's `pickletools` for protocols 2 to 4 that tensors need.

mod error;

use std::collections::HashMap;

use safetensors::Dtype;

pub use error::PickleError;

/// The known names.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(String),
}

/// Elements of one type that tensors are views of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Element type, or the name of a storage type that is not supported.
    pub kind: Result<Dtype, String>,
    /// Key of its bytes in the file.
    pub key: String,
    /// Number of elements.
    pub count: i64,
}

/// A tensor as a view of a storage. Offset and strides are counted in elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The storage.
    pub storage: Storage,
    /// Index of the first element.
    pub offset: i64,
    /// Sizes.
    pub shape: Vec<i64>,
    /// Strides, one for each size.
    pub strides: Vec<i64>,
}

/// Index in the reader's list of values. Values that Python shares are shared by index.
type Place = usize;

#[derive(Clone, Debug)]
enum Value {
    None,
    Int(i64),
    /// A truth value, a real number, or an integer of more than eight bytes, all of which are
    /// ignored.
    Other,
    Text(String),
    Tuple(Vec<Place>),
    List(Vec<Place>),
    Dict(Vec<(Place, Place)>),
    Global(Global),
    Storage(Storage),
    Tensor(View),
}

/// The values of a pickle.
#[derive(Debug)]
pub struct Pickle {
    values: Vec<Value>,
    root: Place,
    /// Length in bytes.
    pub length: usize,
}

impl Pickle {
    /// Reads one pickle from the start of `bytes`.
    ///
    /// # Errors
    /// When it contains anything but tensors, or is damaged.
    pub fn read(bytes: &[u8]) -> Result<Self, PickleError> {
        let mut reader = Reader {
            bytes,
            at: 0,
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        };
        while reader.step()? {}
        let root = reader.pop()?;
        Ok(Self {
            values: reader.values,
            root,
            length: reader.at,
        })
    }

    /// The tensors of a dictionary, by name.
    ///
    /// # Errors
    /// When the value is not a dictionary, or an entry is not a tensor.
    pub fn tensors(&self) -> Result<Vec<(&str, &View)>, PickleError> {
        let wrong = |reason: String| PickleError::Malformed {
            reason,
            at: self.length,
        };
        let Value::Dict(entries) = &self.values[self.root] else {
            return Err(wrong("it is not a dictionary".to_owned()));
        };
        let entry = |&(key, value): &(Place, Place)| match (&self.values[key], &self.values[value])
        {
            (Value::Text(name), Value::Tensor(view)) => Ok((name.as_str(), view)),
            (Value::Text(name), _) => Err(wrong(format!("`{name}` is not a tensor"))),
            _ => Err(wrong("a name is not a string".to_owned())),
        };
        entries.iter().map(entry).collect()
    }

    /// The strings of a list of strings.
    pub fn texts(&self) -> Option<Vec<&str>> {
        let Value::List(places) = &self.values[self.root] else {
            return None;
        };
        let text = |place: &Place| match &self.values[*place] {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        };
        places.iter().map(text).collect()
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Place>,
    /// Heights of the stack at open marks.
    marks: Vec<usize>,
    memo: HashMap<u32, Place>,
}

impl<'a> Reader<'a> {
    /// Executes one operation; returns false after the last.
    fn step(&mut self) -> Result<bool, PickleError> {
        let at = self.at;
        let code = self.byte()?;
        match code {
            // PROTO, FRAME: nothing to do.
            0x80 => drop(self.byte()?),
            0x95 => drop(self.take(8)?),
            b'.' => return Ok(false),
            b'(' => self.marks.push(self.stack.len()),
            b'N' => self.push(Value::None),
            0x88 | 0x89 => self.push(Value::Other),
            b'}' => self.push(Value::Dict(Vec::new())),
            b']' => self.push(Value::List(Vec::new())),
            b')' => self.push(Value::Tuple(Vec::new())),
            b'J' | b'K' | b'M' | 0x8a | b'G' => self.number(code)?,
            b'X' | 0x8c | 0x8d | b'T' | b'U' | b'B' | b'C' => self.text(code)?,
            b'q' | b'r' | 0x94 | b'h' | b'j' => self.remember(code)?,
            b't' | 0x85 | 0x86 | 0x87 => self.tuple(code)?,
            b'a' | b'e' | b's' | b'u' => self.fill(code)?,
            b'c' => {
                let module = self.line()?;
                let name = self.line()?;
                self.global(&module, &name)?;
            }
            0x93 => {
                let (name, module) = (self.pop_text()?, self.pop_text()?);
                self.global(&module, &name)?;
            }
            b'Q' => self.storage()?,
            b'R' => self.reduce()?,
            b'b' => self.build()?,
            code => return Err(PickleError::Operation { code, at }),
        }
        Ok(true)
    }

    fn number(&mut self, code: u8) -> Result<(), PickleError> {
        let value = match code {
            b'K' => Value::Int(i64::from(self.byte()?)),
            b'M' => Value::Int(self.unsigned(2)? as i64),
            b'J' => Value::Int(i64::from(self.unsigned(4)? as u32 as i32)),
            b'G' => {
                self.take(8)?;
                Value::Other
            }
            _ => {
                let length = usize::from(self.byte()?);
                let bytes = self.take(length)?;
                match length {
                    0 => Value::Int(0),
                    1..=8 => {
                        let fill = if bytes[length - 1] >= 0x80 { 0xff } else { 0 };
                        let mut whole = [fill; 8];
                        whole[..length].copy_from_slice(bytes);
                        Value::Int(i64::from_le_bytes(whole))
                    }
                    _ => Value::Other,
                }
            }
        };
        self.push(value);
        Ok(())
    }

    fn text(&mut self, code: u8) -> Result<(), PickleError> {
        let length = match code {
            0x8c | b'U' | b'C' => self.unsigned(1)?,
            0x8d => self.unsigned(8)?,
            _ => self.unsigned(4)?,
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let bytes = self.take(length)?;
        self.push(Value::Text(String::from_utf8_lossy(bytes).into_owned()));
        Ok(())
    }

    /// Memo operations: store and fetch values by number.
    fn remember(&mut self, code: u8) -> Result<(), PickleError> {
        let number = match code {
            b'q' | b'h' => self.unsigned(1)? as u32,
            0x94 => self.memo.len() as u32,
            _ => self.unsigned(4)? as u32,
        };
        if matches!(code, b'h' | b'j') {
            let place = self.memo.get(&number).copied();
            let place =
                place.ok_or_else(|| self.wrong("it fetches a value that was not stored"))?;
            self.stack.push(place);
        } else {
            let top = self.stack.last().copied();
            let top = top.ok_or_else(|| self.wrong("it keeps nothing"))?;
            self.memo.insert(number, top);
        }
        Ok(())
    }

    fn tuple(&mut self, code: u8) -> Result<(), PickleError> {
        let parts = match code {
            b't' => self.pop_mark()?,
            _ => {
                let parts = (0x84..code).map(|_| self.pop());
                let mut parts = parts.collect::<Result<Vec<Place>, PickleError>>()?;
                parts.reverse();
                parts
            }
        };
        self.push(Value::Tuple(parts));
        Ok(())
    }

    /// Appends to a list, or sets entries of a dictionary.
    fn fill(&mut self, code: u8) -> Result<(), PickleError> {
        let parts = match code {
            b'a' => vec![self.pop()?],
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.pop_mark()?,
        };
        let top = self.stack.last().copied();
        let top =
            top.ok_or_else(|| self.wrong("it adds entries without a list or a dictionary"))?;
        match (&mut self.values[top], code) {
            (Value::List(list), b'a' | b'e') => list.extend(parts),
            (Value::Dict(dict), b's' | b'u') if parts.len().is_multiple_of(2) => {
                dict.extend(parts.chunks(2).map(|pair| (pair[0], pair[1])));
            }
            _ => {
                return Err(
                    self.wrong("it adds entries to a value that is not a list or a dictionary")
                );
            }
        }
        Ok(())
    }

    /// The allow-list.
    fn global(&mut self, module: &str, name: &str) -> Result<(), PickleError> {
        let global = match (module, name) {
            ("collections", "OrderedDict") => Global::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Global::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Global::RebuildParameter,
            ("torch", storage) if STORAGES.contains(&storage) => {
                Global::Storage(storage.to_owned())
            }
            _ => {
                let name = format!("{module}.{name}");
                return Err(PickleError::Global { name });
            }
        };
        self.push(Value::Global(global));
        Ok(())
    }

    /// A persistent id: ("storage", type, key, device, count), and in old files the storage's view.
    fn storage(&mut self) -> Result<(), PickleError> {
        let identity = self.pop()?;
        let parts = match &self.values[identity] {
            Value::Tuple(parts) => parts.iter().map(|&part| &self.values[part]).collect(),
            _ => Vec::new(),
        };
        let storage = match parts[..] {
            [
                Value::Text(word),
                Value::Global(Global::Storage(form)),
                Value::Text(key),
                Value::Text(_),
                Value::Int(count),
            ]
            | [
                Value::Text(word),
                Value::Global(Global::Storage(form)),
                Value::Text(key),
                Value::Text(_),
                Value::Int(count),
                Value::None,
            ] if word == "storage" && *count >= 0 => Storage {
                kind: kind_of(form).ok_or_else(|| form.clone()),
                key: key.clone(),
                count: *count,
            },
            _ => return Err(self.wrong("it refers to a value that is not a storage")),
        };
        self.push(Value::Storage(storage));
        Ok(())
    }

    /// A call of one of the allowed names.
    fn reduce(&mut self) -> Result<(), PickleError> {
        let (arguments, called) = (self.pop()?, self.pop()?);
        let Value::Tuple(arguments) = &self.values[arguments] else {
            return Err(self.wrong("arguments are not a tuple"));
        };
        let parts: Vec<&Value> = arguments.iter().map(|&part| &self.values[part]).collect();
        let made = match (&self.values[called], &parts[..]) {
            (Value::Global(Global::OrderedDict), []) => Value::Dict(Vec::new()),
            (
                Value::Global(Global::RebuildTensor),
                [
                    Value::Storage(storage),
                    Value::Int(offset),
                    Value::Tuple(shape),
                    Value::Tuple(strides),
                    ..,
                ],
            ) => {
                let (shape, strides) = (self.numbers(shape)?, self.numbers(strides)?);
                let view = View {
                    storage: storage.clone(),
                    offset: *offset,
                    shape,
                    strides,
                };
                Value::Tensor(view)
            }
            (Value::Global(Global::RebuildParameter), [Value::Tensor(view), ..]) => {
                Value::Tensor(view.clone())
            }
            _ => return Err(self.wrong("a call has arguments that no tensor has")),
        };
        self.push(made);
        Ok(())
    }

    /// Attributes of a dictionary, such as PyTorch's `_metadata`, which are ignored. Nothing else
    /// can have attributes.
    fn build(&mut self) -> Result<(), PickleError> {
        self.pop()?;
        match self.stack.last().map(|&top| &self.values[top]) {
            Some(Value::Dict(_)) => Ok(()),
            _ => Err(self.wrong("it sets attributes of a value that is not a dictionary")),
        }
    }

    fn numbers(&self, places: &[Place]) -> Result<Vec<i64>, PickleError> {
        let number = |&place: &Place| match self.values[place] {
            Value::Int(number) if number >= 0 => Ok(number),
            _ => Err(self.wrong("a size is not a number")),
        };
        places.iter().map(number).collect()
    }

    fn wrong(&self, reason: &str) -> PickleError {
        PickleError::Malformed {
            reason: reason.to_owned(),
            at: self.at,
        }
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn pop(&mut self) -> Result<Place, PickleError> {
        let base = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= base {
            return Err(self.wrong("it takes a value from an empty stack"));
        }
        Ok(self.stack.pop().expect("the stack is not empty"))
    }

    fn pop_text(&mut self) -> Result<String, PickleError> {
        let place = self.pop()?;
        match &self.values[place] {
            Value::Text(text) => Ok(text.clone()),
            _ => Err(self.wrong("a name is not a string")),
        }
    }

    fn pop_mark(&mut self) -> Result<Vec<Place>, PickleError> {
        match self.marks.pop() {
            Some(mark) => Ok(self.stack.split_off(mark)),
            None => Err(self.wrong("it closes a mark that is not open")),
        }
    }

    fn byte(&mut self) -> Result<u8, PickleError> {
        Ok(self.take(1)?[0])
    }

    fn unsigned(&mut self, length: usize) -> Result<u64, PickleError> {
        let mut whole = [0; 8];
        whole[..length].copy_from_slice(self.take(length)?);
        Ok(u64::from_le_bytes(whole))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], PickleError> {
        let rest = &self.bytes[self.at..];
        if rest.len() < length {
            return Err(PickleError::Truncated {
                at: self.bytes.len(),
            });
        }
        self.at += length;
        Ok(&rest[..length])
    }

    fn line(&mut self) -> Result<String, PickleError> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&byte| byte == b'\n');
        let end = end.ok_or(PickleError::Truncated {
            at: self.bytes.len(),
        })?;
        self.at += end + 1;
        Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
    }
}

/// PyTorch's storage types. Those without a type below are refused when one of their tensors is
/// read.
const STORAGES: [&str; 11] = [
    "FloatStorage",
    "HalfStorage",
    "BFloat16Storage",
    "DoubleStorage",
    "LongStorage",
    "IntStorage",
    "ShortStorage",
    "CharStorage",
    "ByteStorage",
    "BoolStorage",
    "UntypedStorage",
];

fn kind_of(storage: &str) -> Option<Dtype> {
    match storage {
        "FloatStorage" => Some(Dtype::F32),
        "HalfStorage" => Some(Dtype::F16),
        "BFloat16Storage" => Some(Dtype::BF16),
        "DoubleStorage" => Some(Dtype::F64),
        "LongStorage" => Some(Dtype::I64),
        "IntStorage" => Some(Dtype::I32),
        "ByteStorage" => Some(Dtype::U8),
        "BoolStorage" => Some(Dtype::BOOL),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
