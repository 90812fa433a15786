import CVARProgram
import VARSystem

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The limits that a shell or a service manager sets on a program (`ulimit`).
package enum ProgramLimits {
  /// What a program takes before it can say what it lacks.
  private static let leastRoomBytes = 8 << 20

  /// Runs a program's work so that no limit ends it by a signal.
  ///
  /// - Parameters:
  ///   - program: begins the line that tells of a limit.
  ///   - body: all of the work.
  package static func run(_ program: StaticString, _ body: @convention(c) () -> Void) {
    let name = "\(program)"
    if cvar_program_has_memory_limit() != 0, let room = ProcessMemory.room(),
      room < leastRoomBytes
    {
      let line = "\(name): the limit on memory (ulimit -v, -d) leaves \(room >> 20) MiB; raise it\n"
      _ = line.withCString { write(STDERR_FILENO, $0, strlen($0)) }
      exit(4)
    }
    guard let copy = strdup(name) else { return body() }
    cvar_program_run(copy, body)
  }
}
