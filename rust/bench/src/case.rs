//! One thing that was timed, and how it travels from the process that timed it.

/// The shortest times of a case with one number of threads.
#[derive(Clone, Debug)]
pub struct Case {
    /// What was timed.
    pub name: String,
    /// Threads of everybody.
    pub threads: usize,
    /// Floating-point operations, or elements.
    pub count: f64,
    /// Bytes that have to be read and written.
    pub bytes: f64,
    /// What the cores can do, in `count` a second; 0 if nobody asked.
    pub peak: f64,
    /// Bytes a second of a plain pass over as much memory.
    pub bandwidth: f64,
    /// Nanoseconds in which the threads met while this was timed: it tells how far apart the cores are.
    pub meeting: f64,
    /// Seconds of a call: rgrad's, then its peers'.
    pub seconds: Vec<f64>,
}

impl Case {
    const TAG: &'static str = "case";

    /// A line for the parent process.
    pub(crate) fn line(&self) -> String {
        let Self { name, threads, count, bytes, peak, bandwidth, meeting, seconds } = self;
        let seconds: Vec<String> = seconds.iter().map(f64::to_string).collect();
        let tag = Self::TAG;
        format!("{tag}\t{name}\t{threads}\t{count}\t{bytes}\t{peak}\t{bandwidth}\t{meeting}\t{}", seconds.join("\t"))
    }

    /// The case in a line; `None` if it is another line.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split('\t');
        if fields.next() != Some(Self::TAG) {
            return None;
        }
        let name = fields.next()?.to_owned();
        let threads = fields.next()?.parse().ok()?;
        let numbers: Vec<f64> = fields.map(str::parse).collect::<Result<_, _>>().ok()?;
        let (&[count, bytes, peak, bandwidth, meeting], seconds) = numbers.split_first_chunk()?;
        Some(Self { name, threads, count, bytes, peak, bandwidth, meeting, seconds: seconds.to_vec() })
    }

    /// Keeps the better figures of two runs; the meeting is that of the run in which rgrad was faster.
    pub(crate) fn merge(&mut self, other: &Self) {
        if other.seconds[0] < self.seconds[0] {
            self.meeting = other.meeting;
        }
        self.peak = self.peak.max(other.peak);
        self.bandwidth = self.bandwidth.max(other.bandwidth);
        for (best, &seconds) in self.seconds.iter_mut().zip(&other.seconds) {
            *best = best.min(seconds);
        }
    }

    /// rgrad's rate, in `count` a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.count / self.seconds[0]
    }

    /// The rate in percent of the peak.
    #[must_use]
    pub fn share_of_peak(&self) -> f64 {
        100.0 * self.rate() / self.peak
    }

    /// rgrad's bytes a second.
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
        let Self { name, threads, count, bytes, peak, bandwidth, meeting, seconds } = self;
        format!(
            "{{\"name\": \"{name}\", \"threads\": {threads}, \"count\": {count}, \"bytes\": {bytes}, \"peak\": {peak}, \
             \"bandwidth\": {bandwidth}, \"meeting_ns\": {meeting}, \"seconds\": {seconds:?}}}"
        )
    }
}
