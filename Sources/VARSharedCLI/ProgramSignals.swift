import CVARProgram

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// How a program takes the signals that want it to end.
package enum ProgramSignals {
  /// Has `handler` called for SIGINT, SIGTERM and SIGHUP, but for those that the program was started to ignore, and
  /// lets writes that fail say so.
  ///
  /// - Parameter handler: runs within the signal: it may set a flag or end the process, and nothing else.
  package static func install(_ handler: @convention(c) (Int32) -> Void) {
    cvar_program_catch_interrupts(handler)
    // A reader that goes away and a file that grows too large are errors of the write, not a reason to die.
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
  }
}
