//! Values of metadata. Lists stay in the file until they are read.

/// A value of the file's metadata.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// An integer without sign, of any width.
    Unsigned(u64),
    /// An integer with sign, of any width.
    Signed(i64),
    /// Single precision.
    F32(f32),
    /// Double precision.
    F64(f64),
    /// True or false.
    Bool(bool),
    /// Text.
    Text(&'a str),
    /// A list of values of one type.
    List(List<'a>),
}

impl<'a> Value<'a> {
    /// The value as an integer that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Value::Unsigned(number) => Some(number),
            Value::Signed(number) => u64::try_from(number).ok(),
            Value::F32(_) | Value::F64(_) | Value::Bool(_) | Value::Text(_) | Value::List(_) => {
                None
            }
        }
    }

    /// The value as a real number. Single precision becomes the shortest decimal number that it
    /// represents: 1e-5, not 9.999999747378752e-6.
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Value::F32(number) => number.to_string().parse().ok(),
            Value::F64(number) => Some(number),
            Value::Unsigned(_) | Value::Signed(_) => self.as_u64().map(|number| number as f64),
            Value::Bool(_) | Value::Text(_) | Value::List(_) => None,
        }
    }

    /// The value as a truth value.
    pub fn as_bool(&self) -> Option<bool> {
        let Value::Bool(flag) = *self else {
            return None;
        };
        Some(flag)
    }

    /// The value as text.
    pub fn as_text(&self) -> Option<&'a str> {
        let Value::Text(text) = *self else {
            return None;
        };
        Some(text)
    }

    /// The value as a list.
    pub fn as_list(&self) -> Option<List<'a>> {
        let Value::List(list) = *self else {
            return None;
        };
        Some(list)
    }

    /// The value for a message.
    pub(crate) fn shown(&self) -> String {
        match self {
            Value::Unsigned(number) => number.to_string(),
            Value::Signed(number) => number.to_string(),
            Value::F32(number) => number.to_string(),
            Value::F64(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Text(text) => format!("`{}`", text.escape_debug()),
            Value::List(list) => format!("a list of {} values", list.len()),
        }
    }
}

/// The type of a value in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    Text,
    List,
    U64,
    I64,
    F64,
}

impl Kind {
    /// In the order of their numbers in a file.
    const ALL: [Kind; 13] = [
        Kind::U8,
        Kind::I8,
        Kind::U16,
        Kind::I16,
        Kind::U32,
        Kind::I32,
        Kind::F32,
        Kind::Bool,
        Kind::Text,
        Kind::List,
        Kind::U64,
        Kind::I64,
        Kind::F64,
    ];

    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// Bytes of a value, the fewest for texts and lists.
    pub fn least_bytes(self) -> usize {
        match self {
            Kind::U8 | Kind::I8 | Kind::Bool => 1,
            Kind::U16 | Kind::I16 => 2,
            Kind::U32 | Kind::I32 | Kind::F32 => 4,
            Kind::U64 | Kind::I64 | Kind::F64 | Kind::Text => 8,
            Kind::List => 12,
        }
    }

    /// A number or truth value from exactly its bytes; `None` for texts, lists, and a truth value
    /// other than 0 and 1.
    pub fn scalar<'a>(self, bytes: &[u8]) -> Option<Value<'a>> {
        Some(match self {
            Kind::U8 => Value::Unsigned(u8::from_le_bytes(bytes.try_into().ok()?).into()),
            Kind::U16 => Value::Unsigned(u16::from_le_bytes(bytes.try_into().ok()?).into()),
            Kind::U32 => Value::Unsigned(u32::from_le_bytes(bytes.try_into().ok()?).into()),
            Kind::U64 => Value::Unsigned(u64::from_le_bytes(bytes.try_into().ok()?)),
            Kind::I8 => Value::Signed(i8::from_le_bytes(bytes.try_into().ok()?).into()),
            Kind::I16 => Value::Signed(i16::from_le_bytes(bytes.try_into().ok()?).into()),
            Kind::I32 => Value::Signed(i32::from_le_bytes(bytes.try_into().ok()?).into()),
            Kind::I64 => Value::Signed(i64::from_le_bytes(bytes.try_into().ok()?)),
            Kind::F32 => Value::F32(f32::from_le_bytes(bytes.try_into().ok()?)),
            Kind::F64 => Value::F64(f64::from_le_bytes(bytes.try_into().ok()?)),
            Kind::Bool => match bytes {
                [0] => Value::Bool(false),
                [1] => Value::Bool(true),
                _ => return None,
            },
            Kind::Text | Kind::List => return None,
        })
    }
}

/// A list in the file; its bytes were checked when the file was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct List<'a> {
    pub(crate) kind: Kind,
    pub(crate) count: usize,
    pub(crate) bytes: &'a [u8],
}

impl<'a> List<'a> {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The texts of a list of texts; `None` for another one.
    pub fn texts(&self) -> Option<impl Iterator<Item = &'a str> + use<'a>> {
        if self.kind != Kind::Text {
            return None;
        }
        let mut rest = self.bytes;
        Some(std::iter::from_fn(move || {
            let (length, after) = rest.split_first_chunk()?;
            let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
            let (text, after) = after.split_at_checked(length)?;
            rest = after;
            std::str::from_utf8(text).ok()
        }))
    }

    /// The values of a list of numbers or truth values; `None` for another one.
    pub fn scalars(&self) -> Option<impl Iterator<Item = Value<'a>> + use<'a>> {
        let kind = self.kind;
        if matches!(kind, Kind::Text | Kind::List) {
            return None;
        }
        let values = self.bytes.chunks_exact(kind.least_bytes());
        Some(values.filter_map(move |bytes| kind.scalar(bytes)))
    }
}
