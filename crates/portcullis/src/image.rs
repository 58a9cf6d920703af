//! The demo's container image, made from this very program and the libraries it is running with: nothing is
//! downloaded and no compiler is needed.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use bollard::Docker;
use bollard::query_parameters::{
    CreateImageOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveImageOptions,
};

/// The image's name.
pub const IMAGE: &str = "portcullis/demo:1";
/// Where the program stands in it.
pub const PROGRAM: &str = "/portcullis";

/// Makes the image in a Docker Engine.
pub async fn make(docker_host: Option<&str>) -> Result<()> {
    let docker = connect(docker_host)?;
    let archive = archive()?;
    let (repository, tag) = IMAGE.split_once(':').unwrap_or((IMAGE, "1"));
    let options = CreateImageOptionsBuilder::new()
        .from_src("-")
        .repo(repository)
        .tag(tag)
        .build();
    let mut progress = docker.create_image(Some(options), Some(bollard::body_full(archive.into())), None);
    while let Some(line) = futures_util::StreamExt::next(&mut progress).await {
        line.context("Docker would not import the demo's image")?;
    }
    Ok(())
}

/// Removes what is left of the demo: stopped containers of the image, and the image.
pub async fn remove(docker_host: Option<&str>) -> Result<()> {
    let docker = connect(docker_host)?;
    let filters = HashMap::from([("ancestor".to_owned(), vec![IMAGE.to_owned()])]);
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters)
        .build();
    for container in docker.list_containers(Some(options)).await? {
        let id = container.id.unwrap_or_default();
        let options = RemoveContainerOptionsBuilder::new().force(true).build();
        docker.remove_container(&id, Some(options)).await?;
    }
    docker
        .remove_image(IMAGE, None::<RemoveImageOptions>, None)
        .await?;
    Ok(())
}

/// A connection to Docker Engine.
pub fn connect(docker_host: Option<&str>) -> Result<Docker> {
    let docker = match docker_host {
        Some(address) => Docker::connect_with_unix(
            address.trim_start_matches("unix://"),
            120,
            bollard::API_DEFAULT_VERSION,
        ),
        None => Docker::connect_with_local_defaults(),
    };
    docker.context("Docker cannot be reached")
}

/// A tar archive of the root file system.
fn archive() -> Result<Vec<u8>> {
    let program = std::env::current_exe().context("the path of this program is unknown")?;
    let mut archive = tar::Builder::new(Vec::new());
    add(&mut archive, &program, Path::new(PROGRAM))?;
    for library in libraries(&fs::read_to_string("/proc/self/maps")?) {
        add(&mut archive, &library, &library)?;
    }
    for directory in ["tmp/", "etc/"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        header.set_size(0);
        header.set_cksum();
        archive.append_data(&mut header, directory, std::io::empty())?;
    }
    add_interpreter(&mut archive)?;
    Ok(archive.into_inner()?)
}

fn add(archive: &mut tar::Builder<Vec<u8>>, from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("{} cannot be read", from.display()))?;
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o755);
    header.set_size(u64::try_from(bytes.len())?);
    header.set_cksum();
    archive.append_data(&mut header, to.strip_prefix("/").unwrap_or(to), bytes.as_slice())?;
    Ok(())
}

/// The program names its loader by a fixed path; the file mapped at run time is often another name of the same file.
fn add_interpreter(archive: &mut tar::Builder<Vec<u8>>) -> Result<()> {
    const LOADERS: [&str; 2] = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];
    let present: Vec<_> = LOADERS
        .iter()
        .map(Path::new)
        .filter(|path| path.exists())
        .collect();
    ensure!(
        !present.is_empty(),
        "the program loader of this machine was not found"
    );
    for loader in present {
        add(archive, loader, loader)?;
    }
    Ok(())
}

/// The shared libraries mapped into a process.
fn libraries(maps: &str) -> BTreeSet<PathBuf> {
    let paths = maps
        .lines()
        .filter_map(|line| line.find('/').and_then(|start| line.get(start..)));
    paths
        .filter(|path| path.contains(".so"))
        .map(PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_found_once_each() {
        let maps = "7f00-7f01 r-xp 00000000 08:01 42  /usr/lib/x86_64-linux-gnu/libc.so.6\n\
                    7f02-7f03 r--p 00000000 08:01 42  /usr/lib/x86_64-linux-gnu/libc.so.6\n\
                    5500-5501 r-xp 00000000 08:01 43  /opt/portcullis\n\
                    7ffe-7fff rw-p 00000000 00:00 0   [stack]\n";
        let found: Vec<_> = libraries(maps).into_iter().collect();
        assert_eq!(found, [PathBuf::from("/usr/lib/x86_64-linux-gnu/libc.so.6")]);
    }
}
