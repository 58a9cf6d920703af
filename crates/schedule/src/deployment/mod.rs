//! How the deployments of a service proceed (ecs.md 11).
