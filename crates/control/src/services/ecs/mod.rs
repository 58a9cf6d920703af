//! Amazon Elastic Container Service.

mod account_settings;
pub(crate) mod capacity_providers;
mod checks;
mod clusters;
mod container_instances;
pub(crate) mod daemons;
mod errors;
mod names;
mod paging;
mod poll_endpoint;
pub(crate) mod quotas;
pub(crate) mod registrant;
pub(crate) mod services;
pub mod sweep;
mod tagging;
mod tags;
mod task_definitions;
pub(crate) mod tasks;

use portcullis_api::ecs as api;
use portcullis_api::ecs::op;
use portcullis_core::Arn;

pub(crate) use container_instances::remember;

use crate::gate::operation::{Row, read, write};
use crate::world::records::ecs::{ContainerInstance, Load, Task};

/// The operations of the service.
pub fn table() -> Vec<Row> {
    [
        cluster_rows(),
        task_definition_rows(),
        container_instance_rows(),
        attribute_rows(),
        services::table(),
        daemons::table(),
        tag_rows(),
        account_setting_rows(),
        capacity_providers::table(),
        tasks::table(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn cluster_rows() -> Vec<Row> {
    use clusters::{
        create, delete, describe, list, put_providers, require_create, require_delete, require_describe,
        require_list, require_put_providers, require_update, require_update_settings, update,
        update_settings,
    };
    vec![
        write::<op::CreateCluster>(&["ecs:CreateCluster", "ecs:TagResource"], require_create, create),
        write::<op::DeleteCluster>(&["ecs:DeleteCluster"], require_delete, delete),
        read::<op::DescribeClusters>(&["ecs:DescribeClusters"], require_describe, describe),
        read::<op::ListClusters>(&["ecs:ListClusters"], require_list, list),
        write::<op::PutClusterCapacityProviders>(
            &["ecs:PutClusterCapacityProviders"],
            require_put_providers,
            put_providers,
        ),
        write::<op::UpdateCluster>(&["ecs:UpdateCluster"], require_update, update),
        write::<op::UpdateClusterSettings>(
            &["ecs:UpdateClusterSettings"],
            require_update_settings,
            update_settings,
        ),
    ]
}

fn task_definition_rows() -> Vec<Row> {
    use task_definitions::{
        delete, deregister, describe, families, list, register, require_delete, require_deregister,
        require_describe, require_families, require_list, require_register,
    };
    const REGISTER: &[&str] = &["ecs:RegisterTaskDefinition", "ecs:TagResource", "iam:PassRole"];
    const FAMILIES: &[&str] = &["ecs:ListTaskDefinitionFamilies"];
    vec![
        write::<op::DeleteTaskDefinitions>(&["ecs:DeleteTaskDefinitions"], require_delete, delete),
        write::<op::DeregisterTaskDefinition>(
            &["ecs:DeregisterTaskDefinition"],
            require_deregister,
            deregister,
        ),
        read::<op::DescribeTaskDefinition>(&["ecs:DescribeTaskDefinition"], require_describe, describe),
        read::<op::ListTaskDefinitionFamilies>(FAMILIES, require_families, families),
        read::<op::ListTaskDefinitions>(&["ecs:ListTaskDefinitions"], require_list, list),
        write::<op::RegisterTaskDefinition>(REGISTER, require_register, register),
    ]
}

fn container_instance_rows() -> Vec<Row> {
    use container_instances::{
        deregister, describe, list, register, require_deregister, require_describe, require_list,
        require_register, require_update_agent, require_update_state, update_agent, update_state,
    };
    const DEREGISTER: &[&str] = &["ecs:DeregisterContainerInstance"];
    const DESCRIBE: &[&str] = &["ecs:DescribeContainerInstances"];
    const LIST: &[&str] = &["ecs:ListContainerInstances"];
    const REGISTER: &[&str] = &["ecs:RegisterContainerInstance", "ecs:TagResource"];
    const UPDATE_STATE: &[&str] = &["ecs:UpdateContainerInstancesState"];
    const DISCOVER: &[&str] = &["ecs:DiscoverPollEndpoint"];
    vec![
        write::<op::DeregisterContainerInstance>(DEREGISTER, require_deregister, deregister),
        read::<op::DescribeContainerInstances>(DESCRIBE, require_describe, describe),
        read::<op::DiscoverPollEndpoint>(DISCOVER, poll_endpoint::require, poll_endpoint::discover),
        read::<op::ListContainerInstances>(LIST, require_list, list),
        write::<op::RegisterContainerInstance>(REGISTER, require_register, register),
        write::<op::UpdateContainerAgent>(&["ecs:UpdateContainerAgent"], require_update_agent, update_agent),
        write::<op::UpdateContainerInstancesState>(UPDATE_STATE, require_update_state, update_state),
    ]
}

fn attribute_rows() -> Vec<Row> {
    use container_instances::{
        delete_attributes, list_attributes, put_attributes, require_delete_attributes,
        require_list_attributes, require_put_attributes,
    };
    vec![
        write::<op::DeleteAttributes>(
            &["ecs:DeleteAttributes"],
            require_delete_attributes,
            delete_attributes,
        ),
        read::<op::ListAttributes>(&["ecs:ListAttributes"], require_list_attributes, list_attributes),
        write::<op::PutAttributes>(&["ecs:PutAttributes"], require_put_attributes, put_attributes),
    ]
}

fn tag_rows() -> Vec<Row> {
    use tagging::{list, require_list, require_tag, require_untag, tag, untag};
    vec![
        read::<op::ListTagsForResource>(&["ecs:ListTagsForResource"], require_list, list),
        write::<op::TagResource>(&["ecs:TagResource"], require_tag, tag),
        write::<op::UntagResource>(&["ecs:UntagResource"], require_untag, untag),
    ]
}

fn account_setting_rows() -> Vec<Row> {
    use account_settings::{
        delete, list, put, put_default, require_delete, require_list, require_put, require_put_default,
    };
    const PUT_DEFAULT: &[&str] = &["ecs:PutAccountSettingDefault"];
    vec![
        write::<op::DeleteAccountSetting>(&["ecs:DeleteAccountSetting"], require_delete, delete),
        read::<op::ListAccountSettings>(&["ecs:ListAccountSettings"], require_list, list),
        write::<op::PutAccountSetting>(&["ecs:PutAccountSetting"], require_put, put),
        write::<op::PutAccountSettingDefault>(PUT_DEFAULT, require_put_default, put_default),
    ]
}

/// The failure entry of something that does not exist.
fn missing(arn: &Arn) -> api::Failure {
    api::Failure {
        arn: Some(arn.to_string()),
        reason: Some("MISSING".to_owned()),
        detail: None,
    }
}

/// A task as events show it.
pub(crate) fn shown_task(task: &Task) -> api::Task {
    tasks::shown_for_events(task)
}

/// A container instance as events show it, with what its tasks have reserved.
pub(crate) fn shown_instance(instance: &ContainerInstance, load: &Load) -> api::ContainerInstance {
    container_instances::shown_with(instance, load, Vec::new())
}
