/// An input of several files: one after the other, with a zero byte between them, which no text has. The last one may
/// hold anything.
enum Fields {
  /// At most `count` fields; those that the input lacks are nil.
  static func split(_ input: [UInt8], count: Int) -> [[UInt8]?] {
    let parts = input.split(separator: 0, maxSplits: count - 1, omittingEmptySubsequences: false)
    return (0..<count).map { $0 < parts.count ? Array(parts[$0]) : nil }
  }

  static func join(_ fields: [[UInt8]?]) -> [UInt8] {
    Array(fields.map { $0 ?? [] }.joined(separator: [0]))
  }

  /// The files that have content.
  static func files(_ input: [UInt8], named names: [String]) -> [FuzzFile] {
    zip(names, split(input, count: names.count)).compactMap { name, bytes in
      guard let bytes, !bytes.isEmpty else { return nil }
      return FuzzFile(name, bytes)
    }
  }
}
