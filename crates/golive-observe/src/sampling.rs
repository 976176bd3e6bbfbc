//! Which traces are exported. A caller's decision goes before ours, so that a trace is exported whole or not at all; log
//! lines, numbers and error reports are no part of it: they are always there. What is exported where is in `otlp`.

use opentelemetry_sdk::trace::Sampler;

/// Names of `OTEL_TRACES_SAMPLER` that are understood.
const NAMES: &str = "always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off or \
    parentbased_traceidratio";

/// Which share of the traces that begin here is exported, and whether callers decide about theirs.
///
/// All by default, unless the caller has decided otherwise. It says so in the `traceparent` it sends, and so do we.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct TraceSampling {
    /// From 0 (none) to 1 (all).
    ratio: f64,
    follows_parent: bool,
}

/// Why traces cannot be sampled like that.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSampling {
    /// No sampler of that name.
    #[error("sample traces by {name:?}: set OTEL_TRACES_SAMPLER to {NAMES}")]
    Name {
        /// What was given.
        name: String,
    },
    /// No share.
    #[error(
        "sample the share {ratio:?} of the traces: set OTEL_TRACES_SAMPLER_ARG to a number from 0.0 to 1.0"
    )]
    Ratio {
        /// What was given.
        ratio: String,
    },
}

impl Default for TraceSampling {
    fn default() -> Self {
        Self { ratio: 1.0, follows_parent: true }
    }
}

impl TraceSampling {
    /// That share of the traces that begin here, from 0 to 1; of others those that the caller chose.
    ///
    /// # Errors
    /// When `ratio` is not between 0 and 1.
    pub fn parent_based(ratio: f64) -> Result<Self, InvalidSampling> {
        if !(0.0..=1.0).contains(&ratio) {
            return Err(InvalidSampling::Ratio { ratio: ratio.to_string() });
        }
        Ok(Self { ratio, follows_parent: true })
    }

    /// What the variables `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` say, as the OpenTelemetry specification has them
    /// ("OpenTelemetry Environment Variable Specification", general SDK configuration); empty ones are as good as none.
    /// The caller reads them.
    ///
    /// ```
    /// # use golive_observe::TraceSampling;
    /// let sampling = TraceSampling::from_variables(Some("parentbased_traceidratio"), Some("0.1"))?;
    /// assert_eq!(sampling, TraceSampling::parent_based(0.1)?);
    /// # Ok::<_, golive_observe::InvalidSampling>(())
    /// ```
    ///
    /// # Errors
    /// For a name that is not known, and for a share that is none. The specification would go on with all traces then; a
    /// service that starts is better told.
    pub fn from_variables(sampler: Option<&str>, argument: Option<&str>) -> Result<Self, InvalidSampling> {
        let given =
            |text: Option<&str>| text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let Some(name) = given(sampler) else { return Ok(Self::default()) };
        let (follows_parent, own) = match name.strip_prefix("parentbased_") {
            Some(own) => (true, own),
            None => (false, name.as_str()),
        };
        let ratio = match own {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" => share(given(argument))?,
            _ => return Err(InvalidSampling::Name { name }),
        };
        Ok(Self { ratio, follows_parent })
    }

    pub(crate) fn sampler(self) -> Sampler {
        let own = Sampler::TraceIdRatioBased(self.ratio);
        if self.follows_parent { Sampler::ParentBased(Box::new(own)) } else { own }
    }
}

/// All of them without an argument.
fn share(argument: Option<String>) -> Result<f64, InvalidSampling> {
    let Some(text) = argument else { return Ok(1.0) };
    let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or(InvalidSampling::Ratio { ratio: text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_mean_what_the_specification_says() {
        let read = |name: &str, argument: Option<&str>| {
            let sampling = TraceSampling::from_variables(Some(name), argument).unwrap();
            (sampling.follows_parent, sampling.ratio)
        };
        assert_eq!(TraceSampling::from_variables(None, Some("0.5")), Ok(TraceSampling::default()));
        assert_eq!(read("", None), (true, 1.0));
        assert_eq!(read("always_on", Some("0.5")), (false, 1.0));
        assert_eq!(read("always_off", None), (false, 0.0));
        assert_eq!(read("traceidratio", Some("0.25")), (false, 0.25));
        assert_eq!(read("traceidratio", None), (false, 1.0));
        assert_eq!(read("parentbased_always_on", None), (true, 1.0));
        assert_eq!(read("parentbased_always_off", None), (true, 0.0));
        assert_eq!(read("parentbased_traceidratio", Some(" 0.1 ")), (true, 0.1));
    }

    #[test]
    fn what_is_no_sampler_or_no_share_is_refused() {
        for name in ["parentbased", "jaeger_remote", "ALWAYS_ON", "parentbased_parentbased_always_on"] {
            let refused = TraceSampling::from_variables(Some(name), None).unwrap_err();
            assert!(matches!(&refused, InvalidSampling::Name { .. }), "{refused}");
        }
        for ratio in ["1.1", "-0.1", "NaN", "inf", "half"] {
            let refused = TraceSampling::from_variables(Some("traceidratio"), Some(ratio)).unwrap_err();
            assert!(matches!(&refused, InvalidSampling::Ratio { .. }), "{refused}");
        }
        assert!(TraceSampling::parent_based(f64::NAN).is_err() && TraceSampling::parent_based(2.0).is_err());
    }
}
