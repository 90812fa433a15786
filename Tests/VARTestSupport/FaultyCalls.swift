#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// System calls that fail as they do on file systems and in sandboxes that lack them.
///
/// A library that is loaded before the C library takes the calls' place; it is compiled for the tests.
public enum FaultyCalls {
  /// A call that can be made to fail.
  public enum Call: String, Sendable {
    case fsync, fdatasync, flock, sysinfo
    /// Flushing a folder.
    case fsyncFolder
    /// Mapping a file that is shared with others, and mapping any file.
    case mmapShared, mmapFile
  }

  public static let isAvailable = library != nil
  public static let need = "there is no C compiler, so no call can be made to fail"

  /// What a program's environment holds so that calls fail with an `errno`.
  public static func environment(_ failures: [Call: Int32]) throws -> [String] {
    guard let library else { throw FixtureError(need) }
    return ["LD_PRELOAD=\(library)"] + failures.map { "FAULT_\($0.key.rawValue)=\($0.value)" }
  }

  private nonisolated(unsafe) static var folder: TemporaryDirectory?

  private static let library: String? = {
    let folder = TemporaryDirectory()
    Self.folder = folder
    atexit { FaultyCalls.folder = nil }
    folder.write("faulty_calls.c", source)
    var runner = ProgramRunner(path: "/bin/sh")
    runner.environment = ["PATH=\(getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin")"]
    let library = folder.file("faulty_calls.so")
    let result = try? runner.run([
      "-c",
      """
      for c in cc clang gcc; do
        command -v $c >/dev/null && exec $c -shared -fPIC -o "$1" "$0"
      done
      exit 1
      """,
      folder.file("faulty_calls.c"), library,
    ])
    return result?.status == 0 ? library : nil
  }()

  private static let source = """
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <errno.h>
    #include <stdlib.h>
    #include <sys/mman.h>
    #include <sys/stat.h>
    #include <sys/sysinfo.h>
    #include <sys/types.h>

    static int fails(const char *name) {
      const char *value = getenv(name);
      if (value) errno = atoi(value);
      return value != NULL;
    }

    #define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

    static int is_folder(int file) {
      struct stat status;
      return fstat(file, &status) == 0 && S_ISDIR(status.st_mode);
    }

    int fsync(int file) {
      if (is_folder(file) && fails("FAULT_fsyncFolder")) return -1;
      return fails("FAULT_fsync") ? -1 : REAL(fsync)(file);
    }
    int fdatasync(int file) { return fails("FAULT_fdatasync") ? -1 : REAL(fdatasync)(file); }
    int flock(int file, int how) {
      return fails("FAULT_flock") ? -1 : ((int (*)(int, int))dlsym(RTLD_NEXT, "flock"))(file, how);
    }
    int sysinfo(struct sysinfo *info) { return fails("FAULT_sysinfo") ? -1 : REAL(sysinfo)(info); }

    static int cannot_map(int protection, int flags, int file) {
      if (file < 0 || protection != PROT_READ) return 0;
      if ((flags & MAP_TYPE) == MAP_SHARED && fails("FAULT_mmapShared")) return 1;
      return fails("FAULT_mmapFile");
    }

    void *mmap(void *at, size_t count, int protection, int flags, int file, off_t offset) {
      if (cannot_map(protection, flags, file)) return MAP_FAILED;
      return REAL(mmap)(at, count, protection, flags, file, offset);
    }

    void *mmap64(void *at, size_t count, int protection, int flags, int file, off64_t offset) {
      if (cannot_map(protection, flags, file)) return MAP_FAILED;
      return REAL(mmap64)(at, count, protection, flags, file, offset);
    }
    """
}
