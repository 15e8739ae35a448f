//! A grid whose rows and columns change places.

use super::{Cell, Grid, Head, Row};

impl Grid {
    /// The same numbers with a column for each row. Names and texts at the left become header
    /// lines, and header lines become names and texts at the left.
    pub(super) fn transposed(&self) -> Grid {
        let leading = self.leading();
        let heads: Vec<Vec<&Head>> = self.header.iter().map(|line| spread(line)).collect();
        let row = |column: usize| {
            let mut names = heads.iter().map(|line| line[column].text.clone());
            let mut row = Row {
                name: names.next().unwrap_or_default(),
                cells: names.map(Cell::text).collect(),
                ..Row::default()
            };
            let cells = self.rows.iter().filter_map(|row| row.cells.get(column - 1));
            row.cells.extend(cells.cloned());
            row
        };
        Grid {
            header: (0..leading).map(|line| self.turned_line(line)).collect(),
            rows: (leading..self.width()).map(row).collect(),
            ..self.clone()
        }
    }

    /// Header line of the texts in column `line`. Neighbours that are equal share a head, except in
    /// the last line.
    fn turned_line(&self, line: usize) -> Vec<Head> {
        let is_last = line + 1 == self.leading();
        let title = self.header.last().and_then(|heads| heads.get(line));
        // One title for several columns of names would be wrong for all but one of them.
        let has_title = self.header.len() == 1 && self.leading() > 1;
        let title = title.filter(|_| has_title).map(|head| head.text.clone());
        let mut heads = vec![Head::text(title.unwrap_or_default())];
        heads.resize(self.header.len(), Head::text(""));
        let path = |row: &Row| (0..=line).map(|at| text(row, at)).collect::<Vec<_>>();
        for (at, row) in self.rows.iter().enumerate() {
            let is_same = at > 0 && path(&self.rows[at - 1]) == path(row);
            match heads.last_mut() {
                Some(head) if is_same && !is_last => head.span += 1,
                _ => heads.push(Head::over(text(row, line), 1)),
            }
        }
        heads
    }
}

/// Each head once for every column that it spans.
pub(super) fn spread(line: &[Head]) -> Vec<&Head> {
    line.iter()
        .flat_map(|head| std::iter::repeat_n(head, head.span))
        .collect()
}

fn text(row: &Row, column: usize) -> String {
    match column {
        0 => row.name.clone(),
        column => row.cells[column - 1].text.clone(),
    }
}
