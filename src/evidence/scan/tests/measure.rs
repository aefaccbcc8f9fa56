//! Figures for people: recall and precision, the speed, and the corpus as files for another scanner to read.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::corpus::{self, Sample, figures, innocents, secrets};
use crate::evidence::scan::scan;

/// Bytes of the tree that the speed is measured on.
const TREE: usize = 104 * 1024 * 1024;

#[test]
#[ignore = "takes a while and writes below target/; `just secrets-bench` runs it"]
fn figures_for_people() {
    let root = project().join("target/secrets-bench");
    let started = Instant::now();
    scan("src/a.py", b"nothing here\n");
    let loaded = started.elapsed();
    let started = Instant::now();
    scan("src/a.py", b"api_key = os.environ['KEY']  # token\n");
    let first = started.elapsed();
    let corpus = root.join("corpus");
    if corpus.exists() {
        std::fs::remove_dir_all(&corpus).unwrap();
    }
    let mut found = String::new();
    for (label, samples) in [("secret", secrets()), ("innocent", innocents())] {
        for (number, sample) in samples.iter().enumerate() {
            let folder = format!("{label}/{number:04}");
            write(&corpus.join(&folder).join(&sample.path), &sample.text);
            let hits = corpus::found(sample).len();
            writeln!(found, "{folder}\t{hits}\t{}", sample.label.replace(['\n', '\t'], " ")).unwrap();
        }
    }
    write(&root.join("pace.tsv"), &found);
    let figures = figures();
    println!("rules loaded and keywords searched in {loaded:.2?}, first rules compiled in {first:.2?}");
    println!("pace: recall {:.1} %, precision {:.1} %", figures.recall * 100.0, figures.precision * 100.0);
    println!("  missed: {:?}\n  wrong: {:?}", figures.missed, figures.wrong);
    let files = tree(&root.join("tree"));
    let (started, worked) = (Instant::now(), worked());
    let mut bytes = 0;
    let mut hits = 0;
    for file in &files {
        let text = std::fs::read(file).unwrap();
        bytes += text.len();
        hits += scan(file.to_str().unwrap(), &text).len();
    }
    let waited = started.elapsed().as_secs_f64();
    let seconds = worked_since(worked).unwrap_or(waited);
    let megabytes = bytes as f64 / 1e6;
    println!(
        "pace: {megabytes:.0} MB in {} files, {hits} finds, {seconds:.2} s of one core, {:.0} MB/s ({waited:.2} s by the \
         clock)",
        files.len(),
        megabytes / seconds
    );
}

/// Seconds for which this thread has had a core: what a busy machine does not falsify. `None` off Linux.
fn worked() -> Option<f64> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(told.split_whitespace().next()?.parse::<f64>().ok()? / 1e9)
}

fn worked_since(before: Option<f64>) -> Option<f64> {
    Some(worked()? - before?)
}

/// The repository, also where this is compiled as a crate of its own.
fn project() -> &'static Path {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    folder.ancestors().find(|above| above.join("Cargo.lock").is_file()).unwrap_or(folder)
}

/// A tree of source-like files, some of them with a secret.
fn tree(root: &Path) -> Vec<PathBuf> {
    let mut sources = Vec::new();
    collect(&project().join("src"), &mut sources);
    sources.sort();
    let sources: Vec<String> = sources.iter().filter_map(|file| std::fs::read_to_string(file).ok()).collect();
    let samples: Vec<Sample> = secrets().into_iter().chain(innocents()).collect();
    let mut random = fastrand::Rng::with_seed(1);
    let mut files = Vec::new();
    let mut bytes = 0;
    while bytes < TREE {
        let mut text = random.choice(&sources).unwrap().clone();
        let sample = random.choice(&samples).unwrap();
        if random.u8(..20) == 0 {
            text.push_str(&sample.text);
        }
        let file = root.join(format!("d{:03}/f{:05}.rs", files.len() % 200, files.len()));
        if std::fs::metadata(&file).map_or(true, |meta| meta.len() != text.len() as u64) {
            write(&file, &text);
        }
        bytes += text.len();
        files.push(file);
    }
    files
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}
