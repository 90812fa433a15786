import ArgumentParser
import VARSystem

/// A command that does not exist.
package struct UnknownCommand: Error, CustomStringConvertible {
  package let description: String
}

/// Finds out before the parser does whether the command on a command line exists: the parser takes a misspelled one for
/// an argument too many.
package enum CommandNames {
  /// - Parameter arguments: those of the program, its name left out.
  package static func check(
    _ arguments: [String], of root: any ParsableCommand.Type
  ) throws(UnknownCommand) {
    try check(arguments, of: root, isHelp: false)
  }

  private static func check(
    _ arguments: [String], of root: any ParsableCommand.Type, isHelp: Bool
  ) throws(UnknownCommand) {
    guard let first = arguments.first, !first.hasPrefix("-") else { return }
    let names = root.configuration.subcommands.map { $0._commandName }
    guard !names.contains(first) else { return }
    if first == "help" { return try check(Array(arguments.dropFirst()), of: root, isHelp: true) }
    let nearest = suggestion(for: first, among: names)
    // What is no command may be an argument of the default one.
    if root.configuration.defaultSubcommand != nil, !isHelp {
      guard nearest != nil, !FileTree.exists(first) else { return }
    }
    let program = root._commandName
    throw UnknownCommand(
      description: """
        Error: there is no command '\(first)'\(nearest.map { "; did you mean '\($0)'?" } ?? "")
        Commands: \(names.joined(separator: ", "))
          See '\(program) --help' for more information.
        """)
  }

  /// The one name that a text is the start of, or the nearest within two slips.
  static func suggestion(for text: String, among names: [String]) -> String? {
    let continued = names.filter { $0.hasPrefix(text) }
    if text.count > 1, continued.count == 1 { return continued[0] }
    let limit = min(2, text.count / 2)
    return names.map { (name: $0, slips: slips(text.lowercased(), $0)) }
      .filter { $0.slips <= limit }
      .min { $0.slips < $1.slips }?.name
  }

  /// Letters to put in, leave out, replace or swap with their neighbour, so that one text becomes the other.
  static func slips(_ first: String, _ second: String) -> Int {
    let (a, b) = (Array(first), Array(second))
    var rows = [Array(0...b.count)]
    for i in 0..<a.count {
      var row = [i + 1]
      for j in 0..<b.count {
        var least = min(row[j], rows[i][j + 1]) + 1
        least = min(least, rows[i][j] + (a[i] == b[j] ? 0 : 1))
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
          least = min(least, rows[i - 1][j - 1] + 1)
        }
        row.append(least)
      }
      rows.append(row)
    }
    return rows[a.count][b.count]
  }
}
