import CVARProgram

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// A text that whoever starts a program hands over and that is none.
package struct NotText: Error, Equatable, CustomStringConvertible {
  /// One line: which text, and what it looks like.
  package let description: String
}

/// The texts that a program is started with.
///
/// Each is UTF-8 or refused: a repaired name is the name of another file.
package enum ProgramInput {
  /// The arguments behind the program's name, from `main` and not from `/proc`.
  ///
  /// - Throws: `NotText` for the first that is not UTF-8.
  package static func arguments() throws(NotText) -> [String] {
    guard let first = cvar_program_arguments() else {
      return Array(CommandLine.arguments.dropFirst())
    }
    var texts: [String] = []
    var index = 0
    while let argument = first[index] {
      defer { index += 1 }
      // A program may be started without even its name.
      if index > 0 { texts.append(try text(argument, "argument \(index)")) }
    }
    return texts
  }

  /// The value of a variable of the environment; nil where it is unset or empty.
  ///
  /// - Throws: `NotText` where it is not UTF-8.
  package static func variable(_ name: String) throws(NotText) -> String? {
    guard let value = getenv(name) else { return nil }
    let text = try text(value, "the environment variable \(name)")
    return text.isEmpty ? nil : text
  }

  /// The path that was executed, else the program's name; nil where neither is known.
  package static var program: [CChar]? {
    guard let path = cvar_program_file() ?? cvar_program_arguments()?[0] else { return nil }
    return Array(UnsafeBufferPointer(start: path, count: strlen(path) + 1))
  }

  private static func text(
    _ bytes: UnsafePointer<CChar>, _ place: String
  ) throws(NotText) -> String {
    guard let text = String(validatingCString: bytes) else {
      throw NotText(
        description:
          "\(place) is not UTF-8: \(String(cString: bytes)); rename what it names")
    }
    return text
  }
}

/// A program that needs a command was started with none.
package struct NoCommand: Error, CustomStringConvertible {
  /// What to do, and the program's help.
  package let description: String

  /// - Parameter help: names the commands.
  package init(help: String) { description = "name a command\n\n\(help)" }
}
