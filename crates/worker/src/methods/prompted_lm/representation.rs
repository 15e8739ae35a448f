//! Prompts whose last state becomes a vector. Those of LLM-SRec end in a trained vector, those of
//! E4SRec in text.

use allround_core::text::representation::{of_item, of_user};
use allround_core::text::sequence::of_sequence;

use super::{PromptEncoder, PromptedLmError, Slot};

impl PromptEncoder {
    /// The prompt of a user with this history. The oldest items are left out where it is too long,
    /// and such prompts are counted.
    ///
    /// # Errors
    /// When it is too long without any history.
    pub fn user_representation(&self, history: &[u32]) -> Result<Vec<Slot>, PromptedLmError> {
        let slots = self.fitting(history, 0, |history| of_user(history, self.titles()))?;
        Ok(through_vector(slots))
    }

    /// The prompt of an item (1 to V).
    ///
    /// # Errors
    /// When it is too long.
    pub fn item_representation(&self, item: u32) -> Result<Vec<Slot>, PromptedLmError> {
        let slots = self.fitting(&[], 0, |_| of_item(item, self.titles()))?;
        Ok(through_vector(slots))
    }

    /// E4SRec's prompt of a user with this history. The oldest items are left out where it is too
    /// long, and such prompts are counted.
    ///
    /// # Errors
    /// When it is too long without any history.
    pub fn sequence(&self, history: &[u32]) -> Result<Vec<Slot>, PromptedLmError> {
        self.fitting(history, 0, of_sequence)
    }
}

/// The slots up to the trained vector: what comes after it, such as the end of a turn, changes no
/// state there.
fn through_vector(mut slots: Vec<Slot>) -> Vec<Slot> {
    let end = slots.iter().rposition(|slot| *slot == Slot::User);
    slots.truncate(end.map_or(slots.len(), |end| end + 1));
    slots
}
