//! Rounds of fresh processes, one for each number of threads, which some crates read only once.

use std::env;
use std::fs;
use std::process::{Command, ExitCode};

use rgrad_kernels::simd::isa;
use rgrad_kernels::threads;

use crate::case::Case;
use crate::peak::{self, Traffic};
use crate::sampler::Sampler;

/// Rounds of processes. The distance between virtual cores changes within seconds to minutes.
const ROUNDS: usize = 3;
/// Set in the child processes, which measure.
const CHILD: &str = "RGRAD_BENCH_CHILD";
/// The environment variables that set the number of threads of rgrad and its peers.
const THREADS: [&str; 3] = ["RGRAD_NUM_THREADS", "MATMUL_NUM_THREADS", "RAYON_NUM_THREADS"];
/// The array sizes at which bandwidths are reported, in bytes per thread.
const LEVELS: [(&str, usize); 4] =
    [("16 KiB a thread", 16 << 10), ("256 KiB", 256 << 10), ("4 MiB", 4 << 20), ("128 MiB", 128 << 20)];

/// Barrier time in nanoseconds below which the cores count as near each other.
pub const NEAR: f64 = 200.0;

/// What all processes measured.
#[derive(Default)]
pub struct Results {
    /// Limits of the machine: name, threads, and operations or bytes per second.
    pub limits: Vec<(String, usize, f64)>,
    /// The cases, each with all numbers of threads, in the order of the bench.
    pub cases: Vec<Case>,
}

/// The `main` of a bench: measures in child processes, and shows the results in the parent.
///
/// The arguments are criterion's, in particular a substring of names, and `--json FILE`.
pub fn run(measure: fn(&mut Sampler), show: fn(&Results)) -> ExitCode {
    if env::var_os(CHILD).is_some() {
        limits();
        measure(&mut Sampler::new());
        return ExitCode::SUCCESS;
    }
    match measure_and_show(show) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn measure_and_show(show: fn(&Results)) -> Result<(), String> {
    let mut args: Vec<String> = env::args().skip(1).collect();
    let mut json = None;
    if let Some(at) = args.iter().position(|arg| arg == "--json") {
        let mut option = args.drain(at..args.len().min(at + 2));
        json = Some(option.nth(1).ok_or("--json needs the name of a file")?);
    }
    let results = results(&args)?;
    results.show_limits();
    show(&results);
    json.map_or(Ok(()), |file| fs::write(&file, results.json()).map_err(|e| format!("{file}: {e}")))
}

fn results(args: &[String]) -> Result<Results, String> {
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let mut results = Results::default();
    for round in 1..=ROUNDS {
        for threads in if all > 1 { vec![1, all] } else { vec![1] } {
            eprintln!("round {round} of {ROUNDS}, threads: {threads}");
            let mut command = Command::new(env::current_exe().map_err(|e| e.to_string())?);
            command.args(args).env(CHILD, "1").envs(THREADS.map(|name| (name, threads.to_string())));
            let output = command.output().map_err(|e| e.to_string())?;
            let lines = String::from_utf8_lossy(&output.stdout);
            if !output.status.success() {
                return Err(String::from_utf8_lossy(&output.stderr).into_owned());
            }
            let before = results.cases.len();
            lines.lines().for_each(|line| results.add(line));
            if results.cases.len() == before && round == 1 {
                return Err(format!("nothing was timed\n{lines}")); // as expected for --help
            }
        }
    }
    Ok(results)
}

/// Reports the limits that belong to no case to the parent.
fn limits() {
    let count = threads::num_threads();
    println!("limit\tf32 FMA\t{count}\t{}", peak::flops::<f32>());
    println!("limit\tf64 FMA\t{count}\t{}", peak::flops::<f64>());
    for (name, bytes) in LEVELS {
        for (verb, traffic) in [("copy", Traffic::Copy), ("read", Traffic::Read)] {
            println!("limit\t{verb}, {name}\t{count}\t{}", peak::bandwidth(traffic, bytes * count));
        }
    }
}

impl Results {
    /// Adds a line of a child's output.
    fn add(&mut self, line: &str) {
        if let Some(case) = Case::parse(line) {
            match self.cases.iter_mut().find(|c| (&c.name, c.threads) == (&case.name, case.threads)) {
                Some(known) => known.merge(&case),
                None => self.cases.push(case),
            }
        } else if let ["limit", name, threads, rate] = line.split('\t').collect::<Vec<_>>()[..] {
            let (threads, rate) = (threads.parse().expect("a number"), rate.parse().expect("a number"));
            match self.limits.iter_mut().find(|l| (l.0.as_str(), l.1) == (name, threads)) {
                Some(known) => known.2 = known.2.max(rate),
                None => self.limits.push((name.to_owned(), threads, rate)),
            }
        }
    }

    /// The cases of each name, by increasing number of threads.
    #[must_use]
    pub fn rows(&self) -> Vec<Vec<&Case>> {
        let mut rows: Vec<Vec<&Case>> = Vec::new();
        for case in &self.cases {
            match rows.iter_mut().find(|row| row[0].name == case.name) {
                Some(row) => row.push(case),
                None => rows.push(vec![case]),
            }
        }
        rows
    }

    fn show_limits(&self) {
        println!("\nlimits of this machine, {}, the best of {ROUNDS} rounds", isa().name());
        let mut names: Vec<&str> = Vec::new();
        for (name, ..) in &self.limits {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        for name in names {
            let rates = self.limits.iter().filter(|limit| limit.0 == name);
            let unit = if name.ends_with("FMA") { "GFLOP/s" } else { "GB/s" };
            let rates: Vec<String> = rates.map(|limit| format!("{} threads {:7.1}", limit.1, limit.2 / 1e9)).collect();
            println!("  {name:24} {unit:8} {}", rates.join("    "));
        }
        let barriers = || self.cases.iter().filter(|case| case.threads > 1).map(|case| case.barrier);
        if barriers().next().is_some() {
            let (nearest, farthest) = (barriers().fold(f64::INFINITY, f64::min), barriers().fold(0.0, f64::max));
            println!("  a barrier of all threads: {nearest:.0} to {farthest:.0} ns (near: below {NEAR:.0})");
        }
    }

    fn json(&self) -> String {
        let limits: Vec<String> = self
            .limits
            .iter()
            .map(|(name, threads, rate)| {
                format!("  {{\"name\": \"{name}\", \"threads\": {threads}, \"rate\": {rate}}}")
            })
            .collect();
        let cases: Vec<String> = self.cases.iter().map(|case| format!("  {}", case.json())).collect();
        let (isa, limits, cases) = (isa().name(), limits.join(",\n"), cases.join(",\n"));
        format!("{{\"isa\": \"{isa}\", \"limits\": [\n{limits}\n], \"cases\": [\n{cases}\n]}}\n")
    }
}
