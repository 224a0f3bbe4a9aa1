//! Huge pages (config-linux.md, "Huge page limits").

use oci_spec::runtime::LinuxHugepageLimit;

use super::file::{exists, write};
use super::{ContainerGroup, With};
use crate::cgroup::Error;

/// The reservation is limited as well where the kernel can: a fault beyond the plain limit would end the program.
pub(super) fn set(group: &ContainerGroup, limits: &[LinuxHugepageLimit]) -> Result<(), Error> {
    for limit in limits {
        let (size, value) = (limit.page_size(), limit.limit().to_string());
        let (folder, file, reserved) = match group.needed("hugetlb")? {
            With::First(folder) => (
                folder,
                format!("hugetlb.{size}.limit_in_bytes"),
                format!("hugetlb.{size}.rsvd.limit_in_bytes"),
            ),
            With::Second(folder) => {
                (folder, format!("hugetlb.{size}.max"), format!("hugetlb.{size}.rsvd.max"))
            }
        };
        write(folder, &file, &value)?;
        if exists(folder, &reserved) {
            write(folder, &reserved, &value)?;
        }
    }
    Ok(())
}
