//! Task sizes: `1 vCPU` and `1024` mean the same, so do `1 GB` and `1024`.

use portcullis_api::ecs::RegisterTaskDefinitionRequest;

use super::DefinitionFault;

/// The task-level size of a definition, in CPU units and MiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TaskSize {
    pub cpu: Option<i32>,
    pub memory: Option<i32>,
}

impl TaskSize {
    /// The size a definition asks for.
    pub fn of(input: &RegisterTaskDefinitionRequest) -> Result<Self, DefinitionFault> {
        Self::parse(input.cpu.as_deref(), input.memory.as_deref())
    }

    /// The size written in these words; empty ones mean none.
    pub fn parse(cpu: Option<&str>, memory: Option<&str>) -> Result<Self, DefinitionFault> {
        let read = |text: Option<&str>, field, units: &[&str]| match text {
            None | Some("") => Ok(None),
            Some(text) => in_units(text, units)
                .map(Some)
                .ok_or(DefinitionFault::TaskSize(field)),
        };
        Ok(Self {
            cpu: read(cpu, "cpu", &["vcpu"])?,
            memory: read(memory, "memory", &["gb"])?,
        })
    }
}

/// A number of 1,024ths: a whole number, or one with a fraction followed by a unit, which is 1,024.
fn in_units(text: &str, units: &[&str]) -> Option<i32> {
    let text = text.trim().to_ascii_lowercase();
    let Some(number) = units.iter().find_map(|unit| text.strip_suffix(unit)) else {
        return text.parse().ok().filter(|number| *number > 0);
    };
    let number: f64 = number.trim().parse().ok()?;
    let scaled = number * 1024.0;
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
    let whole = (1.0..=f64::from(i32::MAX))
        .contains(&scaled)
        .then_some(scaled as i32);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_become_whole_numbers() {
        let cases = [
            (Some("1024"), Some("2048"), Ok((Some(1024), Some(2048)))),
            (Some("1 vCPU"), Some("1GB"), Ok((Some(1024), Some(1024)))),
            (Some(".25 vcpu"), Some("0.5 GB"), Ok((Some(256), Some(512)))),
            (None, Some(""), Ok((None, None))),
            (Some("one"), None, Err("cpu")),
            (Some("-1"), None, Err("cpu")),
            (Some("NaN vCPU"), None, Err("cpu")),
            (None, Some("1 TB"), Err("memory")),
            (None, Some("1e300GB"), Err("memory")),
        ];
        for (cpu, memory, expected) in cases {
            let input = RegisterTaskDefinitionRequest {
                cpu: cpu.map(str::to_owned),
                memory: memory.map(str::to_owned),
                ..Default::default()
            };
            let size = TaskSize::of(&input).map(|size| (size.cpu, size.memory));
            assert_eq!(
                size,
                expected.map_err(DefinitionFault::TaskSize),
                "{cpu:?} {memory:?}"
            );
        }
    }
}
