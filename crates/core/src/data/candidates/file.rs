//! Fixed negatives from a file: read for each user, checked against the data set and its split,
//! never completed or repaired.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::{CandidateLists, DataError, Part, Prepared, target};
use crate::config::protocol::{CandidatesFile, ListedUsers, NegativesForm, Rules};
use crate::event::{Counted, Event};
use crate::source::read::lines::Lines;

/// The line of a measured user.
struct Row {
    number: u64,
    negatives: Vec<u32>,
}

/// Counts of what rules allow in a file.
#[derive(Default)]
struct Counts {
    unknown_users: u64,
    unmeasured_users: u64,
    repeated: u64,
    of_the_user: u64,
    targets: u64,
}

impl Counts {
    fn events(&self) -> [(&'static str, u64); 5] {
        [
            (
                "lines of candidates for users that the data set does not have",
                self.unknown_users,
            ),
            (
                "lines of candidates for users that are not measured",
                self.unmeasured_users,
            ),
            (
                "negatives of the file that repeat in a user's list",
                self.repeated,
            ),
            (
                "negatives of the file that are in the user's own sequence",
                self.of_the_user,
            ),
            (
                "users whose target is among the negatives of the file",
                self.targets,
            ),
        ]
    }
}

/// The lists of `users` for `part`, from the file of `source` below `base`.
///
/// # Errors
/// When the file cannot be read or breaks a rule; the error names the line. The published rules
/// allow repeated items, items of the user's own sequence, and users that are not in the data set.
/// All of these are counted.
pub(super) fn read(
    data: &Prepared,
    source: &CandidatesFile,
    part: Part,
    rules: Rules,
    users: &[u32],
    base: &Path,
    observe: &mut dyn FnMut(Event),
) -> Result<CandidateLists, DataError> {
    // Without a file for validation, its targets are ranked against the negatives of the test.
    // Lines then contain other targets.
    let is_own = part == Part::Test || !source.valid.is_empty();
    let path = match part {
        Part::Valid if is_own => &source.valid,
        Part::Valid | Part::Test => &source.path,
    };
    let mut reader = Reader {
        data,
        form: source.form,
        rules,
        part,
        checks_target: is_own,
        path: base.join(path),
        items: items(data),
        users: ids(data, users),
        counts: Counts::default(),
    };
    let mut rows = reader.rows()?;
    reader.refuse_targets_in_front(&rows)?;
    let kept = reader.kept(users, &rows, source.users)?;
    let mut events = reader.counts.events().to_vec();
    events.push((
        "measured users without a line of candidates, left out",
        (users.len() - kept.len()) as u64,
    ));
    // The test counts the lines of its file; validation would count them again.
    if is_own {
        for (what, count) in events {
            let what = what.to_owned();
            observe(Event::Counted(Counted { what, count }));
        }
    }
    let n = rows.values().next().map_or(0, |row| row.negatives.len());
    let targets = kept.iter().map(|&user| target(data, user, part)).collect();
    let negatives = kept
        .iter()
        .filter_map(|user| rows.remove(user))
        .flat_map(|row| row.negatives)
        .collect();
    Ok(CandidateLists::listed(part, kept, targets, n, negatives))
}

/// Items that may be candidates, by id.
fn items(data: &Prepared) -> HashMap<&str, u32> {
    let numbered = data.items.iter().zip(1u32..).zip(&data.in_candidates);
    numbered
        .filter(|(_, may_be)| **may_be)
        .map(|((item, number), _)| (item.id.as_str(), number))
        .collect()
}

/// Users by id: `Some` with the number for those of `measured`. Two domains may have equal ids; the
/// measured user then counts.
fn ids<'a>(data: &'a Prepared, measured: &[u32]) -> HashMap<&'a str, Option<u32>> {
    let mut ids: HashMap<&str, Option<u32>> =
        data.users.iter().map(|id| (id.as_str(), None)).collect();
    let named = measured
        .iter()
        .map(|&user| (data.users[user as usize].as_str(), Some(user)));
    ids.extend(named);
    ids
}

struct Reader<'a> {
    data: &'a Prepared,
    form: NegativesForm,
    rules: Rules,
    part: Part,
    checks_target: bool,
    path: PathBuf,
    items: HashMap<&'a str, u32>,
    users: HashMap<&'a str, Option<u32>>,
    counts: Counts,
}

/// The parts of a line.
struct Words<'l> {
    user: &'l str,
    /// The target, in a form that contains it.
    target: Option<&'l str>,
    negatives: Vec<&'l str>,
}

impl Reader<'_> {
    /// Reads the lines of measured users.
    fn rows(&mut self) -> Result<HashMap<u32, Row>, DataError> {
        let mut lines = Lines::open_rows(&self.path)?;
        let mut rows: HashMap<u32, Row> = HashMap::new();
        let mut first: Option<(u64, usize)> = None;
        while let Some((number, line)) = lines.text()? {
            if line.trim().is_empty() {
                continue;
            }
            let words = self.words(line, number)?;
            let Some(user) = self.user(words.user, number)? else {
                continue;
            };
            if let Some(row) = rows.get(&user) {
                let what = format!(
                    "user `{}` has a line already: line {}",
                    words.user, row.number
                );
                return Err(self.wrong(number, what).hint(
                    "a user is measured once; remove one of the lines, or write a file for each protocol",
                ));
            }
            let (line, n) = *first.get_or_insert((number, words.negatives.len()));
            if words.negatives.len() != n {
                let found = words.negatives.len();
                let what = format!("{found} negatives, where line {line} has {n}");
                return Err(self.wrong(number, what).hint(
                    "every user is ranked among equally many candidates; make the lines equally long",
                ));
            }
            let negatives = self.negatives(user, &words, number)?;
            rows.insert(user, Row { number, negatives });
        }
        Ok(rows)
    }

    fn wrong(&self, line: u64, what: String) -> DataError {
        DataError::new(what).at(&self.path).line(line)
    }

    fn words<'l>(&self, line: &'l str, number: u64) -> Result<Words<'l>, DataError> {
        let (expected, user, target, rest) = match self.form {
            NegativesForm::UserNegatives => {
                let (user, rest) = word(line);
                ("user neg1 ... negN", Some(user), Some(None), rest)
            }
            NegativesForm::UserItemNegatives => {
                let (user, rest) = word(line);
                let (item, rest) = word(rest);
                let item = Some(item).filter(|item| !item.is_empty());
                ("user item neg1 ... negN", Some(user), item.map(Some), rest)
            }
            NegativesForm::PairNegatives => {
                let pair = pair(line);
                (
                    "(user,item) neg1 ... negN",
                    pair.map(|(user, _, _)| user),
                    pair.map(|(_, item, _)| Some(item)),
                    pair.map_or("", |(_, _, rest)| rest),
                )
            }
        };
        let negatives: Vec<&str> = rest.split_whitespace().collect();
        match (user, target) {
            (Some(user), Some(target)) if !negatives.is_empty() => Ok(Words {
                user,
                target,
                negatives,
            }),
            _ => {
                let start: String = line.trim().chars().take(40).collect();
                let what = format!("expected `{expected}`, found `{start}`");
                Err(self.wrong(number, what).hint(
                    "ids are separated by blanks or tabs; `form` is `user_negatives`, `user_item_negatives` or `pair_negatives`",
                ))
            }
        }
    }

    /// The measured user with an id; `None` for a user who is not measured.
    fn user(&mut self, id: &str, line: u64) -> Result<Option<u32>, DataError> {
        match (self.users.get(id), self.rules) {
            (Some(Some(user)), _) => Ok(Some(*user)),
            (Some(None), _) => {
                self.counts.unmeasured_users += 1;
                Ok(None)
            }
            (None, Rules::Published) => {
                self.counts.unknown_users += 1;
                Ok(None)
            }
            (None, Rules::Strict) => {
                let what = format!("user `{id}` is not in the data set");
                Err(self.wrong(line, what).hint(
                    "ids are those of the data set's own files; users that filters drop have no line, or are skipped and counted with `rules = \"published\"`",
                ))
            }
        }
    }

    fn item(&self, id: &str, line: u64) -> Result<u32, DataError> {
        self.items.get(id).copied().ok_or_else(|| {
            self.wrong(line, format!("item `{id}` is not in the data set"))
                .hint("ids are those of the data set's own files; an item that filters drop has no score and cannot be ranked")
        })
    }

    fn negatives(
        &mut self,
        user: u32,
        words: &Words<'_>,
        line: u64,
    ) -> Result<Vec<u32>, DataError> {
        let target = target(self.data, user, self.part);
        if let Some(id) = words.target.filter(|_| self.checks_target)
            && self.item(id, line)? != target
        {
            return Err(self.other_target(words, id, target, line));
        }
        let own: HashSet<u32> = self.data.items_of(user as usize).iter().copied().collect();
        let mut seen = HashSet::new();
        let mut has_target = false;
        let mut found = Vec::with_capacity(words.negatives.len());
        for id in &words.negatives {
            let item = self.item(id, line)?;
            let user = words.user;
            let breach = if item == target {
                has_target = true;
                Some(format!(
                    "the {} `{id}` is among its own negatives",
                    self.target_word()
                ))
            } else if own.contains(&item) {
                self.counts.of_the_user += 1;
                Some(format!(
                    "negative `{id}` is in the sequence of user `{user}`"
                ))
            } else {
                None
            };
            let is_new = seen.insert(item);
            self.counts.repeated += u64::from(!is_new);
            let breach = breach.or((!is_new).then(|| format!("negative `{id}` is there twice")));
            if let Some(what) = breach.filter(|_| self.rules == Rules::Strict) {
                let is_first = has_target && found.is_empty() && words.target.is_none();
                return Err(self.wrong(line, what).hint(match is_first {
                    true => "where the second column is the target, write `form = \"user_item_negatives\"`",
                    false => "write `rules = \"published\"` to take the file as it is and have such negatives counted",
                }));
            }
            found.push(item);
        }
        self.counts.targets += u64::from(has_target);
        Ok(found)
    }

    fn target_word(&self) -> &'static str {
        match self.part {
            Part::Valid => "validation target",
            Part::Test => "target",
        }
    }

    fn other_target(&self, words: &Words<'_>, id: &str, target: u32, line: u64) -> DataError {
        let split = &self.data.items[target as usize - 1].id;
        let user = words.user;
        let what = format!(
            "the line's {} of user `{user}` is `{id}`, that of the data set's split is `{split}`",
            self.target_word()
        );
        let hint = match self.form {
            NegativesForm::UserItemNegatives => {
                "the file must belong to this split; where the second column is a negative, write `form = \"user_negatives\"`"
            }
            NegativesForm::UserNegatives | NegativesForm::PairNegatives => {
                "the file must belong to this split: the same interactions in the same order"
            }
        };
        self.wrong(line, what).hint(hint)
    }

    /// Refuses a file whose lines all begin with the target: it has another form, under any rules.
    fn refuse_targets_in_front(&self, rows: &HashMap<u32, Row>) -> Result<(), DataError> {
        let begins = |(&user, row): (&u32, &Row)| {
            row.negatives.first() == Some(&target(self.data, user, self.part))
        };
        let is_other = self.form == NegativesForm::UserNegatives
            && self.part == Part::Test
            && !rows.is_empty()
            && rows.iter().all(begins);
        match is_other {
            true => Err(
                DataError::new("the second column of every line is the user's target")
                    .at(&self.path)
                    .hint("write `form = \"user_item_negatives\"`"),
            ),
            false => Ok(()),
        }
    }

    /// The users that are measured: all, or those with a line.
    fn kept(
        &self,
        users: &[u32],
        rows: &HashMap<u32, Row>,
        listed: ListedUsers,
    ) -> Result<Vec<u32>, DataError> {
        let (kept, without): (Vec<u32>, Vec<u32>) = users
            .iter()
            .copied()
            .partition(|user| rows.contains_key(user));
        let Some(&first) = without.first().filter(|_| listed == ListedUsers::All) else {
            return match kept.is_empty() && !users.is_empty() {
                true => Err(DataError::new("no measured user has a line").at(&self.path)),
                false => Ok(kept),
            };
        };
        let what = format!(
            "{} of {} measured users have no line; the first is `{}`",
            without.len(),
            users.len(),
            self.data.users[first as usize]
        );
        Err(DataError::new(what)
            .at(&self.path)
            .hint("write `users = \"listed\"` to measure the users of the file alone"))
    }
}

/// The first word and the rest.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_once(char::is_whitespace).unwrap_or((text, ""))
}

/// User, item and the rest of `(user,item) ...`.
fn pair(line: &str) -> Option<(&str, &str, &str)> {
    let (inside, rest) = line.trim_start().strip_prefix('(')?.split_once(')')?;
    let (user, item) = inside.split_once(',')?;
    Some((user.trim(), item.trim(), rest))
}

#[cfg(test)]
mod tests;
