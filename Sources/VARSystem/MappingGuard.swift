import CVARSystem

/// What a program does when bytes of a mapped file vanish while it runs: the file was cut short, or its disk failed.
///
/// The system then sends SIGBUS, which ends a program without a word. A library must not change how the process it is
/// in handles signals, so nothing is installed unless the program asks for it.
public enum MappingGuard {
  /// Has the process end with one line on standard error that names file and offset, and an exit code.
  ///
  /// A SIGBUS elsewhere than in a `FileMapping` is handled as before. Call it once, at the start.
  public static func install(program: String, exitStatus: Int32 = 3) {
    cvar_mapping_guard(program, exitStatus)
  }
}
