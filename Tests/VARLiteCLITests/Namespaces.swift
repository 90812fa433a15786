import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Machines that are set up otherwise, as far as a test may set one up.
enum Namespaces {
  /// Whether this process may mount in a namespace of its own.
  static let canMount =
    (try? ProgramRunner(path: "/bin/sh").run([
      "-c", "unshare -rm sh -c 'mount -t tmpfs none /proc && mount -t tmpfs none /mnt'",
    ]))?.status == 0

  static let needsMounts = "needs a user namespace that may mount"

  /// The beginning of a command line that takes root's right to write everywhere away.
  static let withoutRights =
    getuid() == 0 ? "setpriv --bounding-set=-dac_override,-fowner" : ""
}
