import Testing
import VARSystem
import VARTestSupport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Files of `/proc` and `/sys` as machines have them, below a folder.
@Suite struct SystemMemoryTests {
  private static let meminfo = """
    MemTotal:        8000000 kB
    MemFree:          100000 kB
    MemAvailable:    7000000 kB
    Cached:          6900000 kB

    """

  private func memory(_ files: [String: String]) throws -> SystemMemory? {
    let folder = TemporaryDirectory()
    for (path, text) in files {
      var parent = ""
      for part in path.split(separator: "/").dropLast() {
        parent += "\(part)/"
        mkdir(folder.file(parent), 0o700)
      }
      folder.write(path, text)
    }
    return SystemMemory.current(root: folder.path)
  }

  @Test func withoutLimitsTheMachineCounts() throws {
    let memory = try #require(try memory(["proc/meminfo": Self.meminfo]))
    #expect(memory.totalBytes == 8_000_000 << 10)
    #expect(memory.availableBytes == 7_000_000 << 10)
    #expect(memory.boundBy == "machine")
  }

  @Test func oldKernelsEstimateNothing() throws {
    let text = "MemTotal: 1000 kB\nMemFree: 300 kB\nCached: 200 kB\n"
    #expect(try memory(["proc/meminfo": text])?.availableBytes == 500 << 10)
    #expect(try memory([:]) == nil)
  }

  private static let version2 = [
    "proc/meminfo": meminfo,
    "proc/self/cgroup": "0::/user.slice/app.scope\n",
    "proc/self/mountinfo":
      "25 22 0:22 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
      + "30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n",
    "sys/fs/cgroup/user.slice/app.scope/memory.max": "max\n",
    "sys/fs/cgroup/user.slice/app.scope/memory.current": "5000\n",
  ]

  @Test func aGroupAboveLimitsTheProcess() throws {
    var files = Self.version2
    #expect(try memory(files)?.boundBy == "machine")
    files["sys/fs/cgroup/user.slice/memory.max"] = "1000000000\n"
    files["sys/fs/cgroup/user.slice/memory.current"] = "700000000\n"
    files["sys/fs/cgroup/user.slice/memory.stat"] =
      "anon 1\ninactive_file 400000000\nactive_file 100000000\n"
    let bound = try #require(try memory(files))
    #expect(bound.totalBytes == 1_000_000_000)
    #expect(bound.availableBytes == 800_000_000)
    #expect(bound.boundBy.hasSuffix("/user.slice"))
    files["sys/fs/cgroup/user.slice/app.scope/memory.high"] = "500000000\n"
    #expect(try memory(files)?.availableBytes == 499_995_000)
  }

  @Test func containersMaySeeOnlyTheirOwnGroup() throws {
    var files = Self.version2
    files["proc/self/cgroup"] = "0::/\n"
    files["proc/self/mountinfo"] =
      "30 25 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n"
    files["sys/fs/cgroup/memory.max"] = "300000000\n"
    files["sys/fs/cgroup/memory.current"] = "0\n"
    #expect(try memory(files)?.availableBytes == 300_000_000)
  }

  @Test func version1HasFilesOfItsOwn() throws {
    let folder = "sys/fs/cgroup/memory/box"
    let memory = try memory([
      "proc/meminfo": Self.meminfo,
      "proc/self/cgroup": "4:memory:/box/inner\n3:cpu,cpuacct:/\n0::/\n",
      "proc/self/mountinfo":
        "31 25 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
        + "32 25 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
      "\(folder)/memory.limit_in_bytes": "2000000\n",
      "\(folder)/memory.usage_in_bytes": "1500000\n",
      "\(folder)/memory.stat": "cache 9\ntotal_inactive_file 400000\ntotal_active_file 0\n",
      "\(folder)/inner/memory.limit_in_bytes": "9223372036854771712\n",
      "\(folder)/inner/memory.usage_in_bytes": "1\n",
    ])
    #expect(memory?.availableBytes == 900_000)
    #expect(memory?.totalBytes == 2_000_000)
  }
}
