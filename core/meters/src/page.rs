//! What is written when Prometheus asks.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::counter::Counter;
use crate::histogram::Histogram;
use crate::label::{Label, Labels};

/// A page, metric by metric.
pub struct Page<'a>(DescriptorEncoder<'a>);

impl<'a> From<DescriptorEncoder<'a>> for Page<'a> {
    fn from(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }
}

impl Page<'_> {
    /// One number.
    ///
    /// # Errors
    /// The writer's.
    pub fn gauge(&mut self, name: &str, help: &str, value: &impl EncodeGaugeValue) -> fmt::Result {
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        metric.encode_gauge(value)
    }

    /// A number for each of some values of a label; the others are left out.
    ///
    /// # Errors
    /// The writer's.
    pub fn gauges<L: Label>(&mut self, name: &str, help: &str, values: &[(L, f64)]) -> fmt::Result {
        if values.is_empty() {
            return Ok(());
        }
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (label, value) in values {
            let labels = [(L::NAME, label.as_str())];
            metric.encode_family(&labels)?.encode_gauge(value)?;
        }
        Ok(())
    }

    /// 1 or 0.
    ///
    /// # Errors
    /// The writer's.
    pub fn yes_or_no(&mut self, name: &str, help: &str, value: bool) -> fmt::Result {
        self.gauge(name, help, &u32::from(value))
    }

    /// Always 1: its labels are what it says.
    ///
    /// # Errors
    /// The writer's.
    pub fn info(&mut self, name: &str, help: &str, labels: &[(&str, &str)]) -> fmt::Result {
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        metric.encode_family(&labels)?.encode_gauge(&1_u32)
    }

    /// All of a counter.
    ///
    /// # Errors
    /// The writer's.
    pub fn counter<L: Labels>(&mut self, counter: &Counter<L>) -> fmt::Result {
        let mut metric =
            self.0
                .encode_descriptor(counter.name, counter.help, None, MetricType::Counter)?;
        for labels in L::all() {
            let count = counter.count(labels);
            metric
                .encode_family(&labels.pairs())?
                .encode_counter::<NoLabelSet, _, f64>(&count, None)?;
        }
        Ok(())
    }

    /// All of a histogram.
    ///
    /// # Errors
    /// The writer's.
    pub fn histogram<L: Labels>(&mut self, histogram: &Histogram<L>) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(
            histogram.name,
            histogram.help,
            None,
            MetricType::Histogram,
        )?;
        for labels in L::all() {
            let buckets = histogram.buckets(labels);
            let count = buckets.iter().map(|(_, count)| count).sum();
            metric
                .encode_family(&labels.pairs())?
                .encode_histogram::<NoLabelSet>(histogram.sum(labels), count, &buckets, None)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus_client::collector::Collector;
    use prometheus_client::encoding::prometheus_text;
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::label::tests::Cat;

    struct All(Counter<(Cat, Cat)>, Counter<()>, Histogram<Cat>);

    impl fmt::Debug for All {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("All")
        }
    }

    impl Collector for All {
        fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
            let mut page = Page::from(encoder);
            page.counter(&self.0)?;
            page.counter(&self.1)?;
            page.histogram(&self.2)?;
            page.gauges("lives", "Lives", &[(Cat::Tabby, 9.0)])?;
            page.gauges::<Cat>("absent", "Absent", &[])
        }
    }

    #[test]
    fn every_series_is_there_from_the_start() {
        let all = All(
            Counter::new("meows", "Meows"),
            Counter::new("naps", "Naps"),
            Histogram::new("purr_seconds", "Purr", &[1_000]),
        );
        all.0.add((Cat::Tuxedo, Cat::Tabby));
        all.2.observe(Cat::Tabby, Duration::from_millis(2));
        let mut registry = Registry::default();
        registry.register_collector(Box::new(all));
        let mut text = String::new();
        prometheus_text::encode(&mut text, &registry).unwrap();
        let expected = "# HELP meows_total Meows\n# TYPE meows_total counter\n\
            meows_total{cat=\"tabby\",cat=\"tabby\"} 0\nmeows_total{cat=\"tabby\",cat=\"tuxedo\"} 0\n\
            meows_total{cat=\"tuxedo\",cat=\"tabby\"} 1\nmeows_total{cat=\"tuxedo\",cat=\"tuxedo\"} 0\n\
            # HELP naps_total Naps\n# TYPE naps_total counter\nnaps_total 0\n\
            # HELP purr_seconds Purr\n# TYPE purr_seconds histogram\n\
            purr_seconds_bucket{cat=\"tabby\",le=\"0.001\"} 0\npurr_seconds_bucket{cat=\"tabby\",le=\"+Inf\"} 1\n\
            purr_seconds_sum{cat=\"tabby\"} 0.002\npurr_seconds_count{cat=\"tabby\"} 1\n\
            purr_seconds_bucket{cat=\"tuxedo\",le=\"0.001\"} 0\npurr_seconds_bucket{cat=\"tuxedo\",le=\"+Inf\"} 0\n\
            purr_seconds_sum{cat=\"tuxedo\"} 0.0\npurr_seconds_count{cat=\"tuxedo\"} 0\n\
            # HELP lives Lives\n# TYPE lives gauge\nlives{cat=\"tabby\"} 9.0\n";
        assert_eq!(text.replace(".\n# TYPE", "\n# TYPE"), expected);
    }
}
