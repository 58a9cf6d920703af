//! The figures of one container since they were last sent: the smallest, the largest, the sum and how many.

use portcullis_api::acs;

use super::sample::{Direction, Network, Rates, Sample};

const MIB: u64 = 1024 * 1024;

/// Figures of one container.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    last: Option<Sample>,
    rates: Option<Rates>,
    /// Percent of the whole machine's processors.
    cpu: Spread,
    /// MiB.
    memory: Spread,
    read: Count,
    written: Count,
    received: Directed,
    sent: Directed,
    received_rate: Spread,
    sent_rate: Spread,
}

impl Gauge {
    /// Takes one look in. One that is not later than the last tells nothing new.
    pub(super) fn add(&mut self, sample: Sample) {
        let last = self.last.as_ref();
        let millis = last.map(|last| sample.at.as_millis() - last.at.as_millis());
        if millis.is_some_and(|millis| millis <= 0) {
            return;
        }
        if let (Some(last), Some(millis)) = (last, millis) {
            let seconds = as_f64(u64::try_from(millis).unwrap_or_default()) / 1_000.0;
            let used = as_f64(sample.cpu_nanos.saturating_sub(last.cpu_nanos)) / 1e9;
            self.cpu.add(100.0 * used / seconds / as_f64(sample.processors));
            self.rates = rates(last.network, sample.network, seconds);
        }
        self.memory.add(as_f64(sample.memory_bytes / MIB));
        self.read.add(sample.read_bytes);
        self.written.add(sample.written_bytes);
        if let Some(network) = &sample.network {
            self.received.add(network.received);
            self.sent.add(network.sent);
        }
        if let Some(rates) = self.rates {
            self.received_rate.add(rates.received);
            self.sent_rate.add(rates.sent);
        }
        self.last = Some(sample);
    }

    /// Between the last two looks.
    pub(super) fn rates(&self) -> Option<Rates> {
        self.rates
    }

    /// Everything but the network. It takes two looks to know how busy a processor is.
    pub(super) fn metric(&self) -> Option<acs::ContainerMetric> {
        Some(acs::ContainerMetric {
            cpu_stats_set: Some(self.cpu.set()?),
            memory_stats_set: self.memory.set(),
            storage_stats_set: Some(acs::StorageStatsSet {
                read_size_bytes: self.read.set(),
                write_size_bytes: self.written.set(),
            }),
            ..Default::default()
        })
    }

    /// The network's figures.
    pub(super) fn network(&self) -> Option<acs::NetworkStatsSet> {
        self.last.as_ref()?.network?;
        Some(acs::NetworkStatsSet {
            rx_bytes: self.received.bytes.set(),
            rx_packets: self.received.packets.set(),
            rx_dropped: self.received.dropped.set(),
            rx_errors: self.received.errors.set(),
            tx_bytes: self.sent.bytes.set(),
            tx_packets: self.sent.packets.set(),
            tx_dropped: self.sent.dropped.set(),
            tx_errors: self.sent.errors.set(),
            rx_bytes_per_second: self.received_rate.set(),
            tx_bytes_per_second: self.sent_rate.set(),
        })
    }

    /// They were sent: the next begin anew.
    pub(super) fn taken(&mut self) {
        *self = Self {
            last: self.last.take(),
            rates: self.rates,
            ..Self::default()
        };
    }
}

fn rates(before: Option<Network>, now: Option<Network>, seconds: f64) -> Option<Rates> {
    let (before, now) = (before?, now?);
    let rate = |before: Direction, now: Direction| as_f64(now.bytes.saturating_sub(before.bytes)) / seconds;
    Some(Rates {
        received: rate(before.received, now.received),
        sent: rate(before.sent, now.sent),
    })
}

#[derive(Debug, Default)]
struct Directed {
    bytes: Count,
    packets: Count,
    dropped: Count,
    errors: Count,
}

impl Directed {
    fn add(&mut self, direction: Direction) {
        self.bytes.add(direction.bytes);
        self.packets.add(direction.packets);
        self.dropped.add(direction.dropped);
        self.errors.add(direction.errors);
    }
}

/// Of figures with fractions.
#[derive(Debug, Default)]
struct Spread {
    min: f64,
    max: f64,
    sum: f64,
    count: i64,
}

impl Spread {
    fn add(&mut self, value: f64) {
        if self.count == 0 {
            (self.min, self.max) = (value, value);
        }
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.sum += value;
        self.count += 1;
    }

    fn set(&self) -> Option<acs::StatsSet> {
        (self.count > 0).then_some(acs::StatsSet {
            min: Some(self.min),
            max: Some(self.max),
            sum: Some(self.sum),
            sample_count: Some(self.count),
        })
    }
}

/// Of whole figures, which the wire splits where they do not fit into 63 bits.
#[derive(Debug, Default)]
struct Count {
    min: u64,
    max: u64,
    sum: u64,
    count: i64,
}

impl Count {
    fn add(&mut self, value: u64) {
        if self.count == 0 {
            self.min = value;
        }
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.sum = self.sum.saturating_add(value);
        self.count += 1;
    }

    fn set(&self) -> Option<acs::CountStatsSet> {
        let (min, overflow_min) = split(self.min);
        let (max, overflow_max) = split(self.max);
        let (sum, overflow_sum) = split(self.sum);
        (self.count > 0).then_some(acs::CountStatsSet {
            min: Some(min),
            max: Some(max),
            sum: Some(sum),
            sample_count: Some(self.count),
            overflow_min: Some(overflow_min),
            overflow_max: Some(overflow_max),
            overflow_sum: Some(overflow_sum),
        })
    }
}

fn split(value: u64) -> (i64, i64) {
    match i64::try_from(value) {
        Ok(value) => (value, 0),
        Err(_) => {
            let beyond = value - i64::MAX.unsigned_abs();
            (i64::MAX, i64::try_from(beyond).unwrap_or(i64::MAX))
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "metrics need no more than 53 bits")]
fn as_f64(value: u64) -> f64 {
    value as f64
}
