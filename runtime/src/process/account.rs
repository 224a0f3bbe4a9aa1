//! Users of a container, looked up in its own `/etc/passwd` and `/etc/group`, which are foreign bytes: lines that do
//! not parse are passed over, and files above a bound are refused.

use std::ffi::CString;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::failure::{Failure, during};
use crate::rootfs::path;

/// Longest `/etc/passwd` and `/etc/group` that is read.
const LIMIT: usize = 1024 * 1024;
/// Groups of one user, at most; the kernel's own bound is higher.
const MAX_GROUPS: usize = 256;
/// The highest id that a session maps.
const LAST_ID: u32 = 65_535;

/// A user of the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name; the number as text where it has none.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
    /// Home folder.
    pub home: PathBuf,
    /// Login shell.
    pub shell: String,
}

impl Account {
    /// Root, as it is where the container has no `/etc/passwd`.
    pub fn root() -> Self {
        Self::bare(0, 0)
    }

    fn bare(uid: u32, gid: u32) -> Self {
        let (name, home) = if uid == 0 { ("root".to_owned(), "/root") } else { (uid.to_string(), "/") };
        Self { name, uid, gid, groups: Vec::new(), home: home.into(), shell: "/bin/sh".to_owned() }
    }

    /// The shell's path, and its argv as a login shell: the name begins with a hyphen.
    ///
    /// # Errors
    /// When the shell's name cannot be an argument.
    pub fn login_shell(&self) -> Result<(String, Vec<CString>), Failure> {
        let name = self.shell.rsplit('/').next().unwrap_or("sh");
        let argument =
            CString::new(format!("-{name}")).map_err(|_| during("use the login shell")(Errno::EINVAL))?;
        Ok((self.shell.clone(), vec![argument]))
    }
}

/// Looks up `name`, `uid`, `name:group` or `uid:gid`.
///
/// # Errors
/// `ENOENT` when there is no such user or group.
pub fn find(root: BorrowedFd<'_>, wanted: &str) -> Result<Account, Failure> {
    let (user, group) = match wanted.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (wanted, None),
    };
    let users = read(root, "/etc/passwd")?;
    let groups = read(root, "/etc/group")?;
    let account = find_in(&users, &groups, user, group);
    account.ok_or_else(|| during(format!("find user `{}`", wanted.escape_debug()))(Errno::ENOENT))
}

fn read(root: BorrowedFd<'_>, file: &str) -> Result<String, Failure> {
    match path::read_file(root, Path::new(file), LIMIT) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(Errno::ENOENT) => Ok(String::new()),
        Err(errno) => Err(during(format!("read `{file}`"))(errno)),
    }
}

fn find_in(users: &str, groups: &str, user: &str, group: Option<&str>) -> Option<Account> {
    let number = user.parse::<u32>().ok().filter(|uid| *uid <= LAST_ID);
    let listed = users.lines().filter_map(parse_user);
    let is_meant = |account: &Account| account.name == user || number == Some(account.uid);
    let mut account =
        listed.into_iter().find(is_meant).or_else(|| number.map(|uid| Account::bare(uid, 0)))?;
    match group {
        Some(group) => account.gid = find_group(groups, group)?,
        None => account.groups = groups_of(groups, &account.name),
    }
    Some(account)
}

/// `name:password:uid:gid:comment:home:shell`
fn parse_user(line: &str) -> Option<Account> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let (uid, gid) = (id(fields.nth(1)?)?, id(fields.next()?)?);
    let home = fields.nth(1).filter(|home| home.starts_with('/')).unwrap_or("/");
    let shell = fields.next().filter(|shell| shell.starts_with('/')).unwrap_or("/bin/sh");
    Some(Account {
        name: name.to_owned(),
        uid,
        gid,
        groups: Vec::new(),
        home: home.into(),
        shell: shell.to_owned(),
    })
}

/// `name:password:gid:members`
fn parse_group(line: &str) -> Option<(&str, u32, &str)> {
    let mut fields = line.split(':');
    let name = fields.next()?;
    let gid = id(fields.nth(1)?)?;
    Some((name, gid, fields.next().unwrap_or_default()))
}

fn find_group(groups: &str, wanted: &str) -> Option<u32> {
    let named =
        groups.lines().filter_map(parse_group).find(|(name, ..)| *name == wanted).map(|(_, gid, _)| gid);
    named.or_else(|| id(wanted))
}

fn groups_of(groups: &str, user: &str) -> Vec<u32> {
    let has_user = |members: &str| members.split(',').any(|member| member == user);
    let of_user = groups.lines().filter_map(parse_group).filter(|(.., members)| has_user(members));
    of_user.map(|(_, gid, _)| gid).take(MAX_GROUPS).collect()
}

fn id(text: &str) -> Option<u32> {
    text.parse().ok().filter(|id| *id <= LAST_ID)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const USERS: &str =
        "root:x:0:0:root:/root:/bin/bash\nann:x:1001:1001:Ann:/home/ann:/bin/sh\nold:x:70000:1::/:/bin/sh\n";
    const GROUPS: &str = "root:x:0:\nsudo:x:27:ann,learner\nann:x:1001:\nvideo:x:44:bob,ann\n";

    fn look_up(wanted: &str) -> Option<Account> {
        let (user, group) =
            wanted.split_once(':').map_or((wanted, None), |(user, group)| (user, Some(group)));
        find_in(USERS, GROUPS, user, group)
    }

    #[test]
    fn a_user_is_found_by_name_and_number() {
        let ann = look_up("ann").unwrap();
        assert_eq!((ann.uid, ann.gid, ann.groups.as_slice()), (1001, 1001, [27, 44].as_slice()));
        assert_eq!(look_up("1001"), Some(ann));
        assert_eq!(look_up("0").unwrap().shell, "/bin/bash");
    }

    #[test]
    fn a_given_group_takes_the_place_of_the_users_own() {
        let ann = look_up("ann:video").unwrap();
        assert_eq!((ann.uid, ann.gid, ann.groups.as_slice()), (1001, 44, [].as_slice()));
        assert_eq!(look_up("ann:5").unwrap().gid, 5);
        assert_eq!(look_up("ann:nowhere"), None);
    }

    #[test]
    fn numbers_need_no_entry_but_must_be_mapped() {
        assert_eq!(look_up("4711").unwrap().home, Path::new("/"));
        assert_eq!(look_up("70000"), None);
        assert_eq!(look_up("old"), None);
        assert_eq!(look_up("nobody"), None);
        assert_eq!(look_up(""), None);
    }

    #[test]
    fn a_login_shell_is_marked() {
        let (file, args) = look_up("root").unwrap().login_shell().unwrap();
        assert_eq!((file.as_str(), args.as_slice()), ("/bin/bash", [c"-bash".to_owned()].as_slice()));
    }

    proptest! {
        /// Whatever stands in the files, an account has mapped ids and absolute paths.
        #[test]
        fn foreign_files_give_sound_accounts(users in "([a-c:x\n/0-9]|\\PC){0,80}", groups in "[a-c:x,\n0-9]{0,80}", user in "[a-c0-9]{0,5}") {
            if let Some(account) = find_in(&users, &groups, &user, None) {
                prop_assert!(account.uid <= LAST_ID && account.gid <= LAST_ID);
                prop_assert!(account.groups.iter().all(|gid| *gid <= LAST_ID) && account.groups.len() <= MAX_GROUPS);
                prop_assert!(account.home.is_absolute() && account.shell.starts_with('/'));
            }
        }
    }
}
