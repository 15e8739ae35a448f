//! Numbers raw ids.

use std::collections::HashMap;

/// Numbers ids from 0 in the order of first appearance.
#[derive(Debug, Default)]
pub struct Ids {
    numbers: HashMap<Box<str>, u32, foldhash::fast::FixedState>,
}

impl Ids {
    /// The id's number. A new id gets the next one.
    pub fn number(&mut self, id: &str) -> u32 {
        if let Some(&number) = self.numbers.get(id) {
            return number;
        }
        let number = u32::try_from(self.numbers.len()).expect("fewer ids than 32 bits hold");
        self.numbers.insert(id.into(), number);
        number
    }

    /// The id's number; `None` if it has none.
    pub fn get(&self, id: &str) -> Option<u32> {
        self.numbers.get(id).copied()
    }

    /// Number of ids.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// All ids with their numbers, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &str)> {
        self.numbers.iter().map(|(id, &number)| (number, &**id))
    }

    /// All ids, by number.
    pub fn into_names(self) -> Vec<String> {
        let mut names = vec![String::new(); self.numbers.len()];
        for (name, number) in self.numbers {
            names[number as usize] = name.into();
        }
        names
    }
}
