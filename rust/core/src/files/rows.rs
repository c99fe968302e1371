//! Results between the threads that make them and whoever takes them.

use super::Row;
use std::collections::VecDeque;

/// Results that were not taken yet, in the order of submission or as they came.
pub enum Rows {
    Ordered { rows: VecDeque<Option<Row>>, first: u64, ready: usize },
    AsTheyCome(VecDeque<Row>),
}

impl Rows {
    pub fn new(ordered: bool) -> Self {
        if ordered {
            Self::Ordered { rows: VecDeque::new(), first: 0, ready: 0 }
        } else {
            Self::AsTheyCome(VecDeque::new())
        }
    }

    pub fn put(&mut self, row: Row) {
        match self {
            Self::AsTheyCome(rows) => rows.push_back(row),
            Self::Ordered { rows, first, ready } => {
                let at = row.index.saturating_sub(*first) as usize;
                while rows.len() <= at {
                    rows.push_back(None);
                }
                if let Some(place) = rows.get_mut(at) {
                    *place = Some(row);
                }
                while rows.get(*ready).is_some_and(Option::is_some) {
                    *ready += 1;
                }
            }
        }
    }

    /// How many can be taken now.
    pub fn ready(&self) -> usize {
        match self {
            Self::Ordered { ready, .. } => *ready,
            Self::AsTheyCome(rows) => rows.len(),
        }
    }

    pub fn take(&mut self, most: usize) -> Vec<Row> {
        let count = self.ready().min(most);
        match self {
            Self::AsTheyCome(rows) => rows.drain(..count).collect(),
            Self::Ordered { rows, first, ready } => {
                *first += count as u64;
                *ready -= count;
                rows.drain(..count).flatten().collect()
            }
        }
    }
}
