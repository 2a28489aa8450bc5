//! A TOML table that is emptied setting by setting: what stays behind is unknown.

use toml::{Table, Value};

const TABLES: [&str; 4] = ["store", "unseal", "log", "traces"];

pub(super) struct Settings {
    table: Table,
    problems: Vec<String>,
}

impl Settings {
    /// The problem, with its line, when the text is not TOML.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let table = text.parse::<Table>().map_err(|error| {
            let line = error.span().map_or(1, |span| {
                text.bytes()
                    .take(span.start)
                    .filter(|b| *b == b'\n')
                    .count()
                    + 1
            });
            format!("line {line}: {}", error.message().replace('\n', ", "))
        })?;
        Ok(Self {
            table,
            problems: Vec::new(),
        })
    }

    /// Takes the setting `name` (`table.key` or `key`), if it is there and good.
    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.take(name)?;
        read(&value)
            .map_err(|problem| self.problems.push(format!("{name}: {problem}")))
            .ok()
    }

    /// As [`optional`](Self::optional), and reports where it is missing.
    pub(super) fn required<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        let before = self.problems.len();
        let value = self.optional(name, read);
        if value.is_none() && self.problems.len() == before && !self.lies_in_no_table(name) {
            self.problems.push(format!("{name}: is missing"));
        }
        value
    }

    /// Replaces a default.
    pub(super) fn set<T>(
        &mut self,
        place: &mut T,
        name: &str,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) {
        if let Some(value) = self.optional(name, read) {
            *place = value;
        }
    }

    /// Reports something that concerns more than one setting.
    pub(super) fn problem(&mut self, problem: &str) {
        self.problems.push(problem.to_owned());
    }

    /// All problems, with what nobody asked for.
    pub(super) fn finish(mut self) -> Vec<String> {
        let unknown = |name: String| format!("{name}: there is no such setting");
        for (name, value) in self.table {
            match value {
                Value::Table(inner) if TABLES.contains(&name.as_str()) => self
                    .problems
                    .extend(inner.keys().map(|key| unknown(format!("{name}.{key}")))),
                other if TABLES.contains(&name.as_str()) => self.problems.push(format!(
                    "{name}: is of type {}, not a table: write [{name}] and its settings below it",
                    other.type_str()
                )),
                _ => self.problems.push(unknown(name)),
            }
        }
        self.problems
    }

    /// What [`finish`](Self::finish) reports.
    fn lies_in_no_table(&self, name: &str) -> bool {
        name.split_once('.')
            .and_then(|(table, _)| self.table.get(table))
            .is_some_and(|value| !value.is_table())
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        match name.split_once('.') {
            None => self.table.remove(name),
            Some((table, key)) => self.table.get_mut(table)?.as_table_mut()?.remove(key),
        }
    }
}
