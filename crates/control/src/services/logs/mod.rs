//! CloudWatch Logs (docs/logs.md): groups, streams, events, filter patterns, live tail. The events themselves are kept by
//! `portcullis-logs`; the picture has what is small and what decisions ask about.

mod by_last_event;
mod errors;
mod groups;
pub(crate) mod keep;
mod kms_keys;
mod listing;
pub(crate) mod live_tail;
mod metric_filters;
mod names;
mod paging;
mod policies;
mod put;
mod read;
pub(crate) mod sealing;
mod streams;
mod subscriptions;
mod tags;

use portcullis_api::logs::op;

use crate::gate::operation::{Check, Row, act, read, write};
use names::on_all;

/// The operations of the service.
pub fn table() -> Vec<Row> {
    let parts = [groups_rows(), events_rows(), tags_rows(), others_rows()];
    parts.into_iter().flatten().collect()
}

fn groups_rows() -> Vec<Row> {
    vec![
        write::<op::CreateLogGroup>(
            &["logs:CreateLogGroup", "logs:TagResource", "logs:TagLogGroup"],
            groups::require_create,
            groups::create,
        ),
        write::<op::DeleteLogGroup>(&["logs:DeleteLogGroup"], groups::require_delete, groups::delete),
        read::<op::DescribeLogGroups>(
            &["logs:DescribeLogGroups"],
            |ask| on_all(ask, "logs:DescribeLogGroups"),
            listing::describe,
        ),
        read::<op::ListLogGroups>(
            &["logs:ListLogGroups"],
            |ask| on_all(ask, "logs:ListLogGroups"),
            listing::list,
        ),
        write::<op::PutRetentionPolicy>(
            &["logs:PutRetentionPolicy"],
            groups::require_put_retention,
            groups::put_retention,
        ),
        write::<op::DeleteRetentionPolicy>(
            &["logs:DeleteRetentionPolicy"],
            groups::require_delete_retention,
            groups::delete_retention,
        ),
        write::<op::PutLogGroupDeletionProtection>(
            &["logs:PutLogGroupDeletionProtection"],
            groups::require_protect,
            groups::protect,
        ),
        write::<op::AssociateKmsKey>(
            &["logs:AssociateKmsKey"],
            kms_keys::require_associate,
            kms_keys::associate,
        ),
        write::<op::DisassociateKmsKey>(
            &["logs:DisassociateKmsKey"],
            kms_keys::require_disassociate,
            kms_keys::disassociate,
        ),
        write::<op::CreateLogStream>(
            &["logs:CreateLogStream"],
            streams::require_create,
            streams::create,
        ),
        write::<op::DeleteLogStream>(
            &["logs:DeleteLogStream"],
            streams::require_delete,
            streams::delete,
        ),
        read::<op::DescribeLogStreams>(
            &["logs:DescribeLogStreams"],
            streams::require_describe,
            streams::describe,
        ),
    ]
}

/// PutLogEvents is in no event history: a task's log would drown everything else there.
fn events_rows() -> Vec<Row> {
    vec![
        act::<op::PutLogEvents>(&["logs:PutLogEvents"], put::require, put::put).as_data_event(),
        act::<op::GetLogEvents>(
            &["logs:GetLogEvents", "logs:Unmask"],
            read::require_get,
            read::get,
        )
        .as_read(),
        act::<op::FilterLogEvents>(
            &["logs:FilterLogEvents", "logs:Unmask"],
            read::require_filter,
            read::filter,
        )
        .as_read(),
        act::<op::StartLiveTail>(&["logs:StartLiveTail"], live_tail::require, live_tail::start).as_read(),
        read::<op::TestMetricFilter>(
            &["logs:TestMetricFilter"],
            |_| Ok(vec![Check::new("logs:TestMetricFilter", "*")]),
            metric_filters::test,
        ),
    ]
}

fn tags_rows() -> Vec<Row> {
    vec![
        write::<op::TagResource>(&["logs:TagResource"], tags::require_tag, tags::tag),
        write::<op::UntagResource>(&["logs:UntagResource"], tags::require_untag, tags::untag),
        read::<op::ListTagsForResource>(&["logs:ListTagsForResource"], tags::require_list, tags::list),
        write::<op::TagLogGroup>(&["logs:TagLogGroup"], tags::require_tag_group, tags::tag_group),
        write::<op::UntagLogGroup>(
            &["logs:UntagLogGroup"],
            tags::require_untag_group,
            tags::untag_group,
        ),
        read::<op::ListTagsLogGroup>(
            &["logs:ListTagsLogGroup"],
            tags::require_list_group,
            tags::list_group,
        ),
    ]
}

fn others_rows() -> Vec<Row> {
    vec![
        write::<op::PutResourcePolicy>(
            &["logs:PutResourcePolicy"],
            |ask| on_all(ask, "logs:PutResourcePolicy"),
            policies::put,
        ),
        write::<op::DeleteResourcePolicy>(
            &["logs:DeleteResourcePolicy"],
            |ask| on_all(ask, "logs:DeleteResourcePolicy"),
            policies::delete,
        ),
        read::<op::DescribeResourcePolicies>(
            &["logs:DescribeResourcePolicies"],
            |ask| on_all(ask, "logs:DescribeResourcePolicies"),
            policies::describe,
        ),
        write::<op::PutSubscriptionFilter>(
            &["logs:PutSubscriptionFilter", "iam:PassRole"],
            subscriptions::require_put,
            subscriptions::put,
        ),
        write::<op::DeleteSubscriptionFilter>(
            &["logs:DeleteSubscriptionFilter"],
            subscriptions::require_delete,
            subscriptions::delete,
        ),
        read::<op::DescribeSubscriptionFilters>(
            &["logs:DescribeSubscriptionFilters"],
            subscriptions::require_describe,
            subscriptions::describe,
        ),
    ]
}
