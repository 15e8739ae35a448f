//! Checks what the settings of a data set need from its source, for all sources.
//!
//! `check` reports what it can find before files are read. These checks apply to the data that a
//! source yields.

use super::{DataError, RawData, filter};
use crate::config::dataset::{Dataset, Filter, Split};

/// Whether a filter reads ratings.
fn reads_ratings(rule: &Filter) -> bool {
    match rule {
        Filter::Rating { .. } => true,
        Filter::Published { count_rating, .. } => *count_rating > 0.0,
        Filter::KCore { .. } | Filter::Duplicates { .. } | Filter::Length { .. } => false,
    }
}

/// Refuses settings that need values which `raw` does not have.
///
/// # Errors
/// When a filter needs ratings, or the split needs times or parts, that the source does not have.
pub(super) fn check(dataset: &Dataset, raw: &RawData) -> Result<(), DataError> {
    if let Some(rule) = dataset.filter.iter().find(|rule| reads_ratings(rule))
        && raw.rating.is_empty()
    {
        return Err(DataError::new(format!(
            "the filter `{}` needs ratings, and this source has none",
            filter::name(rule)
        ))
        .hint("name the column of the ratings in the source, or remove the filter"));
    }
    match dataset.split {
        Split::GlobalTime { .. } if raw.time.is_empty() => Err(DataError::new(
            "`split.global_time` needs times, and this source has none",
        )
        .hint("name the column of the time in the source, or use `split.leave_one_out`")),
        Split::Given {} if raw.part.is_empty() => Err(DataError::new(
            "`split.given` needs a source with files of a split, and this one has none",
        )
        .hint("name `valid` and `test` in the source, or use another split")),
        Split::LeaveOneOut {} | Split::GlobalTime { .. } if !raw.part.is_empty() => Err(
            DataError::new("the source has the files of a split, which this split does not use")
                .hint("write `split.given = {}`, or name all rows in one file"),
        ),
        Split::LeaveOneOut {} | Split::GlobalTime { .. } | Split::Given {} => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::raw::Given;
    use crate::source::sequences::{SequenceForm, SequencesSource};
    use crate::source::{RepeatedUsers, Source};

    fn refused(filter: Vec<Filter>, split: Split, raw: &RawData) -> Option<String> {
        // The rule depends on the data that were read, not on the kind of the source.
        let source = Source::Sequences(SequencesSource {
            path: String::new(),
            form: SequenceForm::Pairs,
            delimiter: String::new(),
            header: false,
            comment: String::new(),
            repeated_users: RepeatedUsers::Refuse,
        });
        let dataset = Dataset {
            source,
            filter,
            split,
        };
        check(&dataset, raw).err().map(|error| error.to_string())
    }

    #[test]
    fn a_setting_that_needs_ratings_times_or_parts_is_refused_where_the_source_has_none() {
        let bare = RawData {
            user: vec![0],
            item: vec![0],
            ..RawData::default()
        };
        let published = |count_rating| Filter::Published {
            threshold: 1,
            count_rating,
        };
        let time = || Split::GlobalTime {
            train_share: 0.8,
            valid_share: 0.1,
        };
        let one = || Split::LeaveOneOut {};
        let rating = "the filter `rating` needs ratings, and this source has none";
        assert_eq!(
            refused(vec![Filter::Rating { minimum: 1.0 }], one(), &bare).unwrap(),
            rating
        );
        assert!(refused(vec![published(3.0)], one(), &bare).is_some());
        assert_eq!(refused(vec![published(0.0)], one(), &bare), None);
        assert!(
            refused(vec![], time(), &bare)
                .unwrap()
                .contains("needs times")
        );
        assert!(
            refused(vec![], Split::Given {}, &bare)
                .unwrap()
                .contains("files of a split")
        );
        let full = RawData {
            rating: vec![1.0],
            time: vec![1],
            ..bare
        };
        assert_eq!(
            refused(vec![Filter::Rating { minimum: 1.0 }], time(), &full),
            None
        );
        let parted = RawData {
            part: vec![Given::Test],
            ..full
        };
        assert!(
            refused(vec![], one(), &parted)
                .unwrap()
                .contains("which this split does not use")
        );
        assert_eq!(refused(vec![], Split::Given {}, &parted), None);
    }
}
