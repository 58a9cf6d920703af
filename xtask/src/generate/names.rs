//! Names of the models as Rust names.

/// Words of the models that the general rule would split in the wrong place.
const WHOLE_WORDS: [(&str, &str); 3] = [("GiB", "Gib"), ("GB", "Gb"), ("VCpu", "Vcpu")];

/// Keywords that the models use as member names, with what we call them.
const KEYWORDS: [(&str, &str); 2] = [("type", "r#type"), ("return", "r#return")];

/// A member's name as a field name: `enableECSManagedTags` is `enable_ecs_managed_tags`.
pub fn field(name: &str) -> String {
    let snake = snake(name);
    KEYWORDS
        .iter()
        .find(|(keyword, _)| *keyword == snake)
        .map_or(snake, |(_, renamed)| (*renamed).to_owned())
}

/// A shape's name as the name of a static.
pub fn constant(name: &str) -> String {
    snake(name).to_uppercase()
}

/// A shape's name as a type name.
pub fn type_name(name: &str) -> String {
    let mut chars = name.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}

fn snake(name: &str) -> String {
    let mut name = name.to_owned();
    for (word, whole) in WHOLE_WORDS {
        name = name.replace(word, whole);
    }
    let chars: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (index, current) in chars.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|i| chars.get(i));
        let after = chars.get(index + 1);
        let word_starts = current.is_uppercase()
            && before.is_some_and(|b| {
                b.is_lowercase()
                    || b.is_ascii_digit()
                    || (b.is_uppercase() && after.is_some_and(|a| a.is_lowercase()))
            });
        if word_starts {
            snake.push('_');
        }
        snake.extend(current.to_lowercase());
    }
    snake
}

/// The module of a service.
pub fn module(service: &str) -> String {
    service.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acronyms_stay_together() {
        for (name, want) in [
            ("clusterArn", "cluster_arn"),
            ("enableECSManagedTags", "enable_ecs_managed_tags"),
            ("VirtualMFADeviceName", "virtual_mfa_device_name"),
            ("QRCodePNG", "qr_code_png"),
            ("ec2InstanceId", "ec2_instance_id"),
            ("memoryGiBPerVCpu", "memory_gib_per_vcpu"),
            ("totalLocalStorageGB", "total_local_storage_gb"),
            ("type", "r#type"),
        ] {
            assert_eq!(field(name), want);
        }
        assert_eq!(constant("IAMRoleCredentials"), "IAM_ROLE_CREDENTIALS");
        assert_eq!(type_name("roleNameType"), "RoleNameType");
    }
}
