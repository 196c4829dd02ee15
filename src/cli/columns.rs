//! Options of every command that reads tables: columns that are named
//! otherwise than their field.

use std::path::PathBuf;

use clap::Args;

use crate::error::{Error, Result};
use crate::report::read::ColumnMap;

/// How columns are named.
#[derive(Clone, Debug, Args)]
pub(super) struct Columns {
    /// A column that is named otherwise than its field, e.g. text=MO_TEXT; may be repeated, and for text
    /// several columns are joined in the order given
    #[arg(long, value_name = "FIELD=COLUMN")]
    map: Vec<String>,
    /// A TOML file of such columns
    #[arg(long, value_name = "FILE", conflicts_with = "map")]
    map_file: Option<PathBuf>,
}

impl Columns {
    /// The names that were given.
    ///
    /// # Errors
    ///
    /// When a name is none of a field, or the file cannot be read.
    pub fn map(&self) -> Result<ColumnMap> {
        match &self.map_file {
            Some(path) => {
                let toml = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
                ColumnMap::from_toml(&toml)
            }
            None => ColumnMap::parse(&self.map),
        }
    }
}
