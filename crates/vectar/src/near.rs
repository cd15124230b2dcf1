//! Paths that resemble one that is not there, for people who mistyped it.

use vectar_tar::{Catalogue, CatalogueRow};

/// Paths that are suggested at most.
const NEAR_MAX: usize = 3;

/// Longest name that is compared letter by letter: comparing costs the product of the lengths, and names come from the snapshot.
const NAME_BYTES_MAX: usize = 255;

/// How alike two names must be, from 0 to 1.
const LIKENESS_MIN: f64 = 0.7;

/// Entries whose path ends like `wanted`, have the same last name, or one that looks alike; best first.
pub(crate) fn near_paths(listed: &Catalogue, wanted: &str) -> Vec<String> {
    let mut scored: Vec<(f64, String)> = Vec::new();
    for row in &listed.rows {
        let path = row.head.path.to_string();
        if let Some(likeness) = likeness(row, &path, wanted) {
            scored.push((likeness, path));
            if scored.len() > 16 * NEAR_MAX {
                keep_best(&mut scored);
            }
        }
    }
    keep_best(&mut scored);
    scored.into_iter().map(|(_, path)| path).collect()
}

fn keep_best(scored: &mut Vec<(f64, String)>) {
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.truncate(NEAR_MAX);
}

fn likeness(row: &CatalogueRow, path: &str, wanted: &str) -> Option<f64> {
    row.head.entry()?;
    let path = path.trim_end_matches('/');
    let in_whole = path.strip_suffix(wanted).is_some_and(|before| before.ends_with(['/', '!']));
    if in_whole {
        return Some(3.0);
    }
    let (last, wanted_last) = (last_name(path), last_name(wanted));
    if last.len() > NAME_BYTES_MAX || wanted_last.len() > NAME_BYTES_MAX {
        return None;
    }
    let names = strsim::normalized_levenshtein(last, wanted_last);
    if names < LIKENESS_MIN {
        return None;
    }
    // Among equal names the one in the most similar place comes first.
    let whole = match path.len().max(wanted.len()) <= NAME_BYTES_MAX {
        true => strsim::normalized_levenshtein(path, wanted),
        false => 0.0,
    };
    Some(names + whole)
}

fn last_name(path: &str) -> &str {
    path.rsplit(['/', '!']).next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use vectar_tar::{SplitOptions, catalogue};

    use super::*;

    fn listed(names: &[&str]) -> Catalogue {
        let mut builder = tar_of(names);
        builder.extend([0; 1024]);
        catalogue(&builder, &SplitOptions::default()).unwrap()
    }

    /// Headers of empty files, which is all that a path needs.
    fn tar_of(names: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for name in names {
            let mut block = [0; 512];
            block[..name.len()].copy_from_slice(name.as_bytes());
            block[124..135].copy_from_slice(b"00000000000");
            block[148..156].fill(b' ');
            block[156] = b'0';
            block[257..265].copy_from_slice(b"ustar  \0");
            let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            bytes.extend(block);
        }
        bytes
    }

    #[test]
    fn the_best_guess_comes_first() {
        let listed = listed(&["0/a/segment.json", "0/b/segment.json", "0/b/version.info", "config.json"]);
        assert_eq!(near_paths(&listed, "b/segment.json")[0], "0/b/segment.json");
        assert_eq!(near_paths(&listed, "version.inf"), ["0/b/version.info"]);
        assert_eq!(near_paths(&listed, "1/b/segment.json")[0], "0/b/segment.json");
        assert_eq!(near_paths(&listed, "matrix.dat"), [""; 0]);
    }
}
