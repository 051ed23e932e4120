//! One measurement, and its transfer from the child process to the parent.

/// The shortest times of a case with one number of threads.
#[derive(Clone, Debug)]
pub struct Case {
    /// What was timed.
    pub name: String,
    /// Number of threads of every contender.
    pub threads: usize,
    /// Floating-point operations, or elements.
    pub count: f64,
    /// Bytes that have to be read and written.
    pub bytes: f64,
    /// The peak rate of the cores, in `count` per second; 0 if not measured.
    pub peak: f64,
    /// Bandwidth of a plain pass over as much memory, in bytes per second.
    pub bandwidth: f64,
    /// Time of a barrier of all threads during the measurement, in nanoseconds: shows how far apart the cores are.
    pub barrier: f64,
    /// Seconds per call: rgrad's, then its peers'.
    pub seconds: Vec<f64>,
}

impl Case {
    const TAG: &'static str = "case";

    /// Formats the case as a line for the parent process.
    pub(crate) fn line(&self) -> String {
        let Self { name, threads, count, bytes, peak, bandwidth, barrier, seconds } = self;
        let seconds: Vec<String> = seconds.iter().map(f64::to_string).collect();
        let tag = Self::TAG;
        format!("{tag}\t{name}\t{threads}\t{count}\t{bytes}\t{peak}\t{bandwidth}\t{barrier}\t{}", seconds.join("\t"))
    }

    /// Parses a line; `None` if it is not a case.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split('\t');
        if fields.next() != Some(Self::TAG) {
            return None;
        }
        let name = fields.next()?.to_owned();
        let threads = fields.next()?.parse().ok()?;
        let numbers: Vec<f64> = fields.map(str::parse).collect::<Result<_, _>>().ok()?;
        let (&[count, bytes, peak, bandwidth, barrier], seconds) = numbers.split_first_chunk()?;
        Some(Self { name, threads, count, bytes, peak, bandwidth, barrier, seconds: seconds.to_vec() })
    }

    /// Keeps the better times of two runs, and the barrier time of the run in which rgrad was faster.
    pub(crate) fn merge(&mut self, other: &Self) {
        if other.seconds[0] < self.seconds[0] {
            self.barrier = other.barrier;
        }
        self.peak = self.peak.max(other.peak);
        self.bandwidth = self.bandwidth.max(other.bandwidth);
        for (best, &seconds) in self.seconds.iter_mut().zip(&other.seconds) {
            *best = best.min(seconds);
        }
    }

    /// rgrad's rate, in `count` per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.count / self.seconds[0]
    }

    /// The rate in percent of the peak.
    #[must_use]
    pub fn share_of_peak(&self) -> f64 {
        100.0 * self.rate() / self.peak
    }

    /// rgrad's memory traffic, in bytes per second.
    #[must_use]
    pub fn traffic(&self) -> f64 {
        self.bytes / self.seconds[0]
    }

    /// The traffic in percent of the bandwidth.
    #[must_use]
    pub fn share_of_bandwidth(&self) -> f64 {
        100.0 * self.traffic() / self.bandwidth
    }

    pub(crate) fn json(&self) -> String {
        let Self { name, threads, count, bytes, peak, bandwidth, barrier, seconds } = self;
        format!(
            "{{\"name\": \"{name}\", \"threads\": {threads}, \"count\": {count}, \"bytes\": {bytes}, \"peak\": {peak}, \
             \"bandwidth\": {bandwidth}, \"barrier_ns\": {barrier}, \"seconds\": {seconds:?}}}"
        )
    }
}
