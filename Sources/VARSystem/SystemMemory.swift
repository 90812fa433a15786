/// The memory that the system has, and what limits this process's share of it.
public struct SystemMemory: Sendable, Equatable {
  /// Bytes of the machine, or of the tightest limit of a container where that is less.
  public let totalBytes: Int
  /// Bytes that this process can take without swapping: free ones and those that caches give back.
  public let availableBytes: Int
  /// What sets the bound: `machine`, or the folder of the control group.
  public let boundBy: String

  /// Reads `/proc/meminfo` and the memory limits of control groups, versions 1 and 2, from this process's own group up
  /// to the root. Without `/proc` the kernel is asked, which does not count what caches would give back, and the limits
  /// are those of the group that a container sees as its root.
  ///
  /// - Parameter root: stands before every path that is read; of another tree than the machine's own the kernel tells
  ///   nothing.
  /// - Returns: nil where nothing tells how much memory there is.
  public static func current(root: String = "") -> SystemMemory? {
    guard let machine = machine(root: root) else { return nil }
    return ControlGroups.limits(root: root).reduce(machine) { tightest, limit in
      limit.availableBytes < tightest.availableBytes ? limit : tightest
    }
  }

  private static func machine(root: String) -> SystemMemory? {
    guard let text = SystemFile.text(root + "/proc/meminfo") else {
      return root.isEmpty ? kernel() : nil
    }
    let values = SystemFile.counts(text)
    guard let total = values["MemTotal:"] else { return nil }
    // Kernels before 3.14 do not estimate what is available.
    let available =
      values["MemAvailable:"] ?? (values["MemFree:"] ?? 0) + (values["Cached:"] ?? 0)
    return SystemMemory(
      totalBytes: total << 10, availableBytes: available << 10, boundBy: "machine")
  }

  /// What `sysinfo` tells.
  static func kernel() -> SystemMemory? {
    ProcessMemory.machine().map {
      SystemMemory(totalBytes: $0.totalBytes, availableBytes: $0.freeBytes, boundBy: "machine")
    }
  }
}

/// The memory limits of control groups along a process's path.
private enum ControlGroups {
  /// Where the groups of a version are found, and what its files are called.
  private struct Hierarchy {
    let fileSystem, controller: String
    let limits: [String]
    let usage: String
    let cachePrefix: String
    /// Where systems mount it.
    let usualPlace: String
  }

  private static let hierarchies = [
    Hierarchy(
      fileSystem: "cgroup2", controller: "", limits: ["memory.max", "memory.high"],
      usage: "memory.current", cachePrefix: "", usualPlace: "/sys/fs/cgroup"),
    Hierarchy(
      fileSystem: "cgroup", controller: "memory", limits: ["memory.limit_in_bytes"],
      usage: "memory.usage_in_bytes", cachePrefix: "total_", usualPlace: "/sys/fs/cgroup/memory"),
  ]

  static func limits(root: String) -> [SystemMemory] {
    guard let groups = SystemFile.text(root + "/proc/self/cgroup"),
      let mounts = SystemFile.text(root + "/proc/self/mountinfo")
    else { return hierarchies.compactMap { limit(of: root + $0.usualPlace, $0) } }
    return hierarchies.flatMap { hierarchy -> [SystemMemory] in
      guard let mount = mount(of: hierarchy, in: mounts),
        let path = path(of: hierarchy, in: groups)
      else { return [] }
      return folders(mount, path).compactMap { limit(of: root + $0, hierarchy) }
    }
  }

  /// The root that a mount shows, and where.
  private static func mount(
    of hierarchy: Hierarchy, in mounts: String
  ) -> (shown: String, at: String)? {
    for line in mounts.split(separator: "\n") {
      let fields = line.split(separator: " ")
      guard let separator = fields.firstIndex(of: "-"), separator + 3 < fields.count,
        fields[separator + 1] == hierarchy.fileSystem, separator >= 5
      else { continue }
      let options = fields[separator + 3].split(separator: ",")
      guard hierarchy.controller.isEmpty || options.contains(Substring(hierarchy.controller))
      else { continue }
      return (String(fields[3]), String(fields[4]))
    }
    return nil
  }

  private static func path(of hierarchy: Hierarchy, in groups: String) -> String? {
    for line in groups.split(separator: "\n") {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      let controllers = fields[1].split(separator: ",")
      let isOwn =
        hierarchy.controller.isEmpty
        ? fields[0] == "0" && fields[1].isEmpty
        : controllers.contains(Substring(hierarchy.controller))
      if isOwn { return String(fields[2]) }
    }
    return nil
  }

  /// The process's group and those above it, as far as the mount shows them.
  private static func folders(_ mount: (shown: String, at: String), _ path: String) -> [String] {
    let shown = mount.shown == "/" ? "" : mount.shown
    // A container may see only its own group, under a path that means nothing inside.
    guard path == shown || path.hasPrefix(shown + "/") else { return [mount.at] }
    var folders = [mount.at]
    for part in path.dropFirst(shown.count).split(separator: "/") {
      folders.append(folders[folders.count - 1] + "/" + part)
    }
    return folders
  }

  private static func limit(of folder: String, _ hierarchy: Hierarchy) -> SystemMemory? {
    let limits = hierarchy.limits.compactMap { name in
      SystemFile.text(folder + "/" + name).flatMap { Int($0.prefix { !$0.isNewline }) }
    }
    // Version 1 says "no limit" with a number next to the largest.
    guard let limit = limits.min(), limit < 1 << 60 else { return nil }
    let usage = SystemFile.text(folder + "/" + hierarchy.usage)
    let used = usage.flatMap { Int($0.prefix { !$0.isNewline }) } ?? 0
    let counts = SystemFile.counts(SystemFile.text(folder + "/memory.stat") ?? "")
    // The cache of files counts as used, and is given back when memory is wanted.
    let cached = ["inactive_file", "active_file"].reduce(0) {
      $0 + (counts[hierarchy.cachePrefix + $1] ?? 0)
    }
    return SystemMemory(
      totalBytes: limit, availableBytes: max(0, limit - max(0, used - cached)), boundBy: folder)
  }
}
