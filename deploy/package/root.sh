# Sourced by the tests of packages: a throw-away root, which is this system with
# a layer on top that is gone in the end. A pushgateway that is installed on
# this system is not in that root, and is left alone. Needs root, and a
# namespace of its own for mounts, network and processes.

# make_root makes the root in $top/root.
make_root() {
  top=$(mktemp -d)
  mount -t tmpfs tmpfs "$top"
  mkdir "$top"/{upper,work,root}
  mount -t overlay overlay -o "lowerdir=/,upperdir=$top/upper,workdir=$top/work" "$top/root"
  mount -t proc proc "$top/root/proc"
  mkdir -p "$top/root/run" "$top/root/packages"
  mount -t tmpfs tmpfs "$top/root/run" # no systemd to talk to
  ip link set lo up
}
in_root() { chroot "$top/root" "$@"; }
fail() { echo "test: $*" >&2; exit 1; }

# forget removes what this system has of the package. No script of the package
# runs, nor does systemctl: a failure of an old one is none of the new one.
forget() {
  rm -f "$top/root"/var/lib/dpkg/info/pushgateway.{preinst,postinst,prerm,postrm}
  ! in_root dpkg-query --show pushgateway >/dev/null 2>&1 || in_root dpkg --purge --force-remove-reinstreq pushgateway
  ! in_root rpm --query pushgateway >/dev/null 2>&1 || in_root rpm --erase --noscripts pushgateway
  rm -rf "$top/root"/{usr/bin,var/lib,etc/default}/pushgateway
  rm -rf "$top/root"/etc/default/pushgateway.taken-over "$top/root"/etc/systemd/system/{pushgateway.service.d,prometheus-pushgateway.service}
  ! in_root id pushgateway >/dev/null 2>&1 || in_root userdel pushgateway
}
